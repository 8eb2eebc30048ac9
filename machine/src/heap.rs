//! The hypervisor's own heap: used while booting and building domains, never on a guest's exit.
//!
//! It starts with an arena in the image and grows by extents of RAM.

use crate::frames::Extent;
use core::sync::atomic::{AtomicU64, Ordering};
use spinning_top::RawSpinlock;
use talc::TalcLock;
use talc::source::Manual;

#[cfg_attr(target_os = "none", global_allocator)]
static HEAP: TalcLock<RawSpinlock, Manual> = TalcLock::new(Manual);

static SIZE_BYTES: AtomicU64 = AtomicU64::new(0);

/// Bytes given to the heap so far.
pub fn size_bytes() -> u64 {
    SIZE_BYTES.load(Ordering::Relaxed)
}

/// Gives `extent` to the heap for good.
pub fn grow(extent: Extent) {
    let range = extent.into_range();
    SIZE_BYTES.fetch_add(range.size(), Ordering::Relaxed);
    // On a host the allocator is the host's; the RAM just goes out of use.
    if cfg!(target_os = "none") {
        let base = crate::physical::pointer(abi::Pa(range.start()));
        // SAFETY: an extent is RAM that nobody else refers to, and `into_range` ended its
        // ownership.
        unsafe { HEAP.lock().claim(base, range.size() as usize) };
    }
}

/// Gives the arena in the image to the heap; the boot code calls it once.
#[cfg(all(target_arch = "aarch64", target_os = "none"))]
pub(crate) fn start(arena: *mut u8, bytes: usize) {
    SIZE_BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
    // SAFETY: the caller hands over an arena that nothing else uses (see `boot`).
    unsafe { HEAP.lock().claim(arena, bytes) };
}
