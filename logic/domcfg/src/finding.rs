//! What is wrong or worth saying about a tree: one line each, with node path, property, value
//! and rule.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::tree::Node;

/// The most findings that are kept: a tree is not trusted to be wrong only a few times.
const MAX_FINDINGS: usize = 256;

/// The most characters of a message that are kept.
const MAX_MESSAGE: usize = 512;

/// How bad a [`Finding`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Refuses the domain that it is about; `config=strict` refuses the whole boot.
    Error,
    /// Said, and otherwise ignored.
    Note,
}

/// One thing that is wrong or worth saying. `Display` gives the one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// Full path of the node.
    pub path: String,
    /// The property, if it is about one.
    pub property: Option<String>,
    /// The value (as `= <0x0>:`) and the rule.
    pub message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path)?;
        f.write_str(": ")?;
        if let Some(property) = &self.property {
            f.write_str(property)?;
            f.write_str(" ")?;
        }
        f.write_str(&self.message)
    }
}

/// Collects findings while a tree is read.
#[derive(Default)]
pub(crate) struct Findings {
    list: Vec<Finding>,
    errors: usize,
    first_fatal: Option<usize>,
}

impl Findings {
    /// Errors so far, also those beyond the number that is kept.
    pub(crate) fn errors(&self) -> usize {
        self.errors
    }

    /// Whether more would not be kept: not worth much work.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() > MAX_FINDINGS
    }

    /// Index of the first finding without which nothing can boot.
    pub(crate) fn first_fatal(&self) -> Option<usize> {
        self.first_fatal
    }

    /// The collected findings.
    pub(crate) fn into_list(self) -> Vec<Finding> {
        self.list
    }

    /// An error about a property, or about the whole node when `property` is empty.
    pub(crate) fn error(&mut self, node: Node<'_>, property: &str, message: impl Into<String>) {
        self.error_at(node.path(), property, message);
    }

    /// As [`error`](Self::error), for a path.
    pub(crate) fn error_at(&mut self, path: String, property: &str, message: impl Into<String>) {
        self.errors += 1;
        self.push(Severity::Error, path, property, message.into());
    }

    /// An error without whose repair nothing can boot.
    pub(crate) fn fatal(&mut self, node: Node<'_>, property: &str, message: impl Into<String>) {
        self.first_fatal.get_or_insert(self.list.len());
        self.error(node, property, message);
    }

    /// Something worth saying about a property, or about the node when `property` is empty.
    pub(crate) fn note(&mut self, node: Node<'_>, property: &str, message: impl Into<String>) {
        self.push(Severity::Note, node.path(), property, message.into());
    }

    /// As [`note`](Self::note), for a path.
    pub(crate) fn note_at(&mut self, path: String, property: &str, message: String) {
        self.push(Severity::Note, path, property, message);
    }

    fn push(&mut self, severity: Severity, path: String, property: &str, message: String) {
        let message = clean(message);
        let property = (!property.is_empty()).then(|| String::from(property));
        match self.list.len() {
            0..MAX_FINDINGS => self.list.push(Finding {
                severity,
                path,
                property,
                message,
            }),
            MAX_FINDINGS => self.list.push(Finding {
                severity: Severity::Note,
                path: String::from("/"),
                property: None,
                message: String::from("more findings than can be listed"),
            }),
            _ => {}
        }
    }
}

/// What a tree says is shown on consoles: one line, printable, of bounded length.
fn clean(message: String) -> String {
    let printable = |character: char| matches!(character, ' '..='~');
    if message.len() <= MAX_MESSAGE && message.chars().all(printable) {
        return message;
    }
    let shown = message.chars().take(MAX_MESSAGE);
    shown
        .map(|character| if printable(character) { character } else { '?' })
        .collect()
}
