//! An interrupt-driven driver that behaves as Linux's amba-pl011 does for both bindings: it never
//! looks at TXFF in its handler, drains at most 64 bytes when it opens the port, and clears the
//! receive interrupts first.

use proptest::prelude::*;
use std::collections::VecDeque;

use super::*;

struct Driver {
    uart: Vuart,
    mask: u32,
    to_send: VecDeque<u8>,
    sent: Vec<u8>,
    received: Vec<u8>,
}

impl Driver {
    fn open(mut uart: Vuart) -> Self {
        uart.set(ICR, RTI | RXI);
        let mut received = Vec::new();
        for _ in 0..64 {
            if uart.get(FR) & RXFE != 0 {
                break;
            }
            received.push(uart.get(DR) as u8);
        }
        uart.set(IMSC, RTI | RXI);
        Self {
            uart,
            mask: RTI | RXI,
            to_send: VecDeque::new(),
            sent: Vec::new(),
            received,
        }
    }

    fn set_mask(&mut self, mask: u32) {
        self.mask = mask;
        self.uart.set(IMSC, mask);
    }

    fn write_one(&mut self) {
        if let Some(byte) = self.to_send.pop_front() {
            self.sent.extend(self.uart.set(DR, u32::from(byte)));
        }
    }

    fn start_sending(&mut self) {
        while !self.to_send.is_empty() && self.uart.get(FR) & TXFF == 0 {
            self.write_one();
        }
        if !self.to_send.is_empty() {
            self.set_mask(self.mask | TXI);
        }
    }

    fn handle_interrupt(&mut self, most_reads: usize) {
        let status = self.uart.get(RIS) & self.mask;
        self.uart.set(ICR, status & !(TXI | RTI | RXI));
        if status & (RTI | RXI) != 0 {
            for _ in 0..most_reads {
                if self.uart.get(FR) & RXFE != 0 {
                    break;
                }
                self.received.push(self.uart.get(DR) as u8);
            }
        }
        if status & TXI != 0 {
            for _ in 0..16 {
                self.write_one();
            }
            if self.to_send.is_empty() {
                self.set_mask(self.mask & !TXI);
            }
        }
    }

    fn run(&mut self, most_reads: usize) {
        for _ in 0..20_000 {
            if !self.uart.is_high() {
                return;
            }
            self.handle_interrupt(most_reads);
        }
        panic!("the interrupt line stays high");
    }

    fn drain(&mut self, count: usize) {
        for _ in 0..count {
            self.sent.extend(self.uart.take_transmit());
        }
    }
}

#[test]
fn a_paste_of_4_kib_before_the_port_is_open_arrives() {
    let typed: Vec<u8> = (0..4096_u32).map(|index| (index * 7) as u8).collect();
    for count in [1, 15, 16, 17, 63, 64, 65, 79, 80, 81, 100, 4096] {
        let mut uart = Vuart::new();
        for byte in &typed[..count] {
            uart.receive(*byte);
        }
        let mut driver = Driver::open(uart);
        driver.run(256);
        assert_eq!(driver.received, typed[..count], "{count}");
    }
}

#[test]
fn sixty_four_kib_leave_without_loss() {
    let mut driver = Driver::open(Vuart::new());
    let text: Vec<u8> = (0..65_536_u32).map(|index| (index * 31) as u8).collect();
    driver.to_send.extend(&text);
    driver.start_sending();
    driver.run(256);
    assert_eq!(driver.sent, text);
}

#[derive(Clone, Debug)]
enum Event {
    Typed(Vec<u8>),
    Send(Vec<u8>),
    Hold,
    Release,
    Drain(usize),
    Interrupt { most_reads: usize },
}

fn event() -> impl Strategy<Value = Event> {
    let bytes = || proptest::collection::vec(any::<u8>(), 1..100);
    prop_oneof![
        bytes().prop_map(Event::Typed),
        bytes().prop_map(Event::Send),
        Just(Event::Hold),
        Just(Event::Release),
        (1..40_usize).prop_map(Event::Drain),
        (1..300_usize).prop_map(|most_reads| Event::Interrupt { most_reads }),
    ]
}

proptest! {
    #[test]
    fn nothing_is_lost_and_nothing_stalls(
        events in proptest::collection::vec(event(), 1..60),
    ) {
        let mut driver = Driver::open(Vuart::new());
        let (mut typed, mut written) = (Vec::new(), Vec::new());
        for event in events {
            match event {
                Event::Typed(bytes) => for byte in bytes {
                    typed.push(byte);
                    driver.uart.receive(byte);
                },
                Event::Send(bytes) => {
                    written.extend(&bytes);
                    driver.to_send.extend(bytes);
                    driver.start_sending();
                }
                Event::Hold => driver.uart.hold(),
                Event::Release => driver.uart.release(),
                Event::Drain(count) => driver.drain(count),
                Event::Interrupt { most_reads } if driver.uart.is_high() => {
                    driver.handle_interrupt(most_reads);
                }
                Event::Interrupt { .. } => {}
            }
            prop_assert_eq!(driver.uart.transmit_overruns(), 0);
        }
        driver.uart.release();
        loop {
            driver.drain(crate::TX_FIFO_DEPTH);
            driver.run(256);
            if driver.uart.get(FR) & TXFE != 0 {
                break;
            }
        }
        prop_assert_eq!(driver.received, typed);
        prop_assert_eq!(driver.sent, written);
        prop_assert!(driver.to_send.is_empty());
    }
}
