//! The interrupt controller's frames as a guest reads and writes them.

use abi::arm::{GICV2_DISTRIBUTOR, GICV3_DISTRIBUTOR, GICV3_REDISTRIBUTORS};
use abi::{CpuId, IntId, Ipa};
use machine::exit::{Extend, Transfer, Width};

use crate::bench::{Bench, ENTRY, Setup, Who};

const A: Who = (1, 0);
const SPI: IntId = IntId(40);

fn access(bench: &mut Bench, address: u64, transfer: Transfer) -> u64 {
    bench.run(A, move |guest| guest.access(Ipa(address), transfer));
    bench.registers(A, move |registers| {
        registers.cpu.register(transfer.register())
    })
}

fn load(register: u8, width: Width) -> Transfer {
    Transfer::load(width, register, Extend::Zero)
}

#[test]
fn the_distributor_says_what_it_is() {
    let mut bench = Setup::two().boot();
    let pidr2 = bench.load(A, GICV3_DISTRIBUTOR.start() + 0xffe8);
    assert_eq!(pidr2 >> 4 & 0xf, 3, "architecture version 3");
    assert_eq!(bench.pc(A), ENTRY + 4);
    let mut bench = Setup::two().gicv2().boot();
    let pidr2 = bench.load(A, GICV2_DISTRIBUTOR.start() + 0xfe8);
    assert_eq!(pidr2 >> 4 & 0xf, 2);
}

#[test]
fn each_vcpu_has_a_redistributor_and_the_last_says_so() {
    let mut bench = Setup::one(2).boot();
    for number in 0..2 {
        let frame = GICV3_REDISTRIBUTORS.start() + number * 0x2_0000;
        let typer = access(&mut bench, frame + 8, load(3, Width::Double));
        assert_eq!(typer >> 32, number, "affinity");
        assert_eq!(typer >> 4 & 1, number, "last");
    }
    // Behind the last one is nothing.
    bench.ask(A, |guest| guest.set_el1(|el1| el1.vbar = 0x4000_8000));
    bench.load(A, GICV3_REDISTRIBUTORS.start() + 2 * 0x2_0000);
    assert_eq!(bench.el1(A).esr, 0x9600_0000);
}

#[test]
fn a_pending_bit_that_is_set_becomes_an_interrupt() {
    let mut bench = Setup::two().boot();
    let distributor = GICV3_DISTRIBUTOR.start();
    let bit = 1 << (SPI.0 % 32);
    bench.store(A, distributor, 0x12);
    bench.store(A, distributor + 0x84, u32::MAX);
    bench.store(A, distributor + 0x104, bit);
    assert_eq!(bench.ask(A, |guest| guest.acknowledge()), None);
    bench.store(A, distributor + 0x204, bit);
    let cpu = bench.cpu_of(A).unwrap();
    assert_eq!(
        bench.machine.list_registers(cpu)[0] >> 60,
        0b0101,
        "pending, group 1"
    );
    assert_eq!(bench.ask(A, |guest| guest.acknowledge()), Some(SPI));
    assert_eq!(
        bench.load(A, distributor + 0x304),
        bit,
        "the guest sees it active"
    );
    bench.ask(A, |guest| guest.end(SPI));
    assert_eq!(bench.load(A, distributor + 0x304), 0);
}

#[test]
fn disabling_takes_it_out_of_the_list_registers() {
    let mut bench = Setup::two().boot();
    let distributor = GICV3_DISTRIBUTOR.start();
    let bit = 1 << (SPI.0 % 32);
    bench.store(A, distributor, 0x12);
    bench.store(A, distributor + 0x84, u32::MAX);
    bench.store(A, distributor + 0x204, bit);
    bench.store(A, distributor + 0x104, bit);
    bench.store(A, distributor + 0x184, bit);
    assert_eq!(bench.ask(A, |guest| guest.acknowledge()), None);
    bench.store(A, distributor + 0x104, bit);
    assert_eq!(
        bench.ask(A, |guest| guest.acknowledge()),
        Some(SPI),
        "it stayed pending"
    );
}

#[test]
fn priorities_decide_the_order() {
    let mut bench = Setup::two().list_registers(2).boot();
    let distributor = GICV3_DISTRIBUTOR.start();
    bench.store(A, distributor + 0x84, u32::MAX);
    bench.store(A, distributor + 0x400 + 40, 0x40_a0_80_c0);
    bench.store(A, distributor + 0x104, 0xf00);
    bench.store(A, distributor + 0x204, 0xf00);
    bench.store(A, distributor, 0x12);
    let mut order = Vec::new();
    for _ in 0..4 {
        bench.settle();
        let intid = bench.ask(A, |guest| guest.acknowledge()).unwrap();
        order.push(intid.0);
        bench.ask(A, move |guest| guest.end(intid));
    }
    assert_eq!(order, [43, 41, 42, 40]);
}

#[test]
fn widths_that_a_register_does_not_have_abort() {
    let mut bench = Setup::two().boot();
    bench.ask(A, |guest| guest.set_el1(|el1| el1.vbar = 0x4000_8000));
    for width in [Width::Byte, Width::Half] {
        access(&mut bench, GICV3_DISTRIBUTOR.start(), load(0, width));
        assert_eq!(bench.el1(A).esr, 0x9600_0000, "{width:?}");
        bench.ask(A, |guest| guest.set_el1(|el1| el1.esr = 0));
    }
    let priority = GICV3_DISTRIBUTOR.start() + 0x400 + 33;
    access(&mut bench, priority, load(0, Width::Byte));
    assert_eq!(bench.el1(A).esr, 0);
}

#[test]
fn a_gicv2_guest_sends_sgis_by_a_store() {
    let mut bench = Setup::one(2).gicv2().boot();
    let distributor = GICV2_DISTRIBUTOR.start();
    bench.store(A, distributor, 1);
    bench.store(A, distributor + 0x100, 0xffff);
    bench.store(A, distributor + 0xf00, 1 << 16 | 6);
    bench.settle();
    assert_eq!(bench.ask(A, |guest| guest.acknowledge()), Some(IntId(6)));
    assert_eq!(bench.machine.list_registers(CpuId(0))[0] as u32, 6);
}
