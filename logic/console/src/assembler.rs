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

/// Characters of text in a line; a longer one is cut.
pub const TEXT_MAX: usize = 128;

/// The most bytes that one [`LineAssembler::push`] hands on, and so what a domain must be admitted
/// for: an open line's end, a collected line, and the beginning of a raw one.
pub const LINE_MAX: usize = 2 + (Prefix::MAX + TEXT_MAX + 2) + (Prefix::MAX + 1);

/// What stands in front of the lines of the domain with the focus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FocusedPrefix {
    /// Nothing: its output is raw.
    #[default]
    None,
    /// `(XEN) `, as Xen has it.
    Xen,
}

/// The output of one domain.
pub struct LineAssembler {
    prefix: Prefix,
    focused_prefix: FocusedPrefix,
    text: Text<TEXT_MAX>,
    /// The raw output is inside a line, whose prefix is out.
    inside_raw_line: bool,
}

impl LineAssembler {
    /// Nothing collected; lines will begin with `prefix`.
    pub const fn new(prefix: Prefix, focused_prefix: FocusedPrefix) -> Self {
        Self {
            prefix,
            focused_prefix,
            text: Text::new(),
            inside_raw_line: false,
        }
    }

    /// The domain writes `byte`. `stamp` is the time, used if a line begins or appears.
    pub fn push(
        &mut self,
        byte: u8,
        focused: Focused,
        stamp: &Stamp,
        out: &mut Terminal<'_, impl Sink>,
    ) {
        match focused {
            Focused::Yes => self.push_raw(byte, stamp, out),
            Focused::No => self.collect(byte, stamp, out),
        }
    }

    /// Ends what is collected of a line: the domain gains or loses the focus, or ended. Nothing
    /// happens if nothing is.
    pub fn flush_partial(&mut self, stamp: &Stamp, out: &mut Terminal<'_, impl Sink>) {
        self.inside_raw_line = false;
        if !self.text.is_empty() {
            self.emit(stamp, out);
        }
    }

    fn push_raw(&mut self, byte: u8, stamp: &Stamp, out: &mut Terminal<'_, impl Sink>) {
        if !self.inside_raw_line {
            self.flush_partial(stamp, out);
            if self.focused_prefix == FocusedPrefix::Xen {
                let mut prefix = Text::<{ Prefix::MAX }>::new();
                Prefix::Hypervisor.write(stamp, &mut prefix);
                out.raw(prefix.as_bytes());
            }
        }
        self.inside_raw_line = byte != b'\n';
        out.raw(&[byte]);
    }

    fn collect(&mut self, byte: u8, stamp: &Stamp, out: &mut Terminal<'_, impl Sink>) {
        self.inside_raw_line = false;
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
        self.prefix.write(stamp, &mut line);
        line.put(self.text.as_bytes());
        line.put(b"\r\n");
        self.text.clear();
        out.lines(line.as_bytes());
    }
}
