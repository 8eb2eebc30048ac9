//! The end of a domain: what is said, and what becomes of its memory.

use abi::arm::vcpu_affinity;
use abi::{Pa, Range, psci};
use hypervisor::chores::Chore;
use machine::host::Record;

use crate::bench::{Bench, ENTRY, Setup, Who, small};
use crate::xen::{ARGUMENT, ARRAY, SHARED, enhanced, map_shared_info, open_ipi, put};

const A: Who = (1, 0);
const B: Who = (2, 0);

fn call(bench: &mut Bench, who: Who, function: u32) {
    bench.run(who, move |guest| {
        guest.hvc(0, [u64::from(function), 0, 0, 0])
    });
    bench.settle();
}

fn ram(bench: &Bench, domain: u16) -> Vec<Range> {
    let mut token = bench.machine.token();
    let life = bench.domain(domain).control.lock(&mut token);
    let memory = life.memory.as_ref().unwrap();
    memory
        .banks
        .iter()
        .map(|bank| bank.extent.range())
        .collect()
}

fn free(bench: &Bench) -> u64 {
    bench
        .system
        .frames
        .lock(&mut bench.machine.token())
        .free_bytes()
}

fn booted() -> Bench {
    let mut bench = Setup::two().boot();
    bench.settle();
    bench.output();
    bench
}

#[test]
fn the_memory_of_a_domain_that_is_off_is_zeroed_and_given_back() {
    let mut bench = booted();
    let before = free(&bench);
    let banks = ram(&bench, 1);
    for bank in &banks {
        bench
            .machine
            .poke(Pa(bank.start()), &vec![0xa5; bank.size() as usize]);
    }
    call(&mut bench, A, psci::SYSTEM_OFF);
    for bank in &banks {
        let content = bench.machine.peek(Pa(bank.start()), bank.size() as usize);
        assert!(content.iter().all(|byte| *byte == 0));
    }
    let bytes: u64 = banks.iter().map(|bank| bank.size()).sum();
    assert!(free(&bench) >= before + bytes, "with its tables");
    let output = bench.output();
    assert!(
        output.contains("(XEN) d1 (/chosen/domU1) powered off (reason 0): stopped\n"),
        "{output}"
    );
    assert!(
        output.contains("d1: memory zeroed and given back"),
        "{output}"
    );
}

#[test]
fn its_tlb_entries_go_before_its_memory_does() {
    let mut bench = booted();
    bench.machine.take_records();
    call(&mut bench, A, psci::SYSTEM_OFF);
    let records = bench.machine.take_records();
    let dropped = |record: &Record| matches!(record, Record::Invalidated { vmid: 1, .. });
    assert!(records.iter().any(dropped), "{records:?}");
    let other = |record: &Record| matches!(record, Record::Invalidated { vmid: 2, .. });
    assert!(!records.iter().any(other), "{records:?}");
}

#[test]
fn the_focus_leaves_it_and_the_neighbour_does_not_notice() {
    let mut bench = booted();
    bench.store(B, ENTRY + 0x1000, 0x1234_5678);
    let banks = ram(&bench, 2);
    let before: Vec<_> = banks
        .iter()
        .map(|bank| bench.machine.peek(Pa(bank.start()), bank.size() as usize))
        .collect();
    call(&mut bench, A, psci::SYSTEM_OFF);
    let output = bench.output();
    assert!(output.contains("*** Serial input to DOM2"), "{output}");
    let after: Vec<_> = banks
        .iter()
        .map(|bank| bench.machine.peek(Pa(bank.start()), bank.size() as usize))
        .collect();
    assert!(before == after);
    assert_eq!(bench.load(B, ENTRY + 0x1000), 0x1234_5678);
    assert_eq!(bench.hvc(B, psci::VERSION, [0; 3]), 0x1_0001);
    bench.print(B, "still here");
    assert_eq!(bench.output(), "still here", "now with the focus");
}

#[test]
fn its_partial_line_is_not_lost() {
    let mut bench = booted();
    bench.print(B, "last words");
    call(&mut bench, B, psci::SYSTEM_OFF);
    let output = bench.output();
    assert!(output.contains("(XEN) DOM2: last words\n"), "{output:?}");
}

#[test]
fn a_reset_is_an_end_for_now() {
    let mut bench = booted();
    call(&mut bench, A, psci::SYSTEM_RESET);
    assert!(
        bench
            .output()
            .contains("d1 (/chosen/domU1) asked for a reset (reason 1): stopped")
    );
    assert_eq!(bench.cpu_of(A), None);
}

#[test]
fn when_the_last_one_ends_the_machine_says_so_and_keeps_its_keys() {
    let mut bench = booted();
    call(&mut bench, A, psci::SYSTEM_OFF);
    assert!(!bench.output().contains("All domains have ended"));
    call(&mut bench, B, psci::SYSTEM_OFF);
    let output = bench.output();
    assert!(
        output.contains("(XEN) All domains have ended. The keys still work"),
        "{output}"
    );
    assert!(output.contains("*** Serial input to Xen"), "{output}");
    bench.type_in("h");
    assert!(bench.output().contains("key 'R'"));
}

#[test]
fn the_last_vcpu_off_ends_its_domain() {
    let mut bench = Setup::one(2).boot();
    bench.hvc(A, psci::CPU_ON_64, [vcpu_affinity(1), ENTRY, 0]);
    call(&mut bench, A, psci::CPU_OFF);
    assert!(!bench.output().contains("stopped"));
    call(&mut bench, (1, 1), psci::CPU_OFF);
    let output = bench.output();
    assert!(
        output.contains("d1 (/chosen/domU1) ") && output.contains("stopped"),
        "{output}"
    );
}

#[test]
fn a_vcpu_on_another_cpu_is_stopped_too() {
    let mut bench = Setup::with(vec![small(1, 2), small(2, 1)]).cpus(2).boot();
    bench.hvc(A, psci::CPU_ON_64, [vcpu_affinity(1), ENTRY, 0]);
    bench.settle();
    call(&mut bench, (1, 1), psci::SYSTEM_OFF);
    assert_eq!((bench.cpu_of(A), bench.cpu_of((1, 1))), (None, None));
    assert!(bench.output().contains("d1: memory zeroed and given back"));
    assert_eq!(bench.hvc(B, psci::VERSION, [0; 3]), 0x1_0001);
}

#[test]
fn a_sleeping_domain_can_be_ended_by_its_other_vcpu() {
    let mut bench = Setup::one(2).boot();
    bench.hvc(A, psci::CPU_ON_64, [vcpu_affinity(1), ENTRY, 0]);
    bench.wait((1, 1));
    bench.settle();
    call(&mut bench, A, psci::SYSTEM_OFF);
    assert!(bench.output().contains("d1: memory zeroed and given back"));
    assert!(!bench.system.chores.has(Chore::Reclaim));
}

#[test]
fn a_domain_that_nobody_could_resume_is_not_suspended() {
    let mut bench = booted();
    let suspended = bench.hvc(A, psci::SYSTEM_SUSPEND_64, [0; 3]);
    assert_eq!(suspended as i32, psci::NOT_SUPPORTED);
    assert!(!bench.output().contains("stopped"));
}

#[test]
fn a_wake_up_that_comes_after_the_end_runs_nothing() {
    let mut bench = booted();
    call(&mut bench, A, psci::SYSTEM_OFF);
    let (domain, slot) = (bench.domain(1), bench.slot(A));
    let key = sched::VcpuKey {
        domain: domain.id,
        vcpu: slot.id,
    };
    for cpu in [0, 1] {
        bench.machine.enter(abi::CpuId(cpu));
        slot.set_home(abi::CpuId(cpu));
        let mut token = bench.machine.token();
        let new = hypervisor::schedule::NEW;
        let _ = bench
            .system
            .admit(key, slot, new, abi::CpuId(1 - cpu), &mut token);
        for _ in 0..20 {
            bench.round();
            assert_eq!(bench.cpu_of(A), None);
        }
        bench.settle();
    }
    assert_eq!(bench.hvc(B, psci::VERSION, [0; 3]), 0x1_0001);
}

/// What is free without these domains, and when they have ended, after they used all that they can.
fn free_before_and_after(count: u32) -> (u64, u64) {
    let nodes = || (1..=count).map(|number| enhanced(number, 2));
    let before = free_without(nodes().collect());
    let mut bench = Setup::with(nodes().collect()).cpus(4).boot();
    bench.settle();
    for number in 1..=count as u16 {
        let who = (number, 0);
        assert_eq!(map_shared_info(&mut bench, who, SHARED), 0);
        for _ in 0..300 {
            open_ipi(&mut bench, who, 0);
        }
        let size = abi::grant::SetupTable {
            dom: abi::DomId::SELF,
            nr_frames: 64,
            frame_list: ARRAY,
            ..Default::default()
        };
        put(&mut bench, who, ARGUMENT, &size.to_bytes());
        let setup = abi::grant::op::SETUP_TABLE.into();
        let arguments = [setup, ARGUMENT, 1, 0, 0];
        assert_eq!(
            crate::xen::call(&mut bench, who, abi::hypercall::GRANT_TABLE_OP, arguments),
            0
        );
    }
    for number in 1..=count as u16 {
        bench.output();
        call(&mut bench, (number, 0), psci::SYSTEM_OFF);
    }
    (before, free(&bench))
}

/// What is free with the same modules and domains of which none is built, as they have no vCPUs.
fn free_without(nodes: Vec<crate::trees::Node>) -> u64 {
    let broken = nodes.into_iter().map(|node| node.cells("cpus", &[0]));
    free(&Setup::with(broken.collect()).cpus(4).boot())
}

#[test]
fn an_ended_domain_leaves_nothing_behind_but_its_record() {
    for count in [1, 2, 4] {
        let (before, after) = free_before_and_after(count);
        let left = before.saturating_sub(after);
        // What describes all domains is one stretch, in steps of 64 KiB.
        assert!(left <= 64 << 10, "{count}: {left:#x}");
    }
}
