//! The names of properties that are known, and what a misspelt one probably means.

use alloc::format;
use alloc::string::String;

use crate::finding::Findings;
use crate::tree::Node;

/// Properties of a domain node.
pub(super) const DOMAIN: &[&str] = &[
    "cpus",
    "memory",
    "vpl011",
    "nr_spis",
    "direct-map",
    "xen,static-mem",
    "trap-unmapped-accesses",
    "passthrough",
    "xen,enhanced",
    "euxenite,permit",
    "euxenite,weight",
    "euxenite,max-evtchn-port",
    "xen,domain-p2m-mem-mb",
    "max_grant_version",
    "max_grant_frames",
    "max_maptrack_frames",
    "domain-cpupool",
    "sve",
    "llc-colors",
    "capabilities",
    "xen,sci_type",
    "v8r_el1_msa",
    "#address-cells",
    "#size-cells",
];

/// Properties of a module node.
pub(super) const MODULE: &[&str] = &["reg", "bootargs", "xen,uefi-binary"];

/// Properties of a vCPU node.
pub(super) const VCPU: &[&str] = &["id", "hard-affinity"];

/// Properties that any node may have.
const ANY: &[&str] = &["compatible", "phandle", "linux,phandle", "status", "name"];

/// The most unknown names that are told for one node.
const MAX_TOLD: usize = 16;
/// The longest name that is compared with the known ones.
const MAX_COMPARED: usize = 32;

/// Notes every property whose name is not known. On Xen those are ignored without a word, and a
/// typo changes what a domain gets.
pub(super) fn check(node: Node<'_>, known: &[&str], findings: &mut Findings) {
    let is_known = |name: &str| known.contains(&name) || ANY.contains(&name);
    for (name, _) in node
        .properties()
        .filter(|(name, _)| !is_known(name))
        .take(MAX_TOLD)
    {
        if findings.is_full() {
            return;
        }
        let message = match nearest(name, known) {
            Some(meant) => format!("is unknown and ignored: did you mean {meant}?"),
            None => String::from("is unknown and ignored"),
        };
        findings.note(node, name, message);
    }
}

/// The known name that is most like `name`, if one is like it at all.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    if name.len() > MAX_COMPARED {
        return None;
    }
    let bare = |name: &'k str| {
        let vendors = ["xen,", "euxenite,"].iter();
        let mut stripped = vendors.filter_map(|vendor| name.strip_prefix(vendor));
        stripped.next().unwrap_or(name)
    };
    let limit = (name.len() / 3).max(1);
    let likeness = |known: &'k str| {
        let bare = bare(known);
        let like = |known: &str| match known.len().abs_diff(name.len()) {
            apart if apart > limit => usize::MAX - 1,
            _ => distance(name, known),
        };
        like(known).min(like(bare) + usize::from(bare != known))
    };
    let best = known.iter().copied().min_by_key(|known| likeness(known))?;
    let near = likeness(best) <= limit;
    let starts_alike = || {
        known
            .iter()
            .copied()
            .find(|known| name.len() >= 3 && bare(known).starts_with(name))
    };
    if near { Some(best) } else { starts_alike() }
}

/// Characters to insert, delete or replace to make `a` into `b` (Levenshtein), where letter
/// case and the choice of `-` or `_` cost nothing.
fn distance(a: &str, b: &str) -> usize {
    let same = |a: u8, b: u8| {
        let plain = |byte: u8| {
            if byte == b'_' {
                b'-'
            } else {
                byte.to_ascii_lowercase()
            }
        };
        plain(a) == plain(b)
    };
    let mut row = [0usize; MAX_COMPARED + 1];
    let b = b.as_bytes().get(..b.len().min(MAX_COMPARED)).unwrap_or(&[]);
    for (cost, cell) in row.iter_mut().enumerate() {
        *cell = cost;
    }
    for (done, &from) in a.as_bytes().iter().enumerate() {
        let mut diagonal = done;
        let mut left = done + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, &to) in row.iter_mut().skip(1).zip(b) {
            let replace = diagonal + usize::from(!same(from, to));
            diagonal = *cell;
            left = replace.min(diagonal + 1).min(left + 1);
            *cell = left;
        }
    }
    row.get(b.len()).copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typos_find_what_was_meant() {
        for (typo, meant) in [
            ("vcpus", "cpus"),
            ("cpu", "cpus"),
            ("mem", "memory"),
            ("vpl-011", "vpl011"),
            ("nr-spis", "nr_spis"),
            ("static-mem", "xen,static-mem"),
            ("direct_map", "direct-map"),
            ("xen,enhance", "xen,enhanced"),
            ("enhanced", "xen,enhanced"),
            ("weight", "euxenite,weight"),
            ("llc-colours", "llc-colors"),
            ("Memory", "memory"),
            ("max_evtchn_port", "euxenite,max-evtchn-port"),
        ] {
            assert_eq!(nearest(typo, DOMAIN), Some(meant), "{typo}");
        }
        for other in ["frobnicate", "x", &"m".repeat(100)] {
            assert_eq!(nearest(other, DOMAIN), None, "{other}");
        }
    }

    #[test]
    fn distance_is_levenshteins() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("a_b", "A-b"), 0);
    }
}
