//! The few instructions that Rust has no words for.

use core::arch::asm;

/// Tenths of a second since the virtual counter started.
pub(crate) fn tenths_of_a_second() -> u64 {
    let (count, frequency): (u64, u64);
    // SAFETY: reads two counters.
    unsafe {
        asm!("isb", "mrs {}, cntvct_el0", "mrs {}, cntfrq_el0", out(reg) count, out(reg) frequency);
    }
    count / (frequency / 10).max(1)
}

/// Reads a word where there may be nothing: the exception handler skips the load.
pub(crate) fn read_word(address: usize) -> u32 {
    let mut value = 0xffff_ffff_u32;
    // SAFETY: a load that fails is skipped and leaves the register as it was.
    unsafe { asm!("ldr {0:w}, [{1}]", inout(reg) value, in(reg) address) };
    value
}

/// Reads a system register that no architecture defines: the exception handler skips it.
pub(crate) fn read_undefined_register() {
    // SAFETY: at worst the instruction is skipped.
    unsafe { asm!("mrs {}, s3_7_c15_c15_7", out(reg) _) };
}

/// Calls PSCI function `function` without arguments.
pub(crate) fn hypervisor_call(function: u32) -> u64 {
    let mut result = u64::from(function);
    // SAFETY: the SMC calling convention (Arm DEN0028): x0 to x17 may change, memory does not.
    unsafe {
        asm!("hvc #0", inout("x0") result, in("x1") 0, in("x2") 0, in("x3") 0,
             clobber_abi("C"));
    }
    result
}
