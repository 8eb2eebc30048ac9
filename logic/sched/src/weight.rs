//! A vCPU's share relative to others.

use core::num::NonZeroU16;

/// Share of a vCPU relative to the others on its CPU: 1 to 65535, 256 by default, as a domain's
/// weight on Xen. Twice the weight is twice the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weight {
    /// Virtual time that passes in a tick; a division made once.
    pace: u32,
    value: NonZeroU16,
}

/// Virtual time in a tick at weight 1: what fits. So it has a fraction of 23 bits at the weight 256,
/// and what a heavy one owes for a tick is not rounded to nothing.
const LIGHTEST: u32 = 1 << 31;

impl Weight {
    /// The usual one.
    pub const DEFAULT: Self = match NonZeroU16::new(256) {
        Some(weight) => Self::of(weight),
        None => Self::of(NonZeroU16::MIN),
    };

    /// The most real time that is charged at once: virtual times stay comparable, whatever the
    /// weight, also if the clock jumped by years.
    const MAX_ELAPSED: u64 = 1 << 31;

    /// `None` for 0.
    pub const fn new(weight: u16) -> Option<Self> {
        match NonZeroU16::new(weight) {
            Some(weight) => Some(Self::of(weight)),
            None => None,
        }
    }

    const fn of(value: NonZeroU16) -> Self {
        Self {
            pace: LIGHTEST / value.get() as u32,
            value,
        }
    }

    /// As a number.
    pub const fn get(self) -> u16 {
        self.value.get()
    }

    /// The virtual time that `elapsed` takes at this weight, less than 2^63.
    #[inline]
    pub(crate) const fn scale(self, elapsed: u64) -> u64 {
        let elapsed = if elapsed < Self::MAX_ELAPSED {
            elapsed
        } else {
            Self::MAX_ELAPSED
        };
        elapsed * self.pace as u64
    }

    /// The same of a duration of the scheduler's own, which is short, at the usual weight.
    #[inline]
    pub(crate) const fn usual(duration: u64) -> u64 {
        duration.wrapping_mul(Self::DEFAULT.pace as u64)
    }
}

impl From<NonZeroU16> for Weight {
    fn from(weight: NonZeroU16) -> Self {
        Self::of(weight)
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

    fn scaled(weight: u16, elapsed: u64) -> u64 {
        Weight::new(weight).unwrap().scale(elapsed)
    }

    #[test]
    fn heavier_ones_age_slower() {
        let usual = Weight::usual(1000);
        assert_eq!(Weight::default().scale(1000), usual);
        assert_eq!(scaled(512, 1000), usual / 2);
        assert_eq!(scaled(1, 1000), usual * 256);
        assert_eq!(Weight::new(0), None);
    }

    #[test]
    fn every_tick_counts_and_in_proportion() {
        for weight in 1..=u16::MAX {
            // Off by 1 in 2^15 at most.
            let one = scaled(weight, 1) * u64::from(weight);
            let off = u64::from(LIGHTEST) - one;
            assert!(off < u64::from(weight), "{weight}: {off}");
        }
    }

    #[test]
    fn a_clock_that_jumps_leaves_times_comparable() {
        for weight in [1, 256, u16::MAX] {
            let most = scaled(weight, u64::MAX);
            assert!(
                most < 1 << 63 && most == scaled(weight, 1 << 31),
                "{weight}"
            );
        }
    }
}
