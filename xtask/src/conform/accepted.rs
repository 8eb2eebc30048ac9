//! The committed list of differences that are meant to be (`docs/conform/accepted.toml`).

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::answers::Difference;

/// The file as it is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    accepted: Vec<Accepted>,
}

/// One entry: items, and why they differ.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Accepted {
    /// The items; `*` stands for anything.
    pub(super) items: Vec<String>,
    /// Why it is meant to be.
    pub(super) reason: String,
    /// Xen's answer, when only that one is meant.
    pub(super) xen: Option<String>,
    /// Euxenite's answer, when only that one is meant.
    pub(super) euxenite: Option<String>,
}

/// How differences and the list fit together.
#[derive(Debug)]
pub(super) struct Verdict<'a> {
    /// Accepted differences, each with its entry.
    pub(super) accepted: Vec<(&'a Difference, &'a Accepted)>,
    /// Differences that no entry covers.
    pub(super) unexpected: Vec<&'a Difference>,
    /// Items of entries that cover no difference any more.
    pub(super) stale: Vec<&'a str>,
}

/// Reads the list.
///
/// # Errors
/// When it is not as it must be, or an entry gives no reason.
pub(super) fn read(text: &str) -> Result<Vec<Accepted>> {
    let file: File = toml::from_str(text).context("docs/conform/accepted.toml")?;
    for entry in &file.accepted {
        if entry.reason.trim().is_empty() || entry.items.is_empty() {
            bail!("an accepted difference needs items and a reason: {entry:?}");
        }
    }
    Ok(file.accepted)
}

/// Sorts `differences` by the list.
pub(super) fn judge<'a>(differences: &'a [Difference], list: &'a [Accepted]) -> Verdict<'a> {
    let mut verdict = Verdict {
        accepted: Vec::new(),
        unexpected: Vec::new(),
        stale: Vec::new(),
    };
    for difference in differences {
        match list.iter().find(|entry| entry.covers(difference)) {
            Some(entry) => verdict.accepted.push((difference, entry)),
            None => verdict.unexpected.push(difference),
        }
    }
    for entry in list {
        let stale = entry.items.iter().filter(|pattern| {
            !verdict.accepted.iter().any(|(difference, by)| {
                std::ptr::eq(*by, entry) && matches(pattern, &difference.item)
            })
        });
        verdict.stale.extend(stale.map(String::as_str));
    }
    verdict
}

impl Accepted {
    fn covers(&self, difference: &Difference) -> bool {
        let same =
            |wanted: &Option<String>, answer: &Option<String>| wanted.is_none() || wanted == answer;
        self.items
            .iter()
            .any(|pattern| matches(pattern, &difference.item))
            && same(&self.xen, &difference.xen)
            && same(&self.euxenite, &difference.euxenite)
    }
}

/// Whether `text` is as `pattern` says, in which `*` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(start) else {
        return false;
    };
    loop {
        if matches(rest, text) {
            return true;
        }
        let mut chars = text.chars();
        if chars.next().is_none() {
            return false;
        }
        text = chars.as_str();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(item: &str, xen: &str, euxenite: &str) -> Difference {
        Difference {
            item: item.into(),
            xen: Some(xen.into()),
            euxenite: Some(euxenite.into()),
        }
    }

    const LIST: &str = r#"
        [[accepted]]
        items = ["uart.*.8", "uart.gone"]
        reason = "only words"
        [[accepted]]
        items = ["id"]
        reason = "other"
        euxenite = "1"
    "#;

    #[test]
    fn what_is_not_listed_and_what_is_listed_in_vain_stands_out() {
        let list = read(LIST).unwrap();
        let found = [
            difference("uart.write.8", "a", "b"),
            difference("uart.write.9", "a", "b"),
            difference("id", "0", "2"),
        ];
        let verdict = judge(&found, &list);
        assert_eq!(verdict.accepted.len(), 1);
        let unexpected: Vec<_> = verdict
            .unexpected
            .iter()
            .map(|one| one.item.as_str())
            .collect();
        assert_eq!(unexpected, ["uart.write.9", "id"]);
        assert_eq!(verdict.stale, ["uart.gone", "id"]);
    }

    #[test]
    fn stars_stand_for_anything() {
        assert!(matches("a*c*", "abcd") && matches("*", "") && matches("a", "a"));
        assert!(!matches("a*c", "abcd") && !matches("a", "ab"));
    }

    #[test]
    fn an_entry_needs_a_reason() {
        assert!(read("[[accepted]]\nitems = [\"a\"]\nreason = \" \"").is_err());
        assert!(read("[[accepted]]\nitem = \"a\"\nreason = \"b\"").is_err());
    }
}
