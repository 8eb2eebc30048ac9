//! The guest's UART: what it needs of a PL011 (Arm DDI 0183), which Xen emulates.

use core::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{
    cpu,
    gic::{read, write},
    tree::Tree,
};

/// Offset of the data register.
pub const DATA: u64 = 0x00;
/// Offset of the flag register.
pub const FLAGS: u64 = 0x18;
const RECEIVE_EMPTY: u32 = 1 << 4;
const TRANSMIT_FULL: u32 = 1 << 5;

/// Where the UART is: a direct-mapped guest's is where the host's is.
static BASE: AtomicU64 = AtomicU64::new(abi::arm::VPL011.start());

/// The guest's UART.
#[derive(Debug, Clone, Copy)]
pub struct Uart;

impl Uart {
    /// Sends a byte as it is.
    pub fn send(self, byte: u8) {
        let base = BASE.load(Relaxed);
        while read(base + FLAGS) & TRANSMIT_FULL != 0 {
            cpu::yield_cpu();
        }
        write(base + DATA, u32::from(byte));
    }

    /// Waits for a byte.
    pub fn receive(self) -> u8 {
        let base = BASE.load(Relaxed);
        while read(base + FLAGS) & RECEIVE_EMPTY != 0 {
            cpu::yield_cpu();
        }
        read(base + DATA) as u8
    }
}

/// From now on the UART is where `tree` says; if it says nothing, where it was.
pub(crate) fn find(tree: &Tree) {
    if let Some(base) = tree.address_of("arm,sbsa-uart") {
        BASE.store(base, Relaxed);
    }
}

/// The address of the register at `offset` in a guest that is not direct-mapped: a constant, since
/// what measures an access is not to measure finding it.
#[inline(always)]
pub fn register(offset: u64) -> u64 {
    abi::arm::VPL011.start() + offset
}

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.send(b'\r');
            }
            self.send(byte);
        }
        Ok(())
    }
}
