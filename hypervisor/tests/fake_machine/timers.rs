//! The physical timer, whose registers trap.

use abi::arm::PHYSICAL_TIMER;
use machine::exit::Sysreg;

use crate::bench::{Bench, Setup, Who};

const A: Who = (1, 0);
const CNTP_TVAL: Sysreg = Sysreg::new(3, 3, 14, 2, 0);
const CNTP_CTL: Sysreg = Sysreg::new(3, 3, 14, 2, 1);
const CNTP_CVAL: Sysreg = Sysreg::new(3, 3, 14, 2, 2);

fn booted() -> Bench {
    let mut bench = Setup::two().boot();
    let frame = abi::arm::GICV3_REDISTRIBUTORS.start() + 0x1_0000;
    bench.store(A, abi::arm::GICV3_DISTRIBUTOR.start(), 0x12);
    bench.store(A, frame + 0x80, u32::MAX);
    bench.store(A, frame + 0x100, 1 << PHYSICAL_TIMER.0);
    bench
}

fn write(bench: &mut Bench, register: Sysreg, value: u64) {
    bench.run(A, move |guest| guest.write_register(register, value));
}

fn read(bench: &mut Bench, register: Sysreg) -> u64 {
    bench.run(A, move |guest| guest.read_register(register));
    bench.registers(A, |registers| registers.cpu.register(0))
}

#[test]
fn its_registers_are_against_the_counter() {
    let mut bench = booted();
    write(&mut bench, CNTP_TVAL, 100);
    let now = bench.machine.now();
    assert_eq!(read(&mut bench, CNTP_CVAL), now + 100);
    bench.machine.advance(30);
    assert_eq!(read(&mut bench, CNTP_TVAL), 70);
    assert_eq!(read(&mut bench, CNTP_CTL), 0);
    write(&mut bench, CNTP_CTL, 1);
    bench.machine.advance(70);
    assert_eq!(
        read(&mut bench, CNTP_CTL),
        5,
        "enabled, and its condition is met"
    );
}

#[test]
fn it_fires_while_the_guest_computes() {
    let mut bench = booted();
    write(&mut bench, CNTP_TVAL, 100);
    write(&mut bench, CNTP_CTL, 1);
    bench.advance(99);
    assert_eq!(bench.ask(A, |guest| guest.acknowledge()), None);
    bench.advance(1);
    assert_eq!(
        bench.ask(A, |guest| guest.acknowledge()),
        Some(PHYSICAL_TIMER)
    );
}

#[test]
fn its_line_is_a_level() {
    let mut bench = booted();
    write(&mut bench, CNTP_TVAL, 0);
    write(&mut bench, CNTP_CTL, 1);
    assert_eq!(
        bench.ask(A, |guest| guest.acknowledge()),
        Some(PHYSICAL_TIMER)
    );
    bench.ask(A, |guest| guest.end(PHYSICAL_TIMER));
    bench.settle();
    assert_eq!(
        bench.ask(A, |guest| guest.acknowledge()),
        Some(PHYSICAL_TIMER),
        "still high"
    );
    write(&mut bench, CNTP_CTL, 0);
    bench.ask(A, |guest| guest.end(PHYSICAL_TIMER));
    bench.settle();
    assert_eq!(bench.ask(A, |guest| guest.acknowledge()), None);
}
