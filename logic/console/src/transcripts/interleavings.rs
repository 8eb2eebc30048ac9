//! All orders in which two domains and the hypervisor can write short scripts.
//!
//! Whatever the order: each line on the wire is of one writer, whole lines are never torn, and each
//! writer's own bytes are all there, in order.

use super::bench::{Bench, D1, D2};

const RAW: [&[u8]; 5] = [b"1a", b"1b\r", b"\n", b"1c", b"1d\r\n"];
const LINES: [&[u8]; 4] = [b"2a", b"2b\n", b"2c\r\n", b"2d\n"];
const MESSAGES: [&str; 3] = ["Xa", "Xb", "Xc"];

#[derive(Clone, Copy)]
enum Writer {
    Focused,
    Other,
    Hypervisor,
}

/// Every order of the three scripts, each in its own order.
fn orders(left: [usize; 3], begun: &mut Vec<Writer>, visit: &mut impl FnMut(&[Writer])) {
    if left == [0; 3] {
        return visit(begun);
    }
    for (index, writer) in [Writer::Focused, Writer::Other, Writer::Hypervisor]
        .into_iter()
        .enumerate()
    {
        let mut rest = left;
        if let Some(fewer) = rest[index].checked_sub(1) {
            rest[index] = fewer;
            begun.push(writer);
            orders(rest, begun, visit);
            begun.pop();
        }
    }
}

fn run(order: &[Writer]) -> String {
    let mut bench = Bench::new();
    bench.focus(D1);
    let mut next = [0; 3];
    for writer in order {
        let step = next[*writer as usize];
        next[*writer as usize] += 1;
        match writer {
            Writer::Focused => bench.guest(D1, RAW[step]),
            Writer::Other => bench.guest(D2, LINES[step]),
            Writer::Hypervisor => bench.message(MESSAGES[step]),
        }
    }
    String::from_utf8(bench.take()).unwrap()
}

#[test]
fn no_order_mixes_two_writers_in_a_line() {
    let mut count = 0;
    orders(
        [RAW.len(), LINES.len(), MESSAGES.len()],
        &mut Vec::new(),
        &mut |order| {
            count += 1;
            let wire = run(order);
            let (mut raw, mut others, mut messages) = (String::new(), Vec::new(), Vec::new());
            for line in wire.split_terminator('\n') {
                let line = line.trim_end_matches('\r');
                if let Some(text) = line.strip_prefix("(XEN) DOM2: ") {
                    others.push(text);
                } else if let Some(text) = line.strip_prefix("(XEN) ") {
                    messages.push(text);
                } else {
                    raw += line;
                }
            }
            assert_eq!(raw, "1a1b1c1d", "{wire:?}");
            assert_eq!(others, ["2a2b", "2c", "2d"], "{wire:?}");
            assert_eq!(messages, MESSAGES, "{wire:?}");
            assert!(
                !wire.contains("\r\n\r\n"),
                "an empty line appeared: {wire:?}"
            );
        },
    );
    assert_eq!(count, 27_720);
}

#[test]
fn three_of_the_orders_are_byte_exact() {
    use Writer::{Focused as F, Hypervisor as H, Other as O};
    for (order, expected) in [
        (
            vec![F, F, F, F, F, O, O, O, O, H, H, H],
            "1a1b\r\n1c1d\r\n(XEN) DOM2: 2a2b\r\n(XEN) DOM2: 2c\r\n(XEN) DOM2: 2d\r\n\
             (XEN) Xa\r\n(XEN) Xb\r\n(XEN) Xc\r\n",
        ),
        (
            vec![O, F, O, F, H, F, F, H, O, F, O, H],
            "1a\r\n(XEN) DOM2: 2a2b\r\n1b\r\r\n(XEN) Xa\r\n\n1c\r\n(XEN) Xb\r\n\
             (XEN) DOM2: 2c\r\n1d\r\n(XEN) DOM2: 2d\r\n(XEN) Xc\r\n",
        ),
        (
            vec![F, H, F, F, F, O, H, O, H, F, O, O],
            "1a\r\n(XEN) Xa\r\n1b\r\n1c\r\n(XEN) Xb\r\n(XEN) DOM2: 2a2b\r\n(XEN) Xc\r\n\
             1d\r\n(XEN) DOM2: 2c\r\n(XEN) DOM2: 2d\r\n",
        ),
    ] {
        assert_eq!(run(&order), expected);
    }
}
