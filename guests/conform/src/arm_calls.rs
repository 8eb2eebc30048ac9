//! PSCI (Arm DEN0022) and the SMC calling convention (Arm DEN0028): everything that answers
//! without turning anything on or off.

use core::arch::asm;

use abi::{psci, smccc};
use support::call;

use crate::{answer::attempt, say};

/// Functions by number that have no effect, known and unknown.
const FUNCTIONS: [u64; 44] = [
    0x8000_0000,
    0x8000_0001,
    0x8000_0002,
    0x8000_0003,
    0x8000_3fff,
    0x8000_7fff,
    0x8000_8000,
    0x8000_ffff,
    0xc000_0000,
    0xc000_0001,
    0x8400_0000,
    0x8400_0004,
    0x8400_0005,
    0x8400_0006,
    0x8400_0007,
    0x8400_000a,
    0x8400_000b,
    0x8400_000f,
    0x8400_0010,
    0x8400_0011,
    0x8400_0013,
    0x8400_0014,
    0x8400_0050,
    0x8400_0051,
    0x8400_0063,
    0xc400_0000,
    0xc400_0004,
    0xc400_0005,
    0xc400_0006,
    0xc400_0007,
    0xc400_000a,
    0x8600_0000,
    0x8600_ff00,
    0x8600_ff01,
    0x8600_ff03,
    0xc600_ff01,
    0x8500_ff00,
    0x8500_ff01,
    0x8500_ff03,
    0x8400_ff01,
    0x8400_ff03,
    0x0400_0000,
    0x0000_0000,
    0xffff_ffff,
];

/// Functions that are asked for with `PSCI_FEATURES` and `SMCCC_ARCH_FEATURES`.
const ASKED: [u64; 28] = [
    0x8400_0000,
    0x8400_0001,
    0xc400_0001,
    0x8400_0002,
    0x8400_0003,
    0xc400_0003,
    0x8400_0004,
    0xc400_0004,
    0x8400_0005,
    0x8400_0006,
    0x8400_0007,
    0x8400_0008,
    0x8400_0009,
    0x8400_000a,
    0x8400_000e,
    0xc400_000e,
    0x8400_0012,
    0xc400_0012,
    0x8400_0013,
    0xc400_0000,
    0x8000_0000,
    0x8000_0001,
    0x8000_0002,
    0x8000_3fff,
    0x8000_7fff,
    0x8000_8000,
    0xc500_0020,
    0xffff_ffff,
];

pub(crate) fn print() {
    for function in FUNCTIONS {
        let [x0, x1, x2, x3] = call::smccc(function, [0; 3]);
        say!(@ format_args!("smccc.hvc.{function:#x}"), "{x0:#x} {x1:#x} {x2:#x} {x3:#x}");
    }
    for function in FUNCTIONS {
        let answer = attempt(|| smc(function));
        say!(@ format_args!("smccc.smc.{function:#x}"), "{answer}");
    }
    for function in ASKED {
        let psci = call::smccc(psci::FEATURES.into(), [function, 0, 0])[0];
        say!(@ format_args!("smccc.psci_features.{function:#x}"), "{psci:#x}");
        let arch = call::smccc(smccc::ARCH_FEATURES.into(), [function, 0, 0])[0];
        say!(@ format_args!("smccc.arch_features.{function:#x}"), "{arch:#x}");
    }
    for function in [psci::VERSION, smccc::VERSION, 0x8400_00ff] {
        let upper = u64::from(function) | 0xdead_beef_0000_0000;
        let answer = call::smccc(upper, [0; 3])[0];
        say!(@ format_args!("smccc.upper_half_set.{function:#x}"), "{answer:#x}");
    }
    affinities();
    say!(
        "smccc.registers_kept.version",
        "{:#x}",
        registers_changed(psci::VERSION.into())
    );
    say!(
        "smccc.registers_kept.unknown",
        "{:#x}",
        registers_changed(0x8400_00ff)
    );
    say!(
        "smccc.registers_kept.features",
        "{:#x}",
        registers_changed(psci::FEATURES.into())
    );
}

fn affinities() {
    let targets = [
        0,
        1,
        2,
        0x100,
        0x1_0000,
        0x8000_0000,
        0x1_0000_0000,
        u64::MAX,
    ];
    for target in targets {
        for level in [0, 1, 2, 3, 4, u64::MAX] {
            let wide = call::smccc(psci::AFFINITY_INFO_64.into(), [target, level, 0])[0];
            let narrow = call::smccc(psci::AFFINITY_INFO_32.into(), [target, level, 0])[0];
            say!(@ format_args!("smccc.affinity_info.{target:#x}.{level:#x}"),
                "{wide:#x} {narrow:#x}");
        }
    }
}

fn smc(function: u64) -> u64 {
    let mut x0 = function;
    // SAFETY: as `call::smccc`, by another instruction.
    unsafe {
        asm!("smc #0", inout("x0") x0, inout("x1") 0_u64 => _, inout("x2") 0_u64 => _,
            inout("x3") 0_u64 => _, clobber_abi("C"));
    }
    x0
}

/// Which of x1 to x17 a call changes, as a mask; each holds a mark before.
fn registers_changed(function: u64) -> u64 {
    const MARK: u64 = 0x5a5a_0000;
    let mut x = [0_u64; 18];
    for (index, value) in x.iter_mut().enumerate() {
        *value = MARK + index as u64;
    }
    x[0] = function;
    // SAFETY: loads and stores the array; the registers in between are declared.
    unsafe {
        asm!(
            "ldp x0, x1, [{p}]", "ldp x2, x3, [{p}, #16]", "ldp x4, x5, [{p}, #32]",
            "ldp x6, x7, [{p}, #48]", "ldp x8, x9, [{p}, #64]", "ldp x10, x11, [{p}, #80]",
            "ldp x12, x13, [{p}, #96]", "ldp x14, x15, [{p}, #112]", "ldp x16, x17, [{p}, #128]",
            "hvc #0",
            "stp x0, x1, [{p}]", "stp x2, x3, [{p}, #16]", "stp x4, x5, [{p}, #32]",
            "stp x6, x7, [{p}, #48]", "stp x8, x9, [{p}, #64]", "stp x10, x11, [{p}, #80]",
            "stp x12, x13, [{p}, #96]", "stp x14, x15, [{p}, #112]", "stp x16, x17, [{p}, #128]",
            p = in(reg) x.as_mut_ptr(), clobber_abi("C"),
        );
    }
    let changed = |index: &usize| x[*index] != MARK + *index as u64;
    (1..18)
        .filter(changed)
        .fold(0, |mask, index| mask | 1 << index)
}
