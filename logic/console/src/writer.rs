//! Formatted messages of the hypervisor.
//!
//! Invariant: every line that is begun gets the prefix, and every `\n` leaves as `\r\n`.

use core::fmt;

use crate::prefix::Prefix;
use crate::stamp::Stamp;
use crate::text::{Sink, Text};

/// Whether the next byte starts a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LineState {
    /// It does.
    #[default]
    Start,
    /// It goes on with a line whose prefix is out already.
    Middle,
}

/// Formats onto a [`Sink`]: `write!(Writer::new(...), ...)`.
///
/// A format's pieces arrive one by one, so write to a [`Text`] and hand that on as a whole where
/// other writers must not get in between.
pub struct Writer<'a> {
    sink: &'a mut dyn Sink,
    prefix: Option<(Prefix, Stamp)>,
    line: LineState,
}

impl<'a> Writer<'a> {
    /// A message whose lines begin with `prefix`.
    pub fn new(sink: &'a mut dyn Sink, prefix: Prefix, stamp: Stamp) -> Self {
        Self {
            sink,
            prefix: Some((prefix, stamp)),
            line: LineState::Start,
        }
    }

    /// A message without prefix.
    pub fn plain(sink: &'a mut dyn Sink) -> Self {
        Self {
            sink,
            prefix: None,
            line: LineState::Start,
        }
    }

    /// Goes on where an earlier message ended, [`line_state`](Self::line_state).
    #[must_use]
    pub fn continuing(mut self, line: LineState) -> Self {
        self.line = line;
        self
    }

    /// Where this message has ended so far.
    pub fn line_state(&self) -> LineState {
        self.line
    }

    fn begin(&mut self) {
        if self.line == LineState::Start
            && let Some((prefix, stamp)) = &self.prefix
        {
            let mut text = Text::<{ Prefix::MAX }>::new();
            prefix.write(stamp, &mut text);
            self.sink.put(text.as_bytes());
        }
        self.line = LineState::Middle;
    }
}

impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.as_bytes().split_inclusive(|byte| *byte == b'\n') {
            self.begin();
            match piece.strip_suffix(b"\n") {
                Some(line) => {
                    self.sink.put(line);
                    self.sink.put(b"\r\n");
                    self.line = LineState::Start;
                }
                None => self.sink.put(piece),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use abi::DomId;
    use core::fmt::Write;

    #[test]
    fn every_line_gets_the_prefix() {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, Prefix::Hypervisor, Stamp::NONE);
        write!(writer, "{} of {}\n\nlast", 1, 2).unwrap();
        assert_eq!(writer.line_state(), LineState::Middle);
        assert_eq!(out, b"(XEN) 1 of 2\r\n(XEN) \r\n(XEN) last");
    }

    #[test]
    fn a_continuation_has_none() {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, Prefix::Domain(DomId(3)), Stamp::NONE);
        writer.write_str("Loading ").unwrap();
        let line = writer.line_state();
        let mut writer = Writer::new(&mut out, Prefix::Hypervisor, Stamp::NONE).continuing(line);
        writer.write_str("done\nnext\n").unwrap();
        assert_eq!(writer.line_state(), LineState::Start);
        assert_eq!(out, b"(d3) Loading done\r\n(XEN) next\r\n");
    }

    #[test]
    fn plain_only_ends_lines() {
        let mut out = Vec::new();
        writeln!(Writer::plain(&mut out), "100%").unwrap();
        assert_eq!(out, b"100%\r\n");
    }
}
