//! Two domains and the hypervisor on one screen.

use core::fmt::Write;

use abi::DomId;

use crate::{
    FocusedPrefix, LINE_MAX, LineAssembler, Origin, Prefix, Screen, Stamp, SwitchKey, Target, Text,
    Writer, focus::Focus,
};

pub(super) const D1: DomId = DomId(1);
pub(super) const D2: DomId = DomId(2);

pub(super) struct Bench {
    focus: Focus,
    screen: Screen,
    guests: [LineAssembler; 2],
    wire: Vec<u8>,
    pub(super) stamp: Stamp,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with(FocusedPrefix::None, Prefix::Uart)
    }

    pub(super) fn with(focused: FocusedPrefix, prefix: fn(DomId) -> Prefix) -> Self {
        let mut focus = Focus::new(SwitchKey::DEFAULT);
        focus.add(D1).unwrap();
        focus.add(D2).unwrap();
        Self {
            focus,
            screen: Screen::new(),
            guests: [D1, D2].map(|domain| LineAssembler::new(prefix(domain), focused)),
            wire: Vec::new(),
            stamp: Stamp::default(),
        }
    }

    /// Moves the focus to `domain` without a word.
    pub(super) fn focus(&mut self, domain: DomId) {
        for _ in 0..9 {
            if self.focus.current() == Target::Domain(domain) {
                return;
            }
            self.focus.input(1);
        }
        panic!("three times three keys go all around");
    }

    /// `domain` writes `bytes`.
    pub(super) fn guest(&mut self, domain: DomId, bytes: &[u8]) {
        let focused = self.focus.of(domain);
        for byte in bytes {
            let before = self.wire.len();
            let mut out = self.screen.writer(Origin::Domain(domain), &mut self.wire);
            self.guests[usize::from(domain.0) - 1].push(*byte, focused, &self.stamp, &mut out);
            assert!(self.wire.len() - before <= LINE_MAX);
        }
    }

    /// `domain` is gone.
    pub(super) fn end(&mut self, domain: DomId) {
        let mut out = self.screen.writer(Origin::Domain(domain), &mut self.wire);
        self.guests[usize::from(domain.0) - 1].flush_partial(&self.stamp, &mut out);
    }

    /// The hypervisor says a line.
    pub(super) fn message(&mut self, text: &str) {
        let mut line = Text::<256>::new();
        writeln!(
            Writer::new(&mut line, Prefix::Hypervisor, self.stamp),
            "{text}"
        )
        .unwrap();
        self.screen
            .writer(Origin::Hypervisor, &mut self.wire)
            .lines(line.as_bytes());
    }

    /// What appeared since the last look.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.wire)
    }

    /// Since the last look exactly `text` appeared.
    pub(super) fn expect(&mut self, text: &str) {
        assert_eq!(
            self.take().escape_ascii().to_string(),
            text.as_bytes().escape_ascii().to_string()
        );
    }
}
