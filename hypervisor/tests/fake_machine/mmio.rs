//! Loads and stores whose syndrome does not describe them.

use abi::Ipa;
use abi::arm::VPL011;
use machine::exit::{DataAbort, Exit};

use crate::bench::{Bench, ENTRY, Setup, Who};

const A: Who = (1, 0);

/// `A` executes `instruction`, which stage 2 refuses at `address` without a description.
fn execute(bench: &mut Bench, instruction: u32, address: u64) {
    bench.store(A, ENTRY, instruction);
    bench.run(A, move |guest| {
        guest.set_pc(ENTRY);
        guest.set_x(1, address);
        guest.set_x(2, u64::from(b'!'));
        Some(Exit::DataAbort(DataAbort::refused(Ipa(address), None)))
    });
}

fn x(bench: &mut Bench, index: u8) -> u64 {
    bench.registers(A, move |registers| registers.cpu.register(index))
}

#[test]
fn a_post_indexed_store_writes_and_moves_its_base() {
    let mut bench = Setup::two().boot();
    bench.output();
    execute(&mut bench, 0xb800_4422, VPL011.start()); // str w2, [x1], #4
    assert_eq!(bench.output(), "!");
    assert_eq!(x(&mut bench, 1), VPL011.start() + 4);
    assert_eq!(bench.pc(A), ENTRY + 4);
}

#[test]
fn a_post_indexed_load_reads_and_moves_its_base() {
    let mut bench = Setup::two().boot();
    execute(&mut bench, 0xb85f_c422, VPL011.start() + 0x18); // ldr w2, [x1], #-4
    assert_ne!(x(&mut bench, 2), u64::from(b'!'));
    assert_eq!(x(&mut bench, 1), VPL011.start() + 0x14);
}

#[test]
fn one_that_aborts_leaves_its_base() {
    let mut bench = Setup::two().boot();
    bench.ask(A, |guest| guest.set_el1(|el1| el1.vbar = 0x4000_8000));
    execute(&mut bench, 0xb800_4422, 0x1000_0000);
    assert_eq!(x(&mut bench, 1), 0x1000_0000);
    assert_eq!(bench.el1(A).esr, 0x9600_0000);
}

#[test]
fn pairs_are_refused() {
    let mut bench = Setup::two().boot();
    bench.ask(A, |guest| guest.set_el1(|el1| el1.vbar = 0x4000_8000));
    execute(&mut bench, 0x2900_0c22, VPL011.start()); // stp w2, w3, [x1]
    assert_eq!(bench.el1(A).esr, 0x9600_0000);
}
