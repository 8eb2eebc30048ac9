//! `xen_version` (public/version.h).

use crate::wire::wire;

/// Major in bits 31:16, minor in 15:0, as the call's result.
pub const VERSION: u64 = 0;
/// [`EXTRAVERSION_LEN`] bytes of text.
pub const EXTRAVERSION: u64 = 1;
/// [`compile_info`].
pub const COMPILE_INFO: u64 = 2;
/// [`CAPABILITIES_LEN`] bytes of text.
pub const CAPABILITIES: u64 = 3;
/// [`CHANGESET_LEN`] bytes of text.
pub const CHANGESET: u64 = 4;
/// [`PlatformParameters`].
pub const PLATFORM_PARAMETERS: u64 = 5;
/// [`FeatureInfo`].
pub const GET_FEATURES: u64 = 6;
/// The page size as the call's result.
pub const PAGESIZE: u64 = 7;
/// The domain's handle, [`HANDLE_LEN`] bytes.
pub const GUEST_HANDLE: u64 = 8;
/// [`COMMANDLINE_LEN`] bytes of text.
pub const COMMANDLINE: u64 = 9;
/// The build id, with its length in front.
pub const BUILD_ID: u64 = 10;
/// Of any length, with the length in front.
pub const EXTRAVERSION2: u64 = 11;
/// Of any length, with the length in front.
pub const CAPABILITIES2: u64 = 12;
/// Of any length, with the length in front.
pub const CHANGESET2: u64 = 13;
/// Of any length, with the length in front.
pub const COMMANDLINE2: u64 = 14;

/// Bytes of [`EXTRAVERSION`].
pub const EXTRAVERSION_LEN: usize = 16;
/// Bytes of [`CAPABILITIES`].
pub const CAPABILITIES_LEN: usize = 1024;
/// Bytes of [`CHANGESET`].
pub const CHANGESET_LEN: usize = 64;
/// Bytes of [`COMMANDLINE`].
pub const COMMANDLINE_LEN: usize = 1024;
/// Bytes of [`GUEST_HANDLE`].
pub const HANDLE_LEN: usize = 16;

wire! {
    /// Argument of [`GET_FEATURES`].
    FeatureInfo: 8 {
        /// In: which 32 bits; 0 is the only one that there is.
        submap_idx: u32 = 0,
        /// Out: bits of [`crate::feature`].
        submap: u32 = 4,
    }

    /// Argument of [`PLATFORM_PARAMETERS`].
    PlatformParameters: 8 {
        /// Out: where the hypervisor's address space starts.
        virt_start: u64 = 0,
    }
}

/// `struct xen_compile_info`: texts at fixed offsets.
pub mod compile_info {
    /// Bytes of the structure.
    pub const SIZE: usize = 144;
    /// `compiler`, 64 bytes.
    pub const COMPILER_OFFSET: usize = 0;
    /// `compile_by`, 16 bytes.
    pub const COMPILE_BY_OFFSET: usize = 64;
    /// `compile_domain`, 32 bytes.
    pub const COMPILE_DOMAIN_OFFSET: usize = 80;
    /// `compile_date`, 32 bytes.
    pub const COMPILE_DATE_OFFSET: usize = 112;
}
