//! Physical memory: who owns which RAM.
//!
//! [`Frames`] knows the free RAM as a short sorted list of ranges. What it hands out is an
//! [`Extent`], an owned range that exists once: only its owner can read, write or map it, and
//! giving it back consumes it. Boot modules are [`Module`]s, read-only until they are given back.
//! The image and reserved memory are never handed out, whatever modules lie in them.

use abi::{PAGE_SIZE, Pa, Range};
use alloc::boxed::Box;
use arrayvec::ArrayVec;

use crate::physical;

mod extent;
mod page;

pub use extent::Extent;
pub use page::HeldPage;

/// The most separate free ranges that are tracked.
const MOST_FREE_RANGES: usize = 256;
/// The most ranges that are kept out of use for good.
const MOST_KEPT_RANGES: usize = 128;

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
    pub(crate) fn new(
        memory: &[Range],
        occupied: Occupied<'_>,
    ) -> Result<Box<Self>, TooFragmented> {
        let mut frames = Box::new(Self::empty());
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
    const fn empty() -> Self {
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

    /// Bytes that become free when all modules are given back, as far as they are not reserved; what two
    /// of them share is counted twice.
    pub fn lent_bytes(&self) -> u64 {
        let modules = self.modules.iter().map(|range| outer_pages(*range));
        modules
            .filter(|pages| !self.kept.iter().any(|kept| kept.overlaps(*pages)))
            .map(|pages| pages.size())
            .sum()
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

    /// Fills a module with zeros, and gives it back as [`Self::release_module`] does. What lies in reserved
    /// memory stays as it is.
    pub fn erase_module(&mut self, module: Module) -> Result<(), TooFragmented> {
        let range = module.range;
        if !self.kept.iter().any(|kept| kept.overlaps(range)) {
            // SAFETY: mapped RAM that is neither free nor another module's, as `Frames::module` checked;
            // nobody reads it any more, as the module is here.
            unsafe { physical::zero(Pa(range.start()), range.size()) };
        }
        self.release_module(module)
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
mod tests;
