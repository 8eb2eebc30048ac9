//! Why a domain stopped: the `SHUTDOWN_*` codes of public/sched.h.

/// Why a domain stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// 0: it powered itself off, or its last vCPU went off.
    PowerOff,
    /// 1: it asked for a restart.
    Reboot,
    /// 2: it is to be suspended.
    Suspend,
    /// 3: it crashed, by its own word or the hypervisor's decision.
    Crash,
    /// 4: its watchdog expired.
    Watchdog,
    /// 5: it asked for a soft reset (kexec).
    SoftReset,
    /// Any other code: accepted and kept. Build it with [`Reason::from`], which never gives a
    /// known code this form.
    Other(u8),
}

impl From<u8> for Reason {
    fn from(code: u8) -> Self {
        match code {
            0 => Self::PowerOff,
            1 => Self::Reboot,
            2 => Self::Suspend,
            3 => Self::Crash,
            4 => Self::Watchdog,
            5 => Self::SoftReset,
            other => Self::Other(other),
        }
    }
}

impl Reason {
    /// The `SHUTDOWN_*` code.
    pub const fn code(self) -> u8 {
        match self {
            Self::PowerOff => 0,
            Self::Reboot => 1,
            Self::Suspend => 2,
            Self::Crash => 3,
            Self::Watchdog => 4,
            Self::SoftReset => 5,
            Self::Other(code) => code,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_round_trip() {
        for code in 0..=u8::MAX {
            assert_eq!(Reason::from(code).code(), code);
        }
        assert_eq!(Reason::from(3), Reason::Crash);
        assert_eq!(Reason::from(6), Reason::Other(6));
    }
}
