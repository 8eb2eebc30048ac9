//! Watchdogs: a domain that does not set its own anew in time is stopped.
//!
//! A domain's [`Alarm`] holds when its first watchdog expires; the system's, when the first of all
//! does, or earlier. Every CPU whose timer is armed has it armed for that as well, so that it fires
//! whoever sleeps. A watchdog that is set anew for later leaves the system's as it is: who finds that too
//! early works it out again.

use lifecycle::{Reason, Watchdogs};
use machine::atomic::{AtomicU64, Ordering};
use machine::timer;

use crate::domain::Domain;
use crate::run::{Cpu, Next};

/// A time in counter ticks, or none.
#[derive(Debug)]
pub struct Alarm(AtomicU64);

/// No time.
const NEVER: u64 = u64::MAX;

impl Default for Alarm {
    fn default() -> Self {
        Self(AtomicU64::new(NEVER))
    }
}

impl Alarm {
    /// When it is, in counter ticks.
    #[inline]
    pub fn time(&self) -> Option<u64> {
        let time = self.0.load(Ordering::Relaxed);
        (time != NEVER).then_some(time)
    }

    /// The watchdogs of `domain` were changed, with its `control` held: sees to it, as the system's
    /// alarm, that the first is not missed. The caller arms its timer behind it.
    pub fn follow(&self, domain: &Domain, watchdogs: &Watchdogs) {
        let first = watchdogs.next().unwrap_or(NEVER);
        // In this order: see `look`.
        domain.alarm.0.store(first, Ordering::SeqCst);
        self.0.fetch_min(first, Ordering::SeqCst);
    }
}

/// Stops the domains whose watchdogs have expired. The caller arms its timer behind it.
pub fn look(cpu: &mut Cpu<'_>) -> Next {
    let system = cpu.system;
    // A domain's alarm that is set behind this look at it is put into the system's behind this.
    system.alarm.0.swap(NEVER, Ordering::SeqCst);
    let now = timer::now();
    let (mut first, mut next) = (NEVER, Next::Run);
    for domain in &system.domains {
        if domain.alarm.0.load(Ordering::SeqCst) <= now && expire(cpu, domain, now) == Next::Choose
        {
            next = Next::Choose;
        }
        first = first.min(domain.alarm.0.load(Ordering::SeqCst));
    }
    system.alarm.0.fetch_min(first, Ordering::SeqCst);
    next
}

/// A watchdog of `domain` may have expired by `now`.
fn expire(cpu: &mut Cpu<'_>, domain: &Domain, now: u64) -> Next {
    cpu.change_life_of(domain, |life| {
        if life.watchdogs.next().is_some_and(|end| end <= now) {
            // It has none any more, whether it was running or not.
            life.watchdogs = Default::default();
            domain.alarm.0.store(NEVER, Ordering::SeqCst);
            life.state.crash(Reason::Watchdog)
        } else {
            lifecycle::Effects::NONE
        }
    })
}
