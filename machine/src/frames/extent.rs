//! RAM that has an owner, and the words in it that a guest uses at the same time.

use abi::{Pa, Range};
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use crate::{cpu, physical};

/// RAM that its holder alone owns. Page aligned.
///
/// A guest may change it at any time, and other CPUs too if it is shared between them: it is read and
/// written by instructions that the compiler does not look into, each byte once, and no reference
/// into it is ever made.
#[derive(Debug)]
pub struct Extent {
    pub(super) range: Range,
}

impl Extent {
    /// No RAM at all: reads give 0, and writes do nothing.
    pub fn none() -> Self {
        Self {
            range: Range::default(),
        }
    }

    /// RAM whose ownership [`Extent::into_range`] ended.
    ///
    /// # Safety
    /// It is (part of) such a range, and who had it owns it no more.
    pub(crate) unsafe fn from_range(range: Range) -> Self {
        Self { range }
    }

    /// Its physical addresses.
    pub fn range(&self) -> Range {
        self.range
    }

    /// Ends the ownership and tells the addresses; for those who pass the RAM on for good.
    pub(crate) fn into_range(self) -> Range {
        self.range
    }

    /// Fills `bytes` from `offset` with zeros and moves them from the caches to memory, so that
    /// neither stale data nor a stale cache line is seen by the next owner. Clipped to the extent.
    pub fn zero(&self, offset: u64, bytes: u64) {
        if let Some(part) = self.clip(offset, bytes) {
            // SAFETY: the part lies in RAM that this extent owns.
            unsafe { physical::zero(Pa(part.start()), part.size()) };
        }
    }

    /// Copies `data` to `offset` and moves it from the caches to memory. `false`, with nothing
    /// written, if it does not fit.
    #[must_use]
    pub fn write(&self, offset: u64, data: &[u8]) -> bool {
        match self.clip(offset, data.len() as u64) {
            Some(part) if part.size() == data.len() as u64 => {
                // SAFETY: the part lies in RAM that this extent owns; `data` is not in it, because
                // no reference into an extent is ever made.
                unsafe { physical::copy_in(Pa(part.start()), data) };
                true
            }
            _ => false,
        }
    }

    /// Copies from `offset` into `data`. `false`, with nothing read, if it does not fit.
    #[must_use]
    pub fn read(&self, offset: u64, data: &mut [u8]) -> bool {
        match self.clip(offset, data.len() as u64) {
            Some(part) if part.size() == data.len() as u64 => {
                // SAFETY: as for `write`.
                unsafe { physical::copy_out(Pa(part.start()), data) };
                true
            }
            _ => false,
        }
    }

    /// Copies what is at physical address `from` into `data`. `false`, with nothing read, unless all of
    /// it is the extent's.
    #[must_use]
    #[inline]
    pub fn read_at(&self, from: Pa, data: &mut [u8]) -> bool {
        let all = self.contains(from, data.len());
        if all {
            // SAFETY: as for `write`.
            unsafe { physical::copy_out(from, data) };
        }
        all
    }

    /// Reads the 4-byte little-endian word at physical address `from`, aligned or not; `None` unless all
    /// of it is the extent's.
    #[must_use]
    #[inline]
    pub fn read_word_at(&self, from: Pa) -> Option<u32> {
        let all = self.contains(from, size_of::<u32>());
        // SAFETY: as for `write`.
        all.then(|| u32::from_le(unsafe { physical::load_u32(from) }))
    }

    /// Copies `data` to physical address `to`, for a guest that runs: it reads through the caches.
    /// `false`, with nothing written, unless all of it is the extent's.
    #[must_use]
    #[inline]
    pub fn write_at(&self, to: Pa, data: &[u8]) -> bool {
        let all = self.contains(to, data.len());
        if all {
            // SAFETY: as for `write`.
            unsafe { physical::put(to, data) };
        }
        all
    }

    /// Copies `bytes` from `offset` to `to_offset` of `to`, for guests that run. `false`, with nothing
    /// written, if either does not hold as many.
    #[must_use]
    pub fn copy_to(&self, offset: u64, to: &Self, to_offset: u64, bytes: u64) -> bool {
        let place = |extent: &Self, offset: u64| {
            let part = extent.clip(offset, bytes)?;
            (part.size() == bytes).then(|| Pa(part.start()))
        };
        match (place(self, offset), place(to, to_offset)) {
            (Some(from), Some(to)) => {
                // SAFETY: both parts lie in RAM that an extent owns, into which no reference is made.
                unsafe { physical::copy_over(from, to, bytes) };
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn contains(&self, start: Pa, bytes: usize) -> bool {
        let room = self.range.end().wrapping_sub(start.0);
        start.0 >= self.range.start() && start.0 <= self.range.end() && room >= bytes as u64
    }

    /// Reads the 8-byte word `index`; 0 behind the end.
    pub fn read_word(&self, index: u64) -> u64 {
        match self.word(index) {
            // SAFETY: an aligned word in RAM that this extent owns.
            Some(address) => unsafe { physical::read_u64(address) },
            None => 0,
        }
    }

    /// Writes the 8-byte word `index`, as one store; nothing behind the end.
    pub fn write_word(&mut self, index: u64, value: u64) {
        if let Some(address) = self.word(index) {
            // SAFETY: an aligned word in RAM that this extent owns.
            unsafe { physical::write_u64(address, value) };
        }
    }

    /// The byte at `offset`, shared with a guest; `None` outside the extent.
    #[inline]
    fn byte(&self, offset: u64) -> Option<&AtomicU8> {
        let address = self.shared::<u8>(offset)?;
        // SAFETY: `shared` checked that it lies in RAM that this extent owns; that stays mapped. It
        // is reached by copies and atomics alone, never by a reference to its content.
        Some(unsafe { AtomicU8::from_ptr(physical::pointer(address)) })
    }

    /// The 4-byte word at `offset`, shared with a guest; `None` outside or not aligned.
    #[inline]
    fn half(&self, offset: u64) -> Option<&AtomicU32> {
        let address = self.shared::<u32>(offset)?;
        // SAFETY: as for `byte`, and aligned.
        Some(unsafe { AtomicU32::from_ptr(physical::pointer(address).cast()) })
    }

    /// The 8-byte word at `offset`, shared with a guest; `None` outside or not aligned.
    #[inline]
    fn double(&self, offset: u64) -> Option<&AtomicU64> {
        let address = self.shared::<u64>(offset)?;
        // SAFETY: as for `byte`, and aligned.
        Some(unsafe { AtomicU64::from_ptr(physical::pointer(address).cast()) })
    }

    /// Where an aligned `T` at `offset` is.
    #[inline]
    fn shared<T>(&self, offset: u64) -> Option<Pa> {
        let size = size_of::<T>() as u64;
        let last = self.range.size().checked_sub(size)?;
        cpu::point();
        (offset <= last && offset.is_multiple_of(size)).then(|| Pa(self.range.start() + offset))
    }

    fn word(&self, index: u64) -> Option<Pa> {
        let offset = index.checked_mul(8)?;
        (offset < self.range.size()).then(|| Pa(self.range.start() + offset))
    }

    fn clip(&self, offset: u64, bytes: u64) -> Option<Range> {
        let start = self.range.start().checked_add(offset)?;
        let end = start.checked_add(bytes)?.min(self.range.end());
        Range::from_bounds(start, end)
    }
}

/// How often a change of a word is tried that a guest changes at the same time (XSA-295).
///
/// Neighbours in the same word disturb an attempt now and then; who disturbs hundreds in a row means to.
pub(super) const MOST_TRIES: u32 = 1 << 9;

/// Words that a guest uses at the same time: each access is atomic, sequentially consistent and
/// little-endian. Outside the extent, or not aligned to its width, a read gives 0 and a write does
/// nothing. A guest that changes a word all the time makes a change fail in the end: the attempts
/// are bounded.
macro_rules! shared_words {
    ($(#[$doc:meta] $type:ty, $atomic:ident, $at:ident:
        $load:ident $store:ident $swap:ident $or:ident $and:ident $exchange:ident;)*) => {
        impl Extent {$(
            #[$doc]
            ///
            /// Reads it.
            #[inline]
            pub fn $load(&self, offset: u64) -> $type {
                self.$at(offset).map_or(0, |word| <$type>::from_le(word.load(Ordering::SeqCst)))
            }

            #[$doc]
            ///
            /// Writes it.
            pub fn $store(&self, offset: u64, value: $type) {
                if let Some(word) = self.$at(offset) {
                    word.store(value.to_le(), Ordering::SeqCst);
                }
            }

            #[$doc]
            ///
            /// Writes it, and tells what it was.
            #[inline]
            pub fn $swap(&self, offset: u64, value: $type) -> $type {
                self.$at(offset).map_or(0, |word| $atomic(word, |_| value))
            }

            #[$doc]
            ///
            /// Sets `bits`, and tells what it was.
            #[inline]
            pub fn $or(&self, offset: u64, bits: $type) -> $type {
                self.$at(offset).map_or(0, |word| $atomic(word, |old| old | bits))
            }

            #[$doc]
            ///
            /// Keeps only `bits`, and tells what it was.
            #[inline]
            pub fn $and(&self, offset: u64, bits: $type) -> $type {
                self.$at(offset).map_or(0, |word| $atomic(word, |old| old & bits))
            }

            #[$doc]
            ///
            /// Writes `new` if it is `current`; one attempt, which may fail without a reason.
            ///
            /// # Errors
            /// What it was, if it was not written.
            pub fn $exchange(
                &self,
                offset: u64,
                current: $type,
                new: $type,
            ) -> Result<$type, $type> {
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

shared_words! {
    /// The byte at `offset`.
    u8, change_u8, byte: load8 store8 swap8 fetch_or8 fetch_and8 compare_exchange8;
    /// The 4-byte word at `offset`.
    u32, change_u32, half: load32 store32 swap32 fetch_or32 fetch_and32 compare_exchange32;
    /// The 8-byte word at `offset`.
    u64, change_u64, double: load64 store64 swap64 fetch_or64 fetch_and64 compare_exchange64;
}

macro_rules! bounded_change {
    ($name:ident, $type:ty, $atomic:ty) => {
        /// Changes a word that a guest changes as well, and tells what it was.
        #[inline]
        pub(super) fn $name(word: &$atomic, change: impl Fn($type) -> $type) -> $type {
            let mut seen = word.load(Ordering::Relaxed);
            for _ in 0..MOST_TRIES {
                let new = change(<$type>::from_le(seen)).to_le();
                match word.compare_exchange_weak(seen, new, Ordering::SeqCst, Ordering::Relaxed) {
                    Ok(old) => return <$type>::from_le(old),
                    Err(now) => seen = now,
                }
            }
            <$type>::from_le(seen)
        }
    };
}
bounded_change!(change_u8, u8, AtomicU8);
bounded_change!(change_u32, u32, AtomicU32);
bounded_change!(change_u64, u64, AtomicU64);
