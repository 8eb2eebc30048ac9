//! Which messages appear: levels, Xen's two thresholds, and the rate limit between them.
//!
//! Invariant: the level is the caller's, never parsed from a text that a guest may have written.

use core::fmt;

/// How important a message is, most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something failed.
    Error = 0,
    /// Something looks wrong.
    Warning = 1,
    /// Worth knowing.
    Info = 2,
    /// For whoever looks for a bug.
    Debug = 3,
}

/// `loglvl=<lower>/<upper>`: below `lower` a message always appears, from `upper` on never, and
/// in between as often as the rate limit allows.
///
/// Both count levels, 0 (none) to 4 (all): `error` is 1, `warning` 2, `info` 3, `debug` and `all`
/// are 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// How many levels always appear.
    pub lower: u8,
    /// How many levels appear at all.
    pub upper: u8,
}

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Print it; first say that messages were [`Suppressed`], unless that is 0.
    Print(Suppressed),
    /// Drop it.
    Drop,
}

/// How many messages the rate limit held back since the last one printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Suppressed(pub u32);

impl fmt::Display for Suppressed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "printk: {} messages suppressed.", self.0)
    }
}

impl Thresholds {
    /// Xen's default for messages of the hypervisor: all but debug.
    pub const HOST_DEFAULT: Self = Self { lower: 3, upper: 3 };
    /// Xen's default for messages about guests: errors and warnings, rate limited.
    pub const GUEST_DEFAULT: Self = Self { lower: 0, upper: 2 };

    /// What to do with a message of `level` at `now_ns` (nanoseconds on a clock that does not go
    /// back), from the origin that `limit` belongs to.
    pub fn decide(self, level: Level, now_ns: u64, limit: &mut RateLimit) -> Decision {
        let level = level as u8;
        if level < self.lower {
            Decision::Print(Suppressed(0))
        } else if level < self.upper {
            limit.ask(now_ns)
        } else {
            Decision::Drop
        }
    }
}

/// A token bucket: one message each 5 s, ten at once. Each origin has its own, so that one noisy
/// guest does not hide messages about the others.
#[derive(Clone, Debug)]
pub struct RateLimit {
    /// Unspent time, at most [`Self::BURST_NS`].
    credit_ns: u64,
    asked_ns: u64,
    suppressed: u32,
}

impl RateLimit {
    const MESSAGE_NS: u64 = 5_000_000_000;
    const BURST_NS: u64 = 10 * Self::MESSAGE_NS;

    /// A full bucket.
    pub const fn new() -> Self {
        Self {
            credit_ns: Self::BURST_NS,
            asked_ns: 0,
            suppressed: 0,
        }
    }

    /// Takes a message's worth out of the bucket, if there is that much.
    fn ask(&mut self, now_ns: u64) -> Decision {
        let passed_ns = now_ns.saturating_sub(self.asked_ns);
        self.asked_ns = now_ns;
        self.credit_ns = self.credit_ns.saturating_add(passed_ns).min(Self::BURST_NS);
        let Some(rest_ns) = self.credit_ns.checked_sub(Self::MESSAGE_NS) else {
            self.suppressed = self.suppressed.saturating_add(1);
            return Decision::Drop;
        };
        self.credit_ns = rest_ns;
        Decision::Print(Suppressed(core::mem::take(&mut self.suppressed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINT: Decision = Decision::Print(Suppressed(0));
    const SECOND_NS: u64 = 1_000_000_000;

    #[test]
    fn thresholds_decide_every_level() {
        let levels = [Level::Error, Level::Warning, Level::Info, Level::Debug];
        for (lower, upper) in (0..=4).flat_map(|lower| (0..=4).map(move |upper| (lower, upper))) {
            for level in levels {
                let mut spent = RateLimit {
                    credit_ns: 0,
                    ..RateLimit::new()
                };
                let thresholds = Thresholds { lower, upper };
                let fresh = thresholds.decide(level, 0, &mut RateLimit::new());
                let limited = thresholds.decide(level, 0, &mut spent);
                let always = (level as u8) < lower;
                let never = !always && level as u8 >= upper;
                assert_eq!(fresh == PRINT, !never, "{thresholds:?} {level:?}");
                assert_eq!(limited == PRINT, always, "{thresholds:?} {level:?}");
                assert_eq!(spent.suppressed, u32::from(!always && !never));
            }
        }
    }

    #[test]
    fn a_burst_of_ten_then_one_each_five_seconds() {
        let mut limit = RateLimit::new();
        let mut decide =
            |now_ns| Thresholds::GUEST_DEFAULT.decide(Level::Warning, now_ns, &mut limit);
        for _ in 0..10 {
            assert_eq!(decide(SECOND_NS), PRINT);
        }
        for _ in 0..7 {
            assert_eq!(decide(6 * SECOND_NS - 1), Decision::Drop);
        }
        assert_eq!(decide(6 * SECOND_NS), Decision::Print(Suppressed(7)));
        assert_eq!(decide(7 * SECOND_NS), Decision::Drop);
        assert_eq!(decide(11 * SECOND_NS), Decision::Print(Suppressed(1)));
        assert_eq!(decide(16 * SECOND_NS), PRINT);
        // However long the silence: ten at once.
        let printed = (0..20).filter(|_| decide(u64::MAX) == PRINT).count();
        assert_eq!(printed, 10);
    }

    #[test]
    fn says_how_many_were_held_back() {
        assert_eq!(
            Suppressed(12).to_string(),
            "printk: 12 messages suppressed."
        );
        assert_eq!(
            Thresholds::HOST_DEFAULT.decide(Level::Debug, 0, &mut RateLimit::new()),
            Decision::Drop
        );
    }
}
