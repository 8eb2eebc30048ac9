//! Tests of the fake machine itself, and of what is portable over its RAM.

use abi::{CpuId, IntId, Ipa, PAGE_SIZE, Pa, Range};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::vec::Vec;

use super::gic::{Active, Gic, frames_v3};
use super::guest::GuestId;
use super::host::{Machine, Parts, RAM_START, Record, TIMER};
use super::interleaving::Scene;
use super::stage2::{TablePool, invalidate};
use super::translation::walk;
use super::vcpu::{Stage2Base, Vcpu};
use super::{Boot, map_device, timer};
use crate::exit::Exit;
use crate::frames::{Frames, Occupied};
use crate::lock::{Devices, Lock, host_token};
use std::boxed::Box;

fn machine() -> Machine {
    let machine = Machine::new(Parts {
        ram_bytes: 1 << 20,
        ..Parts::default()
    });
    machine.enter(CpuId(0));
    machine
}

fn frames(machine: &Machine) -> Box<Frames> {
    Frames::new(&[machine.ram()], Occupied::default()).unwrap()
}

fn gic() -> Gic {
    let device =
        |start| map_device(Range::new(start, 0x1_0000).unwrap(), &mut host_token()).unwrap();
    Gic::new(frames_v3(device(0x800_0000), [device(0x80a_0000)], None)).unwrap()
}

const BASE: Stage2Base = Stage2Base {
    root: RAM_START,
    vmid: 3,
    control: 0,
};

/// Whether `action` breaks a rule of the machine's.
fn is_refused(action: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(action)).is_err()
}

#[test]
fn an_extent_reads_what_was_written_and_nothing_outside() {
    let machine = machine();
    let mut frames = frames(&machine);
    let mut extent = frames.allocate(PAGE_SIZE, PAGE_SIZE).unwrap();
    assert!(extent.write(0xffe, &[1, 2]));
    assert!(!extent.write(0xfff, &[1, 2]), "across the end");
    let mut data = [0; 2];
    assert!(extent.read(0xffe, &mut data));
    assert_eq!(data, [1, 2]);
    assert!(!extent.read(0xfff, &mut data));
    assert_eq!(machine.peek(Pa(extent.range().start() + 0xffe), 2), [1, 2]);
    let end = Pa(extent.range().end());
    let last = Pa(end.0 - 2);
    assert!(extent.write_at(last, &[3, 4]) && extent.read_at(last, &mut data));
    assert_eq!(data, [3, 4]);
    let first = Pa(extent.range().start());
    for outside in [Pa(end.0 - 1), end, Pa(first.0 - 1), Pa(u64::MAX)] {
        assert!(!extent.write_at(outside, &[5, 6]) && !extent.read_at(outside, &mut data));
    }
    assert!(extent.read_at(last, &mut data) && data == [3, 4]);
    let other = frames.allocate(PAGE_SIZE, PAGE_SIZE).unwrap();
    assert!(other.copy_to(0, &extent, 0x700, 0) && extent.copy_to(0xffe, &other, 0x101, 2));
    assert_eq!(
        machine.peek(Pa(other.range().start() + 0x100), 4),
        [0, 3, 4, 0]
    );
    assert!(!extent.copy_to(0xffe, &other, 0x101, 3) && !extent.copy_to(0, &other, 0xfff, 2));
    assert!(!extent.copy_to(u64::MAX, &other, 0, 2));
    assert!(extent.copy_to(0xffc, &extent, 0xffd, 3), "onto itself");
    extent.write_word(1, 0x0102_0304_0506_0708);
    extent.write_word(512, 7);
    assert_eq!(
        (extent.read_word(1), extent.read_word(512)),
        (0x0102_0304_0506_0708, 0)
    );
    assert_eq!(
        machine.peek(Pa(extent.range().start() + 8), 1),
        [8],
        "little endian"
    );
    extent.zero(8, u64::MAX >> 1);
    assert_eq!(extent.read_word(1), 0);
}

#[test]
fn a_module_shows_what_was_loaded() {
    let machine = machine();
    let place = Range::new(RAM_START.0 + 0x8010, 5).unwrap();
    machine.poke(Pa(place.start()), b"hello");
    let occupied = Occupied {
        modules: &[place],
        ..Occupied::default()
    };
    let mut frames = Frames::new(&[machine.ram()], occupied).unwrap();
    assert_eq!(frames.module(place).unwrap().bytes(), b"hello");
}

#[test]
fn tables_come_zeroed_from_a_bounded_pool() {
    let machine = machine();
    machine.poke(RAM_START, &[0xff; 0x4000]);
    let extent = frames(&machine)
        .allocate(4 * PAGE_SIZE, 4 * PAGE_SIZE)
        .unwrap();
    let mut pool = TablePool::new(extent);
    let root = pool.allocate_root(2).unwrap();
    assert!(pool.allocate_root(2).is_none(), "only at the start");
    let tables: Vec<Pa> = std::iter::from_fn(|| pool.allocate()).collect();
    assert_eq!(tables.len(), 2);
    assert_eq!(pool.read(root, 1023), 0);
    pool.write(tables[1], 511, 0xabc);
    assert_eq!(pool.read(tables[1], 511), 0xabc);
    pool.write(tables[1], 512, 1);
    assert_eq!(pool.read(tables[1], 512), 0, "behind the pool");
    pool.free(tables[1]);
    assert_eq!(pool.size_and_used(), (4 * PAGE_SIZE, 3 * PAGE_SIZE));
    pool.free(Pa(0x1000));
    assert_eq!(pool.allocate(), Some(tables[1]));
    assert_eq!(pool.read(tables[1], 511), 0, "zeroed again");
    assert_eq!(
        pool.allocate(),
        None,
        "what is not the pool's does not come back"
    );
    assert_eq!(pool.into_extent().range().size(), 4 * PAGE_SIZE);
}

#[test]
fn translation_walks_tables_as_the_hardware_does() {
    let machine = machine();
    // 32 bits of guest address: level 1 with 4 entries, at the start of RAM.
    let stage2 = Stage2Base {
        root: RAM_START,
        vmid: 1,
        control: 32 | 1 << 6,
    };
    let word = |at: u64, value: u64| machine.poke(Pa(at), &value.to_le_bytes());
    let [l1, l2, l3] = [0, 0x1000, 0x2000].map(|offset| RAM_START.0 + offset);
    word(l1 + 8, l2 | 3);
    word(l1 + 16, 0x8000_0000 | 1);
    word(l2 + 8, l3 | 3);
    word(l2 + 16, 0x4020_0000 | 1);
    word(l3 + 8, 0x4001_1000 | 3);
    let ram = &machine.shared().ram;
    let at = |address| walk(ram, stage2, Ipa(address)).map(|mapped| mapped.address.0);
    assert_eq!(at(0x4020_1234), Some(0x4001_1234), "a page");
    assert_eq!(at(0x4040_1234), Some(0x4020_1234), "a block of 2 MiB");
    assert_eq!(at(0x8765_4321), Some(0x8765_4321), "a block of 1 GiB");
    for nowhere in [0x4020_0000, 0x4060_0000, 0, 1 << 32, 1 << 40] {
        assert_eq!(at(nowhere), None, "{nowhere:#x}");
    }
    let elsewhere = Stage2Base {
        root: Pa(0x1000),
        ..stage2
    };
    assert_eq!(walk(ram, elsewhere, Ipa(0)), None, "tables outside RAM");
}

#[test]
fn an_interrupt_is_taken_dropped_and_ended_once() {
    let machine = machine();
    let gic = gic();
    assert!(gic.start_cpu(CpuId(0), &[TIMER]));
    timer::set_deadline(Some(machine.now() + 1));
    assert_eq!(gic.acknowledge(), None);
    machine.advance(1);
    let taken = gic.acknowledge().unwrap();
    assert_eq!(taken.intid(), TIMER);
    assert!(
        is_refused(|| gic.deactivate(taken)),
        "before its priority is dropped"
    );
    let gic = self::gic();
    machine
        .shared()
        .state()
        .cpu(CpuId(0))
        .active
        .insert(TIMER.0);
    gic.drop_priority(taken);
    assert_eq!(gic.acknowledge(), None, "active, so not again");
    gic.deactivate(taken);
    assert!(is_refused(|| gic.deactivate(taken)), "twice");
    assert!(gic.acknowledge().is_some(), "its line is high still");
}

#[test]
fn what_is_off_or_of_another_cpu_is_refused() {
    let machine = machine();
    let gic = gic();
    machine.pend(CpuId(0), IntId(20));
    assert!(!machine.has_pending(CpuId(0)), "it is not enabled");
    assert!(is_refused(|| gic.set_private_active(
        CpuId(1),
        TIMER,
        Active::Yes
    )));
    assert!(is_refused(|| gic.write_list_register(4, 0)));
    assert!(is_refused(|| machine.poke(Pa(0x1000), &[0])));
    assert!(is_refused(|| drop(
        machine.peek(Pa(machine.ram().end() - 1), 2)
    )));
}

#[test]
fn a_vcpu_runs_only_where_it_is_resident() {
    let machine = machine();
    let gic = gic();
    let mut first = Vcpu::new(0, BASE, 0);
    let mut second = Vcpu::new(1, BASE, 0);
    assert!(is_refused(|| {
        let _ = first.run();
    }));
    first.load(&gic);
    assert!(is_refused(|| second.load(&gic)), "over another");
    assert!(is_refused(|| first.reset(0, 0)), "while resident");
    machine.enter(CpuId(1));
    assert!(is_refused(|| first.load(&gic)), "twice");
    machine.enter(CpuId(0));
    gic.write_list_register(0, 1 << 62);
    assert!(
        is_refused(|| first.save(&gic)),
        "list registers hold something of it"
    );
    gic.write_list_register(0, 0);
    machine.script(
        GuestId {
            vmid: 3,
            affinity: 0,
        },
        |guest| guest.wait(),
    );
    assert_eq!(first.run(), Exit::WaitForInterrupt);
    assert_eq!(first.run(), Exit::Interrupt, "the script is at its end");
    first.save(&gic);
    assert_eq!(machine.resident(CpuId(0)), None);
}

#[test]
fn what_was_done_is_on_record() {
    let machine = machine();
    let range = Range::new(0x1000, 0x1000).unwrap();
    invalidate(BASE, range);
    gic().kick(CpuId(1));
    let kick = Record::Kick {
        from: CpuId(0),
        to: CpuId(1),
    };
    assert_eq!(
        machine.take_records(),
        [Record::Invalidated { vmid: 3, range }, kick]
    );
    assert_eq!(machine.take_records(), []);
}

#[test]
fn a_boot_finds_its_tree_and_what_is_free() {
    let machine = machine();
    let mut boot = Boot::new(&machine, b"the tree");
    assert_eq!(boot.device_tree(), b"the tree");
    let memory = boot.memory(&[machine.ram()], &[], &[]).unwrap();
    assert_eq!(boot.device_tree(), b"");
    assert_eq!(memory.tree.unwrap().bytes(), b"the tree");
    assert!(memory.frames.free_bytes() < memory.total_bytes);
}

#[test]
fn a_scene_switches_where_it_is_told_and_past_held_locks() {
    let order = |switches: &[usize]| {
        let lock = Lock::<Vec<u8>, Devices>::new(Vec::new());
        let scene = Scene::new(switches);
        std::thread::scope(|scope| {
            for player in 0..2u8 {
                let (scene, lock) = (scene.clone(), &lock);
                scope.spawn(move || {
                    scene.play(player.into(), || {
                        for _ in 0..2 {
                            let mut token = host_token();
                            let mut held = lock.lock(&mut token);
                            super::cpu::point();
                            held.push(player);
                        }
                    });
                });
            }
        });
        lock.lock(&mut host_token()).clone()
    };
    assert_eq!(order(&[]), [0, 0, 1, 1]);
    assert_eq!(order(&[1]), [1, 1, 0, 0]);
    // The second point is inside the lock: the other waits for it, and comes next.
    assert_eq!(order(&[2]), [0, 1, 0, 1]);
    assert_eq!(order(&[3]), [0, 1, 1, 0]);
}
