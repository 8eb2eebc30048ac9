//! The transmit side: at once, or collected while held.

use super::*;
use crate::TX_FIFO_DEPTH;

#[test]
fn a_byte_leaves_at_once_and_sets_the_interrupt() {
    let mut uart = Vuart::new();
    uart.set(IMSC, TXI);
    assert!(
        !uart.is_high(),
        "a driver primes the transmitter by writing"
    );
    assert_eq!(uart.set(DR, 0x41), Some(0x41));
    assert!(uart.is_high());
    assert_eq!(uart.get(FR), TXFE | RXFE);
    uart.set(ICR, TXI);
    assert!(!uart.is_high());
    assert_eq!(uart.set(DR, 0x42), Some(0x42));
    assert!(uart.is_high());
    assert_eq!(uart.take_transmit(), None);
}

#[test]
fn flags_and_interrupt_follow_the_fifo_while_held() {
    let mut uart = Vuart::new();
    uart.hold();
    assert_eq!(uart.get(FR), TXFE | RXFE);
    for count in 1..=TX_FIFO_DEPTH {
        assert_eq!(uart.set(DR, count as u32), None);
        let full = if count == TX_FIFO_DEPTH { TXFF } else { 0 };
        assert_eq!(uart.get(FR), RXFE | BUSY | full, "{count}");
        let half_free = if count <= 16 { TXI } else { 0 };
        assert_eq!(uart.get(RIS), half_free, "{count}");
    }
    assert_eq!(uart.take_transmit(), None, "held");
    uart.release();
    for count in 1..=TX_FIFO_DEPTH {
        assert_eq!(uart.take_transmit(), Some(count as u8));
        let half_free = if TX_FIFO_DEPTH - count <= 16 { TXI } else { 0 };
        assert_eq!(uart.get(RIS), half_free, "{count}");
    }
    assert_eq!(uart.take_transmit(), None);
    assert_eq!(uart.get(FR), TXFE | RXFE);
}

#[test]
fn a_full_fifo_loses_what_the_guest_writes_regardless() {
    let mut uart = Vuart::new();
    uart.hold();
    for byte in 0..40 {
        assert_eq!(uart.set(DR, byte), None);
    }
    assert_eq!(uart.transmit_overruns(), 8);
    uart.release();
    for byte in 0..32 {
        assert_eq!(uart.take_transmit(), Some(byte));
    }
    assert_eq!(uart.take_transmit(), None);
}

#[test]
fn a_write_before_the_fifo_is_drained_keeps_the_order() {
    let mut uart = Vuart::new();
    uart.hold();
    for byte in 0..32 {
        uart.set(DR, byte);
    }
    uart.release();
    assert_eq!(
        uart.set(DR, 32),
        Some(0),
        "the oldest goes, the newest waits"
    );
    for byte in 1..=32 {
        assert_eq!(uart.take_transmit(), Some(byte));
    }
    assert_eq!(uart.set(DR, 33), Some(33));
    assert_eq!(uart.transmit_overruns(), 0);
}

#[test]
fn control_bits_do_not_stop_the_uart() {
    let mut uart = Vuart::new();
    for offset in [0x2c, 0x30, 0x34] {
        uart.set(offset, 0);
    }
    assert_eq!(uart.set(DR, 7), Some(7));
    uart.receive(8);
    assert_eq!(uart.get(DR), 8);
}
