//! Interrupts from vCPU to vCPU, seen in the list registers.

use abi::arm::vcpu_affinity;
use abi::{CpuId, IntId, psci};
use machine::exit::Sysreg;
use machine::host::Record;

use crate::bench::{Bench, ENTRY, Setup, Who};

const A: Who = (1, 0);
const B: Who = (1, 1);
const SGI1R: Sysreg = Sysreg::new(3, 0, 12, 11, 5);
const PENDING: u64 = 1;
const ACTIVE: u64 = 2;
const PENDING_AND_ACTIVE: u64 = 3;

/// Two vCPUs of a domain on two CPUs, all SGIs on.
fn two_vcpus(setup: Setup) -> Bench {
    let mut bench = setup.boot();
    let distributor = abi::arm::GICV3_DISTRIBUTOR.start();
    bench.store(A, distributor, 0x12);
    bench.hvc(A, psci::CPU_ON_64, [vcpu_affinity(1), ENTRY, 0]);
    for (who, number) in [(A, 0), (B, 1)] {
        let frame = abi::arm::GICV3_REDISTRIBUTORS.start() + number * 0x2_0000 + 0x1_0000;
        bench.store(who, frame + 0x80, u32::MAX);
        bench.store(who, frame + 0x100, 0xffff);
    }
    bench.settle();
    bench.machine.take_records();
    bench
}

/// `who` sends SGI `number` to the vCPUs in `targets`.
fn send(bench: &mut Bench, who: Who, number: u64, targets: u64) {
    bench.run(who, move |guest| {
        guest.write_register(SGI1R, number << 24 | targets)
    });
}

/// State, group and number of each list register of `cpu` that holds something.
fn listed(bench: &Bench, cpu: CpuId) -> Vec<(u64, u64, u32)> {
    let registers = bench.machine.list_registers(cpu);
    let held = registers.into_iter().filter(|register| register >> 62 != 0);
    held.map(|register| (register >> 62, register >> 60 & 1, register as u32))
        .collect()
}

#[test]
fn an_sgi_arrives_in_the_other_cpus_list_register() {
    let mut bench = two_vcpus(Setup::one(2));
    send(&mut bench, A, 5, 0b10);
    let (from, to) = (bench.cpu_of(A).unwrap(), bench.cpu_of(B).unwrap());
    assert!(
        bench
            .machine
            .take_records()
            .contains(&Record::Kick { from, to })
    );
    bench.settle();
    assert_eq!(listed(&bench, to), [(PENDING, 1, 5)]);
    assert_eq!(listed(&bench, from), []);
    assert_eq!(bench.ask(B, |guest| guest.acknowledge()), Some(IntId(5)));
    assert_eq!(listed(&bench, to), [(ACTIVE, 1, 5)]);
    bench.ask(B, |guest| guest.end(IntId(5)));
    assert_eq!(bench.ask(B, |guest| guest.acknowledge()), None);
}

#[test]
fn an_sgi_to_oneself_needs_no_kick() {
    let mut bench = two_vcpus(Setup::one(2));
    send(&mut bench, A, 3, 0b01);
    assert!(
        !bench
            .machine
            .take_records()
            .iter()
            .any(|r| matches!(r, Record::Kick { .. }))
    );
    assert_eq!(bench.ask(A, |guest| guest.acknowledge()), Some(IntId(3)));
}

#[test]
fn one_that_is_active_becomes_pending_again() {
    let mut bench = two_vcpus(Setup::one(2));
    send(&mut bench, A, 1, 0b10);
    assert_eq!(bench.ask(B, |guest| guest.acknowledge()), Some(IntId(1)));
    send(&mut bench, A, 1, 0b10);
    bench.settle();
    let cpu = bench.cpu_of(B).unwrap();
    assert!(matches!(
        listed(&bench, cpu)[..],
        [(PENDING_AND_ACTIVE, 1, 1)] | [(ACTIVE, 1, 1)]
    ));
    bench.ask(B, |guest| guest.end(IntId(1)));
    bench.settle();
    assert_eq!(
        bench.ask(B, |guest| guest.acknowledge()),
        Some(IntId(1)),
        "the second one"
    );
}

#[test]
fn more_than_there_are_list_registers_arrive_all() {
    let mut bench = two_vcpus(Setup::one(2).list_registers(2));
    for number in 0..9 {
        send(&mut bench, A, number, 0b10);
    }
    let mut taken = Vec::new();
    for _ in 0..9 {
        bench.settle();
        let intid = bench.ask(B, |guest| guest.acknowledge()).expect("one more");
        bench.ask(B, move |guest| guest.end(intid));
        taken.push(intid.0);
    }
    taken.sort_unstable();
    assert_eq!(taken, (0..9).collect::<Vec<_>>());
    bench.settle();
    assert_eq!(bench.ask(B, |guest| guest.acknowledge()), None);
}

#[test]
fn an_sgi_wakes_a_sleeping_vcpu() {
    let mut bench = two_vcpus(Setup::one(2));
    bench.wait(B);
    bench.settle();
    send(&mut bench, A, 7, 0b10);
    assert_eq!(bench.ask(B, |guest| guest.acknowledge()), Some(IntId(7)));
}

#[test]
fn it_moves_with_its_vcpu_from_cpu_to_cpu() {
    let mut bench = two_vcpus(Setup::with(vec![crate::bench::small(1, 2)]).cpus(1));
    send(&mut bench, A, 2, 0b10);
    assert_eq!(bench.ask(B, |guest| guest.acknowledge()), Some(IntId(2)));
    // While it is active its vCPU loses the CPU, and gets it back.
    bench.ask(A, |_| ());
    assert_eq!(listed(&bench, CpuId(0)), []);
    bench.ask(B, |guest| guest.end(IntId(2)));
}
