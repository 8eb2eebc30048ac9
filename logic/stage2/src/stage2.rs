//! A domain's stage-2 tables: map, remap, unmap, translate.

use abi::{Ipa, PAGE_SIZE, Pa};

use crate::chain::Chain;
use crate::change::{Changer, WhenEmpty};
use crate::descriptor::{
    self, BITS_PER_LEVEL, Entry, LAST_LEVEL, PA_BITS, TABLE_ENTRIES, entry_size, level_shift,
};
use crate::plan::{Change, Node, Span, Target, count_tables, slot};
use crate::{Attributes, Format, TableMemory, Teardown};

/// Why a mapping was not changed. Nothing is changed then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// An address or the size is not a multiple of 4 KiB.
    Unaligned,
    /// The size is 0.
    Empty,
    /// The range ends beyond the format's IPA size, or beyond 48-bit physical addresses.
    OutOfRange,
    /// Mapped already, to another place or with other attributes.
    AlreadyMapped {
        /// Where the clash starts.
        at: Ipa,
    },
    /// The table memory has not as many tables left as the change needs.
    OutOfTables,
}

/// What an IPA translates to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The machine address of that very byte.
    pub pa: Pa,
    /// What the mapping allows.
    pub attributes: Attributes,
    /// Bytes of the block or page that maps it: 1 GiB, 2 MiB or 4 KiB.
    pub block_size: u64,
}

/// What a domain has mapped, by size, and the tables that it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mapped {
    /// Blocks of 1 GiB.
    pub blocks_1g: u64,
    /// Blocks of 2 MiB.
    pub blocks_2m: u64,
    /// Pages of 4 KiB.
    pub pages_4k: u64,
    /// Tables allocated, without the root.
    pub tables: u64,
}

impl Mapped {
    fn leaves(&mut self, level: u8) -> &mut u64 {
        match level {
            LAST_LEVEL => &mut self.pages_4k,
            2 => &mut self.blocks_2m,
            _ => &mut self.blocks_1g,
        }
    }

    pub(crate) fn add_leaves(&mut self, level: u8, count: u64) {
        let leaves = self.leaves(level);
        *leaves = leaves.saturating_add(count);
    }

    pub(crate) fn remove_leaf(&mut self, level: u8) {
        let leaves = self.leaves(level);
        *leaves = leaves.saturating_sub(1);
    }

    /// Bytes mapped.
    pub fn bytes(&self) -> u64 {
        (self.blocks_1g << 30) + (self.blocks_2m << 21) + (self.pages_4k << 12)
    }
}

/// Where a walk of the tables ended.
struct Walk {
    /// The page of the last table.
    table: Pa,
    level: u8,
    /// What is there, which is no table.
    descriptor: u64,
}

/// A domain's stage-2 tables. The tables themselves lie in a [`TableMemory`], which is passed to
/// every operation and must always be the same.
#[derive(Debug)]
pub struct Stage2 {
    root: Pa,
    format: Format,
    mapped: Mapped,
}

impl Stage2 {
    /// Tables with nothing mapped. `root` is [`Format::root_pages`] zeroed pages, contiguous; it
    /// stays the caller's to free. `None` if it is not aligned to [`Format::root_size`] or lies
    /// beyond 48 bits.
    pub fn new(root: Pa, format: Format) -> Option<Self> {
        let aligned = root.0 & (format.root_size() - 1) == 0;
        let reachable = root.0 < 1 << PA_BITS;
        (aligned && reachable).then_some(Self {
            root,
            format,
            mapped: Mapped::default(),
        })
    }

    /// The first root page, for VTTBR_EL2.
    pub fn root(&self) -> Pa {
        self.root
    }

    /// The shape of the tables, for VTCR_EL2.
    pub fn format(&self) -> Format {
        self.format
    }

    /// What is mapped.
    pub fn mapped(&self) -> Mapped {
        self.mapped
    }

    /// Maps `size` bytes at `ipa` to `pa`, in the largest blocks that both addresses allow.
    ///
    /// Parts that are mapped to the same place with the same attributes already stay as they are;
    /// any other overlap is an error.
    pub fn map(
        &mut self,
        mem: &mut impl TableMemory,
        ipa: Ipa,
        pa: Pa,
        size: u64,
        attributes: Attributes,
    ) -> Result<(), MapError> {
        check_pa(pa, size)?;
        self.change(
            mem,
            Change::Map(Target::new(ipa, pa, attributes)),
            ipa,
            size,
        )
    }

    /// Maps `size` bytes at `ipa` to `pa` whatever is mapped there; larger blocks are split.
    ///
    /// While a block is exchanged or split its whole range faults: a guest that runs on another
    /// CPU meanwhile takes a stage-2 fault, which is to be retried under the lock of the tables.
    pub fn remap(
        &mut self,
        mem: &mut impl TableMemory,
        ipa: Ipa,
        pa: Pa,
        size: u64,
        attributes: Attributes,
    ) -> Result<(), MapError> {
        check_pa(pa, size)?;
        self.change(
            mem,
            Change::Remap(Target::new(ipa, pa, attributes)),
            ipa,
            size,
        )
    }

    /// Unmaps `size` bytes at `ipa`; holes are skipped, blocks that are only partly meant are split
    /// (with the same short fault as in [`remap`](Self::remap)), tables left empty are freed.
    ///
    /// When it returns no CPU has a translation of the range left: its memory may be given away.
    pub fn unmap(
        &mut self,
        mem: &mut impl TableMemory,
        ipa: Ipa,
        size: u64,
    ) -> Result<(), MapError> {
        self.change(mem, Change::Unmap, ipa, size)
    }

    /// As [`unmap`](Self::unmap), but tables left empty stay: for a page whose place is soon used again.
    pub fn unmap_for_a_while(
        &mut self,
        mem: &mut impl TableMemory,
        ipa: Ipa,
        size: u64,
    ) -> Result<(), MapError> {
        self.change_with(mem, Change::Unmap, ipa, size, WhenEmpty::Keep)
    }

    /// What `ipa` translates to; `None` if it is not mapped or not an address of the format.
    pub fn translate(&self, mem: &impl TableMemory, ipa: Ipa) -> Option<Translation> {
        if !self.format.contains(ipa, 1) {
            return None;
        }
        let walk = self.walk(mem, ipa.0);
        match descriptor::decode(walk.descriptor, walk.level) {
            Entry::Invalid | Entry::Table(_) => None,
            Entry::Leaf(leaf) => {
                let block_size = entry_size(walk.level);
                Some(Translation {
                    pa: Pa(leaf.pa() | (ipa.0 & (block_size - 1))),
                    attributes: leaf.attributes(),
                    block_size,
                })
            }
        }
    }

    /// Follows the tables to where the walk of `address` ends.
    #[inline]
    fn walk(&self, mem: &impl TableMemory, address: u64) -> Walk {
        let mut level = self.format.start_level();
        let mut shift = level_shift(level);
        // The root may have several pages.
        let root_index = self.format.within(address) >> shift;
        let (mut table, mut index) = slot(self.root, root_index as usize);
        loop {
            let descriptor = mem.read(table, index);
            match descriptor::decode(descriptor, level) {
                Entry::Table(below) => table = below,
                Entry::Invalid | Entry::Leaf(_) => {
                    return Walk {
                        table,
                        level,
                        descriptor,
                    };
                }
            }
            // The last level has no tables.
            level = level.wrapping_add(1);
            shift = shift.wrapping_sub(BITS_PER_LEVEL);
            index = (address >> shift) as usize & (TABLE_ENTRIES - 1);
        }
    }

    /// Tables, without the root, that mapping `(ipa, pa, size)` ranges into empty tables takes at
    /// most: exact for one range, and too many by those that neighbouring ranges share.
    ///
    /// A pool for a domain that later unmaps single pages needs two more for each block so split.
    pub fn tables_needed(
        format: Format,
        ranges: impl IntoIterator<Item = (Ipa, Pa, u64)>,
    ) -> Result<u64, MapError> {
        let mut tables: u64 = 0;
        for (ipa, pa, size) in ranges {
            check_pa(pa, size)?;
            let span = check_ipa(format, ipa, size)?;
            let change = Change::Map(Target::new(ipa, pa, Attributes::RAM));
            let (node, level) = (Node::Empty, format.start_level());
            tables =
                tables.saturating_add(count_tables(&|_, _| 0, format, change, node, level, span)?);
        }
        Ok(tables)
    }

    /// Starts taking the tables apart. No CPU may be running on them.
    pub fn teardown(self) -> Teardown {
        Teardown::new(self.root, self.format)
    }

    fn change(
        &mut self,
        mem: &mut impl TableMemory,
        change: Change,
        ipa: Ipa,
        size: u64,
    ) -> Result<(), MapError> {
        // Mapping leaves no table empty, and need not look.
        let when_empty = match change {
            Change::Unmap => WhenEmpty::Free,
            Change::Map(_) | Change::Remap(_) => WhenEmpty::Keep,
        };
        self.change_with(mem, change, ipa, size, when_empty)
    }

    fn change_with(
        &mut self,
        mem: &mut impl TableMemory,
        change: Change,
        ipa: Ipa,
        size: u64,
        when_empty: WhenEmpty,
    ) -> Result<(), MapError> {
        let span = check_ipa(self.format, ipa, size)?;
        if size == PAGE_SIZE && when_empty == WhenEmpty::Keep && self.change_page(mem, change, span)
        {
            return Ok(());
        }
        self.change_span(mem, change, span, when_empty)
    }

    /// The commonest change: a page in a table that is there takes no other table, and what is mapped
    /// there is no obstacle. `false`, with nothing done, if it is something else.
    fn change_page(&mut self, mem: &mut impl TableMemory, change: Change, span: Span) -> bool {
        let walk = self.walk(mem, span.start);
        if walk.level != LAST_LEVEL || matches!(change, Change::Map(_)) {
            return false;
        }
        let (mapped, spare) = (&mut self.mapped, Chain::default());
        let mut changer = Changer::new(mem, self.format, mapped, spare, WhenEmpty::Keep);
        changer.apply_page(change, walk.table, span);
        changer.finish();
        true
    }

    pub(crate) fn change_span(
        &mut self,
        mem: &mut impl TableMemory,
        change: Change,
        span: Span,
        when_empty: WhenEmpty,
    ) -> Result<(), MapError> {
        let (root, level) = (self.root, self.format.start_level());
        let read = |page, index| mem.read(page, index);
        let tables = count_tables(&read, self.format, change, Node::Real(root), level, span)?;
        let spare = Chain::allocate(mem, tables).ok_or(MapError::OutOfTables)?;
        let mut changer = Changer::new(mem, self.format, &mut self.mapped, spare, when_empty);
        changer.apply(change, root, level, span);
        changer.finish();
        Ok(())
    }
}

fn check_ipa(format: Format, ipa: Ipa, size: u64) -> Result<Span, MapError> {
    check_size(ipa.0, size)?;
    match ipa.0.checked_add(size) {
        Some(end) if format.contains(ipa, size) => Ok(Span { start: ipa.0, end }),
        _ => Err(MapError::OutOfRange),
    }
}

fn check_pa(pa: Pa, size: u64) -> Result<(), MapError> {
    check_size(pa.0, size)?;
    match pa.0.checked_add(size) {
        Some(end) if end <= 1 << PA_BITS => Ok(()),
        _ => Err(MapError::OutOfRange),
    }
}

fn check_size(address: u64, size: u64) -> Result<(), MapError> {
    if (address | size) & (PAGE_SIZE - 1) != 0 {
        Err(MapError::Unaligned)
    } else if size == 0 {
        Err(MapError::Empty)
    } else {
        Ok(())
    }
}
