//! GICv3 as a guest sees it (Arm IHI 0069): the little that is needed for SGIs and PPIs.

use core::ptr;

use abi::{IntId, arm};

use crate::write_register;

const GICD_CTLR: u64 = 0x0;
const GICR_WAKER: u64 = 0x14;
const GICR_IGROUPR0: u64 = 0x1_0080;
const GICR_ISENABLER0: u64 = 0x1_0100;
const GICR_IPRIORITYR: u64 = 0x1_0400;
/// Affinity routing and both groups, as the non-secure side sees them.
const CONTROL: u32 = 1 << 4 | 1 << 1 | 1;

/// The address of the distributor's register at `offset`.
pub fn distributor(offset: u64) -> u64 {
    arm::GICV3_DISTRIBUTOR.start() + offset
}

/// The address of the register at `offset` of vCPU `number`'s redistributor.
pub fn redistributor(number: usize, offset: u64) -> u64 {
    let frames = arm::GICV3_REDISTRIBUTORS.start();
    frames + number as u64 * arm::GICV3_REDISTRIBUTOR_STRIDE + offset
}

/// Reads a 32-bit device register.
#[inline(always)]
pub fn read(address: u64) -> u32 {
    // SAFETY: a device's register; where there is none, the exception is skipped.
    unsafe { ptr::read_volatile(address as *const u32) }
}

/// Writes a 32-bit device register.
#[inline(always)]
pub fn write(address: u64, value: u32) {
    // SAFETY: as above; no memory of ours is a device's.
    unsafe { ptr::write_volatile(address as *mut u32, value) }
}

/// Has vCPU `number`, which is the one that runs this, take all SGIs and the two timers' PPIs.
pub fn enable(number: usize) {
    write(distributor(GICD_CTLR), CONTROL);
    let waker = redistributor(number, GICR_WAKER);
    write(waker, read(waker) & !2);
    write(redistributor(number, GICR_IGROUPR0), u32::MAX);
    for word in 0..8 {
        write(
            redistributor(number, GICR_IPRIORITYR + 4 * word),
            0xa0a0_a0a0,
        );
    }
    let timers = 1 << arm::VIRTUAL_TIMER.0 | 1 << arm::PHYSICAL_TIMER.0;
    write(redistributor(number, GICR_ISENABLER0), 0xffff | timers);
    write_register!("S3_0_C12_C12_5", 7); // ICC_SRE_EL1
    write_register!("S3_0_C4_C6_0", 0xff); // ICC_PMR_EL1
    write_register!("S3_0_C12_C12_7", 1); // ICC_IGRPEN1_EL1
}

/// Has vCPU `number`, which is the one that runs this, take the private interrupt `intid`, besides what
/// [`enable`] has it take.
pub fn take(number: usize, intid: IntId) {
    write(redistributor(number, GICR_ISENABLER0), 1 << intid.0);
}

/// What to write to `ICC_SGI1R_EL1` for SGI `sgi` to vCPU `number` (below 16).
pub const fn sgi_to(number: usize, sgi: u64) -> u64 {
    sgi << 24 | 1 << number
}

/// Writes `ICC_SGI1R_EL1`.
#[inline(always)]
pub fn send_sgi(value: u64) {
    write_register!("S3_0_C12_C11_5", value);
}
