//! Calls of the hypervisor: hypercalls (public/arch-arm.h) and the SMC calling convention
//! (Arm DEN0028) with PSCI (Arm DEN0022).

use core::arch::asm;

use abi::psci;

/// `HVC #0xEA1`: hypercall `number`.
#[inline(always)]
pub fn hypercall(number: u64, arguments: [u64; 4]) -> u64 {
    let result;
    // SAFETY: a hypercall changes x0 to x4, x16 and the memory that it is given.
    unsafe {
        asm!("hvc #0xea1",
             inout("x0") arguments[0] => result, inout("x1") arguments[1] => _,
             inout("x2") arguments[2] => _, inout("x3") arguments[3] => _, out("x4") _,
             inout("x16") number => _, options(nostack));
    }
    result
}

/// `HVC #0`: `function` of the SMC calling convention; x0 to x3 as they come back.
#[inline(always)]
pub fn smccc(function: u64, arguments: [u64; 3]) -> [u64; 4] {
    let [mut x0, mut x1, mut x2, mut x3] = [function, arguments[0], arguments[1], arguments[2]];
    // SAFETY: by the calling convention x0 to x17 may change, memory does not.
    unsafe {
        asm!("hvc #0", inout("x0") x0, inout("x1") x1, inout("x2") x2, inout("x3") x3,
             out("x4") _, out("x5") _, out("x6") _, out("x7") _, out("x8") _, out("x9") _,
             out("x10") _, out("x11") _, out("x12") _, out("x13") _, out("x14") _, out("x15") _,
             out("x16") _, out("x17") _, options(nostack));
    }
    [x0, x1, x2, x3]
}

/// `CPU_ON`: the PSCI return code.
pub fn cpu_on(target: u64, entry: u64, context: u64) -> i32 {
    smccc(u64::from(psci::CPU_ON_64), [target, entry, context])[0] as i32
}

/// `CPU_OFF`: returns only when refused.
pub fn cpu_off() {
    smccc(u64::from(psci::CPU_OFF), [0; 3]);
}

/// `AFFINITY_INFO` of one vCPU.
pub fn affinity_info(target: u64) -> i32 {
    smccc(u64::from(psci::AFFINITY_INFO_64), [target, 0, 0])[0] as i32
}

/// `SYSTEM_OFF`: returns only when refused.
pub fn power_off() {
    smccc(u64::from(psci::SYSTEM_OFF), [0; 3]);
}
