//! Numbers of the hypervisor's SMCCC service as Xen gives it to guests.
//!
//! Arm DEN0028: the service of owner 5 ("standard hypervisor service") answers call count, UID and
//! revision. The UID is public/arch-arm/smccc.h's. (The vendor service, owner 6, is where KVM
//! answers; on Xen nobody does.)

/// `CALL_COUNT` of the service.
pub const CALL_COUNT: u32 = 0x8500_ff00;
/// `CALL_UID` of the service.
pub const CALL_UID: u32 = 0x8500_ff01;
/// `CALL_REVISION` of the service.
pub const CALL_REVISION: u32 = 0x8500_ff03;

/// What `CALL_COUNT` returns: the three of this service.
pub const CALLS: u64 = 3;
/// What `CALL_REVISION` returns: major in x0, minor in x1.
pub const REVISION: [u64; 2] = [0, 1];
/// What `CALL_UID` returns in x0 to x3: a71812dc-c698-4369-9acf-79d18ddee667, the first byte of
/// each four in the lowest bits.
pub const UID: [u64; 4] = [0xdc12_18a7, 0x6943_98c6, 0xd179_cf9a, 0x67e6_de8d];
