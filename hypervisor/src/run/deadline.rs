//! When a CPU's timer is to fire.

/// A time in counter ticks. The last that the counter could show stands for none: it is the latest of all,
/// so that the earlier of two is the smaller number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deadline(u64);

impl Deadline {
    /// No time.
    pub(super) const NEVER: Self = Self(u64::MAX);

    /// At `ticks`.
    #[inline]
    pub(super) const fn at(ticks: u64) -> Self {
        Self(ticks)
    }

    /// Whether it has come by `now`.
    #[inline]
    pub(super) const fn is_due(self, now: u64) -> bool {
        self.0 <= now
    }

    /// In counter ticks; `None` for none.
    #[inline]
    pub(super) fn time(self) -> Option<u64> {
        (self != Self::NEVER).then_some(self.0)
    }
}

impl From<Option<u64>> for Deadline {
    #[inline]
    fn from(time: Option<u64>) -> Self {
        time.map_or(Self::NEVER, Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn none_is_the_latest_and_does_not_come() {
        let some = Deadline::at(7);
        assert_eq!(some.min(Deadline::from(None)), some);
        assert_eq!((some.time(), Deadline::NEVER.time()), (Some(7), None));
        assert!(some.is_due(7) && !some.is_due(6) && !Deadline::NEVER.is_due(u64::MAX - 1));
    }
}
