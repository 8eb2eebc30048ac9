//! The receive side: the rows of the interrupt table, level by level.

use super::*;
use crate::{RX_CAPACITY, Received};

fn with_input(count: usize) -> Vuart {
    let mut uart = Vuart::new();
    for index in 0..count {
        assert_eq!(uart.receive(index as u8), Received::Taken);
    }
    uart
}

#[test]
fn nothing_is_read_before_input() {
    let mut uart = Vuart::new();
    assert_eq!(uart.get(FR), TXFE | RXFE);
    assert_eq!(uart.get(DR), 0);
    assert_eq!(uart.get(RIS), 0);
}

#[test]
fn status_follows_the_queue_up_and_down() {
    for count in [1, 15, 16, 31, 32, 33, 4096, RX_CAPACITY] {
        let mut uart = with_input(count);
        assert_eq!(uart.receive_room(), RX_CAPACITY - count);
        for left in (0..=count).rev() {
            let fr = match left {
                0 => RXFE,
                1..32 => 0,
                _ => RXFF,
            };
            let ris = match left {
                0 => 0,
                1..16 => RTI,
                _ => RTI | RXI,
            };
            assert_eq!(uart.get(FR), TXFE | fr, "{left} of {count}");
            assert_eq!(uart.get(RIS), ris, "{left} of {count}");
            if left > 0 {
                assert_eq!(uart.get(DR), u32::from((count - left) as u8));
            }
        }
    }
}

#[test]
fn input_is_eight_bits_wide() {
    let mut uart = Vuart::new();
    for byte in 0..=u8::MAX {
        uart.receive(byte);
    }
    for byte in 0..=u8::MAX {
        assert_eq!(uart.get(DR), u32::from(byte));
    }
}

#[test]
fn the_line_is_high_while_an_unmasked_cause_remains() {
    let mut uart = with_input(20);
    assert!(!uart.is_high(), "masked");
    uart.set(IMSC, RTI);
    assert!(uart.is_high());
    assert_eq!(uart.get(MIS), RTI);
    uart.set(IMSC, RXI);
    assert_eq!(uart.get(MIS), RXI);
    for _ in 0..4 {
        assert!(uart.is_high());
        uart.get(DR);
    }
    assert!(uart.is_high(), "16 left");
    uart.get(DR);
    assert!(!uart.is_high(), "15 left");
    uart.set(IMSC, RTI);
    assert!(uart.is_high());
    uart.set(IMSC, 0);
    assert!(!uart.is_high());
}

#[test]
fn clearing_lasts_until_the_next_byte_comes_or_goes() {
    let mut uart = with_input(18);
    uart.set(IMSC, RXI | RTI);
    uart.set(ICR, RXI);
    assert_eq!(uart.get(MIS), RTI);
    uart.set(ICR, RTI);
    assert!(!uart.is_high(), "cleared although 18 bytes wait");
    uart.get(DR);
    assert_eq!(
        uart.get(MIS),
        RXI | RTI,
        "a driver that reads is asked again"
    );
    uart.set(ICR, !0);
    assert!(!uart.is_high());
    uart.receive(0);
    assert_eq!(uart.get(MIS), RXI | RTI);
}

#[test]
fn narrow_clears_reach_their_lane_only() {
    let mut uart = with_input(RX_CAPACITY);
    uart.receive(0);
    assert_eq!(uart.get(RIS), RXI | RTI | OEI);
    uart.write(ICR, Width::Byte, 0xffff_ffff).unwrap();
    assert_eq!(uart.get(RIS), OEI);
    uart.write(ICR, Width::Half, OEI).unwrap();
    assert_eq!(uart.get(RIS), 0);
}

#[test]
fn an_overrun_loses_the_newest_and_is_shown_once() {
    let mut uart = with_input(RX_CAPACITY);
    assert_eq!(uart.get(RSR), 0);
    for _ in 0..3 {
        assert_eq!(uart.receive(0xee), Received::Full);
    }
    assert_eq!(uart.receive_overruns(), 3);
    assert_eq!(uart.get(RIS) & OEI, OEI);
    assert_eq!(uart.get(RSR), 1 << 3);
    uart.set(RSR, 0);
    assert_eq!(uart.get(RSR), 0);
    assert_eq!(uart.get(DR), 1 << 11, "the first byte, with OE");
    for index in 1..RX_CAPACITY {
        assert_eq!(uart.get(DR), u32::from(index as u8));
    }
    assert_eq!(uart.get(FR) & RXFE, RXFE);
    assert_eq!(uart.get(RIS), OEI, "until cleared");
    uart.set(ICR, OEI);
    assert_eq!(uart.get(RIS), 0);
}
