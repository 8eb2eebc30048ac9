//! What an arm64 guest of Xen finds where (public/arch-arm.h): addresses and interrupts.

use crate::{IntId, Range};

const fn range(start: u64, size: u64) -> Range {
    match Range::new(start, size) {
        Some(range) => range,
        None => panic!("a constant range wraps"),
    }
}

/// GICv2 distributor.
pub const GICV2_DISTRIBUTOR: Range = range(0x0300_1000, 0x1000);
/// GICv2 CPU interface.
pub const GICV2_CPU_INTERFACE: Range = range(0x0300_2000, 0x2000);
/// GICv3 distributor.
pub const GICV3_DISTRIBUTOR: Range = range(0x0300_1000, 0x1_0000);
/// GICv3 redistributors: one region, [`GICV3_REDISTRIBUTOR_STRIDE`] bytes a vCPU.
pub const GICV3_REDISTRIBUTORS: Range = range(0x0302_0000, 0x0100_0000);
/// Bytes of a vCPU's redistributor: two frames of 64 KiB.
pub const GICV3_REDISTRIBUTOR_STRIDE: u64 = 0x2_0000;
/// The emulated UART.
pub const VPL011: Range = range(0x2200_0000, 0x1000);
/// Window for grant table frames.
pub const GRANT_TABLE: Range = range(0x3800_0000, 0x0100_0000);
/// Magic pages (page 1 is xenstore's).
pub const MAGIC: Range = range(0x3900_0000, 0x0100_0000);
/// First bank of RAM: where it starts and the most it holds (3 GiB).
pub const RAM_BANK_0: Range = range(0x4000_0000, 0xc000_0000);
/// Second bank of RAM (1016 GiB).
pub const RAM_BANK_1: Range = range(0x2_0000_0000, 0xfe_0000_0000);

/// The virtual timer's interrupt.
pub const VIRTUAL_TIMER: IntId = IntId(27);
/// The secure physical timer's interrupt (in the device tree; nothing raises it).
pub const SECURE_PHYSICAL_TIMER: IntId = IntId(29);
/// The non-secure physical timer's interrupt.
pub const PHYSICAL_TIMER: IntId = IntId(30);
/// The event channel upcall.
pub const EVENT_UPCALL: IntId = IntId(31);
/// The emulated UART's interrupt (SPI 0).
pub const VPL011_INTERRUPT: IntId = IntId(32);

/// Phandle of the interrupt controller in a generated device tree.
pub const PHANDLE_GIC: u32 = 65000;

/// The most vCPUs with a virtual GICv2.
pub const MAX_VCPUS_GICV2: u16 = 8;
/// The most vCPUs with a virtual GICv3.
pub const MAX_VCPUS_GICV3: u16 = 128;
/// The most SPIs that a domain may have.
pub const MAX_SPIS: u32 = 988;

/// MPIDR_EL1 affinity of vCPU `n`: sixteen to a cluster, as Xen numbers them.
pub const fn vcpu_affinity(n: u16) -> u64 {
    (n as u64 & 0xf) | ((n as u64 >> 4) << 8)
}
