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
    /// Cleans `bytes` from `start` to the point of coherency.
    clean = "dc cvac"
);
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

/// Fills `bytes` from `start` with zeros, and cleans them to the point of coherency.
///
/// # Safety
/// The range must be mapped, writable, normal memory that nothing else refers to.
pub(crate) unsafe fn zero(start: u64, bytes: u64) {
    let dczid = read!("dczid_el0");
    let block = 4u64 << (dczid & 0xf);
    let end = start + bytes;
    // DCZID_EL0.DZP: the instruction is prohibited. The fast loop takes blocks of one line.
    let fast = dczid & 0x10 == 0 && block == data_line_bytes();
    let chunk = block * CHUNK_BLOCKS;
    let first = start.next_multiple_of(chunk).min(end);
    let last = if fast { (end & !(chunk - 1)).max(first) } else { first };
    // SAFETY: as this function's; the parts lie inside the range.
    unsafe {
        core::ptr::write_bytes(start as *mut u8, 0, (first - start) as usize);
        if first < last {
            zero_chunks(first, last, block);
        }
        core::ptr::write_bytes(last as *mut u8, 0, (end - last) as usize);
    }
    clean(start, first - start);
    clean(last, end - last);
}

/// Blocks that the loop of [`zero_chunks`] is unrolled to.
const CHUNK_BLOCKS: u64 = 8;

/// Zeroes and cleans whole chunks of eight blocks, two instructions a block and a little: the cost
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
            "dc cvac, {a}",
            "dc cvac, {b}",
            "dc cvac, {c}",
            "dc cvac, {d}",
            "dc cvac, {e}",
            "dc cvac, {f}",
            "dc cvac, {g}",
            "dc cvac, {h}",
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

/// Copies `bytes` from `from` to `to`, and cleans the copy to the point of coherency.
///
/// # Safety
/// Both ranges are mapped, readable and writable normal memory, do not overlap, and nothing else
/// refers to the target.
pub(crate) unsafe fn copy(from: *const u8, to: u64, bytes: u64) {
    let lines = if to % LINE == 0 && data_line_bytes() == LINE { bytes / LINE } else { 0 };
    let done = lines * LINE;
    // SAFETY: as this function's; the lines and the rest lie inside the ranges.
    unsafe {
        if lines > 0 {
            copy_lines(from, to, lines);
        }
        let rest = (bytes - done) as usize;
        core::ptr::copy_nonoverlapping(from.add(done as usize), (to + done) as *mut u8, rest);
    }
    clean(to + done, bytes - done);
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
            "dc cvac, {to}",
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
