//! Domains are filled side by side, and each starts when its own RAM is filled.

use std::sync::atomic::Ordering;

use abi::grant::{GrantStatus, Map, map_flag, op};
use abi::{CpuId, DomId, Pa, Port, evtchn, psci};
use hypervisor::chores::Chore;
use hypervisor::domain::workspace::Spare;
use hypervisor::system::System;
use machine::host::{FREQUENCY_HZ, Machine};

use crate::bench::{Bench, ENTRY, KERNEL_BYTES, KERNELS, Setup, Turn, Who, id, small};
use crate::boot::gzip;
use crate::event_channels::connected_domains;
use crate::interleave::{Pair, explore};
use crate::sharing::grant;
use crate::trees::module;
use crate::xen::{SHARED, map_shared_info, on_port, word};
use crate::zeroing::stale;

const A: Who = (1, 0);
const B: Who = (2, 0);
/// The time that a CPU's guests have before they give way to the filling, in ticks.
pub(crate) const TURN: u64 = FREQUENCY_HZ / 1000;
/// More turns than filling both domains takes.
const MOST: usize = 200;

pub(crate) fn is_filled(system: &System, number: usize) -> bool {
    let filling = system.domains[number - 1].filling.try_claim();
    filling.is_some_and(|filling| filling.is_none())
}

/// The machine's address of a domain's RAM.
fn ram(machine: &Machine, system: &System, index: usize) -> u64 {
    machine.enter(CpuId(0));
    let token = &mut machine.token();
    let life = system.domains[index].control.lock(token);
    life.memory.as_ref().unwrap().banks[0]
        .extent
        .range()
        .start()
}

/// Has `who` do a step that says whether it ran.
pub(crate) fn mark(machine: &Machine, who: Who) {
    machine.script(id(who), |guest| {
        guest.hvc(0, [u64::from(psci::VERSION), 0, 0, 0])
    });
}

#[test]
fn on_one_cpu_the_first_domain_runs_while_the_second_is_filled() {
    let mut bench = Bench::of(Setup::two().cpus(1).unfilled());
    mark(&bench.machine, A);
    for _ in 0..MOST {
        if bench.machine.steps_left(id(A)) == 0 {
            break;
        }
        bench.turn(0);
    }
    assert_eq!(bench.machine.steps_left(id(A)), 0, "the first one runs");
    assert!(is_filled(bench.system, 1) && !is_filled(bench.system, 2));
}

#[test]
fn guests_and_the_filling_take_turns() {
    let mut bench = Bench::of(Setup::two().cpus(1).unfilled());
    while !is_filled(bench.system, 1) {
        bench.turn(0);
    }
    // The first guest computes and never waits; a turn of this loop is a tenth of a turn of the CPU.
    let (mut ran, mut filled) = (0, 0);
    for _ in 0..MOST {
        if is_filled(bench.system, 2) {
            break;
        }
        match bench.turn(0) {
            Turn::Idled => filled += 1,
            Turn::Ran => ran += 1,
            Turn::Chose => {}
        }
        bench.machine.advance(TURN / 10);
    }
    assert!(is_filled(bench.system, 2), "a busy guest does not keep it");
    assert!(ran >= 8, "the guest had {ran} turns beside {filled}");
}

#[test]
fn a_cpu_that_idles_is_asked_to_fill() {
    let mut bench = Bench::of(Setup::two().unfilled());
    let second = bench.system.domains[1].filling.try_claim();
    while !is_filled(bench.system, 1) {
        bench.turn(0);
    }
    bench.turn(0);
    bench.turn(1);
    assert!(bench.system.cpus[1].idle.load(Ordering::Relaxed));
    drop(second);
    bench.machine.advance(2 * TURN);
    mark(&bench.machine, A);
    for _ in 0..6 {
        assert_ne!(bench.turn(0), Turn::Idled, "its guest is not disturbed");
    }
    assert!(bench.machine.has_pending(CpuId(1)), "it is kicked");
    while !is_filled(bench.system, 2) {
        assert_eq!(bench.turn(1), Turn::Idled);
    }
    mark(&bench.machine, B);
    bench.turn(1);
    bench.turn(1);
    assert_eq!(bench.machine.steps_left(id(B)), 0);
}

#[test]
fn cpus_fill_different_domains() {
    let mut bench = Bench::of(Setup::two().unfilled());
    // As if the first CPU was at it just now, all the time.
    let first = bench.system.domains[0].filling.try_claim();
    while !is_filled(bench.system, 2) {
        bench.turn(1);
    }
    drop(first);
    assert!(!is_filled(bench.system, 1));
    mark(&bench.machine, B);
    bench.settle();
    assert_eq!(bench.machine.steps_left(id(B)), 0);
}

#[test]
fn in_no_order_of_two_cpus_is_a_piece_lost_or_a_domain_started_twice() {
    // Around the first end, and the last.
    for done in [16, 35] {
        let played = explore(1, |switches| both_fill(done, switches));
        assert!(played > 20, "{played} schedules");
    }
}

/// Has both CPUs fill after one did so many pieces alone. How many points there were.
fn both_fill(done: usize, switches: &[usize]) -> usize {
    let mut pair = Pair::of(stale(Setup::two()).unfilled());
    for who in [A, B] {
        mark(&pair.machine, who);
    }
    pair.play(&[], [done, 0]);
    let points = pair.play(switches, [4, 4]);
    pair.machine.advance(2 * TURN);
    pair.settle(&[A, B]);
    assert!(is_filled(pair.system, 1) && is_filled(pair.system, 2));
    for (number, content) in [(0, 1u8), (1, 2)] {
        // The block with the kernel; none of it was zeroed later.
        let start = ram(&pair.machine, pair.system, number);
        let block = pair.machine.peek(Pa(start), 2 << 20);
        let (kernel, rest) = block.split_at(KERNEL_BYTES as usize);
        let of_kernel = kernel.iter().all(|byte| *byte == content);
        let of_rest = rest.iter().all(|byte| *byte == 0);
        assert!(of_kernel && of_rest, "{number}, switches at {switches:?}");
    }
    points
}

#[test]
fn a_module_comes_back_with_the_last_domain_made_from_it() {
    let shared = 0x4300_0000;
    let with_shared = |number| {
        let node = small(number, 1).cells("memory", &[0, 8192]);
        node.child(module("multiboot,ramdisk", shared, 0x8_0000))
    };
    let mut bench = Bench::of(Setup::with(vec![with_shared(1), with_shared(2)]).unfilled());
    let lent = |bench: &Bench| {
        let token = &mut bench.machine.token();
        let frames = bench.system.frames.lock(token);
        (frames.lent_bytes(), frames.free_bytes())
    };
    let (before, free) = lent(&bench);
    assert_eq!(before, 2 * 0x1000 + 0x8_0000);
    while !is_filled(bench.system, 1) {
        bench.turn(0);
    }
    assert_eq!(lent(&bench).0, 0x1000 + 0x8_0000, "its own kernel only");
    bench.settle();
    assert_eq!(lent(&bench), (0, free + before));
}

#[test]
fn a_domain_that_is_taken_apart_does_not_keep_another_from_being_filled() {
    let mut bench = Bench::of(Setup::two().cpus(1).unfilled());
    let second = bench.system.domains[1].filling.try_claim();
    while !is_filled(bench.system, 1) {
        bench.turn(0);
    }
    bench.run(A, |guest| {
        guest.hvc(0, [u64::from(psci::SYSTEM_OFF), 0, 0, 0])
    });
    assert!(bench.system.chores.has(Chore::Reclaim));
    drop(second);
    while !is_filled(bench.system, 2) {
        assert!(
            bench.system.chores.has(Chore::Reclaim),
            "both go on, in turns"
        );
        bench.turn(0);
    }
}

#[test]
fn others_find_nothing_of_a_domain_that_is_filled() {
    let mut bench = Bench::of(connected_domains().unfilled());
    let second = bench.system.domains[1].filling.try_claim();
    while !is_filled(bench.system, 1) {
        bench.turn(0);
    }
    // The guest of the first runs, and sends.
    assert_eq!(on_port(&mut bench, A, evtchn::op::SEND, Port(10)), 0);
    // As of a domain that is there and has granted nothing.
    let nothing = GrantStatus::BadGntref as i16;
    assert_eq!(map_of_second(&mut bench), nothing);
    // To the second domain, and on to the hypervisor.
    for typed in ["\x01\x01\x01\x01\x01\x01", "q"] {
        bench.machine.type_in(typed.as_bytes());
        for _ in 0..40 {
            bench.machine.advance(TURN / 4);
            bench.round();
        }
    }
    let output = bench.output();
    assert!(output.contains("d2 (/chosen/domU2): Building"), "{output}");
    assert!(output.contains("d1 (/chosen/domU1): Running"), "{output}");
    drop(second);
    bench.machine.advance(2 * TURN);
    bench.settle();
    // What was sent before it ran is there, as the event that every channel begins with.
    assert_eq!(map_shared_info(&mut bench, B, SHARED), 0);
    let pending = SHARED + u64::from(abi::shared_info::PENDING_OFFSET);
    assert_eq!(word(&mut bench, B, pending), 1 << 11);
    assert_eq!(map_of_second(&mut bench), nothing);
}

/// What the first domain gets for a grant of the second.
fn map_of_second(bench: &mut Bench) -> i16 {
    let wanted = Map {
        host_addr: SHARED + 0x1000,
        flags: map_flag::HOST_MAP,
        gref: 9,
        dom: DomId(2),
        ..Map::default()
    };
    let command = op::MAP_GRANT_REF;
    let (result, bytes) = grant(bench, A, command, wanted.to_bytes());
    assert_eq!(result, 0);
    Map::from_bytes(&bytes).status
}

/// Domains with packed kernels of their own.
pub(crate) fn packed(domains: u32) -> Setup {
    let at = |number: u32| 0x4300_0000 + number * 0x1_0000;
    let contents = (1..=domains).map(|number| gzip(&[number as u8; 20_000]));
    let contents: Vec<Vec<u8>> = contents.collect();
    let nodes = (1..).zip(&contents).map(|(number, content)| {
        let kernel = module("multiboot,kernel", at(number), content.len() as u32);
        let plain = format!("module@{:x}", KERNELS + (number - 1) * KERNEL_BYTES);
        small(number, 1).remove(&plain).child(kernel)
    });
    let setup = Setup::with(nodes.collect());
    let contents = (1..).zip(contents);
    contents.fold(setup, |setup, (number, content)| {
        setup.load(at(number).into(), content)
    })
}

#[test]
fn kernels_are_unpacked_in_the_same_rooms_one_after_another() {
    let mut bench = Bench::of(packed(3).unfilled());
    bench.settle();
    for number in 1..=3 {
        let word = bench.load((number, 0), ENTRY + 19_996);
        assert_eq!(word.to_le_bytes(), [number as u8; 4]);
    }
    assert!(
        matches!(spare(&bench), Spare::Never),
        "they are given back with the last"
    );
}

/// What there is to unpack a kernel in.
fn spare(bench: &Bench) -> Spare {
    bench.machine.enter(CpuId(0));
    let token = &mut bench.machine.token();
    bench.system.workspaces.lock(token).take()
}

#[test]
fn who_has_to_wait_for_room_to_unpack_in_keeps_nobody_else() {
    let mut setup = packed(1);
    setup.domains.push(small(2, 1));
    let mut bench = Bench::of(setup.cpus(1).unfilled());
    let Spare::Here(room) = spare(&bench) else {
        panic!("there is one")
    };
    while !is_filled(bench.system, 2) {
        bench.turn(0);
    }
    for _ in 0..MOST {
        bench.turn(0);
    }
    assert!(!is_filled(bench.system, 1) && bench.domain(1).filling.try_claim().is_some());
    {
        let token = &mut bench.machine.token();
        bench.system.workspaces.lock(token).give_back(room);
    }
    // Now it is filled, and runs.
    assert_eq!(bench.hvc(A, psci::VERSION, [0; 3]), 0x1_0001);
}

#[test]
fn no_room_for_unpacking_is_had_where_no_kernel_is_packed() {
    let bench = Bench::of(Setup::two().unfilled());
    assert!(matches!(spare(&bench), Spare::Never));
}
