//! Waiting for an interrupt, and what ends the wait.

use abi::CpuId;
use abi::arm::{PHYSICAL_TIMER, VIRTUAL_TIMER};
use machine::atomic::Ordering;
use machine::exit::Sysreg;
use machine::host::{FREQUENCY_HZ, Record, VIRTUAL_TIMER as PHYSICAL_NUMBER};

use crate::bench::{Bench, Setup, Who};

const A: Who = (1, 0);
const CNTP_CTL: Sysreg = Sysreg::new(3, 3, 14, 2, 1);
const CNTP_CVAL: Sysreg = Sysreg::new(3, 3, 14, 2, 2);

/// Booted, with the timers' interrupts of `A` on.
fn booted() -> Bench {
    let mut bench = Setup::two().boot();
    let frame = abi::arm::GICV3_REDISTRIBUTORS.start() + 0x1_0000;
    bench.store(A, abi::arm::GICV3_DISTRIBUTOR.start(), 0x12);
    bench.store(A, frame + 0x80, u32::MAX);
    bench.store(
        A,
        frame + 0x100,
        1 << VIRTUAL_TIMER.0 | 1 << PHYSICAL_TIMER.0,
    );
    bench
}

/// Arms the virtual timer of `A` to fire in `ticks`.
fn arm(bench: &mut Bench, ticks: u64) {
    bench.ask(A, move |guest| {
        let at = guest.virtual_count() + ticks;
        guest.set_el1(|el1| (el1.cntv_cval, el1.cntv_ctl) = (at, 1));
    });
}

/// Whether `A` does something when it is let.
fn is_awake(bench: &mut Bench) -> bool {
    bench.machine.script(crate::bench::id(A), |_| None);
    bench.settle();
    let awake = bench.machine.steps_left(crate::bench::id(A)) == 0;
    bench.machine.forget_script(crate::bench::id(A));
    awake
}

#[test]
fn it_goes_on_behind_the_instruction() {
    let mut bench = booted();
    let before = bench.pc(A);
    bench.wait(A);
    assert_eq!(bench.pc(A), before + 4);
    bench.settle();
    assert!(!is_awake(&mut bench));
    assert!(
        bench
            .machine
            .take_records()
            .contains(&Record::Waited(CpuId(0)))
    );
}

#[test]
fn the_virtual_timer_ends_it() {
    let mut bench = booted();
    arm(&mut bench, 1000);
    bench.wait(A);
    bench.advance(999);
    assert!(!is_awake(&mut bench));
    bench.advance(1);
    assert!(is_awake(&mut bench));
    assert_eq!(
        bench.ask(A, |guest| guest.acknowledge()),
        Some(VIRTUAL_TIMER)
    );
}

#[test]
fn the_timers_interrupt_stays_active_until_the_guest_ends_it() {
    let mut bench = booted();
    arm(&mut bench, 10);
    bench.advance(10);
    let cpu = bench.cpu_of(A).unwrap();
    assert!(bench.machine.active(cpu).contains(&PHYSICAL_NUMBER));
    assert_eq!(
        bench.ask(A, |guest| guest.acknowledge()),
        Some(VIRTUAL_TIMER)
    );
    assert!(!bench.machine.has_pending(cpu), "it does not storm");
    bench.ask(A, |guest| {
        guest.set_el1(|el1| el1.cntv_ctl = 0);
        guest.end(VIRTUAL_TIMER);
    });
    assert!(!bench.machine.active(cpu).contains(&PHYSICAL_NUMBER));
    bench.settle();
    arm(&mut bench, 10);
    bench.advance(10);
    assert_eq!(
        bench.ask(A, |guest| guest.acknowledge()),
        Some(VIRTUAL_TIMER),
        "and again"
    );
}

#[test]
fn a_timer_that_has_fired_does_not_let_it_sleep() {
    let mut bench = booted();
    arm(&mut bench, 10);
    bench.machine.advance(10);
    bench.wait(A);
    assert!(is_awake(&mut bench));
}

#[test]
fn a_timer_that_the_guest_masks_does_not_wake_it() {
    let mut bench = booted();
    bench.ask(A, |guest| {
        let now = guest.virtual_count();
        guest.set_el1(|el1| (el1.cntv_cval, el1.cntv_ctl) = (now, 3));
    });
    bench.wait(A);
    bench.advance(1_000_000);
    assert!(!is_awake(&mut bench));
}

#[test]
fn a_timer_that_fired_unheard_does_not_wake_it_again_and_again() {
    let mut bench = Setup::two().cpus(1).boot();
    // Its interrupt is not enabled.
    arm(&mut bench, 10);
    bench.advance(10);
    bench.wait(A);
    bench.ask((2, 0), |_| ());
    bench.settle();
    assert!(bench.slot(A).asleep.load(Ordering::Relaxed));
    assert_eq!(bench.machine.deadline(CpuId(0)), None);
}

#[test]
fn the_timer_of_one_that_is_preempted_does_not_end_anothers_slice() {
    let mut bench = Setup::two().cpus(1).boot();
    // Both compute, by turns.
    while bench.cpu_of(A).is_none() {
        bench.machine.advance(FREQUENCY_HZ / 1000);
        bench.turn(0);
    }
    arm(&mut bench, 10);
    while bench.cpu_of(A).is_some() {
        bench.machine.advance(FREQUENCY_HZ / 1000);
        bench.turn(0);
    }
    let end = bench.machine.deadline(CpuId(0));
    assert!(end > Some(bench.machine.now()), "{end:?}");
}

#[test]
fn the_physical_timer_ends_it() {
    let mut bench = booted();
    let at = bench.machine.now() + 500;
    bench.run(A, move |guest| guest.write_register(CNTP_CVAL, at));
    bench.run(A, |guest| guest.write_register(CNTP_CTL, 1));
    bench.wait(A);
    bench.settle();
    assert!(!is_awake(&mut bench));
    let cpu = CpuId(0);
    assert_eq!(
        bench.machine.deadline(cpu),
        Some(at),
        "the hypervisor's timer stands for it"
    );
    bench.machine.advance(500);
    bench.settle();
    assert_eq!(
        bench.ask(A, |guest| guest.acknowledge()),
        Some(PHYSICAL_TIMER)
    );
}

#[test]
fn a_sleeper_whose_cpu_runs_another_is_woken_by_the_hypervisors_timer() {
    let mut bench = Setup::two().cpus(1).boot();
    let frame = abi::arm::GICV3_REDISTRIBUTORS.start() + 0x1_0000;
    bench.store(A, abi::arm::GICV3_DISTRIBUTOR.start(), 0x12);
    bench.store(A, frame + 0x80, u32::MAX);
    bench.store(A, frame + 0x100, 1 << VIRTUAL_TIMER.0);
    arm(&mut bench, 1_000_000_000);
    bench.wait(A);
    bench.ask((2, 0), |_| ());
    assert_eq!(bench.cpu_of(A), None, "the other has the CPU");
    assert!(bench.machine.deadline(CpuId(0)).is_some());
    bench.machine.advance(1_000_000_000);
    assert_eq!(
        bench.ask(A, |guest| guest.acknowledge()),
        Some(VIRTUAL_TIMER)
    );
    bench.ask((2, 0), |_| ());
    bench.ask(A, |guest| {
        guest.set_el1(|el1| el1.cntv_ctl = 0);
        guest.end(VIRTUAL_TIMER);
    });
}

#[test]
fn a_timer_in_flight_moves_with_its_vcpu() {
    let mut bench = Setup::two().cpus(1).boot();
    let frame = abi::arm::GICV3_REDISTRIBUTORS.start() + 0x1_0000;
    for who in [A, (2, 0)] {
        bench.store(who, abi::arm::GICV3_DISTRIBUTOR.start(), 0x12);
        bench.store(who, frame + 0x80, u32::MAX);
        bench.store(who, frame + 0x100, 1 << VIRTUAL_TIMER.0);
    }
    arm(&mut bench, 10);
    bench.machine.advance(10);
    assert_eq!(
        bench.ask(A, |guest| guest.acknowledge()),
        Some(VIRTUAL_TIMER)
    );
    // The neighbour's own timer works while the first one's is in its handler.
    bench.ask((2, 0), |guest| {
        let now = guest.virtual_count();
        guest.set_el1(|el1| (el1.cntv_cval, el1.cntv_ctl) = (now, 1));
    });
    assert_eq!(
        bench.ask((2, 0), |guest| guest.acknowledge()),
        Some(VIRTUAL_TIMER)
    );
    bench.ask(A, |guest| {
        guest.set_el1(|el1| el1.cntv_ctl = 0);
        guest.end(VIRTUAL_TIMER);
    });
}

#[test]
fn one_that_moves_before_its_cpu_idles_is_let_go_of() {
    // The third CPU idles. The sleeper's own does not yet when the wake-up comes.
    let mut bench = Setup::one(2).cpus(3).boot();
    let b = (1, 1);
    bench.hvc(
        A,
        abi::psci::CPU_ON_64,
        [abi::arm::vcpu_affinity(1), 0x4010_0000, 0],
    );
    for who in [A, b] {
        let frame = abi::arm::GICV3_REDISTRIBUTORS.start() + 0x1_0000 + u64::from(who.1) * 0x2_0000;
        bench.store(who, abi::arm::GICV3_DISTRIBUTOR.start(), 0x12);
        bench.store(who, frame + 0x80, u32::MAX);
        bench.store(who, frame + 0x100, 0xffff);
    }
    bench.settle();
    let cpus = [A, b].map(|who| bench.cpu_of(who).unwrap().0);
    bench
        .machine
        .script(crate::bench::id(b), |guest| guest.wait());
    bench.turn(cpus[1]);
    let sgi = Sysreg::new(3, 0, 12, 11, 5);
    bench.machine.script(crate::bench::id(A), move |guest| {
        guest.write_register(sgi, 4 << 24 | 2)
    });
    bench.turn(cpus[0]);
    assert_eq!(
        bench.ask(b, |guest| guest.acknowledge()),
        Some(abi::IntId(4))
    );
}

#[test]
fn a_disabled_interrupt_does_not_wake() {
    let mut bench = Setup::two().boot();
    arm(&mut bench, 10);
    bench.wait(A);
    bench.advance(10);
    // One wake-up for nothing is allowed, as the architecture allows WFI to end at any time.
    if is_awake(&mut bench) {
        bench.wait(A);
        bench.settle();
    }
    assert!(!is_awake(&mut bench), "the distributor does not forward it");
}
