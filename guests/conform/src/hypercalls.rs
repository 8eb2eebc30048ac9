//! Hypercalls (public/xen.h): which there are, and what they answer to good and bad arguments.

use core::arch::asm;

use abi::hypercall::{CONSOLE_IO, XEN_VERSION};
use support::call::hypercall;

use crate::{
    answer::{Answer, Buffer, attempt},
    say,
};

static BUFFER: Buffer = Buffer::new();

/// In no bank of RAM.
const UNMAPPED: u64 = 0x0900_0000;
/// What the buffer holds before a call.
const MARK: u8 = 0xa5;

pub(crate) fn print() {
    numbers();
    versions();
    console();
    registers();
}

/// Every number with all arguments zero, which does no harm.
fn numbers() {
    for number in 0..64 {
        // Hypercall 29 with 0 yields.
        let answer = hypercall(number, [0; 4]).cast_signed();
        say!(@ format_args!("hypercall.zero.{number}"), "{answer}");
    }
    for number in [0xff, 0x8000_0000_u64, 0x1_0000_0011, u64::MAX, 1 << 63 | 17] {
        let answer = hypercall(number, [0; 4]).cast_signed();
        say!(@ format_args!("hypercall.zero.{number:#x}"), "{answer}");
    }
}

fn versions() {
    for command in (0..16).chain([100, u64::from(u32::MAX), u64::MAX, 1 << 32]) {
        BUFFER.fill(MARK);
        let answer = hypercall(XEN_VERSION, [command, BUFFER.address(), 0, 0]).cast_signed();
        let written = (0..4096).rev().find(|&index| BUFFER.byte(index) != MARK);
        say!(@ format_args!("hypercall.xen_version.{command:#x}"), "{answer:#x}, written {}",
            written.map_or(0, |last| last + 1));
        let unmapped = hypercall(XEN_VERSION, [command, UNMAPPED, 0, 0]).cast_signed();
        say!(@ format_args!("hypercall.xen_version.unmapped.{command:#x}"), "{unmapped}");
        let null = hypercall(XEN_VERSION, [command, 0, 0, 0]).cast_signed();
        say!(@ format_args!("hypercall.xen_version.null.{command:#x}"), "{null}");
    }
    for submap in [0_u32, 1, 2, u32::MAX] {
        BUFFER.fill(0);
        store_word(submap);
        let answer = hypercall(XEN_VERSION, [6, BUFFER.address(), 0, 0]).cast_signed();
        say!(@ format_args!("hypercall.xen_version.features.{submap:#x}"), "{answer}, {:#x}",
            word(4));
    }
    // Version, then texts: what they begin with.
    for command in [1, 3, 9] {
        BUFFER.fill(0);
        hypercall(XEN_VERSION, [command, BUFFER.address(), 0, 0]);
        say!(@ format_args!("hypercall.xen_version.text.{command}"), "{}", Text);
    }
}

fn console() {
    BUFFER.fill(b'.');
    let buffer = BUFFER.address();
    let last_page_of_ram_and_beyond = abi::arm::RAM_BANK_0.start() + (64 << 20) - 8;
    let cases = [
        ("write_0", [0, 0, buffer, 0]),
        ("write_null_0", [0, 0, 0, 0]),
        ("write_unmapped", [0, 16, UNMAPPED, 0]),
        ("write_null", [0, 16, 0, 0]),
        (
            "write_across_the_end",
            [0, 16, last_page_of_ram_and_beyond, 0],
        ),
        ("write_kernel_half", [0, 16, 0xffff_ffff_ffff_f000, 0]),
        ("write_not_canonical", [0, 16, 1 << 52, 0]),
        (
            "write_negative_unmapped",
            [0, u64::from(u32::MAX), UNMAPPED, 0],
        ),
        ("read_0", [1, 0, buffer, 0]),
        ("read", [1, 16, buffer, 0]),
        ("read_unmapped", [1, 16, UNMAPPED, 0]),
        ("read_too_big", [1, 0x8000_0000, buffer, 0]),
        ("read_most", [1, 0x7fff_ffff, buffer, 0]),
        ("unknown_2", [2, 16, buffer, 0]),
        ("unknown_negative", [u64::MAX, 16, buffer, 0]),
        ("write_upper_command", [1 << 32, 0, buffer, 0]),
    ];
    for (name, arguments) in cases {
        let answer = hypercall(CONSOLE_IO, arguments).cast_signed();
        say!(@ format_args!("hypercall.console_io.{name}"), "{answer}");
    }
}

/// What a hypercall does to the registers that it may change (x1 to x4, x16) and to others.
fn registers() {
    let mut x = [0x11_u64, 0x22, 0x33, 0x44];
    let (mut x16, mut x5) = (63_u64, 0x55_u64);
    let answer: Answer = attempt(|| {
        let x0: u64;
        // SAFETY: a number that no hypercall has.
        unsafe {
            asm!("hvc #0xea1", inout("x0") 0x10_u64 => x0, inout("x1") x[0], inout("x2") x[1],
                inout("x3") x[2], inout("x4") x[3], inout("x5") x5, inout("x16") x16);
        }
        x0
    });
    say!(
        "hypercall.registers.unknown",
        "{answer} {:#x} {:#x} {:#x} {:#x} {x5:#x} {x16:#x}",
        x[0],
        x[1],
        x[2],
        x[3]
    );
}

/// The text in the buffer, up to its end or to what is no text.
struct Text;

impl core::fmt::Display for Text {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        use core::fmt::Write;
        let bytes = (0..60).map(|index| BUFFER.byte(index));
        bytes
            .take_while(|byte| (0x20..0x7f).contains(byte))
            .try_for_each(|byte| f.write_char(byte.into()))
    }
}

fn store_word(value: u32) {
    // SAFETY: the buffer's first word.
    unsafe { (BUFFER.address() as *mut u32).write_volatile(value) };
}

fn word(offset: u64) -> u32 {
    // SAFETY: within the buffer.
    unsafe { ((BUFFER.address() + offset) as *const u32).read_volatile() }
}
