//! Hypercall numbers and calling convention (public/xen.h, public/arch-arm.h).
//!
//! `HVC #0xEA1`, number in x16, arguments in x0 to x4, result in x0.

/// The immediate of the `HVC` instruction that makes a hypercall.
pub const HVC_IMMEDIATE: u16 = 0xea1;

/// `__HYPERVISOR_xen_version`.
pub const XEN_VERSION: u64 = 17;
/// `__HYPERVISOR_console_io`.
pub const CONSOLE_IO: u64 = 18;

/// Sub-operations of `xen_version` (public/version.h).
pub mod version {
    /// Major in bits 31:16, minor in 15:0, as the call's result.
    pub const VERSION: u64 = 0;
    /// 16 bytes of text.
    pub const EXTRAVERSION: u64 = 1;
    /// Feature bits of a sub-map.
    pub const GET_FEATURES: u64 = 6;
    /// The page size as the call's result.
    pub const PAGESIZE: u64 = 7;
}

/// Sub-operations of `console_io` (public/xen.h).
pub mod console_io {
    /// Write `count` bytes from the buffer.
    pub const WRITE: u64 = 0;
    /// Read up to `count` bytes to the buffer.
    pub const READ: u64 = 1;
}
