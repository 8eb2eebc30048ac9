//! Byte-exact transcripts of what several writers leave on one wire.

mod bench;
mod interleavings;

use bench::{Bench, D1, D2};

use crate::{FocusedPrefix, Now, Prefix, Stamp, TEXT_MAX, Timestamps};

#[test]
fn without_focus_output_comes_in_prefixed_lines() {
    let mut bench = Bench::new();
    bench.guest(D1, b"Linux ver");
    bench.expect("");
    bench.guest(D1, b"sion 6.12\r\n\r\nnext");
    bench.expect("(XEN) DOM1: Linux version 6.12\r\n(XEN) DOM1: \r\n");
}

#[test]
fn the_time_stands_between_tag_and_domain() {
    let mut bench = Bench::new();
    bench.stamp = Stamp {
        style: Timestamps::Boot,
        now: Now {
            boot_ns: 2_000_001_000,
            ..Now::default()
        },
    };
    bench.guest(D1, b"up\n");
    bench.message("hello");
    bench.expect("(XEN) [    2.000001] DOM1: up\r\n(XEN) [    2.000001] hello\r\n");
}

#[test]
fn a_long_line_is_cut_every_128_characters() {
    for (length, lines) in [(127, 1), (128, 1), (129, 2), (256, 2), (257, 3), (4096, 32)] {
        let mut bench = Bench::new();
        bench.guest(D1, &vec![b'a'; length]);
        bench.guest(D1, b"\n");
        let mut expected = String::new();
        let mut left = length;
        for _ in 0..lines {
            let text = "a".repeat(left.min(TEXT_MAX));
            left -= text.len();
            expected += &format!("(XEN) DOM1: {text}\r\n");
        }
        assert_eq!(left, 0);
        bench.expect(&expected);
    }
}

#[test]
fn control_bytes_of_an_unfocused_domain_vanish() {
    let mut bench = Bench::new();
    for byte in (0..=u8::MAX).filter(|byte| *byte != b'\n') {
        bench.guest(D1, &[byte]);
    }
    bench.guest(D1, b"\n");
    let printable: String = (' '..='~').collect();
    bench.expect(&format!("(XEN) DOM1: \t{printable}\r\n"));
    bench.guest(D1, b"\x1b[31m<0>red %n\x1b]0;title\x07\0\xff\n");
    bench.expect("(XEN) DOM1: [31m<0>red %n]0;title\r\n");
}

#[test]
fn with_focus_every_byte_is_raw_and_at_once() {
    let mut bench = Bench::new();
    bench.focus(D1);
    bench.guest(D1, b"\x1b[1m");
    bench.expect("\x1b[1m");
    let all: Vec<u8> = (0..=u8::MAX).collect();
    bench.guest(D1, &all);
    assert_eq!(bench.take(), all);
}

#[test]
fn with_focus_and_xens_prefix_lines_are_marked() {
    let mut bench = Bench::with(FocusedPrefix::Xen, Prefix::Uart);
    bench.focus(D1);
    bench.guest(D1, b"one\r\ntw");
    bench.guest(D1, b"o\r\n");
    bench.expect("(XEN) one\r\n(XEN) two\r\n");
    bench.guest(D1, b"open");
    bench.focus(D2);
    bench.guest(D1, b"three\n");
    bench.focus(D1);
    bench.guest(D1, b"four\n");
    bench.expect("(XEN) open\r\n(XEN) DOM1: three\r\n(XEN) four\n");
}

#[test]
fn console_io_lines_carry_the_domain_alone() {
    let mut bench = Bench::with(FocusedPrefix::None, Prefix::Domain);
    bench.guest(D1, b"text\n");
    bench.expect("(d1) text\r\n");
    bench.focus(D1);
    bench.guest(D1, b"raw\n");
    bench.expect("raw\n");
}

#[test]
fn gaining_the_focus_ends_the_collected_line_first() {
    let mut bench = Bench::new();
    bench.guest(D1, b"login: ");
    bench.focus(D1);
    bench.guest(D1, b"r");
    bench.expect("(XEN) DOM1: login: \r\nr");
    bench.guest(D1, b"oot\r\n");
    bench.expect("oot\r\n");
}

#[test]
fn losing_the_focus_in_a_line_goes_on_in_lines() {
    let mut bench = Bench::new();
    bench.focus(D1);
    bench.guest(D1, b"raw ");
    bench.focus(D2);
    bench.message("*** Serial input to DOM2");
    bench.guest(D1, b"rest\r\n");
    bench.guest(D2, b"# ");
    bench.guest(D1, b"more\r\n");
    bench.guest(D2, b"ls\r\n");
    bench.expect(concat!(
        "raw \r\n(XEN) *** Serial input to DOM2\r\n(XEN) DOM1: rest\r\n",
        "# \r\n(XEN) DOM1: more\r\nls\r\n"
    ));
}

#[test]
fn a_message_that_was_cut_does_not_run_into_the_next_line() {
    let mut bench = Bench::new();
    bench.message(&"x".repeat(300));
    bench.message("next");
    let cut = "x".repeat(250);
    bench.expect(&format!("(XEN) {cut}\r\n(XEN) next\r\n"));
}

#[test]
fn the_last_words_of_a_domain_are_not_lost() {
    let mut bench = Bench::new();
    bench.guest(D1, b"reboot: Power down");
    bench.end(D1);
    bench.end(D1);
    bench.expect("(XEN) DOM1: reboot: Power down\r\n");
}
