//! Stage-2 tables: the memory they live in, and the TLB.

use abi::{PAGE_SIZE, Pa, Range};
use alloc::vec::Vec;

use super::sysreg::{dsb_ish, dsb_ishst, isb, read};
use super::vcpu::Stage2Base;
use crate::frames::Extent;

/// Frames for the tables of one domain: a bounded pool, so that no domain uses up the machine.
pub struct TablePool {
    extent: Extent,
    used: u64,
    free: Vec<Pa>,
}

impl TablePool {
    /// A pool of the whole `extent`. Its `free` list never grows past the pool, so that freeing
    /// does not allocate.
    pub fn new(extent: Extent) -> Self {
        extent.zero(0, extent.range().size());
        let pages = (extent.range().size() / PAGE_SIZE) as usize;
        Self { extent, used: 0, free: Vec::with_capacity(pages) }
    }

    /// `count` consecutive zeroed tables, aligned to their number; at the pool's start, as the
    /// first call only.
    pub fn allocate_root(&mut self, count: u64) -> Option<Pa> {
        let bytes = count * PAGE_SIZE;
        let aligned = self.extent.range().start() % bytes == 0;
        if self.used != 0 || !aligned || bytes > self.extent.range().size() {
            return None;
        }
        self.used = bytes;
        Some(Pa(self.extent.range().start()))
    }

    /// A zeroed table.
    pub fn allocate(&mut self) -> Option<Pa> {
        if let Some(table) = self.free.pop() {
            self.extent.zero(table.0 - self.extent.range().start(), PAGE_SIZE);
            return Some(table);
        }
        if self.used >= self.extent.range().size() {
            return None;
        }
        let table = Pa(self.extent.range().start() + self.used);
        self.used += PAGE_SIZE;
        Some(table)
    }

    /// Takes a table back.
    pub fn free(&mut self, table: Pa) {
        if self.free.len() < self.free.capacity() && self.extent.range().has(table.0) {
            self.free.push(table);
        }
    }

    /// The entry `index` of `table`; 0 outside the pool.
    pub fn read(&self, table: Pa, index: usize) -> u64 {
        match self.word(table, index) {
            Some(word) => self.extent.read_word(word),
            None => 0,
        }
    }

    /// Writes the entry `index` of `table`; the table walkers see it from the next barrier of
    /// [`invalidate`] or from their next walk.
    pub fn write(&mut self, table: Pa, index: usize, entry: u64) {
        if let Some(word) = self.word(table, index) {
            self.extent.write_word(word, entry);
            dsb_ishst();
        }
    }

    /// Bytes of the pool, and how many of them are tables now.
    pub fn size_and_used(&self) -> (u64, u64) {
        (self.extent.range().size(), self.used - self.free.len() as u64 * PAGE_SIZE)
    }

    /// Ends the pool. No CPU may use its tables any more.
    pub fn into_extent(self) -> Extent {
        self.extent
    }

    fn word(&self, table: Pa, index: usize) -> Option<u64> {
        let offset = table.0.checked_sub(self.extent.range().start())?;
        Some(offset / 8 + index as u64)
    }
}

/// Drops what the TLBs hold of `base`'s VMID for `_range` (all of the VMID: ranges of this size are
/// rare), on all CPUs.
pub fn invalidate(base: Stage2Base, _range: Range) {
    let before = read!("vttbr_el2");
    super::sysreg::write!("vttbr_el2", u64::from(base.vmid) << 48 | base.root.0);
    isb();
    dsb_ishst();
    // SAFETY: dropping translations only costs table walks.
    unsafe { core::arch::asm!("tlbi vmalls12e1is", options(nostack)) };
    dsb_ish();
    isb();
    super::sysreg::write!("vttbr_el2", before);
    isb();
}

/// Bits of the physical addresses that this machine has.
pub fn physical_address_bits() -> u32 {
    match read!("id_aa64mmfr0_el1") & 0xf {
        0 => 32,
        1 => 36,
        2 => 40,
        3 => 42,
        4 => 44,
        _ => 48,
    }
}

/// Makes instructions that were written to guest memory visible to instruction fetches.
pub fn synchronise_instructions() {
    super::cache::invalidate_instructions();
}
