//! How domains stop: by reasons of their own, and by their watchdogs.

use abi::hypercall::SCHED_OP;
use abi::sched::{Shutdown, Watchdog, op, reason};
use abi::{Errno, shared_info};
use machine::host::FREQUENCY_HZ;

use crate::bench::{Bench, Setup, Who};
use crate::xen::{
    ARGUMENT, SHARED, begin, enhanced, failed, get, map_shared_info, operate, put, two,
};

const A: Who = (1, 0);
const B: Who = (2, 0);

fn watchdog(bench: &mut Bench, id: u32, timeout: u32) -> i64 {
    let wanted = Watchdog { id, timeout }.to_bytes();
    operate(bench, A, SCHED_OP, op::WATCHDOG, wanted).0
}

fn shut_down(bench: &mut Bench, who: Who, reason: u32) -> String {
    put(bench, who, ARGUMENT, &Shutdown { reason }.to_bytes());
    bench.output();
    begin(
        bench,
        who,
        SCHED_OP,
        [op::SHUTDOWN.into(), ARGUMENT, 0, 0, 0],
    );
    bench.settle();
    bench.output()
}

#[test]
fn a_watchdog_that_is_not_set_anew_stops_its_sleeping_domain() {
    let mut bench = two();
    assert_eq!(watchdog(&mut bench, 0, 10), 1);
    bench.wait(A);
    bench.wait(B);
    bench.settle();
    bench.output();
    bench.advance(10 * FREQUENCY_HZ - 1);
    assert_eq!(bench.output(), "");
    bench.advance(1);
    let output = bench.output();
    let line = "(XEN) d1 (/chosen/domU1) was stopped by its watchdog (reason 4): stopped\n";
    assert!(output.contains(line), "{output}");
    assert!(
        output.contains("d1: memory zeroed and given back"),
        "{output}"
    );
    bench.machine.take_output();
    bench.advance(100 * FREQUENCY_HZ);
    assert_eq!(bench.output(), "", "the neighbour goes on");
}

#[test]
fn a_watchdog_that_is_set_anew_or_freed_stops_nobody() {
    let mut bench = two();
    assert_eq!(watchdog(&mut bench, 0, 10), 1);
    assert_eq!(watchdog(&mut bench, 0, 20), 2);
    let none_left = i64::from(failed(Errno::NoSpc) as u32);
    assert_eq!(watchdog(&mut bench, 0, 30), none_left);
    assert_eq!(none_left, 4_294_967_268);
    bench.output();
    for _ in 0..5 {
        bench.advance(9 * FREQUENCY_HZ);
        assert_eq!(watchdog(&mut bench, 1, 10), 0);
        assert_eq!(watchdog(&mut bench, 2, 20), 0);
    }
    assert_eq!(watchdog(&mut bench, 1, 0), 0);
    for free in [1, 3, u32::MAX] {
        assert_eq!(watchdog(&mut bench, free, 10), failed(Errno::Inval));
    }
    bench.advance(19 * FREQUENCY_HZ);
    assert_eq!(bench.output(), "");
    // The other one still watches.
    bench.advance(FREQUENCY_HZ);
    assert!(bench.output().contains("d1 (/chosen/domU1) was stopped"));
}

#[test]
fn a_watchdog_of_no_time_expires_at_once() {
    let mut bench = two();
    let wanted = Watchdog { id: 0, timeout: 0 }.to_bytes();
    put(&mut bench, A, ARGUMENT, &wanted);
    begin(
        &mut bench,
        A,
        SCHED_OP,
        [op::WATCHDOG.into(), ARGUMENT, 0, 0, 0],
    );
    bench.settle();
    assert!(bench.output().contains("d1 (/chosen/domU1) was stopped"));
}

#[test]
fn watchdogs_of_two_domains_run_at_the_same_time() {
    let mut bench = two();
    for (who, timeout) in [(A, 30), (B, 20)] {
        let wanted = Watchdog { id: 0, timeout }.to_bytes();
        assert_eq!(
            operate(&mut bench, who, SCHED_OP, op::WATCHDOG, wanted).0,
            1
        );
        bench.wait(who);
    }
    bench.advance(20 * FREQUENCY_HZ);
    let output = bench.output();
    assert!(
        output.contains("domU2) was stopped") && !output.contains("domU1) was"),
        "{output}"
    );
    bench.advance(10 * FREQUENCY_HZ);
    assert!(bench.output().contains("domU1) was stopped"));
}

#[test]
fn each_reason_is_said_and_all_but_suspend_end_the_domain() {
    for (code, words) in [
        (reason::POWEROFF, "powered off (reason 0)"),
        (reason::REBOOT, "asked for a reset (reason 1)"),
        (reason::SUSPEND, "suspended (reason 2)"),
        (reason::CRASH, "crashed (reason 3)"),
        (reason::WATCHDOG, "was stopped by its watchdog (reason 4)"),
        (reason::SOFT_RESET, "asked for a soft reset (reason 5)"),
        (0x1_0077, "stopped (reason 119)"),
    ] {
        let mut bench = two();
        let output = shut_down(&mut bench, A, code);
        let line = format!("(XEN) d1 (/chosen/domU1) {words}: stopped\n");
        assert!(output.contains(&line), "{output}");
        assert_eq!(
            output.contains("given back"),
            code != reason::SUSPEND,
            "{output}"
        );
        // It does not run again, and its neighbour does.
        bench.machine.script(crate::bench::id(A), |_| None);
        bench.advance(FREQUENCY_HZ);
        assert_eq!(bench.machine.steps_left(crate::bench::id(A)), 1);
        assert_eq!(bench.hvc(B, abi::psci::VERSION, [0; 3]), 0x1_0001);
    }
}

#[test]
fn a_recorded_reason_goes_before_a_power_off() {
    let mut bench = two();
    let crash = Shutdown {
        reason: reason::CRASH,
    }
    .to_bytes();
    assert_eq!(
        operate(&mut bench, A, SCHED_OP, op::SHUTDOWN_CODE, crash).0,
        0
    );
    bench.run(A, |guest| {
        guest.hvc(0, [abi::psci::SYSTEM_OFF.into(), 0, 0, 0])
    });
    bench.settle();
    assert!(
        bench
            .output()
            .contains("d1 (/chosen/domU1) crashed (reason 3)")
    );
}

#[test]
fn the_last_vcpu_of_many_is_stopped_by_a_watchdog_too() {
    let mut bench = Setup::with(vec![enhanced(1, 2)]).boot();
    let on = [abi::arm::vcpu_affinity(1), crate::bench::ENTRY, 0];
    bench.hvc(A, abi::psci::CPU_ON_64, on);
    assert_eq!(watchdog(&mut bench, 0, 1), 1);
    // They compute and make no exits.
    bench.output();
    bench.advance(FREQUENCY_HZ);
    assert!(bench.output().contains("d1 (/chosen/domU1) was stopped"));
    assert_eq!((bench.cpu_of(A), bench.cpu_of((1, 1))), (None, None));
}

#[test]
fn the_wall_clock_was_never_set() {
    let mut bench = two();
    assert_eq!(map_shared_info(&mut bench, A, SHARED), 0);
    let at = SHARED + u64::from(shared_info::WC_VERSION_OFFSET);
    let clock: [u8; 16] = get(&mut bench, A, at);
    assert_eq!(clock, [2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let time: [u8; 32] = get(&mut bench, A, SHARED + 16);
    assert_eq!(time, [0; 32], "vcpu_time_info is not kept on Arm");
}
