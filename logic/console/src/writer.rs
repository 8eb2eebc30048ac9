//! Formatted messages of the hypervisor.
//!
//! Invariant: every line that is begun gets the prefix, and every `\n` leaves as `\r\n`.

use core::fmt;

use crate::prefix::Prefix;
use crate::stamp::Stamp;
use crate::text::Sink;

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
/// A format's pieces arrive one by one, so write to a [`Text`](crate::Text) and hand that on as a
/// whole where other writers must not get in between.
pub struct Writer<'a> {
    sink: &'a mut dyn Sink,
    prefix: Prefix,
    stamp: Stamp,
    /// Where the message has ended so far. Set it to go on where an earlier one ended.
    pub line: LineState,
}

impl<'a> Writer<'a> {
    /// A message whose lines begin with `prefix`.
    pub fn new(sink: &'a mut dyn Sink, prefix: Prefix, stamp: Stamp) -> Self {
        Self {
            sink,
            prefix,
            stamp,
            line: LineState::Start,
        }
    }
}

impl fmt::Write for Writer<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.as_bytes().split_inclusive(|byte| *byte == b'\n') {
            if self.line == LineState::Start {
                self.sink.put(self.prefix.text(&self.stamp).as_bytes());
            }
            let line = piece.strip_suffix(b"\n");
            self.sink.put(line.unwrap_or(piece));
            self.line = LineState::Middle;
            if line.is_some() {
                self.sink.put(b"\r\n");
                self.line = LineState::Start;
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
        let mut writer = Writer::new(&mut out, Prefix::Hypervisor, Stamp::default());
        write!(writer, "{} of {}\n\nlast", 1, 2).unwrap();
        assert_eq!(writer.line, LineState::Middle);
        assert_eq!(out, b"(XEN) 1 of 2\r\n(XEN) \r\n(XEN) last");
    }

    #[test]
    fn a_continuation_has_none() {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, Prefix::Domain(DomId(3)), Stamp::default());
        writer.write_str("Loading ").unwrap();
        let line = writer.line;
        let mut writer = Writer::new(&mut out, Prefix::Hypervisor, Stamp::default());
        writer.line = line;
        writer.write_str("done\nnext\n").unwrap();
        assert_eq!(writer.line, LineState::Start);
        assert_eq!(out, b"(d3) Loading done\r\n(XEN) next\r\n");
    }

    #[test]
    fn plain_only_ends_lines() {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out, Prefix::None, Stamp::default());
        writeln!(writer, "100%").unwrap();
        assert_eq!(out, b"100%\r\n");
    }
}
