//! Physical memory: a buffer of the host's stands for the RAM.
//!
//! Guests, boot loader and hypervisor reach it through raw pointers alone, as on the bare machine;
//! references into it exist only for boot modules, which nobody writes.

use abi::{Pa, Range};
use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::vec;
use std::vec::Vec;

use super::host::{RAM_START, here};

/// A machine's RAM.
pub(crate) struct Ram {
    base: *mut u8,
    layout: Layout,
}

// SAFETY: the buffer is reached by address only; who may touch which part is the frame allocator's
// business, as on the bare machine.
unsafe impl Send for Ram {}
// SAFETY: as above.
unsafe impl Sync for Ram {}

impl Ram {
    /// `bytes` of zeros. The host gives them when they are touched.
    pub(crate) fn new(bytes: u64) -> Self {
        let Ok(layout) = Layout::from_size_align(bytes.max(1) as usize, 4096) else {
            panic!("a fake machine cannot have {bytes} bytes of RAM")
        };
        // SAFETY: the layout's size is not 0.
        let base = unsafe { alloc_zeroed(layout) };
        if base.is_null() {
            handle_alloc_error(layout)
        }
        Self { base, layout }
    }

    pub(crate) fn range(&self) -> Range {
        Range::new(RAM_START.0, self.layout.size() as u64).unwrap_or_default()
    }

    /// Where `bytes` from `address` on are.
    ///
    /// # Panics
    /// If they are not RAM: the bare machine would fault, or worse.
    fn pointer(&self, address: Pa, bytes: u64) -> *mut u8 {
        let wanted = Range::new(address.0, bytes);
        let inside = wanted.is_some_and(|wanted| self.range().contains(wanted));
        assert!(
            inside,
            "{bytes} bytes at {address} are not RAM of the fake machine"
        );
        self.base.wrapping_add((address.0 - RAM_START.0) as usize)
    }

    pub(crate) fn write(&self, at: Pa, data: &[u8]) {
        let to = self.pointer(at, data.len() as u64);
        // SAFETY: `to` points to as many bytes of the buffer, and no reference into it is used
        // while a test or a scripted guest writes.
        unsafe { core::ptr::copy_nonoverlapping(data.as_ptr(), to, data.len()) };
    }

    pub(crate) fn read(&self, at: Pa, bytes: usize) -> Vec<u8> {
        let from = self.pointer(at, bytes as u64);
        let mut data = vec![0; bytes];
        // SAFETY: `from` points to as many bytes of the buffer.
        unsafe { core::ptr::copy_nonoverlapping(from, data.as_mut_ptr(), bytes) };
        data
    }

    /// The 8-byte word at `address`; `None` if it is not an aligned word of RAM.
    pub(crate) fn word(&self, address: Pa) -> Option<u64> {
        let range = Range::new(address.0, 8)?;
        if !self.range().contains(range) || !address.0.is_multiple_of(8) {
            return None;
        }
        // SAFETY: aligned and inside the buffer.
        Some(unsafe { self.pointer(address, 8).cast::<u64>().read_volatile() })
    }
}

impl Drop for Ram {
    fn drop(&mut self) {
        // SAFETY: allocated with this layout in `new`.
        unsafe { dealloc(self.base, self.layout) };
    }
}

/// Where the byte at `address` is.
pub(crate) fn pointer(address: Pa) -> *mut u8 {
    range(address, 1)
}

/// Where `bytes` from `address` on are in this thread's machine.
fn range(address: Pa, bytes: u64) -> *mut u8 {
    here().0.shared().ram.pointer(address, bytes)
}

/// Makes earlier stores visible to the table walkers: nothing to do here.
pub(crate) fn publish() {}

/// Zeros the range.
///
/// # Safety
/// The range is RAM and the caller's own.
pub(crate) unsafe fn zero(start: Pa, bytes: u64) {
    // SAFETY: as this function's; `range` checked it.
    unsafe { core::ptr::write_bytes(range(start, bytes), 0, bytes as usize) };
}

/// Copies `data` to `start`.
///
/// # Safety
/// The target is RAM, the caller's own, and does not overlap `data`.
pub(crate) unsafe fn copy_in(start: Pa, data: &[u8]) {
    let to = range(start, data.len() as u64);
    // SAFETY: as this function's; `range` checked it.
    unsafe { core::ptr::copy_nonoverlapping(data.as_ptr(), to, data.len()) };
}

/// Copies `data` to `start`.
///
/// # Safety
/// As for [`copy_in`].
pub(crate) unsafe fn put(start: Pa, data: &[u8]) {
    // SAFETY: as this function's.
    unsafe { copy_in(start, data) };
}

/// Copies `bytes` from `from` to `to`.
///
/// # Safety
/// Both are RAM of the caller's, to which there is no reference.
pub(crate) unsafe fn copy_over(from: Pa, to: Pa, bytes: u64) {
    // SAFETY: as this function's; `range` checked both.
    unsafe { core::ptr::copy(range(from, bytes), range(to, bytes), bytes as usize) };
}

/// Reads four bytes.
///
/// # Safety
/// They are RAM of the caller's.
pub(crate) unsafe fn load_u32(address: Pa) -> u32 {
    let mut bytes = [0; 4];
    // SAFETY: as this function's; a local array is not RAM of the machine.
    unsafe { copy_out(address, &mut bytes) };
    u32::from_ne_bytes(bytes)
}

/// Copies from `start` to `data`.
///
/// # Safety
/// The source is RAM, the caller's own, and does not overlap `data`.
pub(crate) unsafe fn copy_out(start: Pa, data: &mut [u8]) {
    let from = range(start, data.len() as u64);
    // SAFETY: as this function's; `range` checked it.
    unsafe { core::ptr::copy_nonoverlapping(from, data.as_mut_ptr(), data.len()) };
}

/// # Safety
/// `address` is 8-byte aligned RAM of the caller's.
pub(crate) unsafe fn read_u64(address: Pa) -> u64 {
    // SAFETY: as this function's; `range` checked it.
    unsafe { range(address, 8).cast::<u64>().read_volatile() }
}

/// # Safety
/// `address` is 8-byte aligned RAM of the caller's.
pub(crate) unsafe fn write_u64(address: Pa, value: u64) {
    // SAFETY: as this function's; `range` checked it.
    unsafe { range(address, 8).cast::<u64>().write_volatile(value) };
}

/// # Safety
/// The range is RAM that nobody writes for as long as the slice is used, and the machine lives as
/// long.
pub(crate) unsafe fn slice<'a>(start: Pa, bytes: u64) -> &'a [u8] {
    // SAFETY: as this function's; `range` checked it.
    unsafe { core::slice::from_raw_parts(range(start, bytes), bytes as usize) }
}
