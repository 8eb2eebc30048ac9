//! The memory in which a domain's stage-2 tables live: the same on every architecture.
//!
//! Invariant: a table that is handed out is zeroed, and lies in the pool's extent.

use abi::{PAGE_SIZE, Pa};
use alloc::vec::Vec;

use crate::frames::Extent;
use crate::physical;

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
        Self {
            extent,
            used: 0,
            free: Vec::with_capacity(pages),
        }
    }

    /// `count` consecutive zeroed tables, aligned to their number; at the pool's start, as the
    /// first call only.
    pub fn allocate_root(&mut self, count: u64) -> Option<Pa> {
        let bytes = count * PAGE_SIZE;
        let aligned = self.extent.range().start().is_multiple_of(bytes);
        if self.used != 0 || !aligned || bytes > self.extent.range().size() {
            return None;
        }
        self.used = bytes;
        Some(Pa(self.extent.range().start()))
    }

    /// A zeroed table.
    pub fn allocate(&mut self) -> Option<Pa> {
        if let Some(table) = self.free.pop() {
            self.extent
                .zero(table.0 - self.extent.range().start(), PAGE_SIZE);
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
    /// `invalidate` or from their next walk.
    pub fn write(&mut self, table: Pa, index: usize, entry: u64) {
        if let Some(word) = self.word(table, index) {
            self.extent.write_word(word, entry);
            physical::publish();
        }
    }

    /// Bytes of the pool, and how many of them are tables now.
    pub fn size_and_used(&self) -> (u64, u64) {
        (
            self.extent.range().size(),
            self.used - self.free.len() as u64 * PAGE_SIZE,
        )
    }

    /// Ends the pool. No CPU may use its tables any more.
    pub fn into_extent(self) -> Extent {
        self.extent
    }

    fn word(&self, table: Pa, index: usize) -> Option<u64> {
        let offset = table.0.checked_sub(self.extent.range().start())?;
        Some((offset / 8).wrapping_add(index as u64))
    }
}
