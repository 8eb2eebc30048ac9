//! `vcpu_op` (public/vcpu.h), what exists on Arm.

use crate::wire::wire;

/// Sub-operations, `VCPUOP_*`.
pub mod op {
    /// [`RegisterRunstateArea`](super::RegisterRunstateArea).
    pub const REGISTER_RUNSTATE_MEMORY_AREA: u32 = 5;
    /// [`RegisterVcpuInfo`](super::RegisterVcpuInfo).
    pub const REGISTER_VCPU_INFO: u32 = 10;
    /// By physical address: advertised by a feature bit, yet refused on Arm by Xen.
    pub const REGISTER_RUNSTATE_PHYS_AREA: u32 = 14;
}

/// A vCPU's state, `RUNSTATE_*`; the index into [`RunstateInfo::time`].
pub mod runstate {
    /// On a physical CPU.
    pub const RUNNING: u32 = 0;
    /// Waiting for one.
    pub const RUNNABLE: u32 = 1;
    /// Idle.
    pub const BLOCKED: u32 = 2;
    /// Off or paused.
    pub const OFFLINE: u32 = 3;
    /// `XEN_RUNSTATE_UPDATE`: set in `state_entry_time` while the area is being written.
    pub const UPDATE: u64 = 1 << 63;
}

wire! {
    /// Argument of `REGISTER_VCPU_INFO`.
    RegisterVcpuInfo: 16 {
        /// In: the guest frame.
        mfn: u64 = 0,
        /// In: where in it, bytes.
        offset: u32 = 8,
        /// Not used.
        rsvd: u32 = 12,
    }

    /// Argument of `REGISTER_RUNSTATE_MEMORY_AREA`.
    RegisterRunstateArea: 8 {
        /// In: guest virtual address of a [`RunstateInfo`].
        address: u64 = 0,
    }

    /// `struct vcpu_runstate_info`.
    RunstateInfo: 48 {
        /// One of [`runstate`].
        state: u32 = 0,
        /// Since when, system time in ns.
        state_entry_time: u64 = 8,
        /// Time spent in each state, ns.
        time: [u64; 4] = 16,
    }
}
