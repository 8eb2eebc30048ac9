//! The smallest guest: greets on its UART, echoes what is typed and obeys a few keys that provoke
//! the hypervisor. It runs at EL1 with the MMU off and takes no interrupts.
#![no_std]
#![no_main]

use core::{arch::asm, fmt::Write, sync::atomic::Ordering::Relaxed};

use abi::psci;
use support::{call, cpu, read_register, timer, tree::Tree, uart::Uart};

/// In no bank of RAM and no device of a guest's (Xen, public/arch-arm.h), nor where the emulated
/// machine has a device that a direct-mapped guest has.
const UNMAPPED: u64 = 0x0a80_0000;

const HELP: &str = "keys: t ticks, x unmapped address, u undefined register, p power off, r reset";

/// Called by the entry code with the address of the guest's device tree.
#[unsafe(no_mangle)]
extern "C" fn guest_main(tree: usize) -> ! {
    // SAFETY: the boot protocol passes the address of a device tree in memory that is ours.
    let bootargs = match unsafe { Tree::at(tree) }.bootargs() {
        "" => "no bootargs",
        bootargs => bootargs,
    };
    let mut words = bootargs.split(' ');
    let name = words.find_map(|word| word.strip_prefix("hostname="));
    let _ = writeln!(Uart, "hello from {}", name.unwrap_or(bootargs));
    let _ = writeln!(Uart, "{HELP}");
    loop {
        obey(Uart.receive());
    }
}

/// Does what `key` says; one that says nothing is echoed.
fn obey(key: u8) {
    match key {
        b't' => {
            let tenths = timer::virtual_count() / (timer::frequency() / 10).max(1);
            let _ = writeln!(Uart, "ticks: {tenths}");
        }
        b'x' => {
            let value = provoke(|| read_word(UNMAPPED));
            let _ = writeln!(Uart, "unmapped address read: {value:#x}");
        }
        b'u' => {
            provoke(|| read_register!("s3_7_c15_c15_7"));
            let _ = writeln!(Uart, "undefined register read");
        }
        b'p' => {
            let _ = writeln!(Uart, "power off");
            call::power_off();
        }
        b'r' => {
            let _ = writeln!(Uart, "reset");
            call::smccc(u64::from(psci::SYSTEM_RESET), [0; 3]);
        }
        b'h' => {
            let _ = writeln!(Uart, "{HELP}");
        }
        b'\r' => {
            let _ = writeln!(Uart);
        }
        byte => Uart.send(byte),
    }
}

/// Does `what`, which may be an exception that is skipped, and tells of it.
fn provoke(what: impl FnOnce() -> u64) -> u64 {
    let block = cpu::block(0);
    let before = block.sync_count.load(Relaxed);
    let value = what();
    if block.sync_count.load(Relaxed) != before {
        let _ = writeln!(
            Uart,
            "exception: esr {:#010x} far {:#x} elr {:#x}",
            block.syndrome.load(Relaxed),
            block.fault_address.load(Relaxed),
            block.return_address.load(Relaxed),
        );
    }
    value
}

/// Reads a word where there may be nothing.
fn read_word(address: u64) -> u64 {
    let mut value = 0xffff_ffff_u64;
    // SAFETY: a load that fails is skipped and leaves the register as it was.
    unsafe { asm!("ldr {0:w}, [{1}]", inout(reg) value, in(reg) address) };
    value
}
