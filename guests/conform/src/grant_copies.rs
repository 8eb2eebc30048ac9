//! Copies by grants and frames (public/grant_table.h, `GNTTABOP_copy`): called with the table open.

use abi::DomId;
use abi::arm::{GRANT_TABLE, RAM_BANK_0};
use abi::grant::{Copy, CopyEnd, entry, op};

use crate::{
    ask::{DOMAINS, OWN, UNMAPPED, frame, load8, load64, store8, store64},
    grants::{GRANTED, GREF, OTHER, flags_of, grant, set_entry},
    say,
};

pub(crate) fn print() {
    copying();
    copy_limits();
    copy_lengths();
}

const fn frame_end(at: u64, offset: u16) -> CopyEnd {
    CopyEnd {
        place: frame(at),
        domid: DomId::SELF,
        offset,
    }
}

const fn grant_end(gref: u32, dom: DomId, offset: u16) -> CopyEnd {
    CopyEnd {
        place: gref as u64,
        domid: dom,
        offset,
    }
}

fn copy(source: CopyEnd, dest: CopyEnd, len: u16, flags: u16) -> (i64, i16) {
    let structure = Copy {
        source,
        dest,
        len,
        flags,
        status: 0x77,
    };
    let reply = grant(op::COPY, structure.to_bytes());
    (reply.result, Copy::from_bytes(&reply.after).status)
}

fn copying() {
    store64(GRANTED, 0xabcd);
    store64(OTHER, 0);
    let own = |at| frame_end(at, 0);
    say!(
        "grant.copy.frames",
        "{:?} {:#x}",
        copy(own(GRANTED), own(OTHER), 8, 0),
        load64(OTHER)
    );
    store64(OTHER, 0);
    for (name, dom) in DOMAINS {
        let from = copy(grant_end(GREF, dom, 0), own(OTHER), 8, 1);
        let to = copy(own(OTHER), grant_end(GREF, dom, 8), 8, 2);
        let both = copy(grant_end(GREF, dom, 0), grant_end(GREF, dom, 16), 8, 3);
        say!(@ format_args!("grant.copy.of.{name}"), "{from:?} {to:?} {both:?}");
        let frame = CopyEnd {
            place: frame(GRANTED),
            domid: dom,
            offset: 0,
        };
        let from = copy(frame, own(OTHER), 8, 0);
        say!(@ format_args!("grant.copy.frame_of.{name}"), "{from:?}");
    }
    say!(
        "grant.copy.result",
        "{:#x} {:#x}, flags {:#x}",
        load64(GRANTED + 8),
        load64(GRANTED + 16),
        flags_of(GREF)
    );
    for flags in [4, 8, 0x8000, u16::MAX] {
        let result = copy(own(GRANTED), own(OTHER), 8, flags);
        say!(@ format_args!("grant.copy.flags.{flags:#x}"), "{result:?}");
    }
    let places = [
        ("nothing", UNMAPPED),
        ("uart", abi::arm::VPL011.start()),
        ("zero", 0),
        ("far", 1 << 47),
        ("table", GRANT_TABLE.start()),
        ("behind_ram", RAM_BANK_0.start() + (64 << 20)),
    ];
    for (name, at) in places {
        let from = copy(own(at), own(OTHER), 8, 0);
        let to = if name == "table" {
            (0, 0)
        } else {
            copy(own(OTHER), own(at), 8, 0)
        };
        say!(@ format_args!("grant.copy.frame_at.{name}"), "{from:?} {to:?}");
    }
    let last = CopyEnd {
        place: u64::MAX,
        ..own(0)
    };
    say!(
        "grant.copy.last_frame",
        "{:?} {:?}",
        copy(last, own(OTHER), 8, 0),
        copy(own(OTHER), last, 8, 0)
    );
    set_entry(
        GREF + 1,
        entry::PERMIT_ACCESS | entry::READONLY,
        OWN,
        GRANTED,
    );
    let readonly = grant_end(GREF + 1, OWN, 0);
    say!(
        "grant.copy.readonly",
        "{:?} {:?}",
        copy(readonly, own(OTHER), 8, 1),
        copy(own(OTHER), readonly, 8, 2)
    );
    let missing = grant_end(GREF + 2, OWN, 0);
    let beyond = grant_end(u32::MAX, OWN, 0);
    say!(
        "grant.copy.missing",
        "{:?} {:?}",
        copy(missing, own(OTHER), 8, 1),
        copy(beyond, own(OTHER), 8, 1)
    );
}

fn copy_limits() {
    for (from, to, len) in [
        (0, 0, 0),
        (0, 0, 1),
        (0, 0, 4096),
        (0, 0, 4097),
        (1, 0, 4096),
        (0, 1, 4096),
        (4095, 4095, 1),
        (4096, 0, 0),
        (4096, 0, 1),
        (0, 4096, 0),
        (5000, 0, 0),
        (0, 0, u16::MAX),
        (u16::MAX, 0, u16::MAX),
        (u16::MAX, u16::MAX, 1),
    ] {
        let result = copy(frame_end(GRANTED, from), frame_end(OTHER, to), len, 0);
        say!(@ format_args!("grant.copy.part.{from}.{to}.{len}"), "{result:?}");
        let bad = copy(grant_end(GREF + 2, OWN, from), frame_end(OTHER, to), len, 1);
        say!(@ format_args!("grant.copy.part_of_bad.{from}.{to}.{len}"), "{bad:?}");
    }
}

/// The longest that is copied in every length: every way through a loop that takes up to 128 bytes at once.
const LONGEST: u64 = 300;
/// What surrounds a copy.
const AROUND: u64 = 16;
const UNTOUCHED: u8 = 0xa5;

/// Bytes that differ from their neighbours, and from what is 64, 128 and 256 further; never [`UNTOUCHED`].
const fn content(at: u64) -> u8 {
    (at * 7 % 157) as u8
}

/// Every length, at odd offsets and even ones: what is copied, and what is beside it.
fn copy_lengths() {
    for at in 0..4096 {
        store8(GRANTED + at, content(at));
    }
    for (from, to) in [(0, 32), (1, 32), (8, 35), (13, 23), (1000, 1007)] {
        let mut bad = 0;
        for len in 0..=LONGEST {
            bad += u32::from(!is_copied(from, to, len));
        }
        say!(@ format_args!("grant.copy.lengths.{from}.{to}"), "{bad} bad");
    }
    let at_end = (1..=LONGEST).filter(|len| !is_copied(4096 - len, 4096 - len, *len));
    say!("grant.copy.lengths.at_end", "{} bad", at_end.count());
    say!(
        "grant.copy.lengths.page",
        "copied {}",
        is_copied(0, 0, 4096)
    );
}

/// Copies, and looks at each byte.
fn is_copied(from: u64, to: u64, len: u64) -> bool {
    let seen = to.saturating_sub(AROUND)..(to + len + AROUND).min(4096);
    for at in seen.clone() {
        store8(OTHER + at, UNTOUCHED);
    }
    let ends = (frame_end(GRANTED, from as u16), frame_end(OTHER, to as u16));
    let done = copy(ends.0, ends.1, len as u16, 0) == (0, 0);
    let expected = |at: u64| match at.checked_sub(to) {
        Some(index) if index < len => content(from + index),
        _ => UNTOUCHED,
    };
    done && seen.into_iter().all(|at| load8(OTHER + at) == expected(at))
}
