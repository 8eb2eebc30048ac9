//! The hypervisor's own heap: used while booting and building domains, hardly ever on a guest's exit.
//!
//! It starts with an arena in the image and grows by extents of RAM; what is free at the end of one can
//! be had back.

use crate::frames::Extent;
use abi::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use spinning_top::RawSpinlock;
use talc::TalcLock;
use talc::source::Manual;

#[cfg_attr(target_os = "none", global_allocator)]
#[cfg_attr(not(target_os = "none"), allow(unused))]
static HEAP: TalcLock<RawSpinlock, Manual> = TalcLock::new(Manual);

static SIZE_BYTES: AtomicU64 = AtomicU64::new(0);

/// Bytes given to the heap so far, less those that were had back.
pub fn size_bytes() -> u64 {
    SIZE_BYTES.load(Ordering::Relaxed)
}

/// RAM that was given to the heap. It is worth one [`shrink`].
#[must_use]
#[derive(Debug)]
pub struct Arena {
    range: Range,
    /// Where the heap's part of it ends; 0 if it took nothing.
    #[cfg_attr(not(target_os = "none"), allow(unused))]
    end: usize,
}

/// Gives `extent` to the heap.
pub fn grow(extent: Extent) -> Arena {
    let range = extent.into_range();
    SIZE_BYTES.fetch_add(range.size(), Ordering::Relaxed);
    Arena {
        range,
        end: claim(range),
    }
}

/// Takes back what is free at the end of `arena`, whole pages of it; the rest stays the heap's for good.
pub fn shrink(arena: Arena) -> Option<Extent> {
    let free = Range::from_bounds(release(&arena), arena.range.end())?;
    if free.is_empty() {
        return None;
    }
    SIZE_BYTES.fetch_sub(free.size(), Ordering::Relaxed);
    // SAFETY: it is part of the extent that made the arena, and the heap has let go of it.
    Some(unsafe { Extent::from_range(free) })
}

/// Gives a range to the heap; where its part of it ends.
#[cfg(target_os = "none")]
fn claim(range: Range) -> usize {
    let base = crate::physical::pointer(abi::Pa(range.start()));
    // SAFETY: an extent is RAM that nobody else refers to, and `into_range` ended its ownership.
    let end = unsafe { HEAP.lock().claim(base, range.size() as usize) };
    end.map_or(0, |end| end.as_ptr() as usize)
}

/// Has the heap let go of what is free at the end of an arena; the first page that it does not use.
#[cfg(target_os = "none")]
fn release(arena: &Arena) -> u64 {
    let pages = |address: usize| (address as u64).next_multiple_of(abi::PAGE_SIZE);
    let Some(end) = core::ptr::NonNull::new(arena.end as *mut u8) else {
        return arena.range.start();
    };
    let mut heap = HEAP.lock();
    // SAFETY: `end` is what `claim` gave for this arena, which nobody changed since: `shrink` consumes it.
    let kept = unsafe {
        let used = pages(heap.reserved(end).up_to.as_ptr() as usize);
        heap.truncate(end, used as *mut u8)
    };
    kept.map_or(arena.range.start(), |kept| pages(kept.as_ptr() as usize))
}

/// On a host the allocator is the host's; the RAM just goes out of use.
#[cfg(not(target_os = "none"))]
fn claim(_: Range) -> usize {
    0
}

/// On a host nothing of it is used.
#[cfg(not(target_os = "none"))]
fn release(arena: &Arena) -> u64 {
    arena.range.start()
}

/// Gives the arena in the image to the heap; the boot code calls it once.
#[cfg(all(target_arch = "aarch64", target_os = "none"))]
pub(crate) fn start(arena: *mut u8, bytes: usize) {
    SIZE_BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
    // SAFETY: the caller hands over an arena that nothing else uses (see `boot`).
    unsafe { HEAP.lock().claim(arena, bytes) };
}
