//! 32 SPIs: their state, where each is routed and which vCPU holds it.

use crate::bank::{Bank, index};
use abi::VcpuId;

/// A vCPU number as a byte, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MaybeVcpu(u8);

impl MaybeVcpu {
    pub(crate) const NONE: Self = Self(0xff);

    pub(crate) fn get(self) -> Option<VcpuId> {
        (self != Self::NONE).then_some(VcpuId(u16::from(self.0)))
    }
}

impl From<Option<VcpuId>> for MaybeVcpu {
    fn from(vcpu: Option<VcpuId>) -> Self {
        match vcpu {
            Some(VcpuId(n)) => u8::try_from(n).map_or(Self::NONE, Self),
            None => Self::NONE,
        }
    }
}

/// A word of SPIs.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq))]
pub(crate) struct SpiBank {
    pub(crate) bank: Bank,
    /// As the guest wrote it: the lower half of `GICD_IROUTER`, or the byte of `GICD_ITARGETSR`.
    pub(crate) route: [u32; 32],
    /// The vCPU that the route names.
    target: [MaybeVcpu; 32],
    /// The vCPU that has it in a list register or for which it is active; stale otherwise.
    owner: [MaybeVcpu; 32],
}

impl SpiBank {
    /// All routed to vCPU 0, as `route` says it.
    pub(crate) fn new(route: u32) -> Self {
        Self {
            bank: Bank::default(),
            route: [route; 32],
            target: [MaybeVcpu::from(Some(VcpuId(0))); 32],
            owner: [MaybeVcpu::NONE; 32],
        }
    }

    pub(crate) fn target(&self, bit: u32) -> Option<VcpuId> {
        self.target[index(bit)].get()
    }

    pub(crate) fn set_target(&mut self, bit: u32, target: Option<VcpuId>) {
        self.target[index(bit)] = target.into();
    }

    pub(crate) fn owner(&self, bit: u32) -> Option<VcpuId> {
        self.owner[index(bit)].get()
    }

    pub(crate) fn set_owner(&mut self, bit: u32, owner: VcpuId) {
        self.owner[index(bit)] = Some(owner).into();
    }
}
