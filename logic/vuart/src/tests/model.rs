//! Any sequence of accesses, against a model of plain queues.

use proptest::prelude::*;
use std::collections::VecDeque;

use super::*;
use crate::{RX_CAPACITY, Received};

#[derive(Clone, Debug)]
enum Step {
    Receive { byte: u8, times: usize },
    ReadData,
    WriteData(u8),
    Write(u32, u32),
    Read(u32),
    Hold,
    Release,
    Take,
}

fn step() -> impl Strategy<Value = Step> {
    let register = || {
        prop_oneof![
            Just(RSR),
            Just(FR),
            Just(IMSC),
            Just(RIS),
            Just(MIS),
            Just(ICR)
        ]
    };
    prop_oneof![
        6 => (any::<u8>(), prop_oneof![20 => 1..4_usize, 1 => Just(9000)])
            .prop_map(|(byte, times)| Step::Receive { byte, times }),
        6 => Just(Step::ReadData),
        8 => any::<u8>().prop_map(Step::WriteData),
        3 => (register(), any::<u32>()).prop_map(|(offset, value)| Step::Write(offset, value)),
        2 => register().prop_map(Step::Read),
        1 => Just(Step::Hold),
        1 => Just(Step::Release),
        4 => Just(Step::Take),
    ]
}

#[derive(Default)]
struct Model {
    rx: VecDeque<u8>,
    tx: VecDeque<u8>,
    held: bool,
    mask: u32,
    overrun_to_show: bool,
    lost: u32,
}

impl Model {
    fn flags(&self) -> u32 {
        let bit = |condition, bit| if condition { bit } else { 0 };
        bit(self.rx.is_empty(), RXFE)
            | bit(self.rx.len() >= 32, RXFF)
            | bit(self.tx.is_empty(), TXFE)
            | bit(!self.tx.is_empty(), BUSY)
            | bit(self.tx.len() == 32, TXFF)
    }

    /// Queues a byte; what leaves for it.
    fn write_data(&mut self, byte: u8) -> Option<u8> {
        if self.held {
            if self.tx.len() < 32 {
                self.tx.push_back(byte);
            } else {
                self.lost += 1;
            }
            return None;
        }
        self.tx.push_back(byte);
        self.tx.pop_front()
    }

    fn read_data(&mut self) -> u32 {
        match self.rx.pop_front() {
            Some(byte) if core::mem::take(&mut self.overrun_to_show) => u32::from(byte) | 1 << 11,
            Some(byte) => u32::from(byte),
            None => 0,
        }
    }
}

/// Does one step in both; whether it moved a byte of input.
fn advance(uart: &mut Vuart, model: &mut Model, step: &Step) -> bool {
    match *step {
        Step::Receive { byte, times } => {
            for _ in 0..times {
                let room = model.rx.len() < RX_CAPACITY;
                assert_eq!(uart.receive(byte) == Received::Taken, room);
                if room {
                    model.rx.push_back(byte);
                } else {
                    model.overrun_to_show = true;
                }
            }
            return true;
        }
        Step::ReadData => {
            let moved = !model.rx.is_empty();
            assert_eq!(uart.get(DR), model.read_data());
            return moved;
        }
        Step::WriteData(byte) => {
            assert_eq!(uart.set(DR, u32::from(byte)), model.write_data(byte));
            assert_eq!(uart.get(RIS) & TXI != 0, model.tx.len() <= 16);
        }
        Step::Write(offset, value) => {
            let before = uart.get(RIS);
            uart.set(offset, value);
            if offset == IMSC {
                model.mask = value;
            }
            let cleared = if offset == ICR { value } else { 0 };
            assert_eq!(uart.get(RIS), before & !cleared);
        }
        Step::Read(offset) => {
            let before = uart.get(RIS);
            uart.get(offset);
            assert_eq!(uart.get(RIS), before);
        }
        Step::Hold => {
            uart.hold();
            model.held = true;
        }
        Step::Release => {
            uart.release();
            model.held = false;
        }
        Step::Take => {
            let expected = if model.held {
                None
            } else {
                model.tx.pop_front()
            };
            assert_eq!(uart.take_transmit(), expected);
        }
    }
    false
}

proptest! {
    #[test]
    fn registers_tell_the_truth_about_the_queues(
        steps in proptest::collection::vec(step(), 1..400),
    ) {
        let (mut uart, mut model) = (Vuart::new(), Model::default());
        for step in &steps {
            let input_moved = advance(&mut uart, &mut model, step);
            prop_assert_eq!(uart.get(FR), model.flags());
            prop_assert_eq!(uart.get(IMSC), model.mask);
            let ris = uart.get(RIS);
            prop_assert_eq!(uart.get(MIS), ris & model.mask);
            prop_assert_eq!(uart.is_high(), ris & model.mask != 0);
            prop_assert_eq!(uart.receive_room(), RX_CAPACITY - model.rx.len());
            prop_assert_eq!(uart.transmit_overruns(), model.lost);
            // An interrupt may be missing because it was cleared, but never lies.
            prop_assert!(ris & RTI == 0 || !model.rx.is_empty());
            prop_assert!(ris & RXI == 0 || model.rx.len() >= 16);
            prop_assert!(ris & TXI == 0 || model.tx.len() <= 16);
            if input_moved {
                prop_assert_eq!(ris & RTI != 0, !model.rx.is_empty());
                prop_assert_eq!(ris & RXI != 0, model.rx.len() >= 16);
            }
        }
    }
}
