//! What the caller has to do after an operation, once the lock is dropped.

use abi::{VcpuId, VcpuSet};

/// Whom one event concerns.
#[must_use]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// Give this vCPU the upcall interrupt: its `upcall_pending` was set just now.
    pub upcall: Option<VcpuId>,
    /// These polled for it, and no longer do: let them run.
    pub wake: VcpuSet,
}

impl Notify {
    /// Nobody.
    pub const NONE: Self = Self {
        upcall: None,
        wake: VcpuSet::EMPTY,
    };

    /// Whether there is nothing to do.
    pub const fn is_none(self) -> bool {
        self.upcall.is_none() && self.wake.is_empty()
    }
}

/// Whom several events concern.
#[must_use]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NotifyMany {
    /// As [`Notify::upcall`].
    pub upcalls: VcpuSet,
    /// As [`Notify::wake`].
    pub wake: VcpuSet,
}

impl NotifyMany {
    /// Adds `one`.
    pub fn add(&mut self, one: Notify) {
        if let Some(vcpu) = one.upcall {
            self.upcalls.insert(vcpu);
        }
        self.wake = self.wake.union(one.wake);
    }
}
