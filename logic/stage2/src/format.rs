//! Size of the guest physical address space and the shape of the table tree that it needs.
//!
//! Arm DDI 0487 D8.2 (translation process, concatenated tables) and VTCR_EL2. With the 4 KiB
//! granule a walk can start at level 1 with up to 16 root tables side by side (IPAs up to 43 bits)
//! or at level 0 with one (40 to 48 bits). Starting at level 0 needs a CPU whose physical addresses
//! have more than 42 bits, and saves nothing below that, so level 1 is preferred.

use abi::{Ipa, PAGE_SHIFT, Range};

use crate::descriptor::{BITS_PER_LEVEL, TABLE_ENTRIES, level_shift};

/// Where a table walk starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartLevel {
    /// Level 0: one root table of 512 GiB entries. CPUs with more than 42 physical bits only.
    Zero,
    /// Level 1: up to 16 concatenated root tables of 1 GiB entries.
    One,
}

/// Shape of a domain's tables: IPA size and start level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format {
    ipa_bits: u8,
    start: StartLevel,
}

impl Default for Format {
    /// 40 bits, level 1, two root pages: what Xen's guest address map fits in.
    fn default() -> Self {
        Self {
            ipa_bits: 40,
            start: StartLevel::One,
        }
    }
}

impl Format {
    /// Fewest bits of a guest physical address.
    pub const MIN_IPA_BITS: u8 = 32;
    /// Most bits of a guest physical address.
    pub const MAX_IPA_BITS: u8 = 48;

    /// The format for IPAs of `ipa_bits` (32 to 48) with the walk starting at `start`; `None` when
    /// the architecture has no such combination (level 1: up to 43 bits; level 0: from 40).
    ///
    /// That the CPU can do it (its physical address size bounds both) is for the caller to check.
    pub const fn new(ipa_bits: u8, start: StartLevel) -> Option<Self> {
        let fits = match start {
            StartLevel::Zero => ipa_bits >= 40 && ipa_bits <= Self::MAX_IPA_BITS,
            StartLevel::One => ipa_bits >= Self::MIN_IPA_BITS && ipa_bits <= 43,
        };
        if fits {
            Some(Self { ipa_bits, start })
        } else {
            None
        }
    }

    /// The format for IPAs of `ipa_bits` (32 to 48) with the fewest levels.
    pub const fn for_ipa_bits(ipa_bits: u8) -> Option<Self> {
        match Self::new(ipa_bits, StartLevel::One) {
            Some(format) => Some(format),
            None => Self::new(ipa_bits, StartLevel::Zero),
        }
    }

    /// Bits of a guest physical address.
    pub const fn ipa_bits(self) -> u8 {
        self.ipa_bits
    }

    /// The level of the root: 0 or 1. The last level is 3.
    pub const fn start_level(self) -> u8 {
        match self.start {
            StartLevel::Zero => 0,
            StartLevel::One => 1,
        }
    }

    /// Levels of a full walk: 3 or 4.
    pub const fn levels(self) -> u8 {
        4 - self.start_level()
    }

    /// Concatenated pages of the root, 1 to 16, a power of two. The root is physically contiguous
    /// and aligned to its whole size.
    pub const fn root_pages(self) -> usize {
        let one_page_bits = level_shift(self.start_level()) + BITS_PER_LEVEL;
        1 << (self.ipa_bits as u32).saturating_sub(one_page_bits)
    }

    /// Bytes of the root, which is its alignment as well.
    pub const fn root_size(self) -> u64 {
        (self.root_pages() as u64) << PAGE_SHIFT
    }

    /// The fields T0SZ (bits 5:0) and SL0 (bits 7:6) of VTCR_EL2; TG0 for 4 KiB is 0. Physical
    /// size, walk cacheability and VMID size are the caller's.
    pub const fn vtcr_bits(self) -> u64 {
        let sl0 = match self.start {
            StartLevel::Zero => 2,
            StartLevel::One => 1,
        };
        (64 - self.ipa_bits as u64) | sl0 << 6
    }

    /// Whether all of `size` bytes from `ipa` are addresses of this format.
    pub const fn contains(self, ipa: Ipa, size: u64) -> bool {
        match ipa.0.checked_add(size) {
            Some(end) => end <= 1 << self.ipa_bits,
            None => false,
        }
    }

    /// The bits of `address` that this format has.
    #[inline]
    pub(crate) const fn within(self, address: u64) -> u64 {
        address & (1_u64 << (self.ipa_bits & 63)).wrapping_sub(1)
    }

    /// Every address of this format.
    pub fn address_space(self) -> Range {
        Range::new(0, 1 << self.ipa_bits).unwrap_or_default()
    }

    /// Descriptors in all root pages.
    pub(crate) const fn root_entries(self) -> usize {
        self.root_pages() * TABLE_ENTRIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_is_forty_bits_in_two_root_pages() {
        let format = Format::default();
        assert_eq!(
            (format.ipa_bits(), format.levels(), format.root_pages()),
            (40, 3, 2)
        );
        assert_eq!(format.root_size(), 0x2000);
        assert_eq!(format.vtcr_bits(), 0x58);
        assert_eq!(Format::for_ipa_bits(40), Some(format));
    }

    #[test]
    fn root_pages_follow_the_address_size() {
        let pages = |bits| Format::for_ipa_bits(bits).map(|f| (f.start_level(), f.root_pages()));
        assert_eq!(pages(31), None);
        assert_eq!(pages(32), Some((1, 1)));
        assert_eq!(pages(39), Some((1, 1)));
        assert_eq!(pages(42), Some((1, 8)));
        assert_eq!(pages(43), Some((1, 16)));
        assert_eq!(pages(44), Some((0, 1)));
        assert_eq!(pages(48), Some((0, 1)));
        assert_eq!(pages(49), None);
    }

    #[test]
    fn level_zero_starts_at_forty_bits() {
        assert_eq!(Format::new(39, StartLevel::Zero), None);
        assert_eq!(
            Format::new(48, StartLevel::Zero).map(Format::vtcr_bits),
            Some(0x90)
        );
        assert_eq!(
            Format::new(40, StartLevel::Zero).map(Format::levels),
            Some(4)
        );
    }

    #[test]
    fn addresses_end_at_the_size() {
        let format = Format::default();
        assert!(format.contains(Ipa(0), 1 << 40));
        assert!(!format.contains(Ipa(0x1000), 1 << 40));
        assert!(!format.contains(Ipa(u64::MAX), 1));
        assert_eq!(format.address_space().end(), 1 << 40);
    }
}
