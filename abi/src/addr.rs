//! Addresses and frame numbers as types of their own, and one half-open range type.

use core::fmt;

/// log2 of the page size. The ABI's frame is 4 KiB whatever page size a guest uses.
pub const PAGE_SHIFT: u32 = 12;
/// Bytes in a page.
pub const PAGE_SIZE: u64 = 1 << PAGE_SHIFT;

/// A machine physical address, in bytes.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pa(pub u64);

/// A guest physical ("intermediate") address, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipa(pub u64);

/// A guest frame number: an [`Ipa`] shifted right by [`PAGE_SHIFT`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Gfn(pub u64);

impl From<Ipa> for Gfn {
    fn from(ipa: Ipa) -> Self {
        Gfn(ipa.0 >> PAGE_SHIFT)
    }
}

macro_rules! hex {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:#x}", self.0)
            }
        }
    )*};
}
hex!(Pa, Ipa, Gfn);

/// A half-open range of bytes `start .. start + size` that does not wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Range {
    start: u64,
    size: u64,
}

impl Range {
    /// `None` if `start + size` overflows 64 bits. A size of 0 is an empty range.
    pub const fn new(start: u64, size: u64) -> Option<Self> {
        match start.checked_add(size) {
            Some(_) => Some(Self { start, size }),
            None => None,
        }
    }

    /// From the first byte to the first byte behind; `None` if `end < start`.
    pub const fn from_bounds(start: u64, end: u64) -> Option<Self> {
        match end.checked_sub(start) {
            Some(size) => Some(Self { start, size }),
            None => None,
        }
    }

    /// The first byte.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// The first byte behind it.
    pub const fn end(self) -> u64 {
        self.start + self.size
    }

    /// Bytes.
    pub const fn size(self) -> u64 {
        self.size
    }

    /// Whether it holds no byte.
    pub const fn is_empty(self) -> bool {
        self.size == 0
    }

    /// Whether the two share a byte.
    pub const fn overlaps(self, other: Self) -> bool {
        self.start < other.end()
            && other.start < self.end()
            && !self.is_empty()
            && !other.is_empty()
    }

    /// Whether every byte of `other` lies in it.
    pub const fn contains(self, other: Self) -> bool {
        self.start <= other.start && other.end() <= self.end()
    }

    /// Whether the byte at `address` lies in it.
    #[inline]
    pub const fn has(self, address: u64) -> bool {
        self.offset(address).is_some()
    }

    /// How far behind the start `address` is, if it lies in it.
    #[inline]
    pub const fn offset(self, address: u64) -> Option<u64> {
        let offset = address.wrapping_sub(self.start);
        if offset < self.size {
            Some(offset)
        } else {
            None
        }
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start, self.end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_half_open() {
        let a = Range::new(0x1000, 0x1000).unwrap();
        let b = Range::new(0x2000, 0x1000).unwrap();
        assert!(!a.overlaps(b));
        assert!(a.overlaps(Range::new(0x1fff, 1).unwrap()));
        assert!(a.has(0x1fff) && !a.has(0x2000));
        assert!(Range::new(u64::MAX, 1).is_none());
        assert!(!a.overlaps(Range::new(0x1800, 0).unwrap()));
    }
}
