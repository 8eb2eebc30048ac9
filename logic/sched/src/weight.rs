//! A vCPU's share relative to others.

use core::num::NonZeroU16;

/// Share of a vCPU relative to the others on its CPU: 1 to 65535, 256 by default, as a domain's
/// weight on Xen. Twice the weight is twice the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight(NonZeroU16);

impl Weight {
    /// The weight at which virtual time passes as fast as real time.
    pub const DEFAULT: Self = match Self::new(256) {
        Some(weight) => weight,
        None => Self(NonZeroU16::MIN),
    };

    /// `None` for 0.
    pub const fn new(weight: u16) -> Option<Self> {
        match NonZeroU16::new(weight) {
            Some(weight) => Some(Self(weight)),
            None => None,
        }
    }

    /// As a number.
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// The virtual time that `elapsed` takes at this weight, in the same unit.
    pub(crate) const fn scale(self, elapsed: u64) -> u64 {
        if self.get() == Self::DEFAULT.get() {
            return elapsed;
        }
        elapsed.saturating_mul(Self::DEFAULT.get() as u64) / self.get() as u64
    }
}

impl Default for Weight {
    fn default() -> Self {
        Self::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heavier_ones_age_slower() {
        assert_eq!(Weight::default().scale(1000), 1000);
        assert_eq!(Weight::new(512).map(|w| w.scale(1000)), Some(500));
        assert_eq!(Weight::new(1).map(|w| w.scale(1000)), Some(256_000));
        assert_eq!(Weight::new(0), None);
    }
}
