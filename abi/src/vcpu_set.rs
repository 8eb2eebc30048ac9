//! A set of a domain's vCPUs.

use crate::VcpuId;

/// A set of vCPUs of one domain: at most 128, Xen's limit on Arm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VcpuSet(u128);

impl VcpuSet {
    /// The most vCPUs that a domain has.
    pub const MAX: u16 = 128;
    /// The empty set.
    pub const EMPTY: Self = Self(0);

    /// The set with just `vcpu`. Ids from 128 up are not representable and give the empty set.
    pub const fn of(vcpu: VcpuId) -> Self {
        if vcpu.0 < Self::MAX {
            Self(1 << vcpu.0)
        } else {
            Self(0)
        }
    }

    /// The first `count` vCPUs (at most 128).
    pub const fn first(count: u16) -> Self {
        if count >= Self::MAX {
            Self(u128::MAX)
        } else {
            Self((1 << count) - 1)
        }
    }

    /// Adds `vcpu`.
    pub fn insert(&mut self, vcpu: VcpuId) {
        *self = self.union(Self::of(vcpu));
    }

    /// Takes `vcpu` out.
    pub fn remove(&mut self, vcpu: VcpuId) {
        self.0 &= !Self::of(vcpu).0;
    }

    /// Whether `vcpu` is in it.
    pub const fn contains(self, vcpu: VcpuId) -> bool {
        self.0 & Self::of(vcpu).0 != 0
    }

    /// Whether it is empty.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many are in it.
    pub const fn len(self) -> u32 {
        self.0.count_ones()
    }

    /// Those in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in both.
    #[must_use]
    pub const fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The lowest, if any.
    pub const fn lowest(self) -> Option<VcpuId> {
        if self.0 == 0 {
            None
        } else {
            Some(VcpuId(self.0.trailing_zeros() as u16))
        }
    }

    /// All in it, lowest first.
    pub fn iter(self) -> impl Iterator<Item = VcpuId> {
        let mut rest = self;
        core::iter::from_fn(move || {
            let next = rest.lowest()?;
            rest.0 &= rest.0 - 1;
            Some(next)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_as_a_set() {
        let mut set = VcpuSet::EMPTY;
        set.insert(VcpuId(127));
        set.insert(VcpuId(3));
        set.insert(VcpuId(128));
        assert_eq!(set.iter().collect::<Vec<_>>(), [VcpuId(3), VcpuId(127)]);
        set.remove(VcpuId(3));
        assert_eq!(set.lowest(), Some(VcpuId(127)));
        assert_eq!(VcpuSet::first(128).len(), 128);
        assert_eq!(VcpuSet::first(2).union(VcpuSet::of(VcpuId(5))).len(), 3);
    }
}
