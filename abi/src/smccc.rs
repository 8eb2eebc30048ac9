//! SMC calling convention function numbers (Arm DEN0028) and Xen's own service (public/arch-arm/smccc.h).

/// `SMCCC_VERSION`.
pub const VERSION: u32 = 0x8000_0000;
/// `SMCCC_ARCH_FEATURES`.
pub const ARCH_FEATURES: u32 = 0x8000_0001;
/// `SMCCC_ARCH_WORKAROUND_1`: branch predictor hardening.
pub const ARCH_WORKAROUND_1: u32 = 0x8000_8000;
/// `SMCCC_ARCH_WORKAROUND_2`: speculative store bypass control.
pub const ARCH_WORKAROUND_2: u32 = 0x8000_7fff;
/// `SMCCC_ARCH_WORKAROUND_3`: branch history hardening.
pub const ARCH_WORKAROUND_3: u32 = 0x8000_3fff;
/// What `VERSION` returns: 1.2.
pub const VERSION_1_2: u64 = 0x0001_0002;
/// The result of a function that is not there.
pub const UNKNOWN: u64 = u64::MAX;
