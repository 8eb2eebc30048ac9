//! The host's UART: output is collected, input is typed by tests.

use super::device::Registers;
use super::host::with_state;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A full PL011.
    Pl011,
    /// The SBSA subset.
    Sbsa,
}

/// The host's UART.
#[derive(Clone, Copy)]
pub struct Uart {}

impl Uart {
    /// Takes over the UART. `None` if these are fewer registers than it has.
    pub fn new(registers: Registers, kind: Kind) -> Option<Self> {
        let _ = kind;
        (registers.size() >= 0x4c).then_some(Self {})
    }

    /// Whether a byte can be sent.
    pub fn has_room(&self) -> bool {
        with_state(|state, _| state.uart.room != Some(0))
    }

    /// Sends `byte`; it is lost if there is no room.
    pub fn send(&self, byte: u8) {
        with_state(|state, _| match &mut state.uart.room {
            Some(0) => {}
            Some(room) => {
                *room -= 1;
                state.uart.output.push(byte);
            }
            None => state.uart.output.push(byte),
        });
    }

    /// The next received byte.
    pub fn receive(&self) -> Option<u8> {
        with_state(|state, _| state.uart.input.pop_front())
    }

    /// Asks for interrupts on input, and on room for output if `room` is wanted.
    pub fn set_interrupts(&self, room: WantRoom) {
        with_state(|state, _| state.uart.interrupts = Some(room));
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
