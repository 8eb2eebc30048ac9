//! The shared info page and `vcpu_info` (public/xen.h), as AArch64 lays them out.
//!
//! Both are read and written by guest and hypervisor at once, so what is here is offsets, in
//! bytes: each word is accessed by itself, atomically.

/// Bytes of `struct shared_info`; it starts its page.
pub const SIZE: u32 = 1088;
/// The `vcpu_info` of vCPU 0, the only one in the page (`XEN_LEGACY_MAX_VCPUS` is 1 on Arm).
pub const VCPU_INFO_OFFSET: u32 = 0;
/// `evtchn_pending`: 64 words of 64 bits.
pub const PENDING_OFFSET: u32 = 48;
/// `evtchn_mask`: 64 words of 64 bits.
pub const MASK_OFFSET: u32 = 560;
/// `wc_version`, u32: odd while the wall clock is being written.
pub const WC_VERSION_OFFSET: u32 = 1072;
/// `wc_sec`, u32: low half of the seconds since 1970 at system time 0.
pub const WC_SEC_OFFSET: u32 = 1076;
/// `wc_nsec`, u32.
pub const WC_NSEC_OFFSET: u32 = 1080;
/// `wc_sec_hi`, u32: high half of the seconds.
pub const WC_SEC_HI_OFFSET: u32 = 1084;

/// `struct vcpu_info`.
pub mod vcpu_info {
    /// Bytes.
    pub const SIZE: u32 = 48;
    /// Its alignment, bytes.
    pub const ALIGN: u32 = 8;
    /// `evtchn_upcall_pending`, u8: 1 from an event until the guest clears it.
    pub const UPCALL_PENDING_OFFSET: u32 = 0;
    /// `evtchn_pending_sel`, u64: which words of `evtchn_pending` to look at.
    pub const PENDING_SEL_OFFSET: u32 = 8;
}
