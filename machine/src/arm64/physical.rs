//! Physical memory as EL2 sees it: all RAM is mapped at its own address.

use abi::Pa;

use super::cache;
use super::sysreg::dsb_ishst;

/// Where the byte at `address` is mapped.
pub(crate) fn pointer(address: Pa) -> *mut u8 {
    address.0 as *mut u8
}

/// Makes earlier stores visible to the table walkers of all CPUs.
pub(crate) fn publish() {
    dsb_ishst();
}

/// Zeros the range, and cleans and invalidates it to the point of coherency.
///
/// # Safety
/// The range is mapped RAM and the caller's own.
pub(crate) unsafe fn zero(start: Pa, bytes: u64) {
    // SAFETY: as this function's.
    unsafe { cache::zero(start.0, bytes) };
}

/// Copies `data` to `start`, and cleans and invalidates it to the point of coherency.
///
/// # Safety
/// The target is mapped RAM, the caller's own, and does not overlap `data`.
pub(crate) unsafe fn copy_in(start: Pa, data: &[u8]) {
    // SAFETY: as this function's.
    unsafe { cache::copy(data.as_ptr(), start.0, data.len() as u64) };
}

/// Copies `data` to `start`, for whoever reads it through the caches as well.
///
/// # Safety
/// As for [`copy_in`].
#[inline]
pub(crate) unsafe fn put(start: Pa, data: &[u8]) {
    // SAFETY: as this function's.
    unsafe { cache::copy_bytes(data.as_ptr(), pointer(start), data.len() as u64) };
}

/// Copies `bytes` from `from` to `to`, for those who read it through the caches. Where the two overlap,
/// what comes out is any mixture of them.
///
/// # Safety
/// Both are mapped RAM of the caller's, to which there is no reference.
pub(crate) unsafe fn copy_over(from: Pa, to: Pa, bytes: u64) {
    // SAFETY: as this function's; an overlap is no concern of instructions.
    unsafe { cache::copy_bytes(pointer(from), pointer(to), bytes) };
}

/// Copies from `start` to `data`.
///
/// # Safety
/// The source is mapped RAM, the caller's own, and does not overlap `data`.
pub(crate) unsafe fn copy_out(start: Pa, data: &mut [u8]) {
    // SAFETY: as this function's.
    unsafe { cache::copy_bytes(pointer(start), data.as_mut_ptr(), data.len() as u64) };
}

/// Reads four bytes, as one load if they are aligned.
///
/// # Safety
/// They are mapped RAM of the caller's.
#[inline(always)]
pub(crate) unsafe fn load_u32(address: Pa) -> u32 {
    let value: u32;
    // SAFETY: as this function's. Normal memory may be accessed unaligned.
    unsafe {
        core::arch::asm!(
            "ldr {value:w}, [{address}]",
            value = out(reg) value,
            address = in(reg) address.0,
            options(nostack, readonly, preserves_flags),
        );
    }
    value
}

/// # Safety
/// `address` is 8-byte aligned mapped RAM of the caller's.
pub(crate) unsafe fn read_u64(address: Pa) -> u64 {
    // SAFETY: as this function's.
    unsafe { (address.0 as *const u64).read_volatile() }
}

/// # Safety
/// `address` is 8-byte aligned mapped RAM of the caller's.
pub(crate) unsafe fn write_u64(address: Pa, value: u64) {
    // SAFETY: as this function's.
    unsafe { (address.0 as *mut u64).write_volatile(value) };
}

/// # Safety
/// The range is mapped RAM that nobody writes for as long as the slice is used.
pub(crate) unsafe fn slice<'a>(start: Pa, bytes: u64) -> &'a [u8] {
    // SAFETY: as this function's.
    unsafe { core::slice::from_raw_parts(pointer(start), bytes as usize) }
}
