//! GICv2 as a guest sees it (Arm IHI 0048): the little that is needed for PPIs.

use abi::{IntId, arm};

use crate::gic::{read, write};
use crate::write_register;

const GICD_CTLR: u64 = 0x0;
const GICD_ISENABLER0: u64 = 0x100;
const GICD_IPRIORITYR: u64 = 0x400;
const GICC_CTLR: u64 = 0x0;
const GICC_PMR: u64 = 0x4;

unsafe extern "C" {
    static vectors_v2: u8;
}

/// Has this vCPU take the private interrupt `intid`, by vectors that acknowledge it here.
pub fn take(intid: IntId) {
    write_register!("vbar_el1", (&raw const vectors_v2) as u64);
    let distributor = arm::GICV2_DISTRIBUTOR.start();
    for word in 0..8 {
        write(distributor + GICD_IPRIORITYR + 4 * word, 0xa0a0_a0a0);
    }
    write(distributor + GICD_ISENABLER0, 1 << intid.0);
    write(distributor + GICD_CTLR, read(distributor + GICD_CTLR) | 1);
    let interface = arm::GICV2_CPU_INTERFACE.start();
    write(interface + GICC_PMR, 0xff);
    write(interface + GICC_CTLR, 1);
}
