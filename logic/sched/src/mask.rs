//! A set of physical CPUs.

use abi::CpuId;

/// A set of physical CPUs, at most 128: a vCPU's affinity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuMask(u128);

impl CpuMask {
    /// The most CPUs that can be told apart.
    pub const MAX: u16 = 128;
    /// No CPU.
    pub const EMPTY: Self = Self(0);
    /// Every CPU.
    pub const ALL: Self = Self(u128::MAX);

    /// Just `cpu`; the empty set for numbers from 128 up.
    pub const fn of(cpu: CpuId) -> Self {
        if cpu.0 < Self::MAX {
            Self(1 << cpu.0)
        } else {
            Self(0)
        }
    }

    /// The first `count` CPUs (at most 128).
    pub const fn first(count: u16) -> Self {
        if count >= Self::MAX {
            Self::ALL
        } else {
            Self((1 << count) - 1)
        }
    }

    /// Adds `cpu`; numbers from 128 up are ignored.
    pub fn insert(&mut self, cpu: CpuId) {
        self.0 |= Self::of(cpu).0;
    }

    /// Takes `cpu` out.
    pub fn remove(&mut self, cpu: CpuId) {
        self.0 &= !Self::of(cpu).0;
    }

    /// Whether `cpu` is in it.
    pub const fn contains(self, cpu: CpuId) -> bool {
        self.0 & Self::of(cpu).0 != 0
    }

    /// Whether it is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many are in it.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Those in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The lowest, if any.
    pub const fn lowest(self) -> Option<CpuId> {
        if self.0 == 0 {
            None
        } else {
            Some(CpuId(self.0.trailing_zeros() as u16))
        }
    }

    /// All in it, lowest first.
    pub fn iter(self) -> impl Iterator<Item = CpuId> {
        let mut rest = self;
        core::iter::from_fn(move || {
            let next = rest.lowest()?;
            rest.remove(next);
            Some(next)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_as_a_set() {
        let mut mask = CpuMask::of(CpuId(127));
        mask.insert(CpuId(2));
        mask.insert(CpuId(128));
        assert_eq!(mask.iter().collect::<Vec<_>>(), [CpuId(2), CpuId(127)]);
        assert_eq!(mask.intersection(CpuMask::first(3)), CpuMask::of(CpuId(2)));
        mask.remove(CpuId(2));
        assert!(!mask.contains(CpuId(2)) && mask.contains(CpuId(127)) && mask.len() == 1);
        assert!(CpuMask::first(0).is_empty() && CpuMask::EMPTY.lowest().is_none());
        assert_eq!(CpuMask::first(128), CpuMask::ALL);
    }
}
