//! Two CPUs at grants, in every order of their locks and atomics: one is mapped, copied from or unmapped
//! while its owner ends, and mapped while its owner gives the page up and gets it back.

use abi::grant::{Copy, CopyEnd, GrantStatus, Map, Unmap, copy_flag, entry, map_flag, op};
use abi::hypercall::{GRANT_TABLE_OP, HVC_IMMEDIATE, MEMORY_OP};
use abi::memory::{AddToPhysmap, Reservation, op as memory, space};
use abi::{CpuId, DomId, Ipa, Pa, psci};
use machine::guest::Guest;

use crate::bench::{ENTRY, Who};
use crate::event_channels::connected_domains;
use crate::event_races::{argument_of, begin, call, get, put};
use crate::interleave::Pair;
use crate::xen::{ARRAY, SHARED};

/// Whose page it is.
const OWNER: Who = (1, 0);
/// Who uses it.
const USER: Who = (2, 0);
const GRANTED: u64 = ENTRY + 0x18_0000;
/// Where the user maps it.
const WINDOW: u64 = 0x8000_0000;
const REFERENCE: u32 = 9;
const CONTENT: [u8; 8] = *b"granted!";

/// The owner lets the user read and write a page.
fn granted() -> Pair {
    let mut pair = Pair::new(connected_domains());
    pair.settle(&[]);
    let table = AddToPhysmap {
        domid: DomId::SELF,
        space: space::GRANT_TABLE,
        gpfn: SHARED >> 12,
        ..AddToPhysmap::default()
    };
    let add = memory::ADD_TO_PHYSMAP;
    assert_eq!(call(&mut pair, OWNER, MEMORY_OP, add, &table.to_bytes()), 0);
    let word = u64::from(entry::PERMIT_ACCESS) | 2 << 16 | GRANTED >> 12 << 32;
    let at = SHARED + u64::from(REFERENCE) * 8;
    put(&pair, OWNER, at, &word.to_le_bytes());
    put(&pair, OWNER, GRANTED, &CONTENT);
    pair.machine.take_output();
    pair
}

const MAP: Map = Map {
    host_addr: WINDOW,
    flags: map_flag::HOST_MAP,
    gref: REFERENCE,
    dom: DomId(1),
    status: 0,
    handle: 0,
    dev_bus_addr: 0,
};

fn begin_map(pair: &Pair) {
    begin(
        pair,
        USER,
        GRANT_TABLE_OP,
        op::MAP_GRANT_REF,
        &MAP.to_bytes(),
    );
}

fn mapped(pair: &Pair) -> Map {
    Map::from_bytes(&get(pair, USER, argument_of(USER)))
}

fn unmapping(handle: u32) -> [u8; Unmap::SIZE] {
    let unmap = Unmap {
        host_addr: WINDOW,
        handle,
        ..Unmap::default()
    };
    unmap.to_bytes()
}

fn unmap(pair: &mut Pair, handle: u32) {
    let bytes = unmapping(handle);
    assert_eq!(
        call(pair, USER, GRANT_TABLE_OP, op::UNMAP_GRANT_REF, &bytes),
        0
    );
    assert_eq!(
        Unmap::from_bytes(&get(pair, USER, argument_of(USER))).status,
        0
    );
}

fn end_owner(pair: &Pair) {
    pair.script(OWNER, |guest: &mut Guest<'_>| {
        guest.hvc(0, [u64::from(psci::SYSTEM_OFF), 0, 0, 0])
    });
}

/// Whether the owner's memory came back meanwhile.
fn came_back(pair: &Pair) -> bool {
    let output = pair.machine.take_output();
    output.contains("d1: memory zeroed and given back")
}

/// What a domain has mapped at `at`.
fn behind(pair: &Pair, who: Who, at: u64) -> Option<Pa> {
    pair.machine.enter(CpuId(0));
    let domain = pair.system.domain(DomId(who.0)).unwrap();
    let mut token = pair.machine.token();
    let life = domain.control.lock(&mut token);
    let found = life.memory.as_ref()?.translate(Ipa(at))?;
    Some(found.pa)
}

/// Plays without a switch, then with one at each of some points: each takes a system of its own.
fn each_order(play: impl Fn(&[usize]) -> usize) {
    let points = play(&[]);
    for switch in (1..=points).step_by(points.div_ceil(24).max(1)) {
        play(&[switch]);
    }
}

#[test]
fn a_grant_is_unmapped_while_its_owner_ends() {
    each_order(|switches| {
        let mut pair = granted();
        begin_map(&pair);
        pair.settle(&[USER]);
        let bytes = unmapping(mapped(&pair).handle);
        begin(&pair, USER, GRANT_TABLE_OP, op::UNMAP_GRANT_REF, &bytes);
        end_owner(&pair);
        let points = pair.play(switches, [60, 3]);
        pair.settle(&[USER]);
        assert!(came_back(&pair), "{switches:?}");
        points
    });
}

#[test]
fn a_grant_is_mapped_while_its_owner_ends() {
    each_order(|switches| {
        let mut pair = granted();
        begin_map(&pair);
        end_owner(&pair);
        let points = pair.play(switches, [60, 3]);
        pair.settle(&[USER]);
        let found = mapped(&pair);
        if found.status == 0 {
            assert!(!came_back(&pair), "in use: {switches:?}");
            let at = behind(&pair, USER, WINDOW).unwrap();
            assert_eq!(pair.machine.peek(at, 8), CONTENT, "{switches:?}");
            unmap(&mut pair, found.handle);
            pair.settle(&[USER]);
        } else {
            assert_eq!(found.status, GrantStatus::BadDomain as i16, "{switches:?}");
        }
        assert_eq!(behind(&pair, USER, WINDOW), None);
        assert!(came_back(&pair), "{switches:?}");
        points
    });
}

#[test]
fn what_is_copied_while_its_owner_ends_is_whole() {
    each_order(|switches| {
        let mut pair = granted();
        let wanted = Copy {
            source: CopyEnd {
                place: REFERENCE.into(),
                domid: DomId(1),
                offset: 0,
            },
            dest: CopyEnd {
                place: ARRAY >> 12,
                domid: DomId::SELF,
                offset: 0,
            },
            len: 8,
            flags: copy_flag::SOURCE_GREF,
            ..Copy::default()
        };
        begin(&pair, USER, GRANT_TABLE_OP, op::COPY, &wanted.to_bytes());
        end_owner(&pair);
        let points = pair.play(switches, [60, 3]);
        pair.settle(&[USER]);
        let status = Copy::from_bytes(&get(&pair, USER, argument_of(USER))).status;
        if status == 0 {
            assert_eq!(get(&pair, USER, ARRAY), CONTENT, "{switches:?}");
        } else {
            assert_eq!(status, GrantStatus::BadDomain as i16, "{switches:?}");
        }
        assert!(came_back(&pair), "{switches:?}");
        points
    });
}

/// One page's number, in the owner's memory, for it to give up or get.
fn reservation(pair: &Pair, list: u64, page: u64) -> [u8; Reservation::SIZE] {
    put(pair, OWNER, list, &(page >> 12).to_le_bytes());
    let wanted = Reservation {
        extent_start: list,
        nr_extents: 1,
        domid: DomId::SELF,
        ..Reservation::default()
    };
    wanted.to_bytes()
}

#[test]
fn a_page_that_is_mapped_while_it_is_given_up_is_not_its_owners_again_until_it_is_unmapped() {
    const ELSEWHERE: u64 = WINDOW + 0x1000;
    each_order(|switches| {
        let mut pair = granted();
        let (down, up) = (memory::DECREASE_RESERVATION, memory::POPULATE_PHYSMAP);
        // The page that was where the grant table is goes first.
        let first = reservation(&pair, ARRAY, WINDOW);
        assert_eq!(call(&mut pair, OWNER, MEMORY_OP, up, &first), 1);
        let given = reservation(&pair, ARRAY, GRANTED);
        let wanted = reservation(&pair, ARRAY + 8, ELSEWHERE);
        begin_map(&pair);
        let at = argument_of(OWNER);
        put(&pair, OWNER, at + 256, &wanted);
        begin(&pair, OWNER, MEMORY_OP, down, &given);
        pair.script(OWNER, move |guest: &mut Guest<'_>| {
            guest.set_x(16, MEMORY_OP);
            guest.hvc(HVC_IMMEDIATE, [up.into(), at + 256, 0, 0])
        });
        let points = pair.play(switches, [4, 3]);
        pair.settle(&[OWNER, USER]);
        let found = mapped(&pair);
        assert_eq!(behind(&pair, OWNER, GRANTED), None, "{switches:?}");
        if found.status == 0 {
            assert_eq!(behind(&pair, OWNER, ELSEWHERE), None, "{switches:?}");
            let used = behind(&pair, USER, WINDOW).unwrap();
            assert_eq!(pair.machine.peek(used, 8), CONTENT, "{switches:?}");
            unmap(&mut pair, found.handle);
            assert_eq!(call(&mut pair, OWNER, MEMORY_OP, up, &wanted), 1);
        } else {
            assert_eq!(found.status, GrantStatus::BadPage as i16, "{switches:?}");
        }
        let page = behind(&pair, OWNER, ELSEWHERE).expect("it is back");
        assert_eq!(pair.machine.peek(page, 8), [0; 8], "{switches:?}");
        assert_eq!(call(&mut pair, OWNER, MEMORY_OP, up, &given), 0, "once");
        points
    });
}
