//! The emulated PL011 UART that a guest sees.
//!
//! A pure state machine: register accesses and received bytes go in; the byte to send and the
//! interrupt level come out. It holds no pointer and no lock and never allocates, so the caller
//! decides where it runs, when its bytes leave and how its interrupt is delivered.
//!
//! Specification: PL011 TRM (Arm DDI 0183), the SBSA generic UART subset (Arm DEN0029), and the
//! contract of Xen's emulated UART for what its guests already rely on. What differs from Xen, on
//! purpose:
//!
//! - reading ICR gives 0; Xen aborts the access;
//! - ILPR, IBRD, FBRD, LCR_H, CR, IFLS and DMACR keep what is written, and the ID registers name
//!   the part (r1p5), so that a full PL011 driver probes; Xen reads all of them as zero;
//! - every DR read brings RXI and RTI in line with what is still queued, so that a driver that
//!   stops reading early is asked again; Xen leaves them cleared after ICR;
//! - 8 KiB of input wait instead of 32 bytes, 8 bits wide; an overrun is counted, and shown once
//!   as OE in DR and in RSR;
//! - a slow terminal shows as TXFF and BUSY instead of holding the physical CPU.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![allow(clippy::new_without_default, reason = "new is const")]

mod fifo;
mod model;
mod registers;
#[cfg(test)]
mod tests;

pub use model::{Level, RX_CAPACITY, RX_FIFO_DEPTH, Received, TX_FIFO_DEPTH, Vuart, Wrote};
pub use registers::{Fault, Width};
