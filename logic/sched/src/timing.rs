//! How long a vCPU runs before another has its turn.

/// Lengths of time slices, in the unit of the `now` that is passed to a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    slice: u64,
    latency: u64,
    minimum: u64,
}

const SLICE_MS: u64 = 10;
const LATENCY_MS: u64 = 40;
const MINIMUM_MS: u64 = 1;

impl Timing {
    /// For a `now` in nanoseconds: slices of 10 ms, all waiting ones served within 40 ms if that
    /// needs no slice under 1 ms.
    pub const NANOSECONDS: Self = Self::for_frequency(1_000_000_000);

    /// The same for a `now` in ticks of a counter of `frequency_hz` (1 kHz to some THz).
    pub const fn for_frequency(frequency_hz: u64) -> Self {
        let ticks_per_ms = if frequency_hz < 1000 {
            1
        } else {
            frequency_hz / 1000
        };
        Self {
            slice: ticks_per_ms.saturating_mul(SLICE_MS),
            latency: ticks_per_ms.saturating_mul(LATENCY_MS),
            minimum: ticks_per_ms.saturating_mul(MINIMUM_MS),
        }
    }

    /// The longest slice.
    pub const fn slice(self) -> u64 {
        self.slice
    }

    /// The shortest slice, and how far a woken vCPU must be behind the running one to preempt it.
    pub const fn minimum(self) -> u64 {
        self.minimum
    }

    /// The slice when `runnable` vCPUs share the CPU.
    pub(crate) fn slice_among(self, runnable: usize) -> u64 {
        let share = self
            .latency
            .checked_div(runnable as u64)
            .unwrap_or(self.slice);
        share.min(self.slice).max(self.minimum)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_shorten_when_many_wait() {
        let timing = Timing::for_frequency(1000);
        let slices: Vec<_> = [0, 1, 4, 5, 8, 40, 200]
            .map(|n| timing.slice_among(n))
            .into();
        assert_eq!(slices, [10, 10, 10, 8, 5, 1, 1]);
        assert_eq!(Timing::NANOSECONDS.slice(), 10_000_000);
        assert_eq!(Timing::for_frequency(62_500_000).minimum(), 62_500);
        assert_eq!(Timing::for_frequency(0).minimum(), 1);
    }
}
