//! `hvm_op` and its parameters (public/hvm/hvm_op.h, params.h), what exists on Arm.

use crate::DomId;
use crate::wire::wire;

/// Sub-operations, `HVMOP_*`.
pub mod op {
    /// [`Param`](super::Param).
    pub const SET_PARAM: u32 = 0;
    /// [`Param`](super::Param).
    pub const GET_PARAM: u32 = 1;
    /// x86: the per-vCPU upcall vector.
    pub const SET_EVTCHN_UPCALL_VECTOR: u32 = 23;
    /// The guest asks for a vm_event; no argument.
    pub const GUEST_REQUEST_VM_EVENT: u32 = 24;
}

/// Parameters, `HVM_PARAM_*`.
pub mod param {
    /// How upcalls arrive.
    pub const CALLBACK_IRQ: u32 = 0;
    /// The xenstore ring's frame.
    pub const STORE_PFN: u32 = 1;
    /// The xenstore ring's port.
    pub const STORE_EVTCHN: u32 = 2;
    /// The console ring's frame.
    pub const CONSOLE_PFN: u32 = 17;
    /// The console ring's port.
    pub const CONSOLE_EVTCHN: u32 = 18;
    /// The monitor ring's frame.
    pub const MONITOR_RING_PFN: u32 = 28;
    /// How many there are, `HVM_NR_PARAMS`.
    pub const COUNT: u32 = 39;
}

/// `HVM_PARAM_CALLBACK_TYPE_PPI`, in bits 63:56 of [`param::CALLBACK_IRQ`].
pub const CALLBACK_TYPE_PPI: u64 = 2;
/// `HVM_PARAM_CALLBACK_TYPE_PPI_FLAG_LOW_LEVEL`, in bits 15:8.
pub const CALLBACK_PPI_FLAG_LOW_LEVEL: u64 = 2;

wire! {
    /// Argument of `SET_PARAM` and `GET_PARAM`.
    Param: 16 {
        /// In.
        domid: DomId = 0,
        /// Not used.
        pad: u16 = 2,
        /// In: one of [`param`].
        index: u32 = 4,
        /// In or out.
        value: u64 = 8,
    }
}
