//! `grant_table_op`: pages that domains share.

use abi::grant::{
    Copy, CopyEnd, GetVersion, GrantStatus, Map, QuerySize, SetVersion, SetupTable, Unmap,
    copy_flag, entry, map_flag, op,
};
use abi::hypercall::{GRANT_TABLE_OP, MEMORY_OP, SCHED_OP};
use abi::memory::{AddToPhysmap, Reservation, space};
use abi::{DomId, Errno};

use crate::bench::{Bench, ENTRY, Who};
use crate::xen::{ARGUMENT, ARRAY, SHARED, UNMAPPED, call, failed, get, operate, put, two, word};

const A: Who = (1, 0);
const B: Who = (2, 0);
/// Where B maps.
const WINDOW: u64 = 0x8000_0000;
/// A's page that is granted.
const GRANTED: u64 = ENTRY + 0x18_0000;

/// One entry of a batch.
pub(crate) fn grant<const N: usize>(
    bench: &mut Bench,
    who: Who,
    command: u32,
    argument: [u8; N],
) -> (i64, [u8; N]) {
    put(bench, who, ARGUMENT, &argument);
    let result = call(
        bench,
        who,
        GRANT_TABLE_OP,
        [command.into(), ARGUMENT, 1, 0, 0],
    );
    (result, get(bench, who, ARGUMENT))
}

/// A maps its grant table at `SHARED` and grants a page by reference 9.
fn grant_page(bench: &mut Bench, flags: u16) {
    let table = AddToPhysmap {
        domid: DomId::SELF,
        space: space::GRANT_TABLE,
        gpfn: SHARED >> 12,
        ..AddToPhysmap::default()
    };
    let command = abi::memory::op::ADD_TO_PHYSMAP;
    let (result, _) = operate(bench, A, MEMORY_OP, command, table.to_bytes());
    assert!(result == 0 || result == failed(Errno::Busy));
    let header = u32::from(entry::PERMIT_ACCESS | flags) | 2 << 16;
    let word = u64::from(header) | GRANTED >> 12 << 32;
    put(bench, A, SHARED + 9 * 8, &word.to_le_bytes());
}

fn map(bench: &mut Bench, flags: u32, at: u64) -> (i16, u32) {
    let wanted = Map {
        host_addr: at,
        flags,
        gref: 9,
        dom: DomId(1),
        ..Map::default()
    };
    let (result, bytes) = grant(bench, B, op::MAP_GRANT_REF, wanted.to_bytes());
    assert_eq!(result, 0);
    let answer = Map::from_bytes(&bytes);
    (answer.status, answer.handle)
}

fn unmap(bench: &mut Bench, handle: u32, at: u64) -> i16 {
    let wanted = Unmap {
        host_addr: at,
        handle,
        ..Unmap::default()
    };
    let (result, bytes) = grant(bench, B, op::UNMAP_GRANT_REF, wanted.to_bytes());
    assert_eq!(result, 0);
    Unmap::from_bytes(&bytes).status
}

fn flags(bench: &mut Bench) -> u16 {
    u16::from_le_bytes(get(bench, A, SHARED + 9 * 8))
}

#[test]
fn a_granted_page_is_one_page_to_both() {
    let mut bench = two();
    grant_page(&mut bench, 0);
    let (status, handle) = map(&mut bench, map_flag::HOST_MAP, WINDOW);
    assert_eq!(status, 0);
    bench.store(B, WINDOW + 4, 42);
    assert_eq!(bench.load(A, GRANTED + 4), 42);
    bench.store(A, GRANTED + 8, 43);
    assert_eq!(bench.load(B, WINDOW + 8), 43);
    let used = entry::READING | entry::WRITING;
    assert_eq!(flags(&mut bench) & used, used);
    // Another domain's page is no buffer for hypercalls.
    let version = call(
        &mut bench,
        B,
        abi::hypercall::XEN_VERSION,
        [1, WINDOW, 0, 0, 0],
    );
    assert_eq!(version, failed(Errno::Fault));
    assert_eq!(
        unmap(&mut bench, handle, WINDOW + 0x1000),
        GrantStatus::GeneralError as i16
    );
    assert_eq!(unmap(&mut bench, handle, WINDOW), 0);
    assert_eq!(
        unmap(&mut bench, handle, WINDOW),
        GrantStatus::BadHandle as i16
    );
    assert_eq!(flags(&mut bench) & used, 0);
    bench.load(B, WINDOW);
    assert_eq!(bench.el1(B).far, WINDOW, "it is gone");
}

#[test]
fn reading_alone_is_reading_alone() {
    let mut bench = two();
    grant_page(&mut bench, entry::READONLY);
    put(&mut bench, A, GRANTED, &7u32.to_le_bytes());
    assert_eq!(
        map(&mut bench, map_flag::HOST_MAP, WINDOW).0,
        GrantStatus::GeneralError as i16
    );
    let reading = map_flag::HOST_MAP | map_flag::READONLY;
    assert_eq!(map(&mut bench, reading, WINDOW).0, 0);
    assert_eq!(bench.load(B, WINDOW), 7);
    let mut token = bench.machine.token();
    let tables = bench.domain(2).control.lock(&mut token);
    let memory = tables.memory.as_ref().unwrap();
    let found = memory.translate(abi::Ipa(WINDOW)).unwrap();
    assert_eq!(found.attributes.access, stage2::Access::ReadOnly);
    assert_eq!(found.attributes.execute, stage2::Execute::No);
}

#[test]
fn what_is_not_granted_is_not_mapped() {
    let mut bench = two();
    assert_eq!(
        map(&mut bench, map_flag::HOST_MAP, WINDOW).0,
        GrantStatus::BadGntref as i16,
        "no table yet"
    );
    grant_page(&mut bench, 0);
    let wanted = Map {
        host_addr: WINDOW,
        flags: map_flag::HOST_MAP,
        gref: 9,
        dom: DomId(1),
        ..Map::default()
    };
    for (wanted, status) in [
        (Map { gref: 10, ..wanted }, GrantStatus::GeneralError),
        (
            Map {
                gref: 600,
                ..wanted
            },
            GrantStatus::BadGntref,
        ),
        (
            Map {
                dom: DomId(3),
                ..wanted
            },
            GrantStatus::BadDomain,
        ),
        (
            Map {
                dom: DomId::SELF,
                ..wanted
            },
            GrantStatus::BadDomain,
        ),
        (Map { flags: 0, ..wanted }, GrantStatus::BadGntref),
        (
            Map {
                host_addr: u64::MAX,
                ..wanted
            },
            GrantStatus::GeneralError,
        ),
    ] {
        let (_, bytes) = grant(&mut bench, B, op::MAP_GRANT_REF, wanted.to_bytes());
        let answer = Map::from_bytes(&bytes);
        assert_eq!(answer.status, status as i16, "{wanted:?}");
    }
    assert_eq!(flags(&mut bench) & (entry::READING | entry::WRITING), 0);
    // A frame of the hypervisor's, and no frame at all, are nothing to share.
    for frame in [SHARED >> 12, 5] {
        put(
            &mut bench,
            A,
            SHARED + 9 * 8 + 4,
            &(frame as u32).to_le_bytes(),
        );
        assert_eq!(
            map(&mut bench, map_flag::HOST_MAP, WINDOW).0,
            GrantStatus::BadPage as i16
        );
    }
}

#[test]
fn bytes_are_copied_between_grants_and_own_frames() {
    let mut bench = two();
    grant_page(&mut bench, 0);
    put(&mut bench, A, GRANTED + 16, b"granted");
    let granted = |offset| CopyEnd {
        place: 9,
        domid: DomId(1),
        offset,
    };
    let own = |offset| CopyEnd {
        place: ARRAY >> 12,
        domid: DomId::SELF,
        offset,
    };
    let inward = Copy {
        source: granted(16),
        dest: own(32),
        len: 7,
        flags: copy_flag::SOURCE_GREF,
        ..Copy::default()
    };
    let (result, bytes) = grant(&mut bench, B, op::COPY, inward.to_bytes());
    assert_eq!((result, Copy::from_bytes(&bytes).status), (0, 0));
    assert_eq!(&get::<7>(&mut bench, B, ARRAY + 32), b"granted");
    let outward = Copy {
        source: own(32),
        dest: granted(4089),
        len: 7,
        flags: copy_flag::DEST_GREF,
        ..Copy::default()
    };
    let (_, bytes) = grant(&mut bench, B, op::COPY, outward.to_bytes());
    assert_eq!(Copy::from_bytes(&bytes).status, 0);
    assert_eq!(&get::<7>(&mut bench, A, GRANTED + 4089), b"granted");
    let across = Copy {
        dest: granted(4090),
        ..outward
    };
    let (_, bytes) = grant(&mut bench, B, op::COPY, across.to_bytes());
    let status = Copy::from_bytes(&bytes).status;
    assert_eq!(status, GrantStatus::BadCopyArg as i16);
    assert_eq!(flags(&mut bench) & (entry::READING | entry::WRITING), 0);
}

/// What a guest has in an entry besides may have changed meanwhile: here by the copy itself.
#[test]
fn of_an_entry_only_its_status_is_written() {
    let mut bench = two();
    grant_page(&mut bench, 0);
    put(&mut bench, A, GRANTED, b"granted");
    let end = |place, domid, offset| CopyEnd {
        place,
        domid,
        offset,
    };
    let onto_itself = Copy {
        source: end(9, DomId(1), 0),
        dest: end(ARGUMENT >> 12, DomId::SELF, (ARGUMENT & 0xfff) as u16),
        len: 7,
        flags: copy_flag::SOURCE_GREF,
        status: 77,
    };
    let (result, bytes) = grant(&mut bench, B, op::COPY, onto_itself.to_bytes());
    assert_eq!((result, Copy::from_bytes(&bytes).status), (0, 0));
    assert_eq!(&bytes[..7], b"granted");

    let (_, handle) = map(&mut bench, map_flag::HOST_MAP, WINDOW);
    let wanted = Unmap {
        host_addr: WINDOW,
        handle,
        status: 77,
        ..Unmap::default()
    };
    let mut padded = wanted.to_bytes();
    padded[22..].fill(0xa5);
    let (_, bytes) = grant(&mut bench, B, op::UNMAP_GRANT_REF, padded);
    assert_eq!(Unmap::from_bytes(&bytes).status, 0);
    assert_eq!(bytes[22..], [0xa5; 2]);
}

#[test]
fn the_table_is_asked_for_and_set_up() {
    let mut bench = two();
    let query = QuerySize {
        dom: DomId::SELF,
        ..QuerySize::default()
    };
    let (_, bytes) = grant(&mut bench, A, op::QUERY_SIZE, query.to_bytes());
    let size = QuerySize::from_bytes(&bytes);
    assert_eq!(
        (size.status, size.nr_frames, size.max_nr_frames),
        (0, 0, 64)
    );
    grant_page(&mut bench, 0);
    let setup = |dom, nr_frames| SetupTable {
        dom: DomId(dom),
        nr_frames,
        frame_list: ARRAY,
        ..SetupTable::default()
    };
    for (dom, frames, status) in [
        (0x7ff0, 2, GrantStatus::Okay),
        (0x7ff0, 65, GrantStatus::GeneralError),
        (2, 1, GrantStatus::PermissionDenied),
        (3, 1, GrantStatus::BadDomain),
    ] {
        let wanted = setup(dom, frames).to_bytes();
        let (result, bytes) = grant(&mut bench, A, op::SETUP_TABLE, wanted);
        let answer = SetupTable::from_bytes(&bytes).status;
        assert_eq!((result, answer), (0, status as i16), "d{dom} {frames}");
    }
    assert_eq!(word(&mut bench, A, ARRAY), SHARED >> 12);
    for (version, result) in [(1, 0), (2, failed(Errno::NoSys)), (3, failed(Errno::Inval))] {
        let wanted = SetVersion { version }.to_bytes();
        assert_eq!(grant(&mut bench, A, op::SET_VERSION, wanted).0, result);
    }
    let wanted = GetVersion {
        dom: DomId(1),
        ..GetVersion::default()
    };
    let (result, bytes) = grant(&mut bench, A, op::GET_VERSION, wanted.to_bytes());
    assert_eq!((result, GetVersion::from_bytes(&bytes).version), (0, 1));
    for (arguments, errno) in [
        ([op::TRANSFER.into(), ARGUMENT, 1, 0, 0], Errno::NoSys),
        ([op::COPY.into(), ARGUMENT, u64::MAX, 0, 0], Errno::Inval),
        ([op::MAP_GRANT_REF.into(), UNMAPPED, 1, 0, 0], Errno::Fault),
    ] {
        let result = call(&mut bench, A, GRANT_TABLE_OP, arguments);
        assert_eq!(result, failed(errno));
    }
}

#[test]
fn a_long_batch_is_continued() {
    let mut bench = two();
    for index in 0..30u64 {
        let nothing = Map::default().to_bytes();
        put(&mut bench, B, ARRAY + index * 32, &nothing);
    }
    let batch = [op::MAP_GRANT_REF.into(), ARRAY, 30, 0, 0];
    assert_eq!(call(&mut bench, B, GRANT_TABLE_OP, batch), 0);
    for index in 0..30u64 {
        let entry = Map::from_bytes(&get(&mut bench, B, ARRAY + index * 32));
        assert_eq!(entry.status, GrantStatus::BadGntref as i16, "{index}");
    }
}

fn free_bytes(bench: &Bench) -> u64 {
    bench
        .system
        .frames
        .lock(&mut bench.machine.token())
        .free_bytes()
}

fn end(bench: &mut Bench, who: Who) {
    let _ = call(
        bench,
        who,
        SCHED_OP,
        [abi::sched::op::SHUTDOWN.into(), ARGUMENT, 0, 0, 0],
    );
    bench.settle();
}

#[test]
fn memory_that_another_has_mapped_stays_until_it_is_unmapped() {
    let mut bench = two();
    grant_page(&mut bench, 0);
    put(&mut bench, A, GRANTED, &[7; 4]);
    let (_, handle) = map(&mut bench, map_flag::HOST_MAP, WINDOW);
    let before = free_bytes(&bench);
    end(&mut bench, A);
    assert_eq!(free_bytes(&bench), before);
    assert_eq!(bench.load(B, WINDOW), 0x0707_0707);
    assert_eq!(
        map(&mut bench, map_flag::HOST_MAP, WINDOW + 0x1000).0,
        GrantStatus::BadDomain as i16
    );
    assert_eq!(unmap(&mut bench, handle, WINDOW), 0);
    bench.settle();
    assert!(free_bytes(&bench) >= before + (4 << 20));
}

#[test]
fn a_domain_that_ends_gives_up_what_it_mapped() {
    let mut bench = two();
    grant_page(&mut bench, 0);
    assert_eq!(map(&mut bench, map_flag::HOST_MAP, WINDOW).0, 0);
    end(&mut bench, B);
    assert_eq!(flags(&mut bench) & (entry::READING | entry::WRITING), 0);
    let before = free_bytes(&bench);
    end(&mut bench, A);
    assert!(free_bytes(&bench) >= before + (4 << 20));
}

fn reservation(bench: &mut Bench, command: u32, frame: u64) -> i64 {
    put(bench, A, ARRAY, &frame.to_le_bytes());
    let wanted = Reservation {
        extent_start: ARRAY,
        nr_extents: 1,
        domid: DomId::SELF,
        ..Reservation::default()
    };
    operate(bench, A, MEMORY_OP, command, wanted.to_bytes()).0
}

#[test]
fn pages_given_up_while_others_are_lent_come_back_and_lent_ones_when_they_are() {
    use abi::memory::op::{DECREASE_RESERVATION, POPULATE_PHYSMAP};
    let mut bench = two();
    grant_page(&mut bench, 0);
    put(&mut bench, A, GRANTED, &[7; 4]);
    let (_, first) = map(&mut bench, map_flag::HOST_MAP, WINDOW);
    let (_, second) = map(&mut bench, map_flag::HOST_MAP, WINDOW + 0x1000);
    // Another page is not held up by them.
    let other = (GRANTED >> 12) + 1;
    assert_eq!(reservation(&mut bench, DECREASE_RESERVATION, other), 1);
    assert_eq!(reservation(&mut bench, POPULATE_PHYSMAP, other), 1);
    // Nor is the one that the grant table was mapped over; that is all.
    assert_eq!(reservation(&mut bench, POPULATE_PHYSMAP, WINDOW >> 12), 1);
    assert_eq!(reservation(&mut bench, POPULATE_PHYSMAP, 5), 0);
    // This one is not given out while another domain has it, by one grant or two.
    let granted = GRANTED >> 12;
    assert_eq!(reservation(&mut bench, DECREASE_RESERVATION, granted), 1);
    assert_eq!(reservation(&mut bench, POPULATE_PHYSMAP, granted), 0);
    assert_eq!(bench.load(B, WINDOW), 0x0707_0707);
    assert_eq!(unmap(&mut bench, first, WINDOW), 0);
    assert_eq!(reservation(&mut bench, POPULATE_PHYSMAP, granted), 0);
    assert_eq!(bench.load(B, WINDOW + 0x1000), 0x0707_0707);
    assert_eq!(unmap(&mut bench, second, WINDOW + 0x1000), 0);
    assert_eq!(reservation(&mut bench, POPULATE_PHYSMAP, granted), 1);
    assert_eq!(word(&mut bench, A, GRANTED), 0);
}

#[test]
fn ram_under_a_mapping_is_not_lost() {
    use abi::memory::op::POPULATE_PHYSMAP;
    let mut bench = two();
    grant_page(&mut bench, 0);
    // A's table replaced a page of RAM, which can be had again, once, elsewhere.
    assert_eq!(reservation(&mut bench, POPULATE_PHYSMAP, WINDOW >> 12), 1);
    assert_eq!(word(&mut bench, A, WINDOW), 0);
    assert_eq!(reservation(&mut bench, POPULATE_PHYSMAP, 5), 0);
    // B maps a grant over RAM of its own, and takes it out: that leaves a hole.
    let at = ENTRY + 0x19_0000;
    let (_, handle) = map(&mut bench, map_flag::HOST_MAP, at);
    assert_eq!(unmap(&mut bench, handle, at), 0);
    bench.load(B, at);
    assert_eq!(bench.el1(B).far, at);
}

#[test]
fn a_grant_table_grows_a_few_frames_at_a_time() {
    let mut bench = two();
    let setup = SetupTable {
        dom: DomId::SELF,
        nr_frames: 64,
        frame_list: ARRAY,
        ..SetupTable::default()
    };
    put(&mut bench, A, ARGUMENT, &setup.to_bytes());
    let arguments = [op::SETUP_TABLE.into(), ARGUMENT, 1, 0, 0];
    crate::xen::begin(&mut bench, A, GRANT_TABLE_OP, arguments);
    assert_eq!(bench.pc(A), ENTRY, "it is continued");
    let frames = |bench: &Bench| {
        let mut token = bench.machine.token();
        let life = bench.domain(1).control.lock(&mut token);
        life.grants.size().frames
    };
    assert_eq!(frames(&bench), 4);
    assert_eq!(call(&mut bench, A, GRANT_TABLE_OP, arguments), 0);
    assert_eq!(frames(&bench), 64);
    let answer = SetupTable::from_bytes(&get(&mut bench, A, ARGUMENT));
    assert_eq!(answer.status, 0);
}
