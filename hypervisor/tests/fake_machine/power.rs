//! PSCI calls that turn vCPUs on and off.

use abi::arm::vcpu_affinity;
use abi::psci;
use machine::cpu::TrapWait;

use crate::bench::{ENTRY, Setup, Who, small};
use crate::calls::code;

const A: Who = (1, 0);
const B: Who = (1, 1);

fn on(target: u64) -> [u64; 3] {
    [target, 0x4010_0000, 0x1234_5678_9abc_def0]
}

#[test]
fn the_first_vcpu_starts_as_a_boot_loader_would_start_it() {
    let mut bench = Setup::two().boot();
    let (pc, tree) = bench.ask(A, |guest| (guest.pc(), guest.x(0)));
    assert_eq!(pc, ENTRY);
    assert_eq!(tree, 0x4020_0000, "the device tree, as x0");
    assert_eq!(bench.el1(A).sctlr, 0x00c5_0078);
    let magic = bench.load(A, tree);
    assert_eq!(magic.swap_bytes(), 0xd00d_feed);
    assert_eq!(bench.load(A, ENTRY), 0x0101_0101, "its kernel");
    assert_eq!(bench.load((2, 0), ENTRY), 0x0202_0202, "the neighbour's");
}

#[test]
fn cpu_on_starts_a_vcpu_at_its_entry_with_its_context() {
    let mut bench = Setup::one(2).boot();
    let target = vcpu_affinity(1);
    assert_eq!(
        bench.hvc(A, psci::AFFINITY_INFO_64, [target, 0, 0]),
        1,
        "off"
    );
    assert_eq!(bench.hvc(A, psci::CPU_ON_64, on(target)), 0);
    let (pc, x0, x1) = bench.ask(B, |guest| (guest.pc(), guest.x(0), guest.x(1)));
    assert_eq!((pc, x0, x1), (0x4010_0000, 0x1234_5678_9abc_def0, 0));
    assert_eq!(bench.el1(B).sctlr, 0x00c5_0078);
    assert_eq!(
        bench.hvc(A, psci::AFFINITY_INFO_64, [target, 0, 0]),
        0,
        "on"
    );
    assert_ne!(bench.cpu_of(A), bench.cpu_of(B), "each has a CPU");
}

#[test]
fn cpu_on_says_what_is_wrong() {
    let mut bench = Setup::one(2).boot();
    let target = vcpu_affinity(1);
    let wrong = bench.hvc(A, psci::CPU_ON_64, on(vcpu_affinity(2)));
    assert_eq!(wrong, code(psci::INVALID_PARAMETERS));
    assert_eq!(
        bench.hvc(A, psci::CPU_ON_64, on(vcpu_affinity(0))),
        code(psci::ALREADY_ON)
    );
    assert_eq!(bench.hvc(A, psci::CPU_ON_64, on(target)), 0);
    bench.settle();
    assert_eq!(
        bench.hvc(A, psci::CPU_ON_64, on(target)),
        code(psci::ALREADY_ON)
    );
}

#[test]
fn a_vcpu_that_has_not_run_yet_is_pending() {
    // One CPU: the second vCPU cannot start before the first lets go of it.
    let mut bench = Setup::with(vec![small(1, 2)]).cpus(1).boot();
    let target = vcpu_affinity(1);
    assert_eq!(bench.hvc(A, psci::CPU_ON_64, on(target)), 0);
    let again = bench.hvc(A, psci::CPU_ON_64, on(target));
    assert!(again == code(psci::ON_PENDING) || again == code(psci::ALREADY_ON));
    bench.wait(A);
    assert_eq!(bench.ask(B, |guest| guest.pc()), 0x4010_0000);
}

#[test]
fn cpu_off_takes_a_vcpu_off_until_it_is_turned_on_again() {
    let mut bench = Setup::one(2).boot();
    let target = vcpu_affinity(1);
    bench.hvc(A, psci::CPU_ON_64, on(target));
    bench.run(B, |guest| {
        guest.set_el1(|el1| el1.vbar = 0x4000_8000);
        guest.hvc(0, [u64::from(psci::CPU_OFF), 0, 0, 0])
    });
    bench.settle();
    assert_eq!(bench.hvc(A, psci::AFFINITY_INFO_64, [target, 0, 0]), 1);
    bench
        .machine
        .script(crate::bench::id(B), |_| panic!("it is off"));
    bench.settle();
    bench.machine.forget_script(crate::bench::id(B));
    assert_eq!(bench.hvc(A, psci::CPU_ON_64, [target, 0x4020_0000, 5]), 0);
    let (pc, x0, vbar) = bench.ask(B, |guest| (guest.pc(), guest.x(0), guest.el1().vbar));
    assert_eq!((pc, x0, vbar), (0x4020_0000, 5, 0), "as new");
}

#[test]
fn cpu_suspend_is_a_wait() {
    let mut bench = Setup::two().boot();
    bench.run(A, |guest| {
        guest.hvc(0, [u64::from(psci::CPU_SUSPEND_64), 0, ENTRY, 0])
    });
    bench.settle();
    assert_eq!(bench.registers(A, |registers| registers.cpu.register(0)), 0);
    assert_eq!(bench.pc(A), ENTRY + 4, "it goes on behind the call");
    bench
        .machine
        .script(crate::bench::id(A), |guest| guest.load(abi::Ipa(ENTRY)));
    bench.settle();
    assert_eq!(
        bench.machine.steps_left(crate::bench::id(A)),
        1,
        "it sleeps"
    );
    bench.type_in("x");
    assert_eq!(
        bench.machine.steps_left(crate::bench::id(A)),
        1,
        "its UART's interrupt is off"
    );
}

#[test]
fn a_busy_cpu_traps_wfe_and_gives_others_a_turn() {
    let mut bench = Setup::with(vec![small(1, 2)]).cpus(1).boot();
    assert_eq!(bench.ask(A, |guest| guest.trap_wait()), TrapWait::Interrupt);
    bench.hvc(A, psci::CPU_ON_64, on(vcpu_affinity(1)));
    bench.run(A, |guest| {
        let trap = guest.trap_wait();
        assert!(trap == TrapWait::Both || trap == TrapWait::Interrupt);
        Some(machine::exit::Exit::WaitForEvent)
    });
    assert_eq!(
        bench.ask(B, |guest| guest.pc()),
        0x4010_0000,
        "the other came to run"
    );
    assert_eq!(bench.ask(B, |guest| guest.trap_wait()), TrapWait::Both);
    bench.run(B, |guest| guest.wait_for_event());
    assert_eq!(
        bench.ask(A, |guest| guest.pc()),
        ENTRY + 8,
        "behind HVC and WFE"
    );
}

#[test]
fn more_vcpus_than_cpus_share_by_time() {
    let mut bench = Setup::with(vec![small(1, 1), small(2, 1), small(3, 1)])
        .cpus(1)
        .boot();
    let mut ran = [0; 3];
    for _ in 0..300 {
        bench.round();
        bench.machine.advance(machine::host::FREQUENCY_HZ / 1000);
        for (count, number) in ran.iter_mut().zip(1..) {
            *count += i32::from(bench.cpu_of((number, 0)).is_some());
        }
    }
    assert!(
        ran.iter().all(|count| (60..=140).contains(count)),
        "{ran:?}"
    );
}
