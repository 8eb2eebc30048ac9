//! The terminal as all writers together have left it.
//!
//! Invariant: a line never lands inside another writer's. Only one that is still open can be hit;
//! it is ended first with `\r\n`, and its writer just goes on behind.

use abi::DomId;

use crate::text::Sink;

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The hypervisor.
    Hypervisor,
    /// A domain.
    Domain(DomId),
}

/// Who left a line open, if anybody did.
#[derive(Debug, Default)]
pub struct Screen {
    open: Option<Origin>,
}

/// The screen while one writer has it.
pub struct Terminal<'a, S: Sink> {
    screen: &'a mut Screen,
    origin: Origin,
    sink: &'a mut S,
}

impl Screen {
    /// An empty line.
    pub const fn new() -> Self {
        Self { open: None }
    }

    /// Lets `origin` write onto `sink`.
    pub fn writer<'a, S: Sink>(&'a mut self, origin: Origin, sink: &'a mut S) -> Terminal<'a, S> {
        Terminal {
            screen: self,
            origin,
            sink,
        }
    }
}

impl<S: Sink> Terminal<'_, S> {
    /// Puts one or more whole lines, the first from column 0 on. If the last has no `\n`, as it
    /// was cut, the next writer ends it.
    pub fn lines(&mut self, bytes: &[u8]) {
        if self.screen.open.is_some() {
            self.sink.put(b"\r\n");
        }
        self.sink.put(bytes);
        self.screen.open = (!bytes.ends_with(b"\n")).then_some(self.origin);
    }

    /// Puts bytes of any kind behind what the same writer put last.
    pub fn raw(&mut self, bytes: &[u8]) {
        if self.screen.open.is_some_and(|owner| owner != self.origin) {
            self.screen.open = None;
            self.sink.put(b"\r\n");
        }
        self.sink.put(bytes);
        // A carriage return neither opens a line nor ends one.
        if let Some(last) = bytes.iter().rfind(|byte| **byte != b'\r') {
            self.screen.open = (*last != b'\n').then_some(self.origin);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D1: Origin = Origin::Domain(DomId(1));
    const D2: Origin = Origin::Domain(DomId(2));

    #[test]
    fn an_open_line_is_ended_before_anothers() {
        let (mut screen, mut out) = (Screen::new(), Vec::new());
        screen.writer(D1, &mut out).raw(b"login: ");
        screen.writer(D2, &mut out).lines(b"two\r\n");
        screen.writer(D1, &mut out).raw(b"root\r");
        screen.writer(D1, &mut out).raw(b"\n\r");
        screen.writer(Origin::Hypervisor, &mut out).lines(b"x\r\n");
        screen.writer(D1, &mut out).raw(b"#");
        screen.writer(D2, &mut out).raw(b"$");
        screen.writer(D2, &mut out).lines(b"own\r\n");
        assert_eq!(out, b"login: \r\ntwo\r\nroot\r\n\rx\r\n#\r\n$\r\nown\r\n");
    }
}
