//! The guest's UART: what it needs of a PL011 (Arm DDI 0183), which Xen emulates.

use core::fmt;

use crate::gic::{read, write};

/// Offset of the data register.
pub const DATA: u64 = 0x00;
/// Offset of the flag register.
pub const FLAGS: u64 = 0x18;
const TRANSMIT_FULL: u32 = 1 << 5;

/// The UART at Xen's address.
#[derive(Debug, Clone, Copy)]
pub struct Uart;

impl Uart {
    /// Sends a byte as it is.
    pub fn send(self, byte: u8) {
        while read(register(FLAGS)) & TRANSMIT_FULL != 0 {
            crate::cpu::yield_cpu();
        }
        write(register(DATA), u32::from(byte));
    }
}

/// The address of the register at `offset`.
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
