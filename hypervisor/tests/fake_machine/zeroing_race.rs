//! Two CPUs, and a domain's end, around one block that waits to be zeroed.

use std::sync::atomic::Ordering;

use abi::arm::vcpu_affinity;
use abi::hypercall::MEMORY_OP;
use abi::memory::{RemoveFromPhysmap, op};
use abi::{DomId, Ipa, Pa, psci};
use hypervisor::domain::zeroing::PART;
use machine::exit::Exit;
use machine::guest::Guest;

use crate::bench::{ENTRY, Setup, Who, id, small};
use crate::event_races::begin;
use crate::interleave::{Pair, explore};
use crate::xen::enhanced;
use crate::zeroing::stale;

const A: Who = (1, 0);
const B: Who = (1, 1);
const BLOCK: u64 = 2 << 20;
/// A block that waits.
const FRESH: u64 = ENTRY + 2 * BLOCK;
/// Where A and B write, in its first part and the last but one.
const PLACES: [(Who, u64, u32); 2] = [
    (A, FRESH + 8, 0x1111_1111),
    (B, FRESH + BLOCK - PART - 4, 0x2222_2222),
];

/// Tries a store until it passes.
fn store(guest: &mut Guest<'_>, at: u64, value: u32) -> Option<Exit> {
    let exit = guest.store(Ipa(at), value);
    if exit.is_some() {
        guest.then(move |guest| store(guest, at, value));
    }
    exit
}

/// A domain of two vCPUs, each on its CPU, and a block of it most of which is zeroed.
fn two_vcpus() -> Pair {
    let node = small(1, 2).cells("memory", &[0, 8 << 10]);
    let mut pair = Pair::new(stale(Setup::with(vec![node]).cpus(2)));
    pair.script(A, |guest| {
        guest.hvc(0, [u64::from(psci::CPU_ON_64), vcpu_affinity(1), ENTRY, 0])
    });
    pair.settle(&[A]);
    for _ in 0..7 {
        pair.script(A, |guest| guest.load(Ipa(FRESH)));
        pair.settle(&[A]);
    }
    pair
}

/// The machine's address of the domain's RAM.
fn start(pair: &Pair) -> u64 {
    pair.machine.enter(abi::CpuId(0));
    let mut token = pair.machine.token();
    let life = pair.system.domains[0].control.lock(&mut token);
    let memory = life.memory.as_ref().unwrap();
    memory.banks[0].extent.range().start()
}

#[test]
fn two_that_touch_one_block_zero_it_once() {
    let played = explore(1, |switches| {
        let mut pair = two_vcpus();
        let ram = start(&pair);
        for (who, at, value) in PLACES {
            pair.script(who, move |guest| store(guest, at, value));
        }
        let points = pair.play(switches, [4, 4]);
        pair.settle(&[A, B]);
        let block = pair.machine.peek(Pa(ram + FRESH - ENTRY), BLOCK as usize);
        let mut expected = vec![0; BLOCK as usize];
        for (_, at, value) in PLACES {
            let at = (at - FRESH) as usize;
            expected[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        assert!(block == expected, "switches at {switches:?}");
        points
    });
    assert!(played > 20, "{played} schedules");
}

#[test]
fn a_domain_that_ends_while_a_block_is_zeroed_gives_all_back() {
    let played = explore(1, |switches| {
        let mut pair = two_vcpus();
        let (_, at, value) = PLACES[0];
        pair.script(A, move |guest| store(guest, at, value));
        pair.script(B, |guest| {
            guest.hvc(0, [u64::from(psci::SYSTEM_RESET), 0, 0, 0])
        });
        let points = pair.play(switches, [4, 4]);
        pair.machine.forget_script(id(A));
        pair.settle(&[A, B]);
        let output = pair.machine.take_output();
        assert!(
            output.contains("d1: memory zeroed and given back"),
            "switches at {switches:?}: {output}"
        );
        points
    });
    assert!(played > 20, "{played} schedules");
}

/// Whether some of the domain's RAM waits.
fn waits(pair: &Pair) -> bool {
    pair.machine.enter(abi::CpuId(0));
    let mut token = pair.machine.token();
    let life = pair.system.domains[0].control.lock(&mut token);
    let memory = life.memory.as_ref().unwrap();
    (ENTRY..ENTRY + 4 * BLOCK)
        .step_by(BLOCK as usize)
        .any(|at| memory.waits(Ipa(at)))
}

#[test]
fn two_that_idle_count_a_domain_without_waiting_ram_once() {
    let played = explore(1, |switches| {
        let node = small(1, 1).cells("memory", &[0, 8 << 10]);
        let mut pair = Pair::new(stale(Setup::with(vec![node]).cpus(2)));
        pair.script(A, |guest| guest.wait());
        pair.settle(&[A]);
        while waits(&pair) {
            pair.play(&[], [1, 0]);
        }
        let count = || pair.system.unzeroed.load(Ordering::Relaxed);
        assert_eq!(count(), 1, "nobody has looked yet");
        let points = pair.play(switches, [1, 1]);
        pair.play(&[], [1, 1]);
        assert_eq!(count(), 0, "switches at {switches:?}");
        points
    });
    assert!(played > 10, "{played} schedules");
}

/// Parts of a fresh block that are zeroed once A's call to take a page of it away has had an exit, with B
/// turning itself off meanwhile: that holds the lock of the domain's life across others.
fn zeroed_by_a_call(switches: &[usize]) -> usize {
    let node = enhanced(1, 2).cells("memory", &[0, 8 << 10]);
    let mut pair = Pair::new(stale(Setup::with(vec![node]).cpus(2)));
    pair.script(A, |guest| {
        guest.hvc(0, [u64::from(psci::CPU_ON_64), vcpu_affinity(1), ENTRY, 0])
    });
    pair.settle(&[A]);
    let remove = RemoveFromPhysmap {
        domid: DomId::SELF,
        gpfn: FRESH >> 12,
    };
    let command = op::REMOVE_FROM_PHYSMAP;
    begin(&pair, A, MEMORY_OP, command, &remove.to_bytes());
    pair.script(B, |guest| guest.hvc(0, [u64::from(psci::CPU_OFF), 0, 0, 0]));
    pair.play(switches, [1, 1]);
    let ram = start(&pair);
    let block = pair.machine.peek(Pa(ram + FRESH - ENTRY), BLOCK as usize);
    let parts = block.chunks(PART as usize);
    parts.filter(|part| part[0] == 0).count()
}

#[test]
fn a_call_that_waits_for_ram_gets_on_whoever_has_the_lock() {
    let mut disturbed = 0;
    // B goes on as A has looked at the block, and A while B has the lock.
    for first in 6..=9 {
        for second in first + 3..=first + 6 {
            let zeroed = zeroed_by_a_call(&[first, second]);
            assert_ne!(zeroed, 0, "switches at {first} and {second}");
            disturbed += u32::from(zeroed < 8);
        }
    }
    assert!(disturbed > 0, "B never had the lock");
}
