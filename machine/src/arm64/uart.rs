//! The host's PL011 or SBSA UART (Arm DDI 0183).

use super::mmu::Registers;

const DR: u64 = 0x00;
const FR: u64 = 0x18;
const LCR_H: u64 = 0x2c;
const CR: u64 = 0x30;
const IFLS: u64 = 0x34;
const IMSC: u64 = 0x38;
const ICR: u64 = 0x44;
const DMACR: u64 = 0x48;
/// Bytes of the registers that are used.
const BYTES: u64 = 0x4c;

const FR_RX_EMPTY: u32 = 1 << 4;
const FR_TX_FULL: u32 = 1 << 5;
const INT_RX: u32 = 1 << 4;
const INT_TX: u32 = 1 << 5;
const INT_RX_TIMEOUT: u32 = 1 << 6;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A full PL011: its line and FIFOs are set up.
    Pl011,
    /// The SBSA subset: firmware set it up.
    Sbsa,
}

/// The host's UART.
#[derive(Clone, Copy)]
pub struct Uart {
    registers: Registers,
}

impl Uart {
    /// Takes over the UART. The line's speed stays as firmware left it. `None` if these are fewer
    /// registers than it has.
    pub fn new(registers: Registers, kind: Kind) -> Option<Self> {
        if registers.size() < BYTES {
            return None;
        }
        let uart = Self { registers };
        uart.registers.write32(IMSC, 0);
        uart.registers.write32(ICR, 0x7ff);
        if kind == Kind::Pl011 {
            uart.registers.write32(DMACR, 0);
            // 8 bits, FIFOs on; receive interrupt at 1/8, transmit interrupt at 1/8.
            uart.registers.write32(LCR_H, 3 << 5 | 1 << 4);
            uart.registers.write32(IFLS, 0);
            let kept = uart.registers.read32(CR) & (1 << 11 | 1 << 10);
            uart.registers.write32(CR, kept | 1 << 9 | 1 << 8 | 1);
        }
        Some(uart)
    }

    /// Where its registers are.
    pub(crate) fn start(&self) -> u64 {
        self.registers.start()
    }

    /// Whether a byte can be sent.
    #[inline]
    pub fn has_room(&self) -> bool {
        self.registers.read32(FR) & FR_TX_FULL == 0
    }

    /// Sends `byte`; it is lost if there is no room.
    #[inline]
    pub fn send(&self, byte: u8) {
        self.registers.write32(DR, u32::from(byte));
    }

    /// The next received byte.
    pub fn receive(&self) -> Option<u8> {
        if self.registers.read32(FR) & FR_RX_EMPTY != 0 {
            return None;
        }
        Some(self.registers.read32(DR) as u8)
    }

    /// Asks for interrupts on input, and on room for output if `room` is wanted.
    pub fn set_interrupts(&self, room: WantRoom) {
        let transmit = if room == WantRoom::Yes { INT_TX } else { 0 };
        self.registers
            .write32(IMSC, INT_RX | INT_RX_TIMEOUT | transmit);
    }
}

/// Whether an interrupt is wanted when output has room again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WantRoom {
    /// Yes.
    Yes,
    /// No.
    No,
}
