//! A page that is held for as long as its handle lives, and the words in it that a guest uses at the
//! same time.
//!
//! Whether it lies in RAM is asked once, when the handle is made. Offsets count within the page: the bits
//! above, and those below the width of what is accessed, are not looked at.

use abi::{PAGE_SIZE, Pa};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use super::Extent;
use super::extent::{change_u8, change_u32, change_u64};
use crate::{cpu, physical};

/// A page of an extent, held.
#[derive(Clone, Debug)]
pub struct HeldPage {
    extent: Arc<Extent>,
    /// Its physical address, or [`NOWHERE`]. Invariant: a whole page, aligned, in the RAM of `extent`.
    start: u64,
}

/// No page starts here. One bit tells it apart.
const NOWHERE: u64 = 1;

impl HeldPage {
    /// The page at `offset` of `extent`. If there is no whole page there, reads give 0 and writes do
    /// nothing.
    pub fn new(extent: &Arc<Extent>, offset: u64) -> Self {
        let range = extent.range();
        let last = range.size().checked_sub(PAGE_SIZE);
        let start = range.start().checked_add(offset).filter(|start| {
            last.is_some_and(|last| offset <= last) && start.is_multiple_of(PAGE_SIZE)
        });
        Self {
            extent: extent.clone(),
            start: start.unwrap_or(NOWHERE),
        }
    }

    /// What it is a page of.
    #[inline]
    pub fn extent(&self) -> &Arc<Extent> {
        &self.extent
    }

    /// Its first byte in that; far behind its end if there is no such page.
    #[inline]
    pub fn offset(&self) -> u64 {
        self.start.wrapping_sub(self.extent.range().start())
    }

    /// Where it is; 0 if it is nowhere.
    #[inline]
    pub fn address(&self) -> Pa {
        Pa(self.start & !NOWHERE)
    }

    /// Copies `bytes` from `offset` to `to_offset` of `to`, for guests that run. `false`, with nothing
    /// written, if either page does not hold as many.
    #[must_use]
    pub fn copy_to(&self, offset: u32, to: &Self, to_offset: u32, bytes: u32) -> bool {
        let place = |page: &Self, offset: u32| {
            let end = u64::from(offset) + u64::from(bytes);
            (page.start & NOWHERE == 0 && end <= PAGE_SIZE)
                .then(|| Pa(page.start + u64::from(offset)))
        };
        match (place(self, offset), place(to, to_offset)) {
            (Some(from), Some(to)) => {
                // SAFETY: both parts lie in pages in the RAM of an extent, which the handles keep owned, and
                // into which no reference is made.
                unsafe { physical::copy_over(from, to, bytes.into()) };
                true
            }
            _ => false,
        }
    }

    /// Where the `T` at `offset` of the page is; a `T` has 1, 2, 4 or 8 bytes.
    #[inline(always)]
    fn place<T>(&self, offset: u32) -> Option<Pa> {
        cpu::point();
        let inside = PAGE_SIZE - size_of::<T>() as u64;
        (self.start & NOWHERE == 0).then(|| Pa(self.start | u64::from(offset) & inside))
    }
}

/// Accesses as those of [`Extent`]: atomic, sequentially consistent, little-endian, and bounded.
macro_rules! words {
    ($($type:ty, $atomic:ident, $change:ident, $at:ident: $load:ident $store:ident $swap:ident $or:ident
        $and:ident $exchange:ident;)*) => {
        impl HeldPage {$(
            #[inline(always)]
            fn $at(&self, offset: u32) -> Option<&$atomic> {
                let address = self.place::<$type>(offset)?;
                // SAFETY: `place` gives an aligned word of the page at `start`, which `new` checked to
                // lie in the RAM of `extent`. The handle keeps that owned, and RAM stays mapped. It is
                // reached by copies and atomics alone, never by a reference to its content.
                Some(unsafe { $atomic::from_ptr(physical::pointer(address).cast()) })
            }

            /// Reads.
            #[inline]
            pub fn $load(&self, offset: u32) -> $type {
                self.$at(offset).map_or(0, |word| <$type>::from_le(word.load(Ordering::SeqCst)))
            }

            /// Writes.
            #[inline]
            pub fn $store(&self, offset: u32, value: $type) {
                if let Some(word) = self.$at(offset) {
                    word.store(value.to_le(), Ordering::SeqCst);
                }
            }

            /// Writes, and tells what it was.
            #[inline]
            pub fn $swap(&self, offset: u32, value: $type) -> $type {
                self.$at(offset).map_or(0, |word| $change(word, |_| value))
            }

            /// Sets `bits`, and tells what it was.
            #[inline]
            pub fn $or(&self, offset: u32, bits: $type) -> $type {
                self.$at(offset).map_or(0, |word| $change(word, |old| old | bits))
            }

            /// Keeps only `bits`, and tells what it was.
            #[inline]
            pub fn $and(&self, offset: u32, bits: $type) -> $type {
                self.$at(offset).map_or(0, |word| $change(word, |old| old & bits))
            }

            /// Writes `new` if it is `current`; one attempt, which may fail without a reason.
            ///
            /// # Errors
            /// What it was, if it was not written.
            #[inline]
            pub fn $exchange(&self, offset: u32, current: $type, new: $type) -> Result<$type, $type> {
                let Some(word) = self.$at(offset) else { return Err(0) };
                word.compare_exchange_weak(
                    current.to_le(),
                    new.to_le(),
                    Ordering::SeqCst,
                    Ordering::SeqCst,
                )
                .map(<$type>::from_le)
                .map_err(<$type>::from_le)
            }
        )*}
    };
}

words! {
    u8, AtomicU8, change_u8, byte: load8 store8 swap8 fetch_or8 fetch_and8 compare_exchange8;
    u32, AtomicU32, change_u32, half: load32 store32 swap32 fetch_or32 fetch_and32 compare_exchange32;
    u64, AtomicU64, change_u64, double: load64 store64 swap64 fetch_or64 fetch_and64 compare_exchange64;
}
