//! What came over the serial line, and looking for things in it.
//!
//! A line of an unfocused domain (`(XEN) DOM2: ...`) can come in the middle of what the focused one
//! writes. So a text is looked for in three views: as it came; without such lines; and without such
//! lines and the line break that was put in front of them.

use std::ops::Range;

use regex_lite::Regex;

/// Everything received, and how far it has been matched.
#[derive(Debug, Default)]
pub(super) struct Transcript {
    /// One byte a character: other than ASCII is kept as `?`, so that offsets are the same.
    /// Without carriage returns: how many there are before a line feed says nothing.
    text: String,
    matched: usize,
}

/// What to look for.
#[derive(Debug, Clone)]
pub(super) enum Pattern {
    Text(String),
    Regex(Regex),
}

/// Where to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// Everywhere.
    All,
    /// Only in this domain's prefixed lines.
    Domain(u32),
}

impl Transcript {
    /// Adds what was received.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        let bytes = bytes.iter().filter(|&&byte| byte != b'\r');
        let ascii = bytes.map(|&byte| {
            if byte.is_ascii() {
                char::from(byte)
            } else {
                '?'
            }
        });
        self.text.extend(ascii);
    }

    /// All of it.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// How far it has been matched.
    pub(super) fn matched(&self) -> usize {
        self.matched
    }

    /// Finds `pattern` behind what was matched last and moves on behind it.
    pub(super) fn advance(&mut self, pattern: &Pattern, view: View) -> bool {
        let found = self.find(pattern, view, self.matched);
        if let Some(found) = &found {
            self.matched = found.end;
        }
        found.is_some()
    }

    /// Moves on to `end`, or to a later place that has been reached already.
    pub(super) fn advance_to(&mut self, end: usize) {
        self.matched = self.matched.max(end);
    }

    /// Finds the first `pattern` at or behind `from`.
    pub(super) fn find(&self, pattern: &Pattern, view: View, from: usize) -> Option<Range<usize>> {
        let text = self.text.get(from..)?;
        let views = match view {
            View::All => vec![
                Part::whole(text),
                focused(text, Breaks::Kept),
                focused(text, Breaks::Joined),
            ],
            View::Domain(number) => vec![prefixed(text, number)],
        };
        let found = views.iter().find_map(|part| part.find(pattern))?;
        Some(from + found.start..from + found.end)
    }
}

/// A selection of a text that knows where its characters come from.
struct Part {
    text: String,
    origin: Vec<usize>,
}

/// Whether line breaks in front of others' lines are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Breaks {
    Kept,
    Joined,
}

impl Part {
    fn whole(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            origin: (0..text.len()).collect(),
        }
    }

    fn new() -> Self {
        Self {
            text: String::new(),
            origin: Vec::new(),
        }
    }

    fn push(&mut self, text: &str, range: Range<usize>) {
        self.text.push_str(&text[range.clone()]);
        self.origin.extend(range);
    }

    fn find(&self, pattern: &Pattern) -> Option<Range<usize>> {
        let range = match pattern {
            Pattern::Text(wanted) => {
                let start = self.text.find(wanted.as_str())?;
                start..start + wanted.len()
            }
            Pattern::Regex(regex) => regex.find(&self.text)?.range(),
        };
        let start = *self.origin.get(range.start)?;
        let end = range
            .end
            .checked_sub(1)
            .and_then(|last| self.origin.get(last))
            .map_or(start, |at| at + 1);
        Some(start..end.max(start))
    }
}

/// The lines of domain `number`, without their prefixes.
fn prefixed(text: &str, number: u32) -> Part {
    let mark = format!("(XEN) DOM{number}: ");
    let mut part = Part::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(&mark) {
        let start = at + found + mark.len();
        let end = text[start..]
            .find('\n')
            .map_or(text.len(), |length| start + length + 1);
        part.push(text, start..end);
        at = end;
    }
    part
}

/// The text without the lines of unfocused domains.
fn focused(text: &str, breaks: Breaks) -> Part {
    const MARK: &str = "(XEN) DOM";
    let mut part = Part::new();
    let mut at = 0;
    while let Some(found) = text[at..].find(MARK) {
        let start = at + found;
        let kept = match breaks {
            Breaks::Kept => start,
            Breaks::Joined => at + text[at..start].trim_end_matches('\n').len(),
        };
        part.push(text, at..kept);
        at = text[start..]
            .find('\n')
            .map_or(text.len(), |length| start + length + 1);
    }
    part.push(text, at..text.len());
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    fn transcript(text: &str) -> Transcript {
        let mut transcript = Transcript::default();
        transcript.add(text.as_bytes());
        transcript
    }

    fn text(wanted: &str) -> Pattern {
        Pattern::Text(wanted.to_owned())
    }

    #[test]
    fn a_match_is_looked_for_behind_the_last() {
        let mut log = transcript("a b a");
        assert!(log.advance(&text("a"), View::All));
        assert!(log.advance(&text("a"), View::All));
        assert!(!log.advance(&text("a"), View::All));
        log.add(b" a");
        assert!(log.advance(&Pattern::Regex(Regex::new("[a-c]$").unwrap()), View::All));
    }

    #[test]
    fn a_text_cut_by_anothers_line_is_found() {
        let mut log = transcript("shell re\r\n(XEN) DOM2: [ 1.0] noise\r\nady\r\nnext");
        assert!(log.advance(&text("shell ready"), View::All));
        assert!(
            log.advance(&text("next"), View::All),
            "and only that much is matched"
        );
        let mut xen = transcript("shell re(XEN) DOM2: [ 1.0] noise\r\nady\r\n");
        assert!(xen.advance(&text("shell ready"), View::All));
    }

    #[test]
    fn one_domains_lines_can_be_picked() {
        let mut log = transcript("tick\r\n(XEN) DOM2: tock\r\n(XEN) DOM3: tick\r\n");
        assert!(!log.advance(&text("tick"), View::Domain(2)));
        assert!(log.advance(&text("tock"), View::Domain(2)));
        assert!(log.advance(&text("tick"), View::Domain(3)));
    }

    #[test]
    fn bytes_that_are_no_text_do_no_harm() {
        let mut log = Transcript::default();
        log.add(&[0xff, b'x', 0xc3]);
        assert!(log.advance(&text("x"), View::All));
        assert_eq!(log.text(), "?x?");
    }
}
