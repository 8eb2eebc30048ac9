//! `sched_op` (public/sched.h).

use crate::DomId;
use crate::wire::wire;

/// Sub-operations, `SCHEDOP_*`.
pub mod op {
    /// Lets others run.
    pub const YIELD: u32 = 0;
    /// Sleeps until an event.
    pub const BLOCK: u32 = 1;
    /// [`Shutdown`](super::Shutdown).
    pub const SHUTDOWN: u32 = 2;
    /// [`Poll`](super::Poll).
    pub const POLL: u32 = 3;
    /// [`RemoteShutdown`](super::RemoteShutdown).
    pub const REMOTE_SHUTDOWN: u32 = 4;
    /// [`Shutdown`](super::Shutdown): records the reason only.
    pub const SHUTDOWN_CODE: u32 = 5;
    /// [`Watchdog`](super::Watchdog).
    pub const WATCHDOG: u32 = 6;
    /// [`PinOverride`](super::PinOverride).
    pub const PIN_OVERRIDE: u32 = 7;
}

/// Why a domain stops, `SHUTDOWN_*`.
pub mod reason {
    /// Switched off.
    pub const POWEROFF: u32 = 0;
    /// To be started anew.
    pub const REBOOT: u32 = 1;
    /// Suspended.
    pub const SUSPEND: u32 = 2;
    /// It crashed.
    pub const CRASH: u32 = 3;
    /// Its watchdog expired.
    pub const WATCHDOG: u32 = 4;
    /// To be reset in place.
    pub const SOFT_RESET: u32 = 5;
    /// The last valid one, `SHUTDOWN_MAX`.
    pub const MAX: u32 = 5;
}

/// The most ports of one [`Poll`].
pub const POLL_MAX_PORTS: u32 = 128;

wire! {
    /// Argument of `SHUTDOWN` and `SHUTDOWN_CODE`.
    Shutdown: 4 {
        /// In: one of [`reason`].
        reason: u32 = 0,
    }

    /// Argument of `POLL`.
    Poll: 24 {
        /// In: guest address of an array of ports, u32 each.
        ports: u64 = 0,
        /// In: how many, at most [`POLL_MAX_PORTS`].
        nr_ports: u32 = 8,
        /// In: system time in ns at which to give up; 0 for never.
        timeout: u64 = 16,
    }

    /// Argument of `REMOTE_SHUTDOWN`.
    RemoteShutdown: 8 {
        /// In.
        domain_id: DomId = 0,
        /// In: one of [`reason`].
        reason: u32 = 4,
    }

    /// Argument of `WATCHDOG`.
    Watchdog: 8 {
        /// In: 0 for a new one, or its number.
        id: u32 = 0,
        /// In: seconds; 0 to disarm.
        timeout: u32 = 4,
    }

    /// Argument of `PIN_OVERRIDE`.
    PinOverride: 4 {
        /// In: the physical CPU, negative for none.
        pcpu: i32 = 0,
    }
}
