//! What the conformance guest prints (`guests/conform`), and how two such prints differ.

use std::collections::BTreeMap;

use anyhow::{Result, bail};

/// What stands in front of a line of the guest's.
const MARK: &str = "conform: ";
/// What stands between item and answer.
const SEPARATOR: &str = " = ";

/// The answers of one hypervisor: item and answer in the guest's order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Answers(Vec<(String, String)>);

/// An item that the two answer differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Difference {
    /// The item.
    pub(super) item: String,
    /// Xen's answer; `None` where the item is not asked.
    pub(super) xen: Option<String>,
    /// Euxenite's.
    pub(super) euxenite: Option<String>,
}

impl Answers {
    /// The answers in what a machine printed.
    ///
    /// # Errors
    /// When an item is answered twice: then it has a bad name.
    pub(super) fn read(text: &str) -> Result<Self> {
        let mut answers: Vec<(String, String)> = Vec::new();
        let mut seen = BTreeMap::new();
        for line in text.lines() {
            let Some(at) = line.find(MARK) else { continue };
            let Some((item, answer)) = line[at + MARK.len()..].split_once(SEPARATOR) else {
                continue;
            };
            if seen.insert(item.to_owned(), ()).is_some() {
                bail!("{item} is answered twice");
            }
            answers.push((item.to_owned(), answer.trim().to_owned()));
        }
        Ok(Self(answers))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// All differences, in Xen's order, then what only Euxenite was asked.
pub(super) fn differences(xen: &Answers, euxenite: &Answers) -> Vec<Difference> {
    let of =
        |answers: &Answers| -> BTreeMap<String, String> { answers.0.iter().cloned().collect() };
    let (in_xen, in_euxenite) = (of(xen), of(euxenite));
    let only_euxenite = euxenite
        .0
        .iter()
        .filter(|(item, _)| !in_xen.contains_key(item));
    xen.0
        .iter()
        .chain(only_euxenite)
        .map(|(item, _)| Difference {
            item: item.clone(),
            xen: in_xen.get(item).cloned(),
            euxenite: in_euxenite.get(item).cloned(),
        })
        .filter(|difference| difference.xen != difference.euxenite)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_compared_by_name_wherever_the_lines_are() {
        let xen =
            Answers::read("(XEN) conform: a = 1\n(XEN) noise\n(XEN) conform: b = 2\n").unwrap();
        let ours = Answers::read("conform: b = 3 \nconform: a = 1\nconform: c = x = y\n").unwrap();
        let found = differences(&xen, &ours);
        assert_eq!(found.len(), 2);
        assert_eq!(
            (found[0].item.as_str(), found[0].euxenite.as_deref()),
            ("b", Some("3"))
        );
        assert_eq!(
            (found[1].xen.as_deref(), found[1].euxenite.as_deref()),
            (None, Some("x = y"))
        );
    }

    #[test]
    fn a_name_used_twice_is_a_mistake() {
        assert!(Answers::read("conform: a = 1\nconform: a = 1\n").is_err());
    }
}
