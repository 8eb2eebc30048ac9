//! What the caller has to do after an operation.

use abi::{VcpuId, VcpuSet};

/// What follows from an operation on the model, for the caller to do when it has dropped the lock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Effect {
    /// The vCPUs that may have something new to take, or whose list registers are out of date: wake
    /// each if it waits, and have it do `sync` and `flush` before its next guest instruction if it is
    /// resident. It may name the calling vCPU, and vCPUs that are off (to be ignored).
    pub wake: VcpuSet,
}

impl Effect {
    /// Nothing to do.
    pub const NONE: Self = Self {
        wake: VcpuSet::EMPTY,
    };

    /// Wake one.
    pub(crate) const fn wake(vcpu: VcpuId) -> Self {
        Self {
            wake: VcpuSet::of(vcpu),
        }
    }

    /// Adds what `other` demands.
    pub fn add(&mut self, other: Self) {
        self.wake = self.wake.union(other.wake);
    }
}

/// What [`crate::Vgic::flush`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Flushed {
    /// List registers `0..used` are valid; all others of the slice are invalid.
    pub used: u8,
    /// There are more candidates than list registers. The caller enables the underflow maintenance
    /// interrupt (`ICH_HCR_EL2.UIE`), and `LRENPIE` to hear of ends of interrupts that are in no list
    /// register (see [`crate::Vgic::end_unlisted`]).
    pub more: bool,
    /// SPIs that were withdrawn from this vCPU now are for others: wake these.
    pub wake: VcpuSet,
    /// The hardware-linked timer interrupt has ended in the model and the guest will not deactivate
    /// it (the guest cleared its pending or active state): the caller clears the physical
    /// interrupt's active state.
    pub retire_timer: bool,
}
