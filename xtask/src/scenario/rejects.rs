//! What must not come over the serial line: looked for line by line while a machine runs, so that a
//! scenario fails when it has gone wrong and not when its time is over.

use anyhow::Result;
use regex_lite::Regex;

use super::file::Scenario;
use super::transcript::{Pattern, Transcript, View};

/// What no guest and no hypervisor may say unless a scenario allows it.
const USUALLY_REJECTED: [&str; 8] = [
    "Call trace:",
    "WARNING:",
    "BUG:",
    "Kernel panic",
    "Internal error",
    "Unable to handle kernel",
    "self-detected stall",
    "Xen BUG|Panic on CPU|panicked at",
];

/// The patterns of one scenario, and how far its log has been looked through.
#[derive(Debug, Default)]
pub(super) struct Rejects {
    patterns: Vec<Pattern>,
    looked: usize,
}

impl Rejects {
    /// The usual patterns less what the scenario allows, and its own.
    pub(super) fn of(scenario: &Scenario) -> Result<Self> {
        let usual = USUALLY_REJECTED.into_iter();
        let usual =
            usual.filter(|pattern| !scenario.allow.iter().any(|allowed| allowed == pattern));
        let own = scenario.reject.iter().map(String::as_str);
        let patterns = usual
            .chain(own)
            .map(|pattern| Ok(Pattern::Regex(Regex::new(pattern)?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            patterns,
            looked: 0,
        })
    }

    /// What must not be there among the lines that have come to their end since this was last asked.
    pub(super) fn among_new_lines(&mut self, transcript: &Transcript) -> Option<String> {
        let whole = transcript.text().rfind('\n')? + 1;
        if whole <= self.looked {
            return None;
        }
        let from = std::mem::replace(&mut self.looked, whole);
        self.behind(transcript, from, whole)
    }

    /// What must not be there in all that came: a line may have been cut by another domain's.
    pub(super) fn in_all(&self, transcript: &Transcript) -> Option<String> {
        self.behind(transcript, 0, transcript.text().len())
    }

    fn behind(&self, transcript: &Transcript, from: usize, end: usize) -> Option<String> {
        let mut places = self
            .patterns
            .iter()
            .filter_map(|pattern| transcript.find(pattern, View::All, from))
            .filter(|found| found.start < end);
        let found = places.next()?;
        let text = transcript.text();
        let line = text[..found.start].matches('\n').count() + 1;
        let rest = text[found.start..].lines().next().unwrap_or_default();
        Some(format!(
            "line {line} of the log must not be there: {rest:?}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejects(pattern: &str) -> Rejects {
        Rejects {
            patterns: vec![Pattern::Regex(Regex::new(pattern).unwrap())],
            looked: 0,
        }
    }

    #[test]
    fn a_line_is_looked_at_when_it_is_whole_and_once() {
        let (mut rejects, mut log) = (rejects("bad$|bad\n"), Transcript::default());
        log.add(b"good\nba");
        assert_eq!(rejects.among_new_lines(&log), None);
        log.add(b"d");
        assert_eq!(rejects.among_new_lines(&log), None, "it may go on");
        log.add(b"\r\nmore\n");
        let told = "line 2 of the log must not be there: \"bad\"";
        assert_eq!(rejects.among_new_lines(&log).as_deref(), Some(told));
        log.add(b"good again\n");
        assert_eq!(rejects.among_new_lines(&log), None);
        assert_eq!(rejects.in_all(&log).as_deref(), Some(told));
    }

    #[test]
    fn what_anothers_line_cuts_is_found_at_the_end() {
        let (mut rejects, mut log) = (rejects("very bad"), Transcript::default());
        log.add(b"very\n");
        assert_eq!(rejects.among_new_lines(&log), None);
        log.add(b"(XEN) DOM2: hello\n bad\n");
        assert_eq!(rejects.among_new_lines(&log), None);
        assert!(rejects.in_all(&log).is_some());
    }
}
