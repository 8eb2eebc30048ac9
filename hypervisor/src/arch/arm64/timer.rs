//! The emulated EL1 physical timer (Arm ARM D12.2): compare value and control, against the
//! physical counter.

/// `CNTP_CTL_EL0.ENABLE`.
const ENABLE: u64 = 1;
/// `CNTP_CTL_EL0.IMASK`.
const MASK: u64 = 1 << 1;
/// `CNTP_CTL_EL0.ISTATUS`.
const STATUS: u64 = 1 << 2;

/// A physical timer.
#[derive(Clone, Copy, Debug, Default)]
pub struct PhysicalTimer {
    control: u64,
    compare: u64,
    /// The line's level as it was last told.
    high: bool,
}

impl PhysicalTimer {
    /// `CNTP_CTL_EL0` at counter `now`.
    pub fn control(&self, now: u64) -> u64 {
        let met = self.control & ENABLE != 0 && now >= self.compare;
        self.control | if met { STATUS } else { 0 }
    }

    /// Writes `CNTP_CTL_EL0`.
    pub fn set_control(&mut self, value: u64) {
        self.control = value & (ENABLE | MASK);
    }

    /// `CNTP_CVAL_EL0`.
    pub fn compare(&self) -> u64 {
        self.compare
    }

    /// Writes `CNTP_CVAL_EL0`.
    pub fn set_compare(&mut self, value: u64) {
        self.compare = value;
    }

    /// `CNTP_TVAL_EL0` at counter `now`: what is left, as a signed 32-bit number.
    pub fn remaining(&self, now: u64) -> u64 {
        self.compare.wrapping_sub(now) & 0xffff_ffff
    }

    /// Writes `CNTP_TVAL_EL0` at counter `now`.
    pub fn set_remaining(&mut self, value: u64, now: u64) {
        let ticks = i64::from(value as u32 as i32);
        self.compare = now.wrapping_add_signed(ticks);
    }

    /// Whether its interrupt line is high at counter `now`.
    pub fn fires(&self, now: u64) -> bool {
        self.control & (ENABLE | MASK) == ENABLE && now >= self.compare
    }

    /// The level of its line at counter `now`, if it has changed since this was last asked: true is
    /// high.
    pub fn change(&mut self, now: u64) -> Option<bool> {
        let high = self.fires(now);
        let changed = high != self.high;
        self.high = high;
        changed.then_some(high)
    }

    /// When its line is to be told of next: in the past if it has risen since the last
    /// [`change`](Self::change), `None` if it cannot rise.
    pub fn deadline(&self) -> Option<u64> {
        (self.control & (ENABLE | MASK) == ENABLE && !self.high).then_some(self.compare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fires_when_the_counter_reaches_the_compare_value() {
        let mut timer = PhysicalTimer::default();
        timer.set_remaining(100, 1000);
        timer.set_control(ENABLE);
        assert!(!timer.fires(1099) && timer.fires(1100));
        assert_eq!(timer.deadline(), Some(1100));
        assert_eq!(timer.control(1100), ENABLE | STATUS);
        assert_eq!(timer.remaining(1101), 0xffff_ffff);
    }

    #[test]
    fn a_line_that_rose_unseen_is_still_due() {
        let mut timer = PhysicalTimer::default();
        timer.set_compare(50);
        timer.set_control(ENABLE);
        assert_eq!(timer.change(49), None);
        assert_eq!(timer.deadline(), Some(50));
        assert_eq!(timer.change(60), Some(true));
        assert_eq!(timer.deadline(), None);
        timer.set_compare(100);
        assert_eq!(timer.change(60), Some(false));
        assert_eq!(timer.deadline(), Some(100));
    }

    #[test]
    fn masked_it_shows_its_status_but_is_silent() {
        let mut timer = PhysicalTimer::default();
        timer.set_control(u64::MAX);
        assert_eq!(timer.control(1), ENABLE | MASK | STATUS);
        assert!(!timer.fires(1));
        assert_eq!(timer.deadline(), None);
    }

    #[test]
    fn a_negative_remainder_is_in_the_past() {
        let mut timer = PhysicalTimer::default();
        timer.set_remaining(0xffff_ffff, 10);
        assert_eq!(timer.compare(), 9);
    }
}
