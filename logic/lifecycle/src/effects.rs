//! What an operation wants done.

use abi::VcpuSet;

/// What the caller of an operation does after it has dropped the domain's lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Effects {
    /// vCPUs that must leave the run queues and physical CPUs. For each of them, whether it was
    /// running or not, `Domain::vcpu_descheduled` is called once it is off.
    pub deschedule: VcpuSet,
    /// vCPUs that became runnable: put them into a run queue. One that is still on its way off a
    /// physical CPU must not run on another one before its registers are saved.
    pub wake: VcpuSet,
    /// The domain has just stopped: say so, and notify whoever listens. Given once for each stop.
    pub report: bool,
    /// The domain is dying and none of its vCPUs is on a physical CPU: start taking its memory
    /// back, then call `Domain::reclaimed`. Given once.
    pub reclaim: bool,
}

impl Effects {
    /// Nothing to do.
    pub const NONE: Self = Self {
        deschedule: VcpuSet::EMPTY,
        wake: VcpuSet::EMPTY,
        report: false,
        reclaim: false,
    };
}
