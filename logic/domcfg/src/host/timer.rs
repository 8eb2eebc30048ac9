//! The generic timer (Devicetree binding arm,arch_timer).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use abi::IntId;

use super::interrupts;
use crate::Timer;
use crate::finding::Findings;
use crate::tree::{Node, Tree, strings};

const COMPATIBLE: [&str; 2] = ["arm,armv8-timer", "arm,armv7-timer"];

/// The order of `interrupts` where `interrupt-names` does not say another.
const ORDER: [&str; 4] = ["sec-phys", "phys", "virt", "hyp-phys"];

/// The timer's interrupts.
pub(super) fn timer(tree: &Tree<'_>, gic: Option<Node<'_>>, findings: &mut Findings) -> Timer {
    let absent = Timer {
        virt: IntId(27),
        phys: IntId(30),
        hyp: IntId(26),
        clock_frequency: None,
    };
    let Some(node) = tree
        .all()
        .find(|node| node.is_any(&COMPATIBLE) && node.is_available())
    else {
        findings.fatal(
            tree.root(),
            "",
            "no timer: no node is compatible with arm,armv8-timer",
        );
        return absent;
    };
    // Without a GIC nothing can boot anyway, and that has been said.
    let Some(gic) = gic else { return absent };
    let clock_frequency = node.u32("clock-frequency").filter(|&hz| hz != 0);
    let found = interrupts::of(node, gic).and_then(|ids| named(node, &ids));
    match found {
        Ok([phys, virt, hyp]) => Timer {
            virt,
            phys,
            hyp,
            clock_frequency,
        },
        Err(message) => {
            findings.fatal(node, "interrupts", message);
            absent
        }
    }
}

fn named(node: Node<'_>, ids: &[IntId]) -> Result<[IntId; 3], String> {
    let names: Vec<&str> = match node.property("interrupt-names") {
        Some(value) => strings(value).collect(),
        None => ORDER.into(),
    };
    let find = |wanted: &str| {
        let id = names
            .iter()
            .position(|name| *name == wanted)
            .and_then(|at| ids.get(at));
        match id {
            Some(id) if id.is_private() => Ok(*id),
            Some(_) => Err(format!("must be PPIs: {wanted} is not")),
            None => Err(format!("has no {wanted} interrupt")),
        }
    };
    Ok([find("phys")?, find("virt")?, find("hyp-phys")?])
}
