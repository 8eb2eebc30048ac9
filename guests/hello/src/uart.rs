//! The guest's UART: what it needs of a PL011 (Arm DDI 0183), which Xen emulates.

use core::{fmt, ptr};

const DATA: usize = 0x00;
const FLAGS: usize = 0x18;
const RECEIVE_EMPTY: u32 = 1 << 4;
const TRANSMIT_FULL: u32 = 1 << 5;

/// The UART at Xen's address.
pub(crate) struct Uart {
    base: usize,
}

impl Uart {
    /// The only one that there is.
    pub(crate) fn new() -> Self {
        Self {
            base: abi::arm::VPL011.start() as usize,
        }
    }

    /// Waits for a byte.
    pub(crate) fn read(&mut self) -> u8 {
        while self.register(FLAGS) & RECEIVE_EMPTY != 0 {
            core::hint::spin_loop();
        }
        self.register(DATA) as u8
    }

    /// Sends a byte as it is.
    pub(crate) fn write(&mut self, byte: u8) {
        while self.register(FLAGS) & TRANSMIT_FULL != 0 {
            core::hint::spin_loop();
        }
        // SAFETY: the UART's registers are at this address in every guest's memory map.
        unsafe { ptr::write_volatile((self.base + DATA) as *mut u32, u32::from(byte)) }
    }

    fn register(&self, offset: usize) -> u32 {
        // SAFETY: the UART's registers are at this address in every guest's memory map.
        unsafe { ptr::read_volatile((self.base + offset) as *const u32) }
    }
}

impl fmt::Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if byte == b'\n' {
                self.write(b'\r');
            }
            self.write(byte);
        }
        Ok(())
    }
}
