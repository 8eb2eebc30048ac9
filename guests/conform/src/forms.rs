//! Forms of loads and stores to emulated devices: what the hypervisor decodes, and what it leaves.

use core::arch::asm;

use support::{gic, uart};

use crate::{
    answer::{Answer, attempt},
    say,
};

/// A load from the address in x10; x9 and x11 are what it may change.
macro_rules! form {
    ($place:literal, $address:expr, $($text:literal)*) => {$({
        let address: u64 = $address;
        let (mut x9, mut x10, mut x11) = (0_u64, address, 0x11_u64);
        let answer = attempt(|| {
            // SAFETY: a device's register, read or written with zero, or a skipped exception.
            unsafe {
                asm!($text, inout("x9") x9, inout("x10") x10, inout("x11") x11);
            }
            x9
        });
        let moved = x10.wrapping_sub(address).cast_signed();
        show($place, $text, answer, moved, x11);
    })*};
}

pub(crate) fn print() {
    enable_vectors();
    let flags = uart::register(uart::FLAGS);
    form!("uart", flags, "ldr w9, [x10], #4" "ldr w9, [x10], #-8" "ldr w9, [x10, #0]!" "ldr x9, [x10], #8"
        "ldrb w9, [x10], #1" "ldrh w9, [x10], #2" "ldrsb w9, [x10]" "ldrsb x9, [x10]"
        "ldrsh w9, [x10]" "ldrsh x9, [x10]" "ldrsw x9, [x10]" "ldrsw x9, [x10], #4"
        "ldrsb x9, [x10], #1" "ldr wzr, [x10]" "ldur w9, [x10]" "ldp w9, w11, [x10]"
        "ldp x9, x11, [x10]" "ldnp w9, w11, [x10]" "ldpsw x9, x11, [x10]" "ldp w9, w11, [x10], #8"
        "ldar w9, [x10]" "ldarb w9, [x10]" "ldxr w9, [x10]" "ldaxr w9, [x10]" "ldxrb w9, [x10]"
        "ldxp w9, w11, [x10]" "ldtr w9, [x10]" ".inst 0xbd400140 // ldr s0, [x10]" ".inst 0x3dc00140 // ldr q0, [x10]" ".inst 0x3d400140 // ldr b0, [x10]"
        ".inst 0x2d400540 // ldp s0, s1, [x10]" ".inst 0x4c407940 // ld1 v0.4s, [x10]" "prfm pldl1keep, [x10]" "ldr w10, [x10]");
    let mask = uart::register(0x38);
    form!("uart", mask, "str wzr, [x10]" "str wzr, [x10], #4" "str wzr, [x10, #0]!" "str w9, [x10], #-4"
        "strb wzr, [x10], #1" "strh wzr, [x10], #2" "stur wzr, [x10]" "stp wzr, wzr, [x10]"
        "stnp wzr, wzr, [x10]" "stlr wzr, [x10]" "stxr w11, w9, [x10]" "stlxr w11, w9, [x10]"
        "sttr wzr, [x10]" ".inst 0xbd000140 // str s0, [x10]" ".inst 0x3d800140 // str q0, [x10]" ".inst 0x4c007940 // st1 v0.4s, [x10]" "dc civac, x10"
        "dc cvac, x10" "dc ivac, x10" "ic ivau, x10");
    // Not aligned to what is read; where no MMU is on, such an access to a device is a fault.
    form!("misaligned", flags + 1, "ldr w9, [x10]" "ldrh w9, [x10]" "ldr x9, [x10]");
    form!("gicd", gic::distributor(4), "ldr w9, [x10], #4" "ldrb w9, [x10]" "ldp w9, w11, [x10]"
        "ldxr w9, [x10]" ".inst 0xbd400140 // ldr s0, [x10]" "ldrsw x9, [x10]");
    form!("nothing", 0x0900_0000, "prfm pldl1keep, [x10]" "dc cvac, x10" "dc civac, x10" "dc zva, x10"
        "ldp w9, w11, [x10]" "ldxr w9, [x10]" "str wzr, [x10], #4" ".inst 0x3dc00140 // ldr q0, [x10]");
}

/// Lets vector registers be used.
fn enable_vectors() {
    let open = support::read_register!("cpacr_el1") | 3 << 20;
    support::write_register!("cpacr_el1", open);
}

fn show(place: &str, text: &str, answer: Answer, moved: i64, other: u64) {
    // Of an instruction by its encoding, the words that say what it is.
    let text = text.split("// ").last().unwrap_or(text);
    let item = format_args!("form.{place}.{text}");
    match moved {
        0 => say!(@ item, "{answer} {other:#x}"),
        _ => say!(@ item, "{answer} {other:#x}, base moved by {moved}"),
    }
}
