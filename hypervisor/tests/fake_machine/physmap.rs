//! `memory_op`: what is mapped where, and pages given up and got back.

use abi::hypercall::MEMORY_OP;
use abi::memory::{
    AddToPhysmap, AddToPhysmapBatch, Domain, RemoveFromPhysmap, Reservation, op, space,
};
use abi::{DomId, Errno};

use crate::bench::{Bench, ENTRY, Who};
use crate::xen::{
    ARGUMENT, ARRAY, SHARED, UNMAPPED, begin, call, failed, get, map_shared_info, operate, put,
    two, word,
};

const A: Who = (1, 0);
/// Pages of the domain.
const PAGES: i64 = 1024;
/// Where no RAM is: in an extended region.
const BEYOND: u64 = 0x8000_0000;

fn memory<const N: usize>(bench: &mut Bench, command: u32, argument: [u8; N]) -> i64 {
    operate(bench, A, MEMORY_OP, command, argument).0
}

fn add(bench: &mut Bench, space: u32, idx: u64, at: u64) -> i64 {
    let wanted = AddToPhysmap {
        domid: DomId::SELF,
        size: 0,
        space,
        idx,
        gpfn: at >> 12,
    };
    memory(bench, op::ADD_TO_PHYSMAP, wanted.to_bytes())
}

fn remove(bench: &mut Bench, at: u64) -> i64 {
    let wanted = RemoveFromPhysmap {
        domid: DomId::SELF,
        gpfn: at >> 12,
    };
    memory(bench, op::REMOVE_FROM_PHYSMAP, wanted.to_bytes())
}

fn load(bench: &mut Bench, at: u64) -> u64 {
    u64::from(bench.load(A, at))
}

#[test]
fn shared_info_replaces_the_ram_under_it_and_is_mapped_once() {
    let mut bench = two();
    put(&mut bench, A, SHARED, &[0xaa; 8]);
    put(&mut bench, A, SHARED + 0x1000, &[0xbb; 8]);
    assert_eq!(map_shared_info(&mut bench, A, SHARED), 0);
    assert_eq!(load(&mut bench, SHARED), 0);
    assert_eq!(load(&mut bench, SHARED + 0x1000), 0xbbbb_bbbb);
    bench.store(A, SHARED + 8, 77);
    assert_eq!(
        word(&mut bench, A, SHARED + 8),
        77,
        "hypercalls see the same"
    );
    assert_eq!(map_shared_info(&mut bench, A, SHARED), failed(Errno::Busy));
    assert_eq!(
        map_shared_info(&mut bench, A, SHARED + 0x4000),
        failed(Errno::Busy)
    );
    assert_eq!(remove(&mut bench, SHARED), 0);
    assert_eq!(remove(&mut bench, SHARED), failed(Errno::NoEnt));
    assert_eq!(map_shared_info(&mut bench, A, BEYOND), 0);
    assert_eq!(load(&mut bench, BEYOND + 8), 77);
    // Mapping something else over it makes it free again.
    assert_eq!(add(&mut bench, space::GRANT_TABLE, 0, BEYOND), 0);
    assert_eq!(map_shared_info(&mut bench, A, SHARED), 0);
    assert_eq!(load(&mut bench, SHARED + 8), 77);
}

#[test]
fn a_hole_is_no_argument() {
    let mut bench = two();
    assert_eq!(remove(&mut bench, ARRAY), 0);
    let arguments = [op::CURRENT_RESERVATION.into(), ARRAY, 0, 0, 0];
    assert_eq!(
        call(&mut bench, A, MEMORY_OP, arguments),
        failed(Errno::Fault)
    );
}

#[test]
fn grant_frames_are_mapped_by_index() {
    let mut bench = two();
    assert_eq!(add(&mut bench, space::GRANT_TABLE, 3, SHARED), 0);
    assert_eq!(
        add(&mut bench, space::GRANT_TABLE, 3, SHARED + 0x1000),
        failed(Errno::Busy)
    );
    assert_eq!(remove(&mut bench, SHARED), 0);
    assert_eq!(add(&mut bench, space::GRANT_TABLE, 3, SHARED + 0x1000), 0);
    for (kind, index, errno) in [
        (space::GRANT_TABLE, 64, Errno::Inval),
        (space::GRANT_TABLE, u64::MAX, Errno::Inval),
        (space::SHARED_INFO, 1, Errno::Inval),
        (space::GMFN, 0, Errno::NoSys),
        (space::GMFN_FOREIGN, 0, Errno::NoSys),
        (99, 0, Errno::NoSys),
    ] {
        let result = add(&mut bench, kind, index, SHARED);
        assert_eq!(result, failed(errno), "{kind} {index}");
    }
    let result = add(&mut bench, space::SHARED_INFO, 0, 1 << 52);
    assert_eq!(result, failed(Errno::Inval));
    let result = add(&mut bench, space::SHARED_INFO, 0, u64::MAX);
    assert_eq!(result, failed(Errno::Inval));
}

#[test]
fn a_batch_gives_a_result_for_each_entry_and_is_continued() {
    let mut bench = two();
    let count = 40u64;
    for index in 0..count {
        let entry = ARRAY + index * 8;
        put(&mut bench, A, entry, &index.to_le_bytes());
        let gfn = (BEYOND >> 12) + index;
        put(&mut bench, A, entry + 0x1000, &gfn.to_le_bytes());
    }
    let bad = 99u64;
    put(&mut bench, A, ARRAY + 5 * 8, &bad.to_le_bytes());
    let mut batch = AddToPhysmapBatch {
        domid: DomId::SELF,
        space: space::GRANT_TABLE as u16,
        size: count as u16,
        foreign_domid: DomId(0),
        idxs: ARRAY,
        gpfns: ARRAY + 0x1000,
        errs: ARRAY + 0x2000,
    };
    assert_eq!(
        memory(&mut bench, op::ADD_TO_PHYSMAP_BATCH, batch.to_bytes()),
        0
    );
    for index in 0..count {
        let result = i32::from_le_bytes(get(&mut bench, A, ARRAY + 0x2000 + index * 4));
        let expected = match index {
            5 => failed(Errno::Inval) as i32,
            _ => 0,
        };
        assert_eq!(result, expected, "{index}");
    }
    assert_eq!(remove(&mut bench, BEYOND + 39 * 0x1000), 0);
    batch.space = space::GMFN as u16;
    assert_eq!(
        memory(&mut bench, op::ADD_TO_PHYSMAP_BATCH, batch.to_bytes()),
        failed(Errno::OpNotSupp)
    );
    batch.space = space::GMFN_FOREIGN as u16;
    assert_eq!(
        memory(&mut bench, op::ADD_TO_PHYSMAP_BATCH, batch.to_bytes()),
        failed(Errno::Perm)
    );
    let beyond = u64::from(op::ADD_TO_PHYSMAP_BATCH) | 41 << 6;
    batch.space = space::GRANT_TABLE as u16;
    put(&mut bench, A, ARGUMENT, &batch.to_bytes());
    assert_eq!(
        call(&mut bench, A, MEMORY_OP, [beyond, ARGUMENT, 0, 0, 0]),
        failed(Errno::Inval)
    );
}

fn reservation(bench: &mut Bench, command: u32, frames: &[u64], order: u32) -> i64 {
    for (index, frame) in (0..).zip(frames) {
        put(bench, A, ARRAY + index * 8, &frame.to_le_bytes());
    }
    let wanted = Reservation {
        extent_start: ARRAY,
        nr_extents: frames.len() as u64,
        extent_order: order,
        mem_flags: 0,
        domid: DomId::SELF,
    };
    memory(bench, command, wanted.to_bytes())
}

fn current(bench: &mut Bench) -> i64 {
    let own = Domain { domid: DomId::SELF }.to_bytes();
    memory(bench, op::CURRENT_RESERVATION, own)
}

#[test]
fn pages_are_given_up_and_come_back_zeroed_wherever_they_are_wanted() {
    let mut bench = two();
    let first = (ENTRY >> 12) + 0x200;
    let frames: Vec<u64> = (first..first + 100).collect();
    put(&mut bench, A, first << 12, &[0xaa; 4096]);
    assert_eq!(current(&mut bench), PAGES);
    assert_eq!(
        reservation(&mut bench, op::DECREASE_RESERVATION, &frames, 0),
        100
    );
    assert_eq!(current(&mut bench), PAGES - 100);
    assert_eq!(
        reservation(&mut bench, op::DECREASE_RESERVATION, &frames, 0),
        0
    );
    let elsewhere: Vec<u64> = (0..120).map(|index| (BEYOND >> 12) + index).collect();
    let done = reservation(&mut bench, op::POPULATE_PHYSMAP, &elsewhere, 0);
    assert_eq!(done, 100, "never more than at the start");
    assert_eq!(current(&mut bench), PAGES);
    for frame in &elsewhere[..100] {
        assert_eq!(word(&mut bench, A, frame << 12), 0);
        bench.store(A, frame << 12, *frame as u32);
    }
    for frame in &elsewhere[..100] {
        assert_eq!(
            load(&mut bench, frame << 12),
            *frame,
            "each is a page of its own"
        );
    }
}

#[test]
fn extents_of_several_pages_and_what_is_no_extent() {
    let mut bench = two();
    let first = (ENTRY >> 12) + 0x200;
    assert_eq!(
        reservation(&mut bench, op::DECREASE_RESERVATION, &[first], 3),
        1
    );
    assert_eq!(current(&mut bench), PAGES - 8);
    assert_eq!(
        reservation(&mut bench, op::POPULATE_PHYSMAP, &[first + 4], 3),
        1
    );
    assert_eq!(current(&mut bench), PAGES);
    for (frame, order) in [(1 << 40, 0), (u64::MAX, 1), (first, 6), (first, u32::MAX)] {
        let done = reservation(&mut bench, op::DECREASE_RESERVATION, &[frame], order);
        assert_eq!(done, 0, "{frame:#x} order {order}");
    }
    assert_eq!(
        reservation(&mut bench, op::INCREASE_RESERVATION, &[first], 0),
        0
    );
    let bad = [op::POPULATE_PHYSMAP.into(), UNMAPPED, 0, 0, 0];
    assert_eq!(call(&mut bench, A, MEMORY_OP, bad), 0);
    let begun = u64::from(op::POPULATE_PHYSMAP) | 7 << 6;
    assert_eq!(
        call(&mut bench, A, MEMORY_OP, [begun, UNMAPPED, 0, 0, 0]),
        7
    );
}

#[test]
fn each_exit_splits_few_blocks() {
    let mut bench = two();
    let first = (ENTRY >> 12) + 0x200;
    for (index, frame) in (0..).zip(first..first + 40) {
        put(&mut bench, A, ARRAY + index * 8, &frame.to_le_bytes());
    }
    let wanted = Reservation {
        extent_start: ARRAY,
        nr_extents: 40,
        domid: DomId::SELF,
        ..Reservation::default()
    };
    put(&mut bench, A, ARGUMENT, &wanted.to_bytes());
    let arguments = [op::DECREASE_RESERVATION.into(), ARGUMENT, 0, 0, 0];
    begin(&mut bench, A, MEMORY_OP, arguments);
    let command = bench.registers(A, |registers| registers.cpu.register(0));
    assert_eq!(command >> 6, 8, "each page may be in a block of its own");
}

#[test]
fn questions_about_memory() {
    let mut bench = two();
    let domain = |domid| Domain {
        domid: DomId(domid),
    };
    for (command, expected) in [
        (op::CURRENT_RESERVATION, PAGES),
        (op::MAXIMUM_RESERVATION, PAGES),
        (op::MAXIMUM_GPFN, (ENTRY as i64 >> 12) + PAGES - 1),
    ] {
        assert_eq!(memory(&mut bench, command, domain(1).to_bytes()), expected);
        let others = [(2, Errno::Perm), (3, Errno::Srch)];
        for (other, errno) in others {
            let result = memory(&mut bench, command, domain(other).to_bytes());
            assert_eq!(result, failed(errno));
        }
        let continued = u64::from(command) | 1 << 6;
        let arguments = [continued, ARGUMENT, 0, 0, 0];
        assert_eq!(
            call(&mut bench, A, MEMORY_OP, arguments),
            failed(Errno::Inval)
        );
    }
    let last = call(
        &mut bench,
        A,
        MEMORY_OP,
        [op::MAXIMUM_RAM_PAGE.into(), 0, 0, 0, 0],
    );
    assert!(last > 0x4_0000, "{last:#x}");
    for unknown in [5, 9, 10, 63] {
        let arguments = [unknown, ARGUMENT, 0, 0, 0];
        assert_eq!(
            call(&mut bench, A, MEMORY_OP, arguments),
            failed(Errno::NoSys)
        );
    }
}
