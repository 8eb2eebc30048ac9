//! `euxenite,weight`: the shares of a CPU that vCPUs get which all compute.

use std::sync::atomic::Ordering;

use abi::arm::{GICV3_DISTRIBUTOR, GICV3_REDISTRIBUTORS, VIRTUAL_TIMER, vcpu_affinity};
use abi::{CpuId, psci};
use machine::host::FREQUENCY_HZ;

use crate::bench::{Bench, ENTRY, Setup, Who, id, small};

const A: Who = (1, 0);
const B: Who = (2, 0);
const MS: u64 = FREQUENCY_HZ / 1000;
/// Run time that is looked at, in milliseconds.
const TOTAL: u32 = 6000;

/// One domain for each weight, all of one vCPU.
fn weighing<const N: usize>(weights: [Option<u32>; N]) -> Setup {
    let weigh = |(number, weight): (u32, Option<u32>)| match weight {
        Some(weight) => small(number, 1).cells("euxenite,weight", &[weight]),
        None => small(number, 1),
    };
    Setup::with((1..).zip(weights).map(weigh).collect())
}

/// Two vCPUs run on `cpu` for as long as these shares say, within a few slices, and nobody else.
#[track_caller]
fn expect(bench: &mut Bench, cpu: u16, shares: [(Who, u32); 2]) {
    let [mut first, mut second] = [0u32; 2];
    let [(one, due), (other, others_due)] = shares;
    bench.turn(cpu);
    for _ in 0..TOTAL {
        bench.machine.advance(MS);
        match bench.machine.resident(CpuId(cpu)) {
            Some(who) if who == id(one) => first += 1,
            Some(who) if who == id(other) => second += 1,
            unknown => panic!("{unknown:?} runs"),
        }
        (0..4).for_each(|_| bench.round());
    }
    let due = TOTAL * due / (due + others_due);
    assert!(
        first.abs_diff(due) <= 30,
        "{first} and {second} ms instead of {due} and {} ms",
        TOTAL - due
    );
}

/// `who` waits for its virtual timer.
fn wait_for_timer(bench: &mut Bench, who: Who) {
    let frame = GICV3_REDISTRIBUTORS.start() + 0x1_0000;
    bench.store(who, GICV3_DISTRIBUTOR.start(), 0x12);
    bench.store(who, frame + 0x80, u32::MAX);
    bench.store(who, frame + 0x100, 1 << VIRTUAL_TIMER.0);
    bench.run(who, |guest| {
        let at = guest.virtual_count() + 5 * MS;
        guest.set_el1(|el1| (el1.cntv_cval, el1.cntv_ctl) = (at, 1));
        guest.wait()
    });
    bench.settle();
    assert!(bench.slot(who).asleep.load(Ordering::Relaxed));
}

/// The timer fires.
fn end_wait(bench: &mut Bench, who: Who) {
    bench.advance(6 * MS);
    let taken = bench.ask(who, |guest| guest.acknowledge());
    assert_eq!(taken, Some(VIRTUAL_TIMER));
}

#[test]
fn twice_the_weight_is_twice_the_time() {
    for (weights, shares) in [
        ([Some(512), Some(256)], (2, 1)),
        ([Some(512), None], (2, 1)),
        ([Some(100), Some(300)], (1, 3)),
    ] {
        let mut bench = weighing(weights).cpus(1).boot();
        expect(&mut bench, 0, [(A, shares.0), (B, shares.1)]);
    }
}

#[test]
fn without_weights_all_share_alike() {
    let mut bench = weighing([None, None]).cpus(1).boot();
    expect(&mut bench, 0, [(A, 1), (B, 1)]);
}

#[test]
fn who_slept_keeps_its_weight() {
    let mut bench = weighing([Some(512), None]).cpus(1).boot();
    wait_for_timer(&mut bench, A);
    end_wait(&mut bench, A);
    expect(&mut bench, 0, [(A, 2), (B, 1)]);
}

#[test]
fn who_was_turned_on_has_its_domains_weight() {
    let heavy = small(1, 2).cells("euxenite,weight", &[512]);
    let setup = Setup::with(vec![heavy, small(2, 1)]);
    let mut bench = setup.cpus(1).boot();
    bench.hvc(A, psci::CPU_ON_64, [vcpu_affinity(1), ENTRY, 0]);
    bench.run(A, |guest| guest.hvc(0, [psci::CPU_OFF.into(), 0, 0, 0]));
    expect(&mut bench, 0, [((1, 1), 2), (B, 1)]);
}

/// The first and the third domain start on the one CPU, the second on the other.
#[test]
fn who_was_moved_to_another_cpu_keeps_its_weight() {
    let mut bench = weighing([None, None, Some(512)]).cpus(2).boot();
    wait_for_timer(&mut bench, B);
    let heavy = (3, 0);
    let there = CpuId(1);
    assert_eq!(
        bench.cpu_of(heavy),
        Some(there),
        "the idle CPU took it over"
    );
    end_wait(&mut bench, B);
    expect(&mut bench, there.0, [(heavy, 2), (B, 1)]);
}
