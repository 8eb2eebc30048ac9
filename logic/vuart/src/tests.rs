//! Tests in the language of a driver: registers by name, widths, levels.

mod access;
mod driver;
mod model;
mod receive;
mod transmit;

use crate::{Level, Vuart, Width};

const DR: u32 = 0x00;
const RSR: u32 = 0x04;
const FR: u32 = 0x18;
const IMSC: u32 = 0x38;
const RIS: u32 = 0x3c;
const MIS: u32 = 0x40;
const ICR: u32 = 0x44;

const BUSY: u32 = 1 << 3;
const RXFE: u32 = 1 << 4;
const TXFF: u32 = 1 << 5;
const RXFF: u32 = 1 << 6;
const TXFE: u32 = 1 << 7;

const RXI: u32 = 1 << 4;
const TXI: u32 = 1 << 5;
const RTI: u32 = 1 << 6;
const OEI: u32 = 1 << 10;

/// 32-bit accesses that do not fault.
trait Registers {
    fn get(&mut self, offset: u32) -> u32;
    fn set(&mut self, offset: u32, value: u32) -> Option<u8>;
    fn is_high(&self) -> bool;
}

impl Registers for Vuart {
    fn get(&mut self, offset: u32) -> u32 {
        self.read(offset, Width::Word).unwrap()
    }

    fn set(&mut self, offset: u32, value: u32) -> Option<u8> {
        self.write(offset, Width::Word, value).unwrap().transmit
    }

    fn is_high(&self) -> bool {
        self.interrupt() == Level::High
    }
}
