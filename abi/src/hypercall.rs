//! Hypercall numbers and calling convention (public/xen.h, public/arch-arm.h).
//!
//! `HVC #0xEA1`, number in x16, arguments in x0 to x4, result in x0.

use crate::wire::wire;

pub use crate::version;

/// The immediate of the `HVC` instruction that makes a hypercall.
pub const HVC_IMMEDIATE: u16 = 0xea1;

macro_rules! numbers {
    ($($name:ident = $number:literal, $xen:literal;)*) => {
        $(#[doc = concat!("`__HYPERVISOR_", $xen, "`.")] pub const $name: u64 = $number;)*
    };
}

numbers! {
    SCHED_OP_COMPAT = 6, "sched_op_compat";
    PLATFORM_OP = 7, "platform_op";
    MEMORY_OP = 12, "memory_op";
    MULTICALL = 13, "multicall";
    EVENT_CHANNEL_OP_COMPAT = 16, "event_channel_op_compat";
    XEN_VERSION = 17, "xen_version";
    CONSOLE_IO = 18, "console_io";
    PHYSDEV_OP_COMPAT = 19, "physdev_op_compat";
    GRANT_TABLE_OP = 20, "grant_table_op";
    VM_ASSIST = 21, "vm_assist";
    VCPU_OP = 24, "vcpu_op";
    XSM_OP = 27, "xsm_op";
    SCHED_OP = 29, "sched_op";
    EVENT_CHANNEL_OP = 32, "event_channel_op";
    PHYSDEV_OP = 33, "physdev_op";
    HVM_OP = 34, "hvm_op";
    SYSCTL = 35, "sysctl";
    DOMCTL = 36, "domctl";
    ARGO_OP = 39, "argo_op";
    DM_OP = 41, "dm_op";
    HYPFS_OP = 42, "hypfs_op";
}

/// Sub-operations of `console_io` (public/xen.h).
pub mod console_io {
    /// Write `count` bytes from the buffer.
    pub const WRITE: u64 = 0;
    /// Read up to `count` bytes to the buffer.
    pub const READ: u64 = 1;
}

/// `vm_assist` (public/xen.h): command and type as arguments.
pub mod vm_assist {
    /// Switch it on.
    pub const ENABLE: u32 = 0;
    /// Switch it off.
    pub const DISABLE: u32 = 1;
    /// `VMASST_TYPE_runstate_update_flag`: mark the run state while it is being written. The only
    /// type on Arm.
    pub const TYPE_RUNSTATE_UPDATE_FLAG: u32 = 5;
}

wire! {
    /// An entry of a `multicall` (public/xen.h).
    MulticallEntry: 64 {
        /// In: the hypercall's number.
        op: u64 = 0,
        /// Out.
        result: u64 = 8,
        /// In: five arguments, the sixth is not used.
        args: [u64; 6] = 16,
    }
}
