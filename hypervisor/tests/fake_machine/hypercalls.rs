//! Hypercalls.

use abi::{Errno, hypercall};
use machine::guest::Guest;

use crate::bench::{Bench, ENTRY, Setup, Who};

const A: Who = (1, 0);
const BUFFER: u64 = ENTRY + 0x10_0000;
const UNMAPPED: u64 = 1 << 48;

fn call(bench: &mut Bench, number: u64, arguments: [u64; 4]) -> u64 {
    bench.run(A, move |guest: &mut Guest<'_>| {
        guest.set_pc(ENTRY);
        guest.set_x(16, number);
        guest.hvc(hypercall::HVC_IMMEDIATE, arguments)
    });
    bench.registers(A, |registers| registers.cpu.register(0))
}

fn failed(errno: Errno) -> u64 {
    errno.as_result() as u64
}

#[test]
fn the_version_is_xens() {
    let mut bench = Setup::two().boot();
    assert_eq!(call(&mut bench, hypercall::XEN_VERSION, [0; 4]), 0x4_0014);
    assert_eq!(call(&mut bench, hypercall::XEN_VERSION, [7, 0, 0, 0]), 4096);
    assert_eq!(
        call(&mut bench, hypercall::XEN_VERSION, [99, 0, 0, 0]),
        failed(Errno::NoSys)
    );
    assert_eq!(call(&mut bench, 63, [0; 4]), failed(Errno::NoSys));
    assert_eq!(bench.pc(A), ENTRY + 4);
}

#[test]
fn a_text_is_copied_to_the_guest() {
    let mut bench = Setup::two().boot();
    assert_eq!(
        call(&mut bench, hypercall::XEN_VERSION, [1, BUFFER, 0, 0]),
        0
    );
    let word = bench.load(A, BUFFER);
    assert_eq!(&word.to_le_bytes(), b"-eux");
    assert_eq!(
        call(&mut bench, hypercall::XEN_VERSION, [1, UNMAPPED, 0, 0]),
        failed(Errno::Fault)
    );
    let outside = ENTRY + (4 << 20) - 8;
    assert_eq!(
        call(&mut bench, hypercall::XEN_VERSION, [1, outside, 0, 0]),
        failed(Errno::Fault)
    );
    assert_eq!(
        call(&mut bench, hypercall::XEN_VERSION, [1, u64::MAX - 3, 0, 0]),
        failed(Errno::Fault)
    );
}

fn put(bench: &mut Bench, text: &str) {
    for (index, word) in text.as_bytes().chunks(4).enumerate() {
        let mut bytes = [0; 4];
        bytes[..word.len()].copy_from_slice(word);
        bench.store(A, BUFFER + 4 * index as u64, u32::from_le_bytes(bytes));
    }
}

#[test]
fn console_writes_appear() {
    let mut bench = Setup::two().boot();
    put(&mut bench, "by hypercall\n");
    bench.output();
    assert_eq!(
        call(&mut bench, hypercall::CONSOLE_IO, [0, 13, BUFFER, 0]),
        0
    );
    assert_eq!(bench.output(), "by hypercall\n");
    let errors = [
        ([0, 4, UNMAPPED, 0], Errno::Fault),
        ([9, 0, 0, 0], Errno::NoSys),
    ];
    for (arguments, errno) in errors {
        assert_eq!(
            call(&mut bench, hypercall::CONSOLE_IO, arguments),
            failed(errno)
        );
    }
    assert_eq!(
        call(&mut bench, hypercall::CONSOLE_IO, [1, 16, BUFFER, 0]),
        0,
        "nothing typed"
    );
    let too_big = [1, u64::from(u32::MAX), BUFFER, 0];
    assert_eq!(
        call(&mut bench, hypercall::CONSOLE_IO, too_big),
        failed(Errno::TooBig)
    );
}

/// The instruction of a call that is not done is executed again.
fn again(bench: &mut Bench) {
    bench.run(A, |guest| {
        guest.set_pc(ENTRY + 4);
        Some(machine::exit::Exit::Hvc(hypercall::HVC_IMMEDIATE))
    });
}

#[test]
fn a_flood_by_hypercall_is_held_and_the_neighbour_is_heard() {
    let line = "0123456789012345678901234567890123456789\n";
    for focused in [true, false] {
        let mut bench = Setup::two().boot();
        put(&mut bench, line);
        if !focused {
            bench.type_in("\x01\x01\x01");
        }
        bench.settle();
        bench.output();
        bench.machine.set_uart_room(Some(0));
        let mut written = 0;
        'full: loop {
            call(&mut bench, hypercall::CONSOLE_IO, [0, 41, BUFFER, 0]);
            written += 1;
            for tries in 0.. {
                match bench.pc(A) == ENTRY {
                    true if tries == 3 => break 'full,
                    true => again(&mut bench),
                    false => break,
                }
            }
            assert!(written < 1000, "it is never held");
        }
        bench.print((2, 0), "me too\n");
        bench.machine.set_uart_room(None);
        bench.settle();
        again(&mut bench);
        assert_ne!(bench.pc(A), ENTRY, "it may write again");
        bench.settle();
        let output = bench.output();
        assert!(output.contains("me too"), "{output}");
        let arrived = output.matches(line.trim_end()).count();
        assert_eq!(arrived, written, "nothing is lost");
        assert!(!output.contains("no room"), "{output}");
    }
}

#[test]
fn a_long_write_is_continued_by_the_same_instruction() {
    let mut bench = Setup::two().boot();
    let text: String = ('a'..='z').cycle().take(2000).collect();
    put(&mut bench, &text);
    bench.output();
    call(&mut bench, hypercall::CONSOLE_IO, [0, 2000, BUFFER, 0]);
    let mut calls = 1;
    while bench.pc(A) == ENTRY {
        again(&mut bench);
        calls += 1;
    }
    assert!((2..=3).contains(&calls), "{calls} exits");
    assert_eq!(bench.registers(A, |registers| registers.cpu.register(0)), 0);
    assert_eq!(bench.output(), text);
}

#[test]
fn what_was_begun_by_hypercall_is_ended_when_the_focus_comes() {
    let mut bench = Setup::two()
        .command_line("console=dtuart guest_loglvl=all")
        .boot();
    bench.settle();
    bench.type_in("\x01\x01\x01");
    put(&mut bench, "begun");
    bench.output();
    call(&mut bench, hypercall::CONSOLE_IO, [0, 5, BUFFER, 0]);
    assert_eq!(bench.output(), "");
    bench.type_in(&"\x01".repeat(6));
    let output = bench.output();
    assert!(output.contains("(d1) begun\n"), "{output}");
}
