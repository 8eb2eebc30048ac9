//! Cache maintenance by address, and zeroing by cache line (Arm ARM D7.5).

use super::sysreg::{dsb_ish, dsb_sy, isb, read};

fn data_line_bytes() -> u64 {
    4 << (read!("ctr_el0") >> 16 & 0xf)
}

macro_rules! by_line {
    ($(#[$doc:meta])* $name:ident = $op:literal) => {
        $(#[$doc])*
        pub(crate) fn $name(start: u64, bytes: u64) {
            let line = data_line_bytes();
            let mut at = start & !(line - 1);
            let end = start.saturating_add(bytes);
            while at < end {
                // SAFETY: cleaning (and invalidating) a line of mapped memory changes no content
                // as this CPU sees it.
                unsafe { core::arch::asm!(concat!($op, ", {}"), in(reg) at, options(nostack)) };
                at += line;
            }
            dsb_sy();
        }
    };
}

by_line!(
    /// Cleans and invalidates `bytes` from `start` to the point of coherency.
    clean_invalidate = "dc civac"
);

/// Discards all stale instruction cache content, on all CPUs.
pub(crate) fn invalidate_instructions() {
    // SAFETY: discarding clean instruction lines changes no content.
    unsafe { core::arch::asm!("ic ialluis", options(nostack)) };
    dsb_ish();
    isb();
}

/// Fills `bytes` from `start` with zeros, and cleans and invalidates them to the point of coherency:
/// a guest that writes past the cache must not find a line left in it later.
///
/// # Safety
/// The range must be mapped, writable, normal memory, with no reference into it.
pub(crate) unsafe fn zero(start: u64, bytes: u64) {
    let dczid = read!("dczid_el0");
    let block = 4u64 << (dczid & 0xf);
    let end = start + bytes;
    // DCZID_EL0.DZP: the instruction is prohibited. The fast loop takes blocks of one line.
    let fast = dczid & 0x10 == 0 && block == data_line_bytes();
    let chunk = block * CHUNK_BLOCKS;
    let first = start.next_multiple_of(chunk).min(end);
    let last = if fast {
        (end & !(chunk - 1)).max(first)
    } else {
        first
    };
    // SAFETY: as this function's; the parts lie inside the range.
    unsafe {
        zero_bytes(start, first - start);
        if first < last {
            zero_chunks(first, last, block);
        }
        zero_bytes(last, end - last);
    }
    clean_invalidate(start, first - start);
    clean_invalidate(last, end - last);
}

/// # Safety
/// As [`zero`].
unsafe fn zero_bytes(start: u64, bytes: u64) {
    // SAFETY: as the function's.
    unsafe {
        core::arch::asm!(
            "cbz {words}, 3f",
            "2: str xzr, [{at}], #8",
            "subs {words}, {words}, #1",
            "b.ne 2b",
            "3: cbz {rest}, 5f",
            "4: strb wzr, [{at}], #1",
            "subs {rest}, {rest}, #1",
            "b.ne 4b",
            "5:",
            at = inout(reg) start => _,
            words = inout(reg) bytes / 8 => _,
            rest = inout(reg) bytes % 8 => _,
            options(nostack),
        );
    }
}

/// Blocks that the loop of [`zero_chunks`] is unrolled to.
const CHUNK_BLOCKS: u64 = 8;

/// Zeroes, cleans and invalidates whole chunks of eight blocks, two instructions a block and a little: the cost
/// of building a domain is this loop.
///
/// # Safety
/// As [`zero`]; both ends are multiples of eight blocks, and a block is a cache line.
unsafe fn zero_chunks(first: u64, last: u64, block: u64) {
    // SAFETY: as the function's.
    unsafe {
        core::arch::asm!(
            "add {b}, {a}, {block}",
            "add {c}, {b}, {block}",
            "add {d}, {c}, {block}",
            "add {e}, {d}, {block}",
            "add {f}, {e}, {block}",
            "add {g}, {f}, {block}",
            "add {h}, {g}, {block}",
            "2: dc zva, {a}",
            "dc zva, {b}",
            "dc zva, {c}",
            "dc zva, {d}",
            "dc zva, {e}",
            "dc zva, {f}",
            "dc zva, {g}",
            "dc zva, {h}",
            "dc civac, {a}",
            "dc civac, {b}",
            "dc civac, {c}",
            "dc civac, {d}",
            "dc civac, {e}",
            "dc civac, {f}",
            "dc civac, {g}",
            "dc civac, {h}",
            "add {a}, {a}, {block}, lsl #3",
            "add {b}, {b}, {block}, lsl #3",
            "add {c}, {c}, {block}, lsl #3",
            "add {d}, {d}, {block}, lsl #3",
            "add {e}, {e}, {block}, lsl #3",
            "add {f}, {f}, {block}, lsl #3",
            "add {g}, {g}, {block}, lsl #3",
            "add {h}, {h}, {block}, lsl #3",
            "cmp {a}, {last}",
            "b.lo 2b",
            a = inout(reg) first => _,
            b = out(reg) _,
            c = out(reg) _,
            d = out(reg) _,
            e = out(reg) _,
            f = out(reg) _,
            g = out(reg) _,
            h = out(reg) _,
            last = in(reg) last,
            block = in(reg) block,
            options(nostack),
        );
    }
    dsb_sy();
}

/// Copies `bytes` from `from` to `to`, and cleans and invalidates the copy to the point of coherency.
///
/// # Safety
/// Both ranges are mapped, readable and writable normal memory and do not overlap, and there is no
/// reference into the target.
pub(crate) unsafe fn copy(from: *const u8, to: u64, bytes: u64) {
    let lines = if to.is_multiple_of(LINE) && data_line_bytes() == LINE {
        bytes / LINE
    } else {
        0
    };
    let done = lines * LINE;
    // SAFETY: as this function's; the lines and the rest lie inside the ranges.
    unsafe {
        if lines > 0 {
            copy_lines(from, to, lines);
        }
        copy_bytes(
            from.add(done as usize),
            (to + done) as *mut u8,
            bytes - done,
        );
    }
    clean_invalidate(to + done, bytes - done);
}

/// Copies `bytes` from `from` to `to`, by instructions that the compiler does not look into: each byte
/// is read once and written once, whoever else accesses it meanwhile.
///
/// # Safety
/// Both ranges are mapped normal memory; there is no reference into the one, and the caller has the
/// other to itself, or there is none into that either.
pub(crate) unsafe fn copy_bytes(from: *const u8, to: *mut u8, bytes: u64) {
    // SAFETY: as the function's. Normal memory may be accessed unaligned.
    unsafe {
        core::arch::asm!(
            "subs {bytes}, {bytes}, #64",
            "b.lo 3f",
            "subs {bytes}, {bytes}, #64",
            "b.lo 21f",
            "2: ldp {a}, {b}, [{from}], #128",
            "ldp {c}, {d}, [{from}, #-112]",
            "ldp {e}, {f}, [{from}, #-96]",
            "ldp {g}, {h}, [{from}, #-80]",
            "stp {a}, {b}, [{to}], #128",
            "stp {c}, {d}, [{to}, #-112]",
            "stp {e}, {f}, [{to}, #-96]",
            "stp {g}, {h}, [{to}, #-80]",
            "ldp {a}, {b}, [{from}, #-64]",
            "ldp {c}, {d}, [{from}, #-48]",
            "ldp {e}, {f}, [{from}, #-32]",
            "ldp {g}, {h}, [{from}, #-16]",
            "stp {a}, {b}, [{to}, #-64]",
            "stp {c}, {d}, [{to}, #-48]",
            "stp {e}, {f}, [{to}, #-32]",
            "stp {g}, {h}, [{to}, #-16]",
            "subs {bytes}, {bytes}, #128",
            "b.hs 2b",
            // The low seven bits are those of what is left, from here on.
            "21: tbz {bytes}, #6, 3f",
            "ldp {a}, {b}, [{from}], #64",
            "ldp {c}, {d}, [{from}, #-48]",
            "ldp {e}, {f}, [{from}, #-32]",
            "ldp {g}, {h}, [{from}, #-16]",
            "stp {a}, {b}, [{to}], #64",
            "stp {c}, {d}, [{to}, #-48]",
            "stp {e}, {f}, [{to}, #-32]",
            "stp {g}, {h}, [{to}, #-16]",
            "3: tbz {bytes}, #5, 4f",
            "ldp {a}, {b}, [{from}], #16",
            "ldp {c}, {d}, [{from}], #16",
            "stp {a}, {b}, [{to}], #16",
            "stp {c}, {d}, [{to}], #16",
            "4: tbz {bytes}, #4, 5f",
            "ldp {a}, {b}, [{from}], #16",
            "stp {a}, {b}, [{to}], #16",
            "5: tbz {bytes}, #3, 6f",
            "ldr {a}, [{from}], #8",
            "str {a}, [{to}], #8",
            "6: tst {bytes}, #7",
            "b.eq 9f",
            "tbz {bytes}, #2, 7f",
            "ldr {a:w}, [{from}], #4",
            "str {a:w}, [{to}], #4",
            "7: tbz {bytes}, #1, 8f",
            "ldrh {a:w}, [{from}], #2",
            "strh {a:w}, [{to}], #2",
            "8: tbz {bytes}, #0, 9f",
            "ldrb {a:w}, [{from}]",
            "strb {a:w}, [{to}]",
            "9:",
            from = inout(reg) from => _,
            to = inout(reg) to => _,
            bytes = inout(reg) bytes => _,
            a = out(reg) _,
            b = out(reg) _,
            c = out(reg) _,
            d = out(reg) _,
            e = out(reg) _,
            f = out(reg) _,
            g = out(reg) _,
            h = out(reg) _,
            options(nostack),
        );
    }
}

/// The cache line that the copy loop is written for, in bytes.
const LINE: u64 = 64;

/// # Safety
/// As [`copy`], for `lines` whole lines, at least one.
unsafe fn copy_lines(from: *const u8, to: u64, lines: u64) {
    // SAFETY: as the function's.
    unsafe {
        core::arch::asm!(
            "2: ldp {a}, {b}, [{from}]",
            "ldp {c}, {d}, [{from}, #16]",
            "ldp {e}, {f}, [{from}, #32]",
            "ldp {g}, {h}, [{from}, #48]",
            "add {from}, {from}, #64",
            "stp {a}, {b}, [{to}]",
            "stp {c}, {d}, [{to}, #16]",
            "stp {e}, {f}, [{to}, #32]",
            "stp {g}, {h}, [{to}, #48]",
            "dc civac, {to}",
            "add {to}, {to}, #64",
            "subs {lines}, {lines}, #1",
            "b.ne 2b",
            from = inout(reg) from => _,
            to = inout(reg) to => _,
            lines = inout(reg) lines => _,
            a = out(reg) _,
            b = out(reg) _,
            c = out(reg) _,
            d = out(reg) _,
            e = out(reg) _,
            f = out(reg) _,
            g = out(reg) _,
            h = out(reg) _,
            options(nostack),
        );
    }
    dsb_sy();
}
