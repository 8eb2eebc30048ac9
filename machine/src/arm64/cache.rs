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

/// Fills `bytes` from `start` with zeros, by whole lines where it can.
///
/// # Safety
/// The range must be mapped, writable, normal memory that nothing else refers to.
pub(crate) unsafe fn zero(start: u64, bytes: u64) {
    let dczid = read!("dczid_el0");
    let block = 4u64 << (dczid & 0xf);
    let end = start + bytes;
    let first = start.next_multiple_of(block);
    let last = end & !(block - 1);
    // DCZID_EL0.DZP: the instruction is prohibited.
    if dczid & 0x10 != 0 || first >= last {
        // SAFETY: as this function's.
        unsafe { core::ptr::write_bytes(start as *mut u8, 0, bytes as usize) };
        return;
    }
    // SAFETY: as this function's; the blocks from `first` to `last` lie inside the range.
    unsafe {
        core::ptr::write_bytes(start as *mut u8, 0, (first - start) as usize);
        zero_blocks(first, last, block);
        core::ptr::write_bytes(last as *mut u8, 0, (end - last) as usize);
    }
}

/// # Safety
/// As [`zero`], and both ends are multiples of `block`.
unsafe fn zero_blocks(first: u64, last: u64, block: u64) {
    // SAFETY: as the function's.
    unsafe {
        core::arch::asm!(
            "2: dc zva, {at}",
            "add {at}, {at}, {block}",
            "cmp {at}, {last}",
            "b.lo 2b",
            at = inout(reg) first => _,
            last = in(reg) last,
            block = in(reg) block,
            options(nostack),
        );
    }
}
