//! The UART's registers (PL011 TRM DDI 0183, SBSA UART) in every width.

use core::arch::asm;

use support::uart::register;

use crate::{
    answer::{Answer, attempt},
    say,
};

/// Reads 8, 16, 32 and 64 bits at an address.
pub(crate) fn reads(address: u64) -> [Answer; 4] {
    macro_rules! load {
        ($text:literal) => {
            attempt(|| {
                let mut value = 0_u64;
                // SAFETY: a device's address, or an exception that is skipped.
                unsafe { asm!($text, inout("x9") value, in("x10") address) };
                value
            })
        };
    }
    [
        load!("ldrb w9, [x10]"),
        load!("ldrh w9, [x10]"),
        load!("ldr w9, [x10]"),
        load!("ldr x9, [x10]"),
    ]
}

/// Writes 8, 16, 32 or 64 bits (`size` 1, 2, 4, 8).
pub(crate) fn write_sized(address: u64, size: u64, value: u64) -> Answer {
    macro_rules! store {
        ($text:literal) => {
            attempt(|| {
                // SAFETY: a device's address, or an exception that is skipped.
                unsafe { asm!($text, in("x9") value, in("x10") address) };
                0
            })
        };
    }
    match size {
        1 => store!("strb w9, [x10]"),
        2 => store!("strh w9, [x10]"),
        4 => store!("str w9, [x10]"),
        _ => store!("str x9, [x10]"),
    }
}

/// Registers that keep what is written, or react, and are safe to write.
const WRITTEN: [(u64, &str); 12] = [
    (0x04, "rsr"),
    (0x18, "fr"),
    (0x20, "ilpr"),
    (0x24, "ibrd"),
    (0x28, "fbrd"),
    (0x2c, "lcr_h"),
    (0x30, "cr"),
    (0x34, "ifls"),
    (0x38, "imsc"),
    (0x3c, "ris"),
    (0x40, "mis"),
    (0x48, "dmacr"),
];

pub(crate) fn print() {
    for offset in (0..0x60)
        .step_by(4)
        .chain([0x80, 0x84, 0x100, 0x7fc, 0xfd0])
    {
        read(offset);
    }
    (0xfe0..0x1000).step_by(4).for_each(read);
    for offset in [0x19, 0x1a, 0x1b, 0x39, 0x3a, 0x3b, 0xfe1] {
        let [byte, ..] = reads(register(offset));
        say!(@ format_args!("uart.lane.{offset:#x}"), "{byte}");
    }
    for (offset, name) in WRITTEN {
        for size in [1, 2, 4, 8] {
            let answer = write_sized(register(offset), size, 0xffff_ffff_ffff_ffff);
            let [.., word, _] = reads(register(offset));
            say!(@ format_args!("uart.write.{name}.{size}"), "{answer}, then {word}");
            write_sized(register(offset), 4, 0);
        }
    }
    interrupts();
}

fn read(offset: u64) {
    let [byte, half, word, double] = reads(register(offset));
    say!(@ format_args!("uart.read.{offset:#x}"), "{byte} {half} {word} {double}");
}

/// The raw and masked states: sending raises TXI, ICR clears it, IMSC masks.
fn interrupts() {
    let word = |offset| reads(register(offset))[2];
    let (imsc, ris, mis, icr) = (0x38, 0x3c, 0x40, 0x44);
    write_sized(register(icr), 4, 0x7ff);
    say!("uart.ris_after_clear", "{}", word(ris));
    write_sized(register(0), 4, b'\n'.into());
    let (after, masked) = (word(ris), word(mis));
    say!("uart.ris_after_send", "{after}");
    say!("uart.mis_masked", "{masked}");
    write_sized(register(imsc), 4, 0x7ff);
    let masked = word(mis);
    say!("uart.mis_unmasked", "{masked}");
    write_sized(register(imsc), 4, 0);
    for size in [1, 2, 4, 8] {
        let answer = write_sized(register(icr), size, 0x7ff);
        let left = word(ris);
        say!(@ format_args!("uart.icr.{size}"), "{answer}, then {left}");
    }
    say!("uart.past_the_end", "{}", reads(register(0x1000))[2]);
    say!("uart.across_the_end", "{}", reads(register(0xffc))[3]);
}
