//! A domain's watchdogs (`SCHEDOP_watchdog`, public/sched.h): timers that stop it unless it sets them
//! anew in time.

/// Watchdogs that a domain may have.
pub const WATCHDOGS: usize = 2;

/// A domain's watchdogs. Times are the caller's, in whatever unit.
#[derive(Clone, Debug, Default)]
pub struct Watchdogs {
    ends: [Option<u64>; WATCHDOGS],
}

/// What a watchdog is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// Expire then, unless it is set anew.
    At(u64),
    /// Never expire; it is free again. A new one that is to do so expires at once, as on Xen.
    Never {
        /// The time now.
        now: u64,
    },
}

/// Why a watchdog was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchdogError {
    /// There is none with this number.
    NoSuch,
    /// All are in use.
    NoneLeft,
}

impl Watchdogs {
    /// Sets watchdog `id` (from 1), or a free one if that is 0, whose number it gives; else 0.
    ///
    /// # Errors
    /// See [`WatchdogError`].
    pub fn set(&mut self, id: u32, timeout: Timeout) -> Result<u32, WatchdogError> {
        let Some(index) = id.checked_sub(1) else {
            let free = self.ends.iter().position(Option::is_none);
            let free = free.ok_or(WatchdogError::NoneLeft)?;
            let (Timeout::At(end) | Timeout::Never { now: end }) = timeout;
            self.ends[free] = Some(end);
            return Ok(free as u32 + 1);
        };
        let watchdog = self.ends.get_mut(index as usize);
        let used = watchdog.filter(|end| end.is_some());
        *used.ok_or(WatchdogError::NoSuch)? = match timeout {
            Timeout::At(end) => Some(end),
            Timeout::Never { .. } => None,
        };
        Ok(0)
    }

    /// When the first one expires.
    pub fn next(&self) -> Option<u64> {
        self.ends.iter().copied().flatten().min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_two_and_each_is_set_anew_or_freed() {
        let mut dogs = Watchdogs::default();
        assert_eq!(dogs.next(), None);
        assert_eq!(dogs.set(1, Timeout::At(5)), Err(WatchdogError::NoSuch));
        assert_eq!(dogs.set(0, Timeout::At(30)), Ok(1));
        assert_eq!(dogs.set(0, Timeout::At(20)), Ok(2));
        assert_eq!(dogs.set(0, Timeout::At(9)), Err(WatchdogError::NoneLeft));
        assert_eq!(dogs.next(), Some(20));
        assert_eq!(dogs.set(2, Timeout::At(40)), Ok(0));
        assert_eq!(dogs.next(), Some(30));
        assert_eq!(dogs.set(1, Timeout::Never { now: 7 }), Ok(0));
        assert_eq!(dogs.next(), Some(40));
        for unknown in [1, 3, u32::MAX] {
            let refused = dogs.set(unknown, Timeout::At(1));
            assert_eq!(refused, Err(WatchdogError::NoSuch), "{unknown}");
        }
        assert_eq!(dogs.set(0, Timeout::Never { now: 8 }), Ok(1), "at once");
        assert_eq!(dogs.next(), Some(8));
    }
}
