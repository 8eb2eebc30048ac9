//! The counter, which tests move, and EL2's own timer.

use super::host::{FREQUENCY_HZ, with_state};

/// The physical counter now, in ticks.
pub fn now() -> u64 {
    with_state(|state, _| state.counter)
}

/// Ticks a second.
pub fn frequency() -> u64 {
    FREQUENCY_HZ
}

/// Ticks in nanoseconds.
pub fn nanoseconds(ticks: u64) -> u64 {
    ticks.saturating_mul(1_000_000_000 / FREQUENCY_HZ)
}

/// Arms this CPU's EL2 timer for `deadline` (in ticks), or turns it off.
pub fn set_deadline(deadline: Option<u64>) {
    with_state(|state, cpu| state.cpu(cpu).deadline = deadline);
}
