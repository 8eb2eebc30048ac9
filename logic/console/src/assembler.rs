//! A domain's output, byte by byte, made into what appears on the screen.
//!
//! With the focus a domain writes raw. Without it, its output is collected and appears in whole
//! lines with a prefix, of printable characters only: a terminal obeys escape sequences, and the
//! one in front of it should not obey a domain that the user has not chosen.
//!
//! Invariant: a line reaches the terminal in one piece, prefix, text and end together.

use crate::focus::Focused;
use crate::prefix::Prefix;
use crate::screen::Terminal;
use crate::stamp::Stamp;
use crate::text::{Sink, Text};
use crate::writer::LineState;

/// Characters of text in a line; a longer one is cut.
pub const TEXT_MAX: usize = 128;

/// The most bytes that one [`LineAssembler::push`] hands on, and so what a domain must be admitted
/// for: an open line's end, a collected line, and the beginning of a raw one.
pub const LINE_MAX: usize = 2 + (Prefix::MAX + TEXT_MAX + 2) + (Prefix::MAX + 1);

/// What stands in front of the lines of the domain with the focus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FocusedPrefix {
    /// Nothing: its output is raw.
    None,
    /// `(XEN) `, as Xen has it.
    Xen,
}

/// The output of one domain.
pub struct LineAssembler {
    prefix: Prefix,
    focused_prefix: FocusedPrefix,
    text: Text<TEXT_MAX>,
    /// Where the raw output is.
    raw: LineState,
}

impl LineAssembler {
    /// Nothing collected; lines will begin with `prefix`.
    pub const fn new(prefix: Prefix, focused_prefix: FocusedPrefix) -> Self {
        Self {
            prefix,
            focused_prefix,
            text: Text::new(),
            raw: LineState::Start,
        }
    }

    /// The domain writes `byte`. `stamp` is the time, used if a line appears.
    pub fn push(
        &mut self,
        byte: u8,
        focused: Focused,
        stamp: &Stamp,
        out: &mut Terminal<'_, impl Sink>,
    ) {
        match focused {
            Focused::Yes => self.pass(byte, stamp, out),
            Focused::No => self.collect(byte, stamp, out),
        }
    }

    /// The domain, which has the focus, writes `bytes`: as [`push`](Self::push) of each, but they stay
    /// together. False, and nothing has happened, if more than they would appear.
    #[inline]
    pub fn pass_on(&mut self, bytes: &[u8], out: &mut Terminal<'_, impl Sink>) -> bool {
        let Some(last) = bytes.last() else {
            return true;
        };
        if !self.text.is_empty() || self.focused_prefix != FocusedPrefix::None {
            return false;
        }
        out.raw(bytes);
        self.raw = after(*last);
        true
    }

    /// Ends what is collected of a line: the domain gains or loses the focus, or ended. Nothing
    /// happens if nothing is.
    pub fn flush_partial(&mut self, stamp: &Stamp, out: &mut Terminal<'_, impl Sink>) {
        if !self.text.is_empty() {
            self.emit(stamp, out);
        }
    }

    fn pass(&mut self, byte: u8, stamp: &Stamp, out: &mut Terminal<'_, impl Sink>) {
        self.flush_partial(stamp, out);
        if self.raw == LineState::Start && self.focused_prefix == FocusedPrefix::Xen {
            out.raw(Prefix::Hypervisor.text(stamp).as_bytes());
        }
        out.raw(&[byte]);
        self.raw = after(byte);
    }

    fn collect(&mut self, byte: u8, stamp: &Stamp, out: &mut Terminal<'_, impl Sink>) {
        self.raw = LineState::Start;
        match byte {
            b'\n' => self.emit(stamp, out),
            b'\t' | b' '..=b'~' => {
                if self.text.is_full() {
                    self.emit(stamp, out);
                }
                self.text.put(&[byte]);
            }
            _ => {}
        }
    }

    fn emit(&mut self, stamp: &Stamp, out: &mut Terminal<'_, impl Sink>) {
        let mut line = Text::<{ Prefix::MAX + TEXT_MAX + 2 }>::new();
        line.put(self.prefix.text(stamp).as_bytes());
        line.put(self.text.as_bytes());
        line.put(b"\r\n");
        self.text = Text::new();
        out.lines(line.as_bytes());
    }
}

/// Where raw output is behind `byte`.
const fn after(byte: u8) -> LineState {
    match byte {
        b'\n' => LineState::Start,
        _ => LineState::Middle,
    }
}
