//! Two CPUs fill while one of the domains turns out to be damaged, or guests come and go.

use abi::CpuId;
use hypervisor::system::System;
use lifecycle::DomainState;
use machine::host::Machine;

use crate::bench::{Bench, Setup, Who, id, small};
use crate::filling::{TURN, is_filled, mark, packed};
use crate::interleave::{Pair, explore};
use crate::trees::Node;

const A: Who = (1, 0);
const B: Who = (2, 0);

/// Two packed kernels, the first of which unpacks to less than it says.
fn first_damaged() -> Setup {
    let mut setup = packed(2);
    let (_, content) = &mut setup.loaded[0];
    let size_at = content.len() - 4;
    content[size_at..].copy_from_slice(&30_000u32.to_le_bytes());
    setup
}

fn free_bytes(machine: &Machine, system: &System) -> u64 {
    machine.enter(CpuId(0));
    let token = &mut machine.token();
    system.frames.lock(token).free_bytes()
}

/// How many turns of one CPU there are until the first domain is filled, or not.
fn turns_of_the_first(setup: Setup) -> usize {
    let mut bench = Bench::of(setup.unfilled());
    let mut turns = 0;
    while !is_filled(bench.system, 1) {
        bench.turn(0);
        turns += 1;
    }
    turns
}

#[test]
fn in_no_order_of_two_cpus_is_a_damaged_domain_taken_back_wrongly() {
    let end = turns_of_the_first(first_damaged());
    let mut free = None;
    let played = explore(1, |switches| {
        let mut pair = Pair::of(first_damaged().unfilled());
        mark(&pair.machine, B);
        pair.play(&[], [end - 1, 0]);
        let points = pair.play(switches, [4, 4]);
        pair.machine.advance(2 * TURN);
        pair.settle(&[B]);
        {
            pair.machine.enter(CpuId(0));
            let token = &mut pair.machine.token();
            let life = pair.system.domains[0].control.lock(token);
            assert_eq!(life.state.state(), DomainState::Dead, "{switches:?}");
            assert!(life.memory.is_none());
        }
        let left = free_bytes(&pair.machine, pair.system);
        assert_eq!(left, *free.get_or_insert(left), "{switches:?}");
        points
    });
    assert!(played > 20, "{played} schedules");
}

/// A domain whose vCPU runs on the first CPU only.
fn pinned(number: u32) -> Node {
    let vcpu = Node::new("vcpu0")
        .text("compatible", "xen,vcpu")
        .cells("id", &[0])
        .text("hard-affinity", "0");
    small(number, 1).child(vcpu)
}

#[test]
fn in_no_order_of_two_cpus_is_a_vcpu_lost_whose_cpu_takes_to_filling() {
    // The first two share the first CPU, from which the other may take one.
    let played = explore(1, |switches| {
        let setup = Setup::with(vec![pinned(1), small(2, 1), small(3, 1)]);
        let mut pair = Pair::of(setup.unfilled());
        pair.system.domains[1].vcpus[0].set_home(CpuId(0));
        let third = pair.system.domains[2].filling.try_claim();
        while !is_filled(pair.system, 2) {
            pair.play(&[], [1, 0]);
            pair.machine.advance(TURN / 4);
        }
        drop(third);
        pair.machine.advance(2 * TURN);
        let points = pair.play(switches, [3, 3]);
        for who in [A, B, (3, 0)] {
            mark(&pair.machine, who);
        }
        for _ in 0..200 {
            pair.machine.advance(TURN / 2);
            pair.play(&[], [2, 2]);
        }
        for who in [A, B, (3, 0)] {
            assert_eq!(pair.machine.steps_left(id(who)), 0, "{who:?}, {switches:?}");
        }
        points
    });
    assert!(played > 20, "{played} schedules");
}
