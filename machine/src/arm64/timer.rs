//! The counter, EL2's own timer, and what of the guest's virtual timer EL2 touches.

use super::sysreg::{isb, read, write};

/// The physical counter now, in ticks.
#[inline]
pub fn now() -> u64 {
    isb();
    read!("cntpct_el0")
}

/// Ticks a second.
pub fn frequency() -> u64 {
    read!("cntfrq_el0")
}

/// Ticks in nanoseconds.
pub fn nanoseconds(ticks: u64) -> u64 {
    let frequency = frequency().max(1);
    let seconds = ticks / frequency;
    seconds
        .saturating_mul(1_000_000_000)
        .saturating_add((ticks % frequency).saturating_mul(1_000_000_000) / frequency)
}

/// Arms this CPU's EL2 timer for `deadline` (in ticks), or turns it off.
#[inline]
pub fn set_deadline(deadline: Option<u64>) {
    match deadline {
        Some(ticks) => {
            write!("cnthp_cval_el2", ticks);
            write!("cnthp_ctl_el2", 1);
        }
        None => write!("cnthp_ctl_el2", 0),
    }
    isb();
}

/// `CNTHCTL_EL2` (E2H = 0): EL1PCTEN, not EL1PCEN.
const CNTHCTL: u64 = 1;
/// ... EVNTEN, EVNTI = 15: the counter sends an event each time its bit 15 becomes 1, which is once in a
/// millisecond at 62.5 MHz.
const CNTHCTL_EVENTS: u64 = 1 << 2 | 15 << 4;

/// Has the counter end waits for events on this CPU, while `wait` runs.
pub(crate) fn with_event_stream(wait: fn()) {
    write!("cnthctl_el2", CNTHCTL | CNTHCTL_EVENTS);
    isb();
    wait();
    write!("cnthctl_el2", CNTHCTL);
    isb();
}

/// Prepares this CPU's timers: guests read the counters, their physical timer traps.
pub(crate) fn init() {
    write!("cnthctl_el2", CNTHCTL);
    write!("cntv_ctl_el0", 0);
    write!("cnthp_ctl_el2", 0);
    isb();
}
