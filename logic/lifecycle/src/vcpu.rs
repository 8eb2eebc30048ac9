//! What keeps one vCPU from running.

/// Where a vCPU starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Program counter, a guest virtual address with the MMU off.
    pub address: u64,
    /// Goes into x0.
    pub context: u64,
}

/// Power state of a vCPU, as PSCI sees it (DEN0022, `AFFINITY_INFO`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Power {
    /// Off: it has no state, and never runs.
    Off,
    /// Turned on, but not run yet: its registers are to be set as after a reset.
    OnPending(Entry),
    /// On.
    On,
}

/// What a vCPU waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Block {
    /// An interrupt or event (WFI).
    Event,
    /// A device model's answer to a request in flight. Interrupts do not end it.
    Io,
}

/// A vCPU's part of the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Vcpu {
    pub(crate) power: Power,
    pub(crate) block: Option<Block>,
    pub(crate) pauses: u16,
}

impl Vcpu {
    pub(crate) const OFF: Self = Self {
        power: Power::Off,
        block: None,
        pauses: 0,
    };

    /// Whether it wants to run and nobody stopped it, the domain aside.
    pub(crate) fn ready(&self) -> bool {
        self.power != Power::Off && self.block.is_none() && self.pauses == 0
    }
}
