//! PSCI function numbers and return codes (Arm DEN0022, version 1.1).

/// What `VERSION` returns: 1.1.
pub const VERSION_1_1: u64 = 0x0001_0001;

/// `PSCI_VERSION`.
pub const VERSION: u32 = 0x8400_0000;
/// `CPU_SUSPEND`, 32-bit form.
pub const CPU_SUSPEND_32: u32 = 0x8400_0001;
/// `CPU_SUSPEND`, 64-bit form.
pub const CPU_SUSPEND_64: u32 = 0xc400_0001;
/// `CPU_OFF`.
pub const CPU_OFF: u32 = 0x8400_0002;
/// `CPU_ON`, 32-bit form.
pub const CPU_ON_32: u32 = 0x8400_0003;
/// `CPU_ON`, 64-bit form.
pub const CPU_ON_64: u32 = 0xc400_0003;
/// `AFFINITY_INFO`, 32-bit form.
pub const AFFINITY_INFO_32: u32 = 0x8400_0004;
/// `AFFINITY_INFO`, 64-bit form.
pub const AFFINITY_INFO_64: u32 = 0xc400_0004;
/// `MIGRATE_INFO_TYPE`.
pub const MIGRATE_INFO_TYPE: u32 = 0x8400_0006;
/// `SYSTEM_OFF`.
pub const SYSTEM_OFF: u32 = 0x8400_0008;
/// `SYSTEM_RESET`.
pub const SYSTEM_RESET: u32 = 0x8400_0009;
/// `PSCI_FEATURES`.
pub const FEATURES: u32 = 0x8400_000a;
/// `SYSTEM_SUSPEND`, 64-bit form.
pub const SYSTEM_SUSPEND_64: u32 = 0xc400_000e;

/// Success.
pub const SUCCESS: i32 = 0;
/// The function is not there.
pub const NOT_SUPPORTED: i32 = -1;
/// An argument is wrong.
pub const INVALID_PARAMETERS: i32 = -2;
/// Refused.
pub const DENIED: i32 = -3;
/// The CPU is on already.
pub const ALREADY_ON: i32 = -4;
/// Another call is turning the CPU on.
pub const ON_PENDING: i32 = -5;
/// An internal failure.
pub const INTERNAL_FAILURE: i32 = -6;
/// The entry address is wrong.
pub const INVALID_ADDRESS: i32 = -9;
