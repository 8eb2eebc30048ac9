//! Exceptions that the hypervisor raises: where nothing is, and what is not allowed.

use core::{arch::asm, sync::atomic::Ordering::Relaxed};

use support::cpu;

use crate::{
    answer::{Answer, attempt},
    say,
    uart_registers::{reads, write_sized},
};

/// Addresses of Xen's guest memory map (public/arch-arm.h) with nothing behind them.
const NOTHING: [(&str, u64); 11] = [
    ("zero", 0),
    ("virtio", 0x0200_0000),
    ("low", 0x0900_0000),
    ("pci", 0x1000_0000),
    ("acpi", 0x2000_0000),
    ("behind_the_uart", 0x2200_2000),
    ("grant_table", 0x3800_0000),
    ("magic", 0x3900_0000),
    ("before_ram", 0x3fff_fff8),
    ("behind_4_gib", 0x1_0000_0000),
    ("bank_1", 0x2_0000_0000),
];

/// Instructions that raise an exception.
macro_rules! instructions {
    ($($text:literal)*) => {$({
        let block = cpu::block(0);
        let before = block.sync_count.load(Relaxed);
        // SAFETY: an exception that is skipped; what a call may change is declared.
        unsafe { asm!("mov x0, #0", $text, "nop", "nop", clobber_abi("C")) };
        let count = block.sync_count.load(Relaxed) - before;
        say!(@ concat!("fault.do.", $text), "{count} exceptions, esr={:#x}",
            block.syndrome.load(Relaxed));
    })*};
}

pub(crate) fn print() {
    for (name, address) in NOTHING {
        accesses(name, address);
    }
    // Beyond what the stage-2 tables can translate.
    accesses("48_bits", 1 << 47);
    accesses("last", 0xffff_ffff_fff8);
    instructions!("hvc #1" "hvc #0xea0" "hvc #0xea2" "hvc #0xffe0" "hvc #0xffff" "smc #1"
        "smc #0xffff" "svc #0" "udf #1" "mrs x1, S3_7_C15_C15_7");
    position();
}

fn accesses(name: &str, address: u64) {
    let [byte, half, word, double] = reads(address);
    say!(@ format_args!("fault.read.{name}"), "{byte} {half} {word} {double}");
    let fault = cpu::block(0).fault_address.load(Relaxed);
    if let Answer::Exception(_) = double {
        say!(@ format_args!("fault.far.{name}"), "{}", same(fault, address));
    }
    say!(@ format_args!("fault.write.{name}"), "{}", write_sized(address, 4, 0));
    let fetch = attempt(|| {
        // SAFETY: a fetch that fails comes back here.
        unsafe { asm!("blr {}", in(reg) address, clobber_abi("C")) };
        0
    });
    say!(@ format_args!("fault.fetch.{name}"), "{fetch}");
    let fault = cpu::block(0).fault_address.load(Relaxed);
    say!(@ format_args!("fault.fetch_far.{name}"), "{}", same(fault, address));
}

fn same(fault: u64, address: u64) -> &'static str {
    match fault {
        0 => "0",
        _ if fault == address => "the address",
        _ => "another",
    }
}

/// Where the exception of a refused call says that it happened, from the instruction on.
fn position() {
    macro_rules! at {
        ($text:literal) => {{
            let here: u64;
            // SAFETY: an exception that is skipped.
            unsafe {
                asm!("adr x21, 2f", "2:", $text, "nop", "nop", out("x21") here, clobber_abi("C"));
            }
            let at = cpu::block(0).return_address.load(Relaxed);
            say!(@ concat!("fault.position.", $text), "{}", at.wrapping_sub(here).cast_signed());
        }};
    }
    at!("hvc #1");
    at!("smc #1");
    at!("mrs x1, S3_7_C15_C15_7");
    at!("udf #1");
}
