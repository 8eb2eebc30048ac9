//! What the bare-metal guests share: entry code, exception vectors, UART, interrupt controller,
//! calls of the hypervisor, more than one vCPU.
//!
//! A guest defines `#[unsafe(no_mangle)] extern "C" fn guest_main(tree: usize) -> !`. It runs at
//! EL1 with the MMU off; the addresses are those that Xen gives every guest (public/arch-arm.h).
//! Everything here is meant to be short: what a guest spends itself is part of what it measures.
#![no_std]

pub mod call;
pub mod cpu;
pub mod entry;
pub mod gic;
pub mod gic_v2;
pub mod timer;
pub mod tree;
pub mod uart;

use core::{arch::global_asm, fmt::Write, panic::PanicInfo};

global_asm!(include_str!("entry.s"));
global_asm!(include_str!("vectors.s"));
global_asm!(
    include_str!("vectors_v2.s"),
    interface = const abi::arm::GICV2_CPU_INTERFACE.start()
);

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(uart::Uart, "guest {info}");
    loop {
        call::power_off();
    }
}
