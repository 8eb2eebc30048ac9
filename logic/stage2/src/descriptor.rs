//! Stage-2 descriptors of the 4 KiB granule.
//!
//! Arm DDI 0487 D8.3: bit 0 valid; bit 1 tells a table (or, at level 3, a page) from a block;
//! address in bits 47:12. Blocks exist at levels 1 (1 GiB) and 2 (2 MiB), pages at level 3 (4 KiB).

use abi::{PAGE_SHIFT, Pa};

use crate::Attributes;

/// Descriptors in a table.
pub(crate) const TABLE_ENTRIES: usize = 512;
/// Address bits that a level resolves.
pub(crate) const BITS_PER_LEVEL: u32 = 9;
/// The level whose leaves are pages.
pub(crate) const LAST_LEVEL: u8 = 3;
/// Bits of an output address.
pub(crate) const PA_BITS: u32 = 48;

const VALID: u64 = 1 << 0;
const TABLE_OR_PAGE: u64 = 1 << 1;
const ADDRESS: u64 = (1 << PA_BITS) - (1 << PAGE_SHIFT);

/// log2 of the bytes that a descriptor of `level` (0 to 3) covers.
pub(crate) const fn level_shift(level: u8) -> u32 {
    PAGE_SHIFT + BITS_PER_LEVEL * (LAST_LEVEL.saturating_sub(level)) as u32
}

/// The bytes that a descriptor of `level` covers.
pub(crate) const fn entry_size(level: u8) -> u64 {
    1 << level_shift(level)
}

/// What a descriptor means at its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Translates nothing.
    Invalid,
    /// Points to a table of the next level.
    Table(Pa),
    /// A block or a page.
    Leaf(Leaf),
}

/// A block or page descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Leaf(u64);

impl Leaf {
    /// Maps to `pa`, which is aligned to the level's size.
    pub(crate) const fn new(pa: u64, attributes: Attributes) -> Self {
        Self((pa & ADDRESS) | attributes.bits())
    }

    /// The first byte that it maps to.
    pub(crate) const fn pa(self) -> u64 {
        self.0 & ADDRESS
    }

    /// What it allows.
    pub(crate) const fn attributes(self) -> Attributes {
        Attributes::from_bits(self.0)
    }

    /// The descriptor at `level`.
    pub(crate) const fn descriptor(self, level: u8) -> u64 {
        self.0
            | VALID
            | if level == LAST_LEVEL {
                TABLE_OR_PAGE
            } else {
                0
            }
    }

    /// The leaf `offset` bytes further into it.
    pub(crate) const fn advanced(self, offset: u64) -> Self {
        Self(self.0.wrapping_add(offset & ADDRESS))
    }
}

/// The descriptor that points to the table at `table`.
pub(crate) const fn table(table: Pa) -> u64 {
    (table.0 & ADDRESS) | TABLE_OR_PAGE | VALID
}

/// Whether a walk would use `descriptor`.
pub(crate) const fn is_valid(descriptor: u64) -> bool {
    descriptor & VALID != 0
}

/// What `descriptor` means at `level`.
pub(crate) const fn decode(descriptor: u64, level: u8) -> Entry {
    if !is_valid(descriptor) {
        Entry::Invalid
    } else if descriptor & TABLE_OR_PAGE != 0 && level != LAST_LEVEL {
        Entry::Table(Pa(descriptor & ADDRESS))
    } else {
        Entry::Leaf(Leaf(descriptor & !(VALID | TABLE_OR_PAGE)))
    }
}

/// `descriptor` made invalid, its address kept for [`parked_table`].
pub(crate) const fn parked(descriptor: u64) -> u64 {
    descriptor & !VALID
}

/// The table that a [`parked`] descriptor of a level above the last one pointed to.
pub(crate) const fn parked_table(descriptor: u64) -> Option<Pa> {
    if descriptor & (VALID | TABLE_OR_PAGE) == TABLE_OR_PAGE {
        Some(Pa(descriptor & ADDRESS))
    } else {
        None
    }
}

/// An invalid descriptor that keeps the address of a table ([`parked_table`] reads it back).
pub(crate) const fn link(table: Pa) -> u64 {
    (table.0 & ADDRESS) | TABLE_OR_PAGE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_cover_what_the_architecture_says() {
        let sizes: Vec<_> = (0..4).map(entry_size).collect();
        assert_eq!(sizes, [512 << 30, 1 << 30, 2 << 20, 4 << 10]);
    }

    #[test]
    fn leaves_differ_by_level() {
        let leaf = Leaf::new(0x4000_0000, Attributes::RAM);
        assert_eq!(leaf.descriptor(2), 0x4000_07fd);
        assert_eq!(leaf.descriptor(3), 0x4000_07ff);
        for level in 1..4 {
            assert_eq!(decode(leaf.descriptor(level), level), Entry::Leaf(leaf));
        }
        assert_eq!(leaf.advanced(0x20_0000).pa(), 0x4020_0000);
    }

    #[test]
    fn tables_and_parked_tables_keep_their_address() {
        let descriptor = table(Pa(0x8000));
        assert_eq!(descriptor, 0x8003);
        assert_eq!(decode(descriptor, 1), Entry::Table(Pa(0x8000)));
        assert_eq!(decode(parked(descriptor), 1), Entry::Invalid);
        assert_eq!(parked_table(parked(descriptor)), Some(Pa(0x8000)));
        assert_eq!(parked_table(link(Pa(0))), Some(Pa(0)));
        assert_eq!(parked_table(0), None);
        let block = Leaf::new(0x4000_0000, Attributes::RAM).descriptor(1);
        assert_eq!(parked_table(parked(block)), None);
    }
}
