//! Every offset, every width, both directions, against a table written down independently.

use super::*;
use crate::{Fault, Wrote};

#[derive(Clone, Copy, PartialEq)]
enum Access {
    ReadWrite(u32),
    ReadOnly,
    WriteOnly,
    /// Not a register.
    None,
}
use Access::{ReadOnly, ReadWrite, WriteOnly};

/// Offset, bits that a write changes, value after reset.
const TABLE: [(u32, Access, u32); 22] = [
    (0x00, WriteOnly, 0),
    (0x04, WriteOnly, 0),
    (0x18, ReadOnly, 0x90),
    (0x20, ReadWrite(0xff), 0),
    (0x24, ReadWrite(0xffff), 0),
    (0x28, ReadWrite(0x3f), 0),
    (0x2c, ReadWrite(0xff), 0),
    (0x30, ReadWrite(0xff87), 0x300),
    (0x34, ReadWrite(0x3f), 0x12),
    (0x38, ReadWrite(0xffff_ffff), 0),
    (0x3c, ReadOnly, 0),
    (0x40, ReadOnly, 0),
    (0x44, WriteOnly, 0),
    (0x48, ReadWrite(0x7), 0),
    (0xfe0, ReadOnly, 0x11),
    (0xfe4, ReadOnly, 0x10),
    (0xfe8, ReadOnly, 0x34),
    (0xfec, ReadOnly, 0x00),
    (0xff0, ReadOnly, 0x0d),
    (0xff4, ReadOnly, 0xf0),
    (0xff8, ReadOnly, 0x05),
    (0xffc, ReadOnly, 0xb1),
];

fn expected(offset: u32) -> (Access, u32) {
    TABLE
        .iter()
        .find(|(at, ..)| *at == offset)
        .map_or((Access::None, 0), |(_, access, reset)| (*access, *reset))
}

const WIDTHS: [(Width, u32); 3] = [
    (Width::Byte, 0xff),
    (Width::Half, 0xffff),
    (Width::Word, 0xffff_ffff),
];

#[test]
fn every_offset_reads_its_reset_value_in_every_width() {
    for offset in 0..0x1010 {
        let (access, reset) = expected(offset);
        for (width, lane) in WIDTHS {
            assert_eq!(
                Vuart::new().read(offset, width),
                Ok(reset & lane),
                "{offset:#x} {width:?}"
            );
        }
        let double = if access == Access::None {
            Ok(0)
        } else {
            Err(Fault)
        };
        assert_eq!(
            Vuart::new().read(offset, Width::Double),
            double,
            "{offset:#x}"
        );
    }
}

#[test]
fn every_offset_keeps_what_the_table_says_of_a_write() {
    for offset in (0..0x1010).filter(|offset| *offset != DR) {
        let (access, reset) = expected(offset);
        for (width, lane) in WIDTHS {
            for value in [0xffff_ffff, 0x5a5a_a5a5] {
                let mut uart = Vuart::new();
                assert_eq!(
                    uart.write(offset, width, value),
                    Ok(Wrote { transmit: None })
                );
                let after = match access {
                    ReadWrite(bits) => ((reset & !lane) | (value & lane)) & bits,
                    _ => reset,
                };
                assert_eq!(uart.get(offset), after, "{offset:#x} {width:?}");
            }
        }
        let double = match access {
            ReadWrite(_) | WriteOnly => Err(Fault),
            ReadOnly | Access::None => Ok(Wrote { transmit: None }),
        };
        let mut uart = Vuart::new();
        assert_eq!(uart.write(offset, Width::Double, !0), double, "{offset:#x}");
        assert_eq!(uart.get(offset), reset);
    }
}

#[test]
fn writes_touch_no_other_register() {
    for offset in (0..0x1000).filter(|offset| *offset != DR) {
        let mut uart = Vuart::new();
        uart.set(offset, 0xffff_ffff);
        for (other, _, reset) in TABLE.iter().filter(|(other, ..)| *other != offset) {
            assert_eq!(uart.get(*other), *reset, "{offset:#x} changed {other:#x}");
        }
    }
}

#[test]
fn narrow_accesses_to_the_mask_keep_the_other_lanes() {
    let mut uart = Vuart::new();
    uart.set(IMSC, 0x1234_5678);
    uart.write(IMSC, Width::Byte, 0xffff_ff00).unwrap();
    assert_eq!(uart.get(IMSC), 0x1234_5600);
    uart.write(IMSC, Width::Half, 0xabcd).unwrap();
    assert_eq!(uart.get(IMSC), 0x1234_abcd);
    assert_eq!(uart.read(IMSC, Width::Byte), Ok(0xcd));
}

#[test]
fn data_goes_out_in_every_width_but_64_bits() {
    for (width, _) in WIDTHS {
        let wrote = Vuart::new().write(DR, width, 0xffff_ffe9).unwrap();
        assert_eq!(wrote.transmit, Some(0xe9));
    }
    let mut uart = Vuart::new();
    uart.receive(b'a');
    assert_eq!(uart.write(DR, Width::Double, 0x41), Err(Fault));
    assert_eq!(uart.read(DR, Width::Double), Err(Fault));
    assert_eq!(uart.get(RIS), RTI, "a refused access has no effect");
    assert_eq!(uart.get(DR), u32::from(b'a'));
}

#[test]
fn reset_forgets_everything() {
    let mut uart = Vuart::new();
    for (offset, ..) in TABLE {
        uart.set(offset, 0xffff_ffff);
    }
    for _ in 0..=crate::RX_CAPACITY {
        uart.receive(1);
    }
    uart.hold();
    for _ in 0..40 {
        uart.set(DR, 2);
    }
    assert!(uart.is_high());
    uart.reset();
    assert!(!uart.is_high());
    for (offset, _, reset) in TABLE {
        assert_eq!(uart.get(offset), reset, "{offset:#x}");
    }
    assert_eq!(uart.receive_overruns() + uart.transmit_overruns(), 0);
    assert_eq!(uart.set(DR, 3), Some(3), "nothing is held");
    uart.receive(4);
    assert_eq!(uart.get(DR), 4, "no error bit is left");
}
