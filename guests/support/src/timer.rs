//! The generic timer's counters and the two timers of EL1 (Arm ARM D12).

use crate::{read_register, write_register};

/// The virtual counter.
#[inline(always)]
pub fn virtual_count() -> u64 {
    // SAFETY: orders the read behind what went before.
    unsafe { core::arch::asm!("isb") };
    read_register!("cntvct_el0")
}

/// The physical counter.
#[inline(always)]
pub fn physical_count() -> u64 {
    // SAFETY: orders the read behind what went before.
    unsafe { core::arch::asm!("isb") };
    read_register!("cntpct_el0")
}

/// Ticks a second.
pub fn frequency() -> u64 {
    read_register!("cntfrq_el0")
}

/// Has the virtual timer fire when the virtual counter reaches `count`.
pub fn set_virtual(count: u64) {
    write_register!("cntv_cval_el0", count);
    write_register!("cntv_ctl_el0", 1);
}

/// Has the physical timer fire when the physical counter reaches `count`.
pub fn set_physical(count: u64) {
    write_register!("cntp_cval_el0", count);
    write_register!("cntp_ctl_el0", 1);
}
