//! What goes with a vCPU when another takes its CPU, and what must not stay behind.

use abi::arm::{GICV3_DISTRIBUTOR, GICV3_REDISTRIBUTORS, vcpu_affinity};
use abi::{CpuId, IntId, psci};
use machine::exit::{Exit, Sysreg};
use machine::gic::KICK;
use machine::host::{FREQUENCY_HZ, Record};

use crate::bench::{Bench, ENTRY, Setup, id, small};

const A: (u16, u16) = (1, 0);
const SIBLING: (u16, u16) = (1, 1);
const OTHER: (u16, u16) = (2, 0);
const SGI1R: Sysreg = Sysreg::new(3, 0, 12, 11, 5);

fn flushes(bench: &Bench) -> usize {
    let flushed = |record: &Record| *record == Record::FlushedLocally(CpuId(0));
    let records = bench.machine.take_records();
    records.into_iter().filter(flushed).count()
}

#[test]
fn a_vcpu_never_finds_its_siblings_translations() {
    let mut bench = Setup::with(vec![small(1, 2)]).cpus(1).boot();
    bench.hvc(A, psci::CPU_ON_64, [vcpu_affinity(1), ENTRY, 0]);
    bench.ask(A, |_| ());
    bench.machine.take_records();
    bench.ask(SIBLING, |_| ());
    assert_eq!(flushes(&bench), 1);
    bench.ask(A, |_| ());
    assert_eq!(flushes(&bench), 1);
}

#[test]
fn what_the_tlb_holds_of_a_vcpu_alone_on_its_cpu_stays() {
    let mut bench = Setup::two().cpus(1).boot();
    for who in [A, OTHER, A, OTHER] {
        bench.ask(who, |_| ());
    }
    assert_eq!(flushes(&bench), 0);
}

#[test]
fn an_asynchronous_abort_waits_for_its_own_vcpu() {
    let mut bench = Setup::two().cpus(1).boot();
    bench.run(A, |_| {
        Some(Exit::SError {
            syndrome: 0xbe00_0000,
        })
    });
    assert!(!bench.ask(OTHER, |guest| guest.serror_pending()));
    assert!(bench.ask(A, |guest| guest.serror_pending()));
}

#[test]
fn an_end_of_what_had_no_list_register_counts() {
    let mut bench = Setup::one(1).list_registers(2).boot();
    let frame = GICV3_REDISTRIBUTORS.start() + 0x1_0000;
    bench.store(A, GICV3_DISTRIBUTOR.start(), 0x12);
    bench.store(A, frame + 0x80, u32::MAX);
    bench.store(A, frame + 0x100, 0xffff);
    // SGI 3 comes before SGI 2, and that before SGI 1.
    bench.store(A, frame + 0x400, 0x2050_a000);
    for number in 1..=3 {
        bench.run(A, move |guest| {
            guest.write_register(SGI1R, u64::from(number) << 24 | 1)
        });
        let taken = bench.ask(A, |guest| guest.acknowledge());
        assert_eq!(taken, Some(IntId(number)));
    }
    let active = frame + 0x300;
    assert_eq!(bench.load(A, active), 0b1110);
    let listed = bench.machine.list_registers(CpuId(0));
    let unlisted = |number: u32| listed.iter().all(|register| *register as u32 != number);
    assert!(unlisted(1), "the least urgent one has no room");
    // As with EOImode 1: the guest deactivates it all the same.
    bench.ask(A, |guest| guest.end_unlisted());
    bench.settle();
    assert_eq!(bench.load(A, active), 0b1100);
}

#[test]
fn a_storm_of_kicks_does_not_keep_a_slice_from_ending() {
    let mut bench = Setup::two().cpus(1).boot();
    bench.ask(A, |_| ());
    let cpu = CpuId(0);
    for _ in 0..100 {
        // Other CPUs send the next kick before this one has dealt with the last.
        bench.machine.pend(cpu, KICK);
        bench.machine.advance(FREQUENCY_HZ / 1000);
        bench.turn(0);
        if bench.machine.resident(cpu) == Some(id(OTHER)) {
            return;
        }
    }
    panic!("the other domain never comes to run");
}

#[test]
fn a_newcomer_finds_no_interrupt_of_who_left() {
    // Fewer than are pending, as many, and more; on both sides of what is usual.
    for count in [2, 4, 5, 8, 16] {
        let mut bench = Setup::two().cpus(1).list_registers(count).boot();
        let (cpu, frame) = (CpuId(0), GICV3_REDISTRIBUTORS.start() + 0x1_0000);
        for (who, numbers) in [(A, 0..8), (OTHER, 8..10)] {
            bench.store(who, GICV3_DISTRIBUTOR.start(), 0x12);
            bench.store(who, frame + 0x80, u32::MAX);
            bench.store(who, frame + 0x100, 0xffff);
            for number in numbers {
                bench.run(who, move |guest| {
                    guest.write_register(SGI1R, number << 24 | 1)
                });
            }
        }
        for who in [A, OTHER, A, OTHER] {
            bench.ask(who, |_| ());
            let own = if who == A { 0..8 } else { 8..10 };
            let listed = bench.machine.list_registers(cpu);
            let held = listed.iter().filter(|register| **register != 0);
            let numbers: Vec<u32> = held.map(|register| *register as u32).collect();
            assert_eq!(numbers.len(), own.len().min(count.into()), "{count}");
            assert!(
                numbers.iter().all(|number| own.contains(number)),
                "{count}: {numbers:?}"
            );
        }
    }
}
