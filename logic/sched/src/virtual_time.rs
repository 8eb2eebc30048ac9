//! Virtual time: run time divided by weight, in small fractions of a tick, compared modulo 2^64.

use abi::CpuId;

/// Whether `a` is before `b`. Both are less than 2^63 apart.
pub(crate) const fn before(a: u64, b: u64) -> bool {
    (a.wrapping_sub(b) as i64) < 0
}

/// The later of two.
pub(crate) const fn later(a: u64, b: u64) -> u64 {
    if before(a, b) { b } else { a }
}

/// What a vCPU takes with it when it leaves a queue, to be placed fairly when it comes back.
///
/// Each queue has its own clock, so on another CPU only the distance to the queue's clock counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VirtualTime {
    left: Option<Left>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Left {
    cpu: CpuId,
    at: u64,
    clock: u64,
}

impl VirtualTime {
    /// Of a vCPU that never ran.
    pub const NEW: Self = Self { left: None };

    pub(crate) const fn leave(cpu: CpuId, at: u64, clock: u64) -> Self {
        Self {
            left: Some(Left { cpu, at, clock }),
        }
    }

    /// Its place in the queue of `cpu`, the clock of which shows `clock`; sleepers are at most
    /// `bonus` ahead of the others.
    pub(crate) const fn place(self, cpu: CpuId, clock: u64, bonus: u64) -> u64 {
        let Some(left) = self.left else { return clock };
        let own = if left.cpu.0 == cpu.0 {
            left.at
        } else {
            clock.wrapping_add(left.at.wrapping_sub(left.clock))
        };
        later(own, clock.wrapping_sub(bonus))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: CpuId = CpuId(0);
    const THERE: CpuId = CpuId(1);

    #[test]
    fn comparison_survives_the_wrap() {
        assert!(before(u64::MAX, 3) && !before(3, u64::MAX) && !before(3, 3));
        assert_eq!(later(u64::MAX, 3), 3);
    }

    #[test]
    fn a_new_one_starts_at_the_clock() {
        assert_eq!(VirtualTime::NEW.place(HERE, 700, 10), 700);
    }

    #[test]
    fn a_long_sleeper_gets_one_bonus() {
        let slept = VirtualTime::leave(HERE, 100, 90);
        assert_eq!(slept.place(HERE, 700, 10), 690);
    }

    #[test]
    fn who_has_run_ahead_stays_ahead() {
        let slept = VirtualTime::leave(HERE, 100, 90);
        assert_eq!(slept.place(HERE, 95, 10), 100);
        assert_eq!(slept.place(THERE, 5000, 10), 5010);
    }
}
