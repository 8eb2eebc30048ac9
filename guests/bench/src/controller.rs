//! The interrupt controller: its registers, and an SGI to oneself.

use abi::arm;
use support::{
    cpu,
    gic::{distributor, read, redistributor, send_sgi, sgi_to, write},
};

use crate::operation::{Operation, each};

const GICD_TYPER: u64 = 0x4;
const GICD_ISENABLER1: u64 = 0x104;
const GICD_IPRIORITYR_UART: u64 = 0x420;
const GICR_TYPER: u64 = 0x8;
const GICR_ISENABLER0: u64 = 0x1_0100;
const GICR_IPRIORITYR: u64 = 0x1_0400;
/// SGI 1 with an empty list of targets.
const TO_NOBODY: u64 = 1 << 24;

pub(crate) const OPERATIONS: &[Operation] = &[
    each("GICD_TYPER read", 1024, || {
        read(distributor(GICD_TYPER)).into()
    }),
    each("GICD_ISENABLER read", 1024, || {
        read(distributor(GICD_ISENABLER1)).into()
    }),
    each("GICD_ISENABLER write", 1024, || {
        write(distributor(GICD_ISENABLER1), 0);
        0
    }),
    each("GICD_IPRIORITYR write", 1024, || {
        write(distributor(GICD_IPRIORITYR_UART), 0xa0a0_a0a0);
        0
    }),
    each("GICR_TYPER read", 1024, || {
        read(redistributor(0, GICR_TYPER)).into()
    }),
    each("GICR_ISENABLER write", 1024, || {
        write(redistributor(0, GICR_ISENABLER0), 1 << arm::VIRTUAL_TIMER.0);
        0
    }),
    each("GICR_IPRIORITYR write", 1024, || {
        write(redistributor(0, GICR_IPRIORITYR), 0xa0a0_a0a0);
        0
    }),
    each("SGI without a target", 1024, || {
        send_sgi(TO_NOBODY);
        0
    }),
    each("SGI to self", 256, || {
        let block = cpu::block(0);
        let seen = block.interrupts();
        send_sgi(sgi_to(0, 1));
        while block.interrupts() == seen {}
        0
    })
    .with_exceptions(1),
];
