//! The FP and SIMD registers of a guest. EL2 itself is built without them.

use core::arch::asm;

/// v0 to v31, FPCR and FPSR.
#[derive(Default)]
#[repr(C, align(16))]
pub(crate) struct FpSimd {
    v: [u128; 32],
    fpcr: u64,
    fpsr: u64,
}

macro_rules! move_all {
    ($op:literal, $base:expr) => {
        asm!(
            ".arch_extension fp",
            ".arch_extension simd",
            concat!($op, " q0, q1, [{0}]"),
            concat!($op, " q2, q3, [{0}, #32]"),
            concat!($op, " q4, q5, [{0}, #64]"),
            concat!($op, " q6, q7, [{0}, #96]"),
            concat!($op, " q8, q9, [{0}, #128]"),
            concat!($op, " q10, q11, [{0}, #160]"),
            concat!($op, " q12, q13, [{0}, #192]"),
            concat!($op, " q14, q15, [{0}, #224]"),
            concat!($op, " q16, q17, [{0}, #256]"),
            concat!($op, " q18, q19, [{0}, #288]"),
            concat!($op, " q20, q21, [{0}, #320]"),
            concat!($op, " q22, q23, [{0}, #352]"),
            concat!($op, " q24, q25, [{0}, #384]"),
            concat!($op, " q26, q27, [{0}, #416]"),
            concat!($op, " q28, q29, [{0}, #448]"),
            concat!($op, " q30, q31, [{0}, #480]"),
            in(reg) $base,
            options(nostack),
        )
    };
}

impl FpSimd {
    pub(crate) fn save(&mut self) {
        // SAFETY: stores the 512 bytes of `v`; code at EL2 uses no FP register.
        unsafe { move_all!("stp", self.v.as_mut_ptr()) };
        // SAFETY: reads two status registers.
        unsafe {
            asm!(
                ".arch_extension fp",
                "mrs {0}, fpcr",
                "mrs {1}, fpsr",
                out(reg) self.fpcr,
                out(reg) self.fpsr,
                options(nomem, nostack),
            );
        }
    }

    pub(crate) fn load(&self) {
        // SAFETY: loads the 512 bytes of `v` into registers that code at EL2 does not use.
        unsafe { move_all!("ldp", self.v.as_ptr()) };
        // SAFETY: writes two registers that only FP instructions look at.
        unsafe {
            asm!(
                ".arch_extension fp",
                "msr fpcr, {0}",
                "msr fpsr, {1}",
                in(reg) self.fpcr,
                in(reg) self.fpsr,
                options(nomem, nostack),
            );
        }
    }
}
