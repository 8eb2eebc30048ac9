//! The smallest guest: greets on its UART, echoes what is typed and obeys a few keys that provoke
//! the hypervisor. It runs at EL1 with the MMU off and takes no interrupts.
#![no_std]
#![no_main]

mod cpu;
mod device_tree;
mod uart;

use core::{arch::global_asm, fmt::Write, panic::PanicInfo};

use uart::Uart;

global_asm!(include_str!("entry.s"));

/// In no bank of RAM and no device of a guest's (Xen, public/arch-arm.h).
const UNMAPPED: usize = 0x0900_0000;

const HELP: &str = "keys: t ticks, x unmapped address, u undefined register, p power off, r reset";

/// Called by the entry code with the address of the guest's device tree.
#[unsafe(no_mangle)]
extern "C" fn guest_main(tree: usize) -> ! {
    let mut uart = Uart::new();
    // SAFETY: the boot protocol passes the address of a device tree in memory that is ours.
    let tree = unsafe { device_tree::DeviceTree::at(tree) };
    let bootargs = tree.bootargs().unwrap_or("no bootargs");
    let name = bootargs
        .split(' ')
        .find_map(|word| word.strip_prefix("hostname="));
    let _ = writeln!(uart, "hello from {}", name.unwrap_or(bootargs));
    let _ = writeln!(uart, "{HELP}");
    loop {
        obey(&mut uart);
    }
}

/// Waits for one key and does what it says.
fn obey(uart: &mut Uart) {
    match uart.read() {
        b't' => {
            let _ = writeln!(uart, "ticks: {}", cpu::tenths_of_a_second());
        }
        b'x' => {
            let value = cpu::read_word(UNMAPPED);
            let _ = writeln!(uart, "unmapped address read: {value:#x}");
        }
        b'u' => {
            cpu::read_undefined_register();
            let _ = writeln!(uart, "undefined register read");
        }
        b'p' => {
            let _ = writeln!(uart, "power off");
            cpu::hypervisor_call(abi::psci::SYSTEM_OFF);
        }
        b'r' => {
            let _ = writeln!(uart, "reset");
            cpu::hypervisor_call(abi::psci::SYSTEM_RESET);
        }
        b'h' => {
            let _ = writeln!(uart, "{HELP}");
        }
        b'\r' => {
            let _ = writeln!(uart);
        }
        byte => uart.write(byte),
    }
}

/// Called by the vectors; gives the address to go on at, after the instruction that failed.
#[unsafe(no_mangle)]
extern "C" fn guest_exception(syndrome: u64, fault: u64, instruction: u64) -> u64 {
    let mut uart = Uart::new();
    let _ = writeln!(
        uart,
        "exception: esr {syndrome:#010x} far {fault:#x} elr {instruction:#x}"
    );
    instruction.wrapping_add(4)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(Uart::new(), "guest {info}");
    loop {
        cpu::hypervisor_call(abi::psci::SYSTEM_OFF);
    }
}
