//! The memory that holds translation tables, as the planner sees it.

use abi::{Pa, Range};

/// Reads, writes, allocates and frees tables of 512 descriptors (4 KiB each).
///
/// Ordering is the implementor's: a `write` must be visible to the table walker before the next
/// operation of this trait is performed (`DSB ISHST`), and what `invalidate` removes must be gone
/// from every CPU when it returns.
pub trait TableMemory {
    /// The descriptor at `index` (0 to 511) of the table at `table` (4 KiB aligned).
    fn read(&self, table: Pa, index: usize) -> u64;

    /// Stores `descriptor` at `index` (0 to 511) of the table at `table`, in one 64-bit store.
    ///
    /// Tables that no walk can reach yet (or any more) are written too.
    fn write(&mut self, table: Pa, index: usize, descriptor: u64);

    /// A zeroed table of 4 KiB, or `None` when the domain's pool is used up.
    fn allocate(&mut self) -> Option<Pa>;

    /// Takes back a table that came from [`allocate`](Self::allocate). Its content is arbitrary.
    fn free(&mut self, table: Pa);

    /// Drops every cached translation of `ipa`, stage-2 only and combined, walk caches included.
    ///
    /// Called between break and make, and before a table or a page is given back. Needs the full
    /// `DSB; TLBI IPAS2E1IS ...; DSB; TLBI VMALLE1IS; DSB; ISB` (or one `TLBI VMALLS12E1IS` when
    /// the range is large) for this domain's VMID.
    fn invalidate(&mut self, ipa: Range);
}
