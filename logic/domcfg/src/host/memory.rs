//! RAM and what of it is reserved.

use alloc::string::String;
use alloc::vec::Vec;

use abi::Range;

use super::address::reg;
use crate::finding::Findings;
use crate::tree::{Node, Tree};

/// The most banks or reservations that are kept: Xen's limit.
const MAX_BANKS: usize = 256;

/// Sorts ranges and joins those that touch or overlap; empty ones go.
pub(crate) fn merge(mut ranges: Vec<Range>) -> Vec<Range> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start());
    let mut merged: Vec<Range> = Vec::with_capacity(ranges.len());
    for range in ranges {
        if let Some(last) = merged.last_mut()
            && range.start() <= last.end()
        {
            let end = last.end().max(range.end());
            *last = Range::from_bounds(last.start(), end).unwrap_or(*last);
            continue;
        }
        merged.push(range);
    }
    merged
}

/// The RAM of all `/memory` nodes directly below the root.
pub(super) fn ram(tree: &Tree<'_>, findings: &mut Findings) -> Vec<Range> {
    let mut ranges = Vec::new();
    let is_memory = |node: &Node<'_>| {
        node.base_name() == "memory" && node.string("device_type") == Some("memory")
    };
    for node in tree.root().children().filter(is_memory) {
        if !node.is_available() {
            continue;
        }
        match reg(node) {
            Ok(found) => add(&mut ranges, &found, node, findings),
            Err(message) => findings.error(node, "reg", message),
        }
    }
    let ranges = merge(ranges);
    if ranges.is_empty() {
        findings.fatal(tree.root(), "", "no memory: no node /memory@... gives any");
    }
    ranges
}

/// The reservation block, `/reserved-memory` and a dom0's initial ramdisk.
pub(super) fn reserved(tree: &Tree<'_>, findings: &mut Findings) -> Vec<Range> {
    let mut ranges: Vec<Range> = tree.reservations().collect();
    let parents = tree
        .root()
        .children()
        .filter(|node| node.name() == "reserved-memory");
    for node in parents.flat_map(Node::children) {
        // A child without `reg` asks for an allocation at run time: nothing is there yet.
        if !node.is_available() || !node.has("reg") {
            continue;
        }
        match reg(node) {
            Ok(found) => add(&mut ranges, &found, node, findings),
            Err(message) => findings.error(node, "reg", message),
        }
    }
    if let Some(chosen) = tree.find("/chosen") {
        ranges.extend(initrd(chosen, findings));
    }
    ranges.retain(|range| !range.is_empty());
    ranges.sort_unstable_by_key(|range| range.start());
    ranges
}

fn add(ranges: &mut Vec<Range>, found: &[Range], node: Node<'_>, findings: &mut Findings) {
    if ranges.len() + found.len() > MAX_BANKS {
        findings.error(
            node,
            "reg",
            "has too many ranges: at most 256 in all are kept",
        );
        return;
    }
    ranges.extend_from_slice(found);
}

fn initrd(chosen: Node<'_>, findings: &mut Findings) -> Option<Range> {
    let number = |name: &str| {
        let value = chosen.property(name)?;
        matches!(value.len(), 4 | 8).then(|| crate::tree::read_cells(value))
    };
    if !chosen.has("linux,initrd-start") && !chosen.has("linux,initrd-end") {
        return None;
    }
    let range = match (number("linux,initrd-start"), number("linux,initrd-end")) {
        (Some(start), Some(end)) if start < end => Range::from_bounds(start, end),
        _ => None,
    };
    match range {
        Some(_) => findings.note(
            chosen,
            "linux,initrd-start",
            "belongs to a dom0, which is not supported: kept reserved, not used",
        ),
        None => findings.error(
            chosen,
            "linux,initrd-start",
            String::from("and linux,initrd-end must be 1 or 2 cells each, start before end"),
        ),
    }
    range
}
