//! Physical memory: who owns which RAM.
//!
//! [`Frames`] knows the free RAM as a short sorted list of ranges. What it hands out is an
//! [`Extent`], an owned range that exists once: only its owner can read, write or map it, and
//! giving it back consumes it. Boot modules are [`Module`]s, read-only until they are given back.
//! The image and reserved memory are never handed out, whatever modules lie in them.

use abi::{PAGE_SIZE, Pa, Range};
use arrayvec::ArrayVec;
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};

use crate::{cpu, physical};

/// The most separate free ranges that are tracked.
const MOST_FREE_RANGES: usize = 256;
/// The most ranges that are kept out of use for good.
const MOST_KEPT_RANGES: usize = 128;

/// RAM that its holder alone owns. Page aligned.
///
/// A guest may change it at any time, and other CPUs too if it is shared between them: it is read and
/// written by instructions that the compiler does not look into, each byte once, and no reference
/// into it is ever made.
#[derive(Debug)]
pub struct Extent {
    range: Range,
}

impl Extent {
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
    fn byte(&self, offset: u64) -> Option<&AtomicU8> {
        let address = self.shared::<u8>(offset)?;
        // SAFETY: `shared` checked that it lies in RAM that this extent owns; that stays mapped. It
        // is reached by copies and atomics alone, never by a reference to its content.
        Some(unsafe { AtomicU8::from_ptr(physical::pointer(address)) })
    }

    /// The 4-byte word at `offset`, shared with a guest; `None` outside or not aligned.
    fn half(&self, offset: u64) -> Option<&AtomicU32> {
        let address = self.shared::<u32>(offset)?;
        // SAFETY: as for `byte`, and aligned.
        Some(unsafe { AtomicU32::from_ptr(physical::pointer(address).cast()) })
    }

    /// The 8-byte word at `offset`, shared with a guest; `None` outside or not aligned.
    fn double(&self, offset: u64) -> Option<&AtomicU64> {
        let address = self.shared::<u64>(offset)?;
        // SAFETY: as for `byte`, and aligned.
        Some(unsafe { AtomicU64::from_ptr(physical::pointer(address).cast()) })
    }

    /// Where an aligned `T` at `offset` is.
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
const MOST_TRIES: u32 = 1 << 14;

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
            pub fn $swap(&self, offset: u64, value: $type) -> $type {
                self.$at(offset).map_or(0, |word| $atomic(word, |_| value))
            }

            #[$doc]
            ///
            /// Sets `bits`, and tells what it was.
            pub fn $or(&self, offset: u64, bits: $type) -> $type {
                self.$at(offset).map_or(0, |word| $atomic(word, |old| old | bits))
            }

            #[$doc]
            ///
            /// Keeps only `bits`, and tells what it was.
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
        fn $name(word: &$atomic, change: impl Fn($type) -> $type) -> $type {
            let mut old = word.load(Ordering::Relaxed);
            for _ in 0..MOST_TRIES {
                let new = change(<$type>::from_le(old)).to_le();
                match word.compare_exchange_weak(old, new, Ordering::SeqCst, Ordering::Relaxed) {
                    Ok(_) => break,
                    Err(now) => old = now,
                }
            }
            <$type>::from_le(old)
        }
    };
}
bounded_change!(change_u8, u8, AtomicU8);
bounded_change!(change_u32, u32, AtomicU32);
bounded_change!(change_u64, u64, AtomicU64);

/// A boot module: RAM that the boot loader filled, read-only.
#[derive(Debug)]
pub struct Module {
    range: Range,
}

impl Module {
    /// Its physical addresses.
    pub fn range(&self) -> Range {
        self.range
    }

    /// What the boot loader put there.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `Frames::module` checked that it is mapped RAM outside the free ranges and the
        // image, nothing writes it while the module exists, and no guest maps it.
        unsafe { physical::slice(Pa(self.range.start()), self.range.size()) }
    }
}

/// The free RAM.
pub struct Frames {
    memory: ArrayVec<Range, 64>,
    free: ArrayVec<Range, MOST_FREE_RANGES>,
    modules: ArrayVec<Range, 256>,
    /// Whole pages: the image first, then what is reserved.
    kept: ArrayVec<Range, MOST_KEPT_RANGES>,
}

/// RAM that is not free at boot.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Occupied<'a> {
    /// The hypervisor's image.
    pub(crate) image: Range,
    /// Reserved for good.
    pub(crate) reserved: &'a [Range],
    /// Boot modules and the device tree, until they are given back.
    pub(crate) modules: &'a [Range],
}

/// There are more separate ranges than can be tracked.
#[derive(Debug, PartialEq, Eq)]
pub struct TooFragmented;

impl Frames {
    /// RAM in `memory` less what is occupied (widened to whole pages). The machine's boot code
    /// calls it once, after it mapped the memory.
    pub(crate) fn new(memory: &[Range], occupied: Occupied<'_>) -> Result<Self, TooFragmented> {
        let mut frames = Self::empty();
        for bank in memory {
            frames.memory.try_push(*bank).map_err(|_| TooFragmented)?;
            frames.insert(inner_pages(*bank))?;
        }
        for range in core::iter::once(&occupied.image).chain(occupied.reserved) {
            frames
                .kept
                .try_push(outer_pages(*range))
                .map_err(|_| TooFragmented)?;
            frames.subtract(outer_pages(*range))?;
        }
        for range in occupied.modules {
            frames.subtract(outer_pages(*range))?;
        }
        Ok(frames)
    }

    /// No RAM at all.
    pub const fn empty() -> Self {
        Self {
            memory: ArrayVec::new_const(),
            free: ArrayVec::new_const(),
            modules: ArrayVec::new_const(),
            kept: ArrayVec::new_const(),
        }
    }

    /// Bytes that are free.
    pub fn free_bytes(&self) -> u64 {
        self.free.iter().map(|range| range.size()).sum()
    }

    /// `bytes` (rounded up to pages) aligned to `align` (a power of two), from the smallest free
    /// range that holds them.
    pub fn allocate(&mut self, bytes: u64, align: u64) -> Option<Extent> {
        let bytes = bytes.checked_next_multiple_of(PAGE_SIZE)?;
        let align = align.max(PAGE_SIZE);
        let fits = |range: &Range| {
            let start = range.start().checked_next_multiple_of(align)?;
            (start.checked_add(bytes)? <= range.end()).then_some(start)
        };
        let best = self
            .free
            .iter()
            .filter_map(|range| Some((range.size(), fits(range)?)))
            .min_by_key(|(size, start)| (*size, *start))?;
        self.take(Range::new(best.1, bytes)?)
    }

    /// The largest free range aligned to `align`, at most `bytes` of it and a multiple of `align`.
    pub fn allocate_largest(&mut self, bytes: u64, align: u64) -> Option<Extent> {
        let align = align.max(PAGE_SIZE);
        let (start, size) = self
            .free
            .iter()
            .filter_map(|range| {
                let start = range.start().checked_next_multiple_of(align)?;
                let end = range.end() & !(align - 1);
                Some((start, end.checked_sub(start)?.min(bytes & !(align - 1))))
            })
            .filter(|(_, size)| *size > 0)
            .max_by_key(|(_, size)| *size)?;
        self.take(Range::new(start, size)?)
    }

    /// Exactly `range`, if all of it is free and page aligned.
    pub fn take(&mut self, range: Range) -> Option<Extent> {
        if range.is_empty() || range != outer_pages(range) {
            return None;
        }
        self.free.iter().find(|free| free.contains(range))?;
        self.subtract(range).ok()?;
        Some(Extent { range })
    }

    /// Gives `extent` back. When it cannot be tracked it stays out of use for good.
    pub fn release(&mut self, extent: Extent) -> Result<(), TooFragmented> {
        self.insert(extent.range)
    }

    /// The boot module at `range`: `None` unless it is RAM, not free, not in the image, and not handed
    /// out before. It may lie in reserved memory.
    pub fn module(&mut self, range: Range) -> Option<Module> {
        let pages = outer_pages(range);
        let in_memory = self.memory.iter().any(|bank| bank.contains(range));
        let in_use = self.free.iter().any(|free| free.overlaps(pages))
            || self.modules.iter().any(|other| other.overlaps(range))
            || self.kept.first().is_some_and(|image| image.overlaps(range));
        if !in_memory || in_use || range.is_empty() {
            return None;
        }
        self.modules.try_push(range).ok()?;
        Some(Module { range })
    }

    /// Gives a module's pages back as free RAM, as far as they are its alone and not reserved.
    pub fn release_module(&mut self, module: Module) -> Result<(), TooFragmented> {
        self.modules.retain(|range| *range != module.range);
        // The first and the last page are the module's alone unless another one lies in them too.
        let mut pages = outer_pages(module.range);
        if self
            .modules
            .iter()
            .any(|other| outer_pages(*other).overlaps(pages))
        {
            pages = inner_pages(module.range);
        }
        let bank = self.memory.iter().find(|bank| bank.contains(module.range));
        let bank = inner_pages(bank.copied().unwrap_or_default());
        let (start, end) = (pages.start().max(bank.start()), pages.end().min(bank.end()));
        self.insert(Range::from_bounds(start, end).unwrap_or_default())?;
        for index in 0..self.kept.len() {
            self.subtract(self.kept[index])?;
        }
        Ok(())
    }

    fn insert(&mut self, range: Range) -> Result<(), TooFragmented> {
        if range.is_empty() {
            return Ok(());
        }
        let at = self
            .free
            .partition_point(|free| free.start() < range.start());
        let mut merged = range;
        let mut at = at;
        if at > 0 && self.free[at - 1].end() == merged.start() {
            at -= 1;
            let before = self.free.remove(at);
            merged = join(before, merged);
        }
        if at < self.free.len() && self.free[at].start() == merged.end() {
            let behind = self.free.remove(at);
            merged = join(merged, behind);
        }
        self.free.try_insert(at, merged).map_err(|_| TooFragmented)
    }

    fn subtract(&mut self, used: Range) -> Result<(), TooFragmented> {
        while let Some(at) = self.free.iter().position(|free| free.overlaps(used)) {
            let free = self.free.remove(at);
            for (start, end) in [
                (free.start(), used.start().max(free.start())),
                (used.end().min(free.end()), free.end()),
            ] {
                if let Some(rest) = Range::from_bounds(start, end) {
                    self.insert(rest)?;
                }
            }
        }
        Ok(())
    }
}

fn join(low: Range, high: Range) -> Range {
    Range::from_bounds(low.start(), high.end()).unwrap_or(low)
}

/// `range`, widened to whole pages.
pub(crate) fn outer_pages(range: Range) -> Range {
    let start = range.start() & !(PAGE_SIZE - 1);
    let end = range
        .end()
        .checked_next_multiple_of(PAGE_SIZE)
        .unwrap_or(!(PAGE_SIZE - 1));
    Range::from_bounds(start, end).unwrap_or(range)
}

fn inner_pages(range: Range) -> Range {
    let start = range
        .start()
        .checked_next_multiple_of(PAGE_SIZE)
        .unwrap_or(range.end());
    let end = range.end() & !(PAGE_SIZE - 1);
    Range::from_bounds(start, end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn range(start: u64, end: u64) -> Range {
        Range::from_bounds(start, end).unwrap()
    }

    fn reserving(reserved: &[Range]) -> Occupied<'_> {
        Occupied {
            reserved,
            ..Occupied::default()
        }
    }

    /// 1 MiB of RAM that starts with the image.
    fn with_modules(modules: &[Range], reserved: &[Range]) -> Frames {
        let image = range(0x10_0000, 0x11_0000);
        let occupied = Occupied {
            image,
            reserved,
            modules,
        };
        Frames::new(&[range(0x10_0000, 0x20_0000)], occupied).unwrap()
    }

    #[test]
    fn shared_words_are_changed_in_place_and_nowhere_else() {
        let machine = crate::host::Machine::new(crate::host::Parts::default());
        machine.enter(abi::CpuId(0));
        let start = machine.ram().start();
        let extent = Extent {
            range: range(start, start + 0x1000),
        };
        assert_eq!(extent.fetch_or64(8, 0x8001), 0);
        assert_eq!(extent.fetch_and64(8, !1), 0x8001);
        assert_eq!(extent.load64(8), 0x8000);
        assert_eq!(extent.swap8(9, 1), 0x80);
        assert_eq!(extent.load32(8), 0x100);
        assert_eq!(extent.compare_exchange32(8, 7, 1), Err(0x100));
        assert_eq!(extent.compare_exchange32(8, 0x100, 1), Ok(0x100));
        extent.store64(0xff8, u64::MAX);
        assert_eq!(extent.load8(0xfff), 0xff);
        for outside in [0x1000, 0xffc, 0xff9, u64::MAX] {
            extent.store64(outside, 5);
            assert_eq!(extent.fetch_or64(outside, 1), 0, "{outside:#x}");
        }
        assert_eq!(extent.load64(0xff8), u64::MAX);
    }

    #[test]
    fn what_is_used_is_not_free() {
        let frames = Frames::new(
            &[range(0x10_000, 0x20_000)],
            reserving(&[range(0x11_001, 0x11_fff)]),
        );
        assert_eq!(frames.unwrap().free_bytes(), 0xf000);
    }

    #[test]
    fn an_extent_comes_from_the_smallest_range_and_goes_back_whole() {
        let mut frames = Frames::new(
            &[range(0x10_0000, 0x20_0000), range(0x40_0000, 0x41_0000)],
            reserving(&[]),
        )
        .unwrap();
        let before = frames.free_bytes();
        let small = frames.allocate(0x1001, 0x4000).unwrap();
        assert_eq!(small.range(), range(0x40_0000, 0x40_2000));
        let large = frames.allocate(0x8_0000, 0x10_0000).unwrap();
        assert_eq!(large.range().start(), 0x10_0000);
        frames.release(small).unwrap();
        frames.release(large).unwrap();
        assert_eq!(frames.free_bytes(), before);
        assert_eq!(frames.free.len(), 2);
    }

    #[test]
    fn nothing_is_handed_out_twice() {
        let mut frames = Frames::new(&[range(0x10_0000, 0x20_0000)], reserving(&[])).unwrap();
        let mut taken: Vec<Range> = Vec::new();
        while let Some(extent) = frames.allocate(0x3000, 0x1000) {
            assert!(taken.iter().all(|other| !other.overlaps(extent.range())));
            taken.push(extent.range());
        }
        assert_eq!(taken.len(), 0x100 / 3);
        assert!(frames.take(taken[0]).is_none());
    }

    #[test]
    fn modules_are_neither_free_nor_given_twice() {
        let module = range(0x18_0000, 0x18_0800);
        let mut frames = with_modules(&[module], &[]);
        assert!(frames.module(range(0x11_0000, 0x11_1000)).is_none());
        let first = frames.module(module).unwrap();
        assert!(frames.module(module).is_none());
        let before = frames.free_bytes();
        frames.release_module(first).unwrap();
        assert_eq!(frames.free_bytes(), before + 0x1000);
    }

    #[test]
    fn the_largest_range_serves_a_fragmented_guest() {
        let mut frames = Frames::new(
            &[range(0x10_0000, 0x90_0000)],
            reserving(&[range(0x48_0000, 0x49_0000)]),
        )
        .unwrap();
        let part = frames.allocate_largest(1 << 30, 0x20_0000).unwrap();
        assert!(part.range().size() == 0x20_0000 && part.range().start().is_multiple_of(0x20_0000));
        assert!(frames.allocate_largest(0x10_0000, 0x20_0000).is_none());
    }

    #[test]
    fn no_module_lies_in_the_image() {
        let mut frames = with_modules(&[], &[]);
        assert!(frames.module(range(0x10_0000, 0x10_1000)).is_none());
        assert!(frames.module(range(0x10_f800, 0x11_0800)).is_none());
    }

    #[test]
    fn what_is_reserved_stays_so_when_a_module_in_it_is_given_back() {
        let module = range(0x18_0000, 0x18_4000);
        let mut frames = with_modules(&[module], &[range(0x18_1800, 0x18_2000)]);
        let before = frames.free_bytes();
        let module = frames.module(module).unwrap();
        frames.release_module(module).unwrap();
        assert_eq!(frames.free_bytes(), before + 0x3000);
        assert!(frames.take(range(0x18_1000, 0x18_2000)).is_none());
    }

    #[test]
    fn a_page_of_two_modules_is_given_back_with_the_second() {
        let (first, second) = (range(0x18_0000, 0x18_1800), range(0x18_1800, 0x18_2800));
        let mut frames = with_modules(&[first, second], &[]);
        let before = frames.free_bytes();
        let (first, second) = (
            frames.module(first).unwrap(),
            frames.module(second).unwrap(),
        );
        frames.release_module(first).unwrap();
        assert_eq!(frames.free_bytes(), before + 0x1000);
        frames.release_module(second).unwrap();
        assert_eq!(frames.free_bytes(), before + 0x3000);
    }

    #[test]
    fn a_module_gives_back_no_page_that_is_not_all_ram() {
        let bank = range(0x10_0800, 0x20_0000);
        let module = range(0x10_0800, 0x10_2000);
        let occupied = Occupied {
            modules: &[module],
            ..Occupied::default()
        };
        let mut frames = Frames::new(&[bank], occupied).unwrap();
        let before = frames.free_bytes();
        let module = frames.module(module).unwrap();
        frames.release_module(module).unwrap();
        assert_eq!(frames.free_bytes(), before + 0x1000);
    }
}
