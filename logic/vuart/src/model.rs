//! The UART's state and what each access does to it.
//!
//! Invariants:
//! - bytes leave in the order in which they were written, each once; they are received likewise;
//! - FR tells the truth about both queues, and the transmit interrupt is asserted only while half
//!   of the transmit FIFO is free, because drivers then write that many bytes without looking;
//! - the interrupt output is high exactly while MIS is not zero (DDI 0183, 2.8).
//!
//! Interrupt status is latched as on the real part: ICR clears a bit although its cause remains.
//! The next byte received or the next DR read sets RXI and RTI again if their cause is still
//! there. There is no timer: RTI comes with the byte, not 32 bit periods later.
//!
//! CR, LCR_H and IFLS have no effect. An SBSA driver never writes them and expects a UART that is
//! enabled, with FIFOs that trigger at half.

use crate::fifo::Fifo;
use crate::registers::{
    DATA_OVERRUN, FLAGS, Fault, Register, SETTINGS, SETTINGS_AT_RESET, STATUS_OVERRUN, Width, flag,
    interrupt,
};

/// Bytes of input that wait for a guest that does not read.
pub const RX_CAPACITY: usize = 8192;
/// Depth of the receive FIFO as the guest sees it: from here on FR says RXFF.
pub const RX_FIFO_DEPTH: usize = 32;
/// Bytes that a guest may write while its output is held.
pub const TX_FIFO_DEPTH: usize = 32;

const RX_TRIGGER: usize = RX_FIFO_DEPTH / 2;
const TX_TRIGGER: usize = TX_FIFO_DEPTH / 2;

/// What a write made of the transmitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wrote {
    /// The byte to send now.
    pub transmit: Option<u8>,
}

/// What became of an input byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It waits for the guest to read it.
    Taken,
    /// There was no room: it is lost and counted, and the guest will see an overrun.
    Full,
}

/// The level of the interrupt output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Not asserted.
    Low,
    /// Asserted.
    High,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Transmitter {
    Flowing,
    Held,
}

/// One emulated UART.
pub struct Vuart {
    rx: Fifo<RX_CAPACITY>,
    tx: Fifo<TX_FIFO_DEPTH>,
    state: State,
}

/// All but the queues.
#[derive(Clone, Copy)]
struct State {
    transmitter: Transmitter,
    /// RIS.
    raw: u32,
    /// IMSC: all 32 bits, as Xen keeps them.
    mask: u32,
    /// RSR.
    receive_status: u32,
    /// Error bits that the next DR read will show.
    data_errors: u32,
    settings: [u32; SETTINGS],
    receive_overruns: u32,
    transmit_overruns: u32,
}

const RESET: State = State {
    transmitter: Transmitter::Flowing,
    raw: 0,
    mask: 0,
    receive_status: 0,
    data_errors: 0,
    settings: SETTINGS_AT_RESET,
    receive_overruns: 0,
    transmit_overruns: 0,
};

impl Vuart {
    /// A UART after reset.
    pub const fn new() -> Self {
        Self {
            rx: Fifo::new(),
            tx: Fifo::new(),
            state: RESET,
        }
    }

    /// The guest reads `width` at `offset` bytes into the frame. Unknown offsets read as zero.
    ///
    /// # Errors
    /// A 64-bit access to a register: [`Fault`], and nothing has changed.
    pub fn read(&mut self, offset: u32, width: Width) -> Result<u32, Fault> {
        let Some(register) = Register::at(offset) else {
            return Ok(0);
        };
        let lane = width.lane()?;
        let value = match register {
            Register::Data => self.read_data(),
            Register::ReceiveStatus => self.state.receive_status,
            Register::Flags => self.flags(),
            Register::Setting(slot, _) => self.state.settings.get(slot).copied().unwrap_or(0),
            Register::Mask => self.state.mask,
            Register::RawStatus => self.state.raw,
            Register::MaskedStatus => self.state.raw & self.state.mask,
            Register::Clear => 0,
            Register::Id(value) => u32::from(value),
        };
        Ok(value & lane)
    }

    /// What a read of `width` at `offset` gives if it is one of FR, which drivers poll: the short way to
    /// what [`read`](Self::read) says of it.
    #[inline]
    pub fn poll(&self, offset: u32, width: Width) -> Option<u32> {
        if offset != FLAGS {
            return None;
        }
        width.lane().ok().map(|lane| self.flags() & lane)
    }

    /// The guest writes the low `width` of `value` at `offset` bytes into the frame. Unknown
    /// offsets and read-only registers ignore it at any width.
    ///
    /// # Errors
    /// A 64-bit access to a writable register: [`Fault`], and nothing has changed.
    pub fn write(&mut self, offset: u32, width: Width, value: u32) -> Result<Wrote, Fault> {
        let mut wrote = Wrote { transmit: None };
        let Some(register) = Register::at(offset).filter(|register| !register.is_read_only())
        else {
            return Ok(wrote);
        };
        let lane = width.lane()?;
        match register {
            Register::Data => wrote.transmit = self.write_data(value as u8),
            Register::ReceiveStatus => self.state.receive_status = 0,
            Register::Setting(slot, implemented) => {
                if let Some(setting) = self.state.settings.get_mut(slot) {
                    *setting = merge(*setting, lane, value) & implemented;
                }
            }
            Register::Mask => self.state.mask = merge(self.state.mask, lane, value),
            Register::Clear => self.state.raw &= !(value & lane),
            _ => {}
        }
        Ok(wrote)
    }

    /// A byte for the guest. It is lost only when [`RX_CAPACITY`] bytes wait already.
    pub fn receive(&mut self, byte: u8) -> Received {
        let taken = self.rx.push(byte);
        self.update_receive();
        if taken {
            return Received::Taken;
        }
        self.state.receive_overruns = self.state.receive_overruns.saturating_add(1);
        self.state.receive_status |= STATUS_OVERRUN;
        self.state.data_errors |= DATA_OVERRUN;
        self.state.raw |= interrupt::OVERRUN;
        Received::Full
    }

    /// How many more bytes [`receive`](Self::receive) will take.
    pub const fn receive_room(&self) -> usize {
        RX_CAPACITY.saturating_sub(self.rx.len())
    }

    /// Input bytes lost since reset.
    pub const fn receive_overruns(&self) -> u32 {
        self.state.receive_overruns
    }

    /// Output bytes lost since reset because the guest wrote although FR said TXFF.
    pub const fn transmit_overruns(&self) -> u32 {
        self.state.transmit_overruns
    }

    /// Stops the transmitter: bytes written from now on collect in the transmit FIFO, and FR
    /// shows it.
    pub fn hold(&mut self) {
        self.state.transmitter = Transmitter::Held;
    }

    /// Lets the transmitter go on. The caller then sends what collected, with
    /// [`take_transmit`](Self::take_transmit) until that is empty (or it holds again).
    pub fn release(&mut self) {
        self.state.transmitter = Transmitter::Flowing;
    }

    /// The next byte that collected, unless the transmitter is held.
    pub fn take_transmit(&mut self) -> Option<u8> {
        if self.state.transmitter == Transmitter::Held {
            return None;
        }
        let byte = self.tx.pop()?;
        self.update_transmit();
        Some(byte)
    }

    /// The next byte that collected, held or not: for emptying the transmitter before it is
    /// released, so that what is written meanwhile stays behind.
    pub fn take_collected(&mut self) -> Option<u8> {
        let byte = self.tx.pop()?;
        self.update_transmit();
        Some(byte)
    }

    /// The interrupt output, to be looked at after every other call.
    pub const fn interrupt(&self) -> Level {
        if self.state.raw & self.state.mask != 0 {
            Level::High
        } else {
            Level::Low
        }
    }

    /// Back to the state after [`new`](Self::new): queued bytes are gone, nothing is held.
    pub fn reset(&mut self) {
        self.rx.clear();
        self.tx.clear();
        self.state = RESET;
    }

    fn read_data(&mut self) -> u32 {
        let Some(byte) = self.rx.pop() else {
            return 0;
        };
        self.update_receive();
        u32::from(byte) | core::mem::take(&mut self.state.data_errors)
    }

    /// Queues `byte` behind what waits already; gives the byte to send now.
    fn write_data(&mut self, byte: u8) -> Option<u8> {
        let mut send = self.take_transmit();
        if send.is_none() && self.state.transmitter == Transmitter::Flowing {
            send = Some(byte);
        } else if !self.tx.push(byte) {
            self.state.transmit_overruns = self.state.transmit_overruns.saturating_add(1);
        }
        self.update_transmit();
        send
    }

    fn flags(&self) -> u32 {
        if self.rx.is_empty() && self.tx.is_empty() {
            return flag::RX_EMPTY | flag::TX_EMPTY;
        }
        bit(self.rx.is_empty(), flag::RX_EMPTY)
            | bit(self.rx.len() >= RX_FIFO_DEPTH, flag::RX_FULL)
            | bit(self.tx.is_empty(), flag::TX_EMPTY)
            | bit(!self.tx.is_empty(), flag::BUSY)
            | bit(self.tx.len() >= TX_FIFO_DEPTH, flag::TX_FULL)
    }

    /// RXI and RTI follow the queue; called whenever a byte comes or goes.
    fn update_receive(&mut self) {
        self.state.raw &= !(interrupt::RECEIVE | interrupt::RECEIVE_TIMEOUT);
        self.state.raw |= bit(!self.rx.is_empty(), interrupt::RECEIVE_TIMEOUT)
            | bit(self.rx.len() >= RX_TRIGGER, interrupt::RECEIVE);
    }

    /// TXI follows the FIFO; called whenever a byte comes or goes. Not at reset: as on the real
    /// part, a driver primes the transmitter by writing.
    fn update_transmit(&mut self) {
        self.state.raw &= !interrupt::TRANSMIT;
        self.state.raw |= bit(self.tx.len() <= TX_TRIGGER, interrupt::TRANSMIT);
    }
}

/// `bit` if it `holds`.
const fn bit(holds: bool, bit: u32) -> u32 {
    if holds { bit } else { 0 }
}

/// `new` where `lane` is set, `old` elsewhere.
const fn merge(old: u32, lane: u32, new: u32) -> u32 {
    (old & !lane) | (new & lane)
}
