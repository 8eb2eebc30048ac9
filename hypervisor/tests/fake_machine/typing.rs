//! The serial line: who is heard, and who gets what is typed.

use abi::arm::{VPL011, VPL011_INTERRUPT};

use crate::bench::{Bench, Setup, Who};

const A: Who = (1, 0);
const B: Who = (2, 0);
const DR: u64 = 0x00;
const FR: u64 = 0x18;
const IMSC: u64 = 0x38;
const MIS: u64 = 0x40;
const FR_RX_EMPTY: u32 = 1 << 4;
const FR_TX_FULL: u32 = 1 << 5;
/// RXIM and RTIM.
const INT_RX: u32 = 1 << 4 | 1 << 6;
const SWITCH: &str = "\x01\x01\x01";

fn booted() -> Bench {
    let mut bench = Setup::two().boot();
    bench.output();
    bench
}

fn uart(bench: &mut Bench, who: Who, register: u64) -> u32 {
    bench.load(who, VPL011.start() + register)
}

/// What `who` reads until its UART is empty.
fn received(bench: &mut Bench, who: Who) -> String {
    let mut text = String::new();
    while uart(bench, who, FR) & FR_RX_EMPTY == 0 {
        text.push(char::from(uart(bench, who, DR) as u8));
    }
    text
}

#[test]
fn the_focus_is_on_the_first_domain_after_the_boot() {
    let mut bench = Setup::two().boot();
    let boot = bench.output();
    let last = boot.lines().last();
    assert_eq!(
        last,
        Some("(XEN) *** Serial input to DOM1 (type 'CTRL-a' three times to switch input)")
    );
}

#[test]
fn the_focused_domain_writes_raw_and_the_other_in_lines() {
    let mut bench = booted();
    bench.print(A, "raw");
    assert_eq!(bench.output(), "raw", "at once");
    bench.print(A, "\n");
    bench.output();
    bench.print(B, "hel");
    assert_eq!(bench.output(), "", "not before the line is whole");
    bench.print(B, "lo\n");
    assert_eq!(bench.output().trim_end(), "(XEN) DOM2: hello");
}

#[test]
fn what_is_typed_reaches_the_focused_domain_alone() {
    let mut bench = booted();
    bench.type_in("ls\r");
    assert_eq!(received(&mut bench, A), "ls\r");
    assert_eq!(received(&mut bench, B), "");
}

#[test]
fn three_times_the_switch_key_moves_the_input_round() {
    let mut bench = booted();
    let said = |bench: &mut Bench| {
        bench.type_in(SWITCH);
        bench.output().trim().to_string()
    };
    let expected = "(XEN) *** Serial input to DOM2 (type 'CTRL-a' three times to switch input)";
    assert_eq!(said(&mut bench), expected);
    bench.type_in("two");
    assert_eq!(
        (received(&mut bench, A), received(&mut bench, B)),
        (String::new(), "two".into())
    );
    let expected = "(XEN) *** Serial input to Xen (type 'CTRL-a' three times to switch input)";
    assert_eq!(said(&mut bench), expected);
    assert!(said(&mut bench).contains("to DOM1"));
}

#[test]
fn fewer_switch_keys_are_input() {
    let mut bench = booted();
    bench.type_in("\x01\x01x");
    assert_eq!(received(&mut bench, A), "\x01\x01x");
}

#[test]
fn input_is_an_interrupt_until_it_is_read() {
    let mut bench = booted();
    bench.store(A, VPL011.start() + IMSC, INT_RX);
    enable(&mut bench, A);
    bench.wait(A);
    bench.type_in("k");
    let taken = bench.ask(A, |guest| guest.acknowledge());
    assert_eq!(taken, Some(VPL011_INTERRUPT), "it was woken for it");
    assert_ne!(uart(&mut bench, A, MIS) & INT_RX, 0);
    assert_eq!(uart(&mut bench, A, DR), u32::from(b'k'));
    assert_eq!(uart(&mut bench, A, MIS) & INT_RX, 0);
    bench.ask(A, |guest| guest.end(VPL011_INTERRUPT));
    bench.settle();
    assert_eq!(
        bench.ask(A, |guest| guest.acknowledge()),
        None,
        "and no second one"
    );
}

/// Turns the UART's interrupt on in the distributor of `who`.
pub(crate) fn enable(bench: &mut Bench, who: Who) {
    let distributor = abi::arm::GICV3_DISTRIBUTOR.start();
    bench.store(who, distributor, 0x12);
    bench.store(who, distributor + 0x84, u32::MAX);
    bench.store(who, distributor + 0x104, 1 << (VPL011_INTERRUPT.0 - 32));
}

#[test]
fn a_paste_of_four_kibibytes_arrives_whole() {
    let mut bench = booted();
    let text: String = ('a'..='z').cycle().take(4096).collect();
    bench.type_in(&text);
    assert_eq!(received(&mut bench, A), text);
}

#[test]
fn a_flood_is_held_and_the_neighbour_is_heard() {
    let mut bench = booted();
    bench.machine.set_uart_room(Some(0));
    // Unfocused output in lines, until its share of the ring is full.
    let mut written = 0;
    for byte in "0123456789012345678901234567890123456789\n".bytes().cycle() {
        if uart(&mut bench, B, FR) & FR_TX_FULL != 0 {
            break;
        }
        bench.store(B, VPL011.start() + DR, u32::from(byte));
        written += 1;
        assert!(written < 20_000, "it is never held");
    }
    bench.print(A, "me too\n");
    bench.machine.set_uart_room(None);
    bench.settle();
    let output = bench.output();
    assert!(output.contains("me too"), "{output}");
    assert_eq!(
        uart(&mut bench, B, FR) & FR_TX_FULL,
        0,
        "it may write again"
    );
    bench.print(B, "again\n");
    let output = output + &bench.output();
    let arrived = output
        .matches(|letter: char| letter.is_ascii_digit())
        .count();
    let (lines, rest) = (written / 41, written % 41);
    assert_eq!(
        arrived - output.matches("DOM2").count(),
        lines * 40 + rest,
        "nothing is lost"
    );
    assert!(output.contains("again\n"), "{output}");
}

#[test]
fn output_waits_for_the_uart_by_interrupt() {
    let mut bench = booted();
    bench.machine.set_uart_room(Some(3));
    bench.print(A, "abcdef");
    assert_eq!(bench.output(), "abc");
    bench.machine.set_uart_room(Some(100));
    bench.settle();
    assert_eq!(bench.output(), "def");
}

#[test]
fn what_had_no_room_is_counted_and_said() {
    let mut bench = booted();
    bench.type_in(&"\x01".repeat(6));
    bench.output();
    bench.type_in("h");
    let lines_each = bench.output().lines().count();
    bench.machine.set_uart_room(Some(0));
    for _ in 0..60 {
        bench.type_in("h");
    }
    bench.machine.set_uart_room(None);
    bench.settle();
    let output = bench.output();
    let (last, printed) = (output.lines().last(), output.lines().count() - 1);
    assert!(printed < 60 * lines_each, "all of it fits");
    let lost = 60 * lines_each - printed;
    let said = format!("(XEN) {lost} messages lost, as there was no room");
    assert_eq!(last, Some(said.as_str()));
}
