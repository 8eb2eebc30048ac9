//! `grant_table_op`, version 1 (public/grant_table.h): the guest grants to itself, by its number.

use abi::DomId;
use abi::arm::{GRANT_TABLE, MAGIC, RAM_BANK_0};
use abi::grant::{
    CacheFlush, GetVersion, Map, QuerySize, SetVersion, SetupTable, SwapGrantRef, Unmap, entry,
    map_flag, op,
};
use abi::hypercall::{GRANT_TABLE_OP, MEMORY_OP};
use abi::memory::{self, AddToPhysmap, RemoveFromPhysmap, space};
use support::call::hypercall;

use crate::{
    answer::{attempt, attempt_only},
    ask::{
        DOMAINS, OWN, Reply, UNMAPPED, call, call_with, frame, load32, load64, page, store32,
        store64,
    },
    grant_copies, say,
};

/// Where grants are mapped: where nothing is.
const WINDOW: u64 = MAGIC.start() + 0x20_0000;
/// Grants of the sections.
pub(crate) const GREF: u32 = 8;
/// What is granted.
pub(crate) const GRANTED: u64 = page(40);
/// A page to copy to.
pub(crate) const OTHER: u64 = page(41);

pub(crate) fn print() {
    numbers();
    sizes();
    versions();
    open_table();
    mapping();
    map_flags();
    entries();
    unmapping();
    grant_copies::print();
    others();
    close_table();
}

pub(crate) fn grant<const N: usize>(command: u32, structure: [u8; N]) -> Reply<N> {
    call(GRANT_TABLE_OP, command, structure)
}

/// Sub-operations and counts, with a pointer to nothing.
fn numbers() {
    for command in (0..16).chain([0xff, 0x1_0000, 0x8000_0000, u64::MAX, 1 << 32 | 6]) {
        for count in [
            0,
            1,
            2,
            0x7fff_ffff,
            0x8000_0000,
            u64::from(u32::MAX),
            1 << 32,
        ] {
            let answer = hypercall(GRANT_TABLE_OP, [command, UNMAPPED, count, 0]).cast_signed();
            say!(@ format_args!("grant.unmapped.{command:#x}.{count:#x}"), "{answer}");
        }
    }
}

fn sizes() {
    for (name, dom) in DOMAINS {
        let structure = QuerySize {
            dom,
            status: 0x77,
            ..QuerySize::default()
        };
        grant(op::QUERY_SIZE, structure.to_bytes()).say(format_args!("grant.query_size.{name}"));
        let structure = GetVersion {
            dom,
            pad: 0,
            version: 0x77,
        };
        grant(op::GET_VERSION, structure.to_bytes()).say(format_args!("grant.get_version.{name}"));
        setup(dom, 1, page(42)).say(format_args!("grant.setup.in.{name}"));
    }
    for frames in [0, 2, 64, 65, 0x8000_0000, u32::MAX] {
        let reply = setup(DomId::SELF, frames, page(42));
        reply.say(format_args!("grant.setup.frames.{frames:#x}"));
        say!(@ format_args!("grant.setup.listed.{frames:#x}"), "{:#x} {:#x}", load64(page(42)),
            load64(page(42) + 8));
        let size = QuerySize {
            dom: DomId::SELF,
            ..QuerySize::default()
        };
        let reply = grant(op::QUERY_SIZE, size.to_bytes());
        reply.say(format_args!("grant.setup.then_size.{frames:#x}"));
    }
    setup(DomId::SELF, 1, UNMAPPED).say(format_args!("grant.setup.list_unmapped"));
}

fn setup(dom: DomId, nr_frames: u32, frame_list: u64) -> Reply<24> {
    let structure = SetupTable {
        dom,
        nr_frames,
        status: 0x77,
        frame_list,
    };
    grant(op::SETUP_TABLE, structure.to_bytes())
}

fn versions() {
    for version in [0, 1, 2, 3, u32::MAX] {
        let reply = grant(op::SET_VERSION, SetVersion { version }.to_bytes());
        reply.say(format_args!("grant.set_version.{version:#x}"));
    }
}

fn add(idx: u64, at: u64) -> i64 {
    let structure = AddToPhysmap {
        domid: DomId::SELF,
        space: space::GRANT_TABLE,
        idx,
        gpfn: frame(at),
        ..AddToPhysmap::default()
    };
    call(MEMORY_OP, memory::op::ADD_TO_PHYSMAP, structure.to_bytes()).result
}

fn remove(at: u64) -> i64 {
    let structure = RemoveFromPhysmap {
        domid: DomId::SELF,
        gpfn: frame(at),
    };
    call(
        MEMORY_OP,
        memory::op::REMOVE_FROM_PHYSMAP,
        structure.to_bytes(),
    )
    .result
}

fn open_table() {
    say!("grant.table.add", "{}", add(0, GRANT_TABLE.start()));
    say!("grant.table.add_again", "{}", add(0, GRANT_TABLE.start()));
    say!("grant.table.add_elsewhere", "{}", add(0, WINDOW));
    say!(
        "grant.table.and_removed",
        "{} {}",
        remove(WINDOW),
        remove(GRANT_TABLE.start())
    );
    say!("grant.table.add_anew", "{}", add(0, GRANT_TABLE.start()));
    say!("grant.table.setup", "{}", setup(DomId::SELF, 1, page(42)));
    say!("grant.table.listed", "{:#x}", load64(page(42)));
    let table = GRANT_TABLE.start();
    let entries = [load64(table), load64(table + 8), load64(table + 64)];
    say!("grant.table.entries", "{entries:x?}");
}

fn close_table() {
    say!(
        "grant.table.removed",
        "{} {}",
        remove(GRANT_TABLE.start()),
        remove(GRANT_TABLE.start())
    );
}

/// Writes entry `gref`.
pub(crate) fn set_entry(gref: u32, flags: u16, domain: DomId, of: u64) {
    let at = GRANT_TABLE.start() + u64::from(gref * entry::SIZE);
    store32(at + 4, frame(of) as u32);
    store32(at, u32::from(flags) | u32::from(domain.0) << 16);
}

pub(crate) fn flags_of(gref: u32) -> u32 {
    load32(GRANT_TABLE.start() + u64::from(gref * entry::SIZE)) & 0xffff
}

/// A mapping's status and handle. (The address for devices is the machine's.)
fn map(host_addr: u64, flags: u32, gref: u32, dom: DomId) -> (i64, i16, u32) {
    let structure = Map {
        host_addr,
        flags,
        gref,
        dom,
        status: 0x77,
        handle: 0x77,
        dev_bus_addr: 0x77,
    };
    let reply = grant(op::MAP_GRANT_REF, structure.to_bytes());
    let map = Map::from_bytes(&reply.after);
    (reply.result, map.status, map.handle)
}

fn unmap(host_addr: u64, handle: u32) -> (i64, i16) {
    let structure = Unmap {
        host_addr,
        dev_bus_addr: 0,
        handle,
        status: 0x77,
    };
    let reply = grant(op::UNMAP_GRANT_REF, structure.to_bytes());
    (reply.result, Unmap::from_bytes(&reply.after).status)
}

fn mapping() {
    store64(GRANTED, 0x1122);
    set_entry(GREF, entry::PERMIT_ACCESS, OWN, GRANTED);
    for (name, dom) in DOMAINS {
        let (result, status, handle) = map(WINDOW, map_flag::HOST_MAP, GREF, dom);
        let flags = flags_of(GREF);
        say!(@ format_args!("grant.map.of.{name}"), "{result} {status}, flags {flags:#x}");
        if status == 0 {
            let found = attempt(|| load64(WINDOW));
            say!(@ format_args!("grant.map.of.{name}.read"), "{found}");
            store64(WINDOW + 8, 0x3344);
            say!(@ format_args!("grant.map.of.{name}.shared"), "{:#x}", load64(GRANTED + 8));
            let (result, status) = unmap(WINDOW, handle);
            let flags = flags_of(GREF);
            say!(@ format_args!("grant.unmap.of.{name}"), "{result} {status}, flags {flags:#x}");
            say!(@ format_args!("grant.unmap.of.{name}.read"), "{}", attempt(|| load64(WINDOW)));
        }
    }
    let frames = 512 * 64;
    for gref in [0, 1, 7, 9, 511, 512, frames, 0x8000_0000, u32::MAX] {
        let (result, status, _) = map(WINDOW, map_flag::HOST_MAP, gref, OWN);
        say!(@ format_args!("grant.map.gref.{gref:#x}"), "{result} {status}");
    }
    let places = [
        ("unaligned", WINDOW + 8),
        ("40_bits", (1 << 40) - 4096),
        ("behind_40_bits", 1 << 40),
        ("48_bits", 1 << 47),
        ("all_ones", u64::MAX),
        ("over_ram", page(43)),
        ("over_the_table", GRANT_TABLE.start()),
    ];
    for (name, at) in places {
        let (result, status, handle) = map(at, map_flag::HOST_MAP, GREF, OWN);
        say!(@ format_args!("grant.map.at.{name}"), "{result} {status}");
        if status == 0 {
            let undone = unmap(at, handle);
            say!(@ format_args!("grant.unmap.at.{name}"), "{undone:?}");
        }
    }
    add(0, GRANT_TABLE.start());
}

fn map_flags() {
    for flags in (0..64).chain([1 << 16 | 2, 1 << 19 | 2, 1 << 31 | 2, u32::MAX]) {
        let (result, status, handle) = map(WINDOW, flags, GREF, OWN);
        say!(@ format_args!("grant.map.flags.{flags:#x}"), "{result} {status}");
        if status == 0 {
            say!(@ format_args!("grant.map.flags.{flags:#x}.entry"), "{:#x}", flags_of(GREF));
            unmap(if flags & 2 == 0 { 0 } else { WINDOW }, handle);
        }
    }
    let (_, _, handle) = map(WINDOW, map_flag::HOST_MAP | map_flag::READONLY, GREF, OWN);
    say!("grant.map.readonly.read", "{}", attempt(|| load64(WINDOW)));
    // A write, and a fetch, make Xen execute the instruction for ever: not to be asked.
    say!("grant.map.readonly.unmap", "{:?}", unmap(WINDOW, handle));
}

/// Entries of all kinds.
fn entries() {
    let hole = UNMAPPED;
    let behind = RAM_BANK_0.start() + (64 << 20);
    for (name, flags, domain, of) in [
        ("invalid", entry::INVALID, OWN, GRANTED),
        ("transfer", entry::ACCEPT_TRANSFER, OWN, GRANTED),
        ("transitive", entry::TRANSITIVE, OWN, GRANTED),
        (
            "readonly",
            entry::PERMIT_ACCESS | entry::READONLY,
            OWN,
            GRANTED,
        ),
        (
            "sub_page",
            entry::PERMIT_ACCESS | entry::SUB_PAGE,
            OWN,
            GRANTED,
        ),
        ("busy_already", entry::PERMIT_ACCESS | 0x18, OWN, GRANTED),
        ("all_flags", 0xfffd, OWN, GRANTED),
        ("for_self", entry::PERMIT_ACCESS, DomId::SELF, GRANTED),
        ("for_another", entry::PERMIT_ACCESS, DomId(2), GRANTED),
        ("of_nothing", entry::PERMIT_ACCESS, OWN, hole),
        ("of_what_is_behind", entry::PERMIT_ACCESS, OWN, behind),
        (
            "of_the_uart",
            entry::PERMIT_ACCESS,
            OWN,
            abi::arm::VPL011.start(),
        ),
        ("of_frame_0", entry::PERMIT_ACCESS, OWN, 0),
        (
            "of_the_last_frame",
            entry::PERMIT_ACCESS,
            OWN,
            0xffff_ffff << 12,
        ),
        (
            "of_the_table",
            entry::PERMIT_ACCESS,
            OWN,
            GRANT_TABLE.start(),
        ),
    ] {
        set_entry(GREF + 1, flags, domain, of);
        for (how, map_flags) in [("write", 2), ("read", 6)] {
            let (result, status, handle) = map(WINDOW, map_flags, GREF + 1, OWN);
            let flags = flags_of(GREF + 1);
            let item = format_args!("grant.entry.{name}.{how}");
            say!(@ item, "{result} {status}, flags {flags:#x}");
            if status == 0 {
                unmap(WINDOW, handle);
                let flags = flags_of(GREF + 1);
                say!(@ format_args!("grant.entry.{name}.{how}.unmapped"), "flags {flags:#x}");
            }
        }
    }
    set_entry(GREF + 1, 0, OWN, 0);
}

fn unmapping() {
    let (_, _, first) = map(WINDOW, map_flag::HOST_MAP, GREF, OWN);
    let (_, _, second) = map(
        WINDOW + 4096,
        map_flag::HOST_MAP | map_flag::READONLY,
        GREF,
        OWN,
    );
    say!("grant.twice.handles_differ", "{}", first != second);
    say!("grant.twice.flags", "{:#x}", flags_of(GREF));
    for handle in [u32::MAX, 0x8000_0000, 0x7fff_ffff, 1024, 1000] {
        say!(@ format_args!("grant.unmap.handle.{handle:#x}"), "{:?}", unmap(WINDOW, handle));
    }
    say!(
        "grant.unmap.other_address",
        "{:?}",
        unmap(WINDOW + 4096, first)
    );
    say!(
        "grant.unmap.unmapped_address",
        "{:?}",
        unmap(UNMAPPED, first)
    );
    say!(
        "grant.unmap.no_address",
        "{:?}, {}",
        unmap(0, first),
        attempt(|| load64(WINDOW))
    );
    say!("grant.unmap.unaligned", "{:?}", unmap(WINDOW + 8, first));
    let (first_again, _, third) = map(WINDOW, map_flag::HOST_MAP, GREF, OWN);
    say!(
        "grant.map.where_one_is",
        "{first_again} flags {:#x}",
        flags_of(GREF)
    );
    for (name, at, handle) in [
        ("first", WINDOW, first),
        ("second", WINDOW + 4096, second),
        ("third", WINDOW, third),
        ("third_again", WINDOW, third),
    ] {
        let result = unmap(at, handle);
        say!(@ format_args!("grant.unmap.{name}"), "{result:?}, flags {:#x}", flags_of(GREF));
    }
    // Taken out by the other call, then unmapped; and given up while it is mapped.
    let (_, _, handle) = map(WINDOW, map_flag::HOST_MAP, GREF, OWN);
    say!("grant.remove_from_physmap", "{}", remove(WINDOW));
    say!(
        "grant.remove_from_physmap.then",
        "{}",
        attempt_only(|| load64(WINDOW))
    );
    say!(
        "grant.remove_from_physmap.unmap",
        "{:?}, flags {:#x}",
        unmap(WINDOW, handle),
        flags_of(GREF)
    );
    let replace = grant(op::UNMAP_AND_REPLACE, [0_u8; 24]);
    replace.say(format_args!("grant.unmap_and_replace"));
}

/// Operations that are not there for such a guest, and batches that end early.
fn others() {
    let flush = CacheFlush {
        place: GRANTED,
        offset: 0,
        length: 64,
        op: 1,
    };
    grant(op::CACHE_FLUSH, flush.to_bytes()).say(format_args!("grant.cache_flush.own"));
    let flush = CacheFlush {
        place: u64::from(GREF),
        offset: 0,
        length: 64,
        op: 1 << 31 | 1,
    };
    grant(op::CACHE_FLUSH, flush.to_bytes()).say(format_args!("grant.cache_flush.gref"));
    let flush = CacheFlush {
        op: 1 << 5,
        ..flush
    };
    grant(op::CACHE_FLUSH, flush.to_bytes()).say(format_args!("grant.cache_flush.unknown"));
    let swap = SwapGrantRef {
        ref_a: GREF,
        ref_b: GREF + 3,
        status: 0x77,
    };
    grant(op::SWAP_GRANT_REF, swap.to_bytes()).say(format_args!("grant.swap"));
    grant(op::SWAP_GRANT_REF, swap.to_bytes()).say(format_args!("grant.swap_back"));
    let swap = SwapGrantRef {
        ref_a: GREF,
        ref_b: u32::MAX,
        status: 0x77,
    };
    grant(op::SWAP_GRANT_REF, swap.to_bytes()).say(format_args!("grant.swap_beyond"));
    grant(op::DUMP_TABLE, [0_u8; 8]).say(format_args!("grant.dump"));
    grant(op::TRANSFER, [0_u8; 24]).say(format_args!("grant.transfer"));
    grant(op::GET_STATUS_FRAMES, [0_u8; 24]).say(format_args!("grant.status_frames"));
    let one = Map {
        host_addr: WINDOW,
        flags: 2,
        gref: 999,
        dom: OWN,
        status: 0x77,
        ..Map::default()
    };
    let two = [one.to_bytes(); 3];
    let three: [u8; 96] = *two.as_flattened().first_chunk().unwrap_or(&[0; 96]);
    let reply = call_with(GRANT_TABLE_OP, three, |at| [0, at, 3, 0]);
    reply.say(format_args!("grant.batch.three_bad"));
    // The array ends where RAM does.
    let end = RAM_BANK_0.start() + (64 << 20);
    let keep = [
        load64(end - 32),
        load64(end - 24),
        load64(end - 16),
        load64(end - 8),
    ];
    for (at, value) in (end - 32..).step_by(8).zip([WINDOW, 2 | 999 << 32, 1, 0]) {
        store64(at, value);
    }
    let answer = hypercall(GRANT_TABLE_OP, [0, end - 32, 2, 0]).cast_signed();
    say!(
        "grant.batch.into_nothing",
        "{answer}, status {}",
        (load32(end - 16) >> 16) as i16
    );
    for (at, value) in (end - 32..).step_by(8).zip(keep) {
        store64(at, value);
    }
}
