//! Trapped system registers and instructions, and an address with nothing behind it.

use core::arch::asm;

use support::{cpu, cpu::SyncHook, gic, read_register};

use crate::operation::{Operation, each, repeat, whole};

/// In no bank of RAM and no device of a guest's (Xen, public/arch-arm.h).
const UNMAPPED: u64 = 0x0900_0000;

pub(crate) const OPERATIONS: &[Operation] = &[
    each("read ACTLR_EL1", 1024, || read_register!("actlr_el1")),
    each("read ID_AA64PFR0_EL1", 1024, || {
        read_register!("id_aa64pfr0_el1")
    }),
    each("read ID_AA64ISAR0_EL1", 1024, || {
        read_register!("id_aa64isar0_el1")
    }),
    each("read CNTP_CTL_EL0", 1024, || read_register!("cntp_ctl_el0")),
    each("data cache clean by set and way", 1024, || {
        // SAFETY: cleans.
        unsafe { asm!("dc csw, xzr") };
        0
    }),
    whole("abort on an unmapped address", 256, |count| {
        cpu::block(0).on_sync(SyncHook::Skip);
        // Both hypervisors log the first few.
        repeat(32, || gic::read(UNMAPPED).into());
        let sample = repeat(count, || gic::read(UNMAPPED).into());
        cpu::block(0).on_sync(SyncHook::Record);
        sample
    })
    .with_exceptions(1),
];
