//! The host's firmware: it records what it is asked for.

use super::host::{Record, with_state};

/// How the host's firmware is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduit {
    /// `SMC #0`.
    Smc,
    /// `HVC #0`.
    Hvc,
}

/// What to do with the machine's power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// Off.
    Off,
    /// Restart.
    Reset,
}

/// Why a CPU did not start: PSCI's return code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartError(pub i32);

impl Conduit {
    /// Records the wish, and returns as if firmware had not obeyed.
    pub fn power(self, what: Power) {
        with_state(|state, _| state.record(Record::Power(what)));
    }
}
