//! Properties that Xen knows and that are not built here.

use alloc::format;

use crate::finding::Findings;
use crate::tree::{Node, cells_text, string_text};

/// Those that only tune: noted and ignored.
const TUNING: [&str; 4] = [
    "xen,domain-p2m-mem-mb",
    "max_grant_version",
    "max_grant_frames",
    "max_maptrack_frames",
];

/// Those whose mere presence asks for something that a guest or its isolation depends on.
const REFUSED: [(&str, &str); 3] = [
    ("domain-cpupool", "CPU pools are not supported"),
    ("llc-colors", "cache colouring is not supported"),
    ("v8r_el1_msa", "is for Armv8-R only"),
];

/// Those that are refused unless their value asks for nothing: the string that does, and
/// whether Xen knows others (the rest is a mistake on Xen too, though it is silent there).
struct Optional {
    name: &'static str,
    nothing: &'static str,
    known: &'static [&'static str],
}

const OPTIONAL: [Optional; 2] = [
    Optional {
        name: "passthrough",
        nothing: "disabled",
        known: &["enabled"],
    },
    Optional {
        name: "xen,sci_type",
        nothing: "none",
        known: &["scmi_smc"],
    },
];

/// Refuses or notes what is not built.
pub(super) fn check(node: Node<'_>, findings: &mut Findings) {
    for name in TUNING.iter().filter(|name| node.has(name)) {
        findings.note(node, name, "only tunes Xen: not supported, ignored");
    }
    for (name, rule) in REFUSED.iter().filter(|(name, _)| node.has(name)) {
        findings.error(node, name, *rule);
    }
    for optional in &OPTIONAL {
        check_optional(node, optional, findings);
    }
    check_number(node, "capabilities", findings);
    check_number(node, "sve", findings);
    if node.has("status") {
        findings.note(node, "status", "has no effect on a domain, as on Xen");
    }
}

fn check_optional(node: Node<'_>, optional: &Optional, findings: &mut Findings) {
    let Optional {
        name,
        nothing,
        known,
    } = optional;
    let Some(value) = node.property(name) else {
        return;
    };
    let text = if value.is_empty() {
        Some("")
    } else {
        node.string(name)
    };
    match text {
        Some(text) if text == *nothing => {}
        Some("") => findings.error(node, name, "is not supported"),
        Some(text) if known.contains(&text) => {
            findings.error(node, name, format!("= \"{text}\": is not supported"));
        }
        _ => {
            let value = string_text(value);
            findings.error(
                node,
                name,
                format!("= {value}: must be \"{nothing}\" or absent"),
            );
        }
    }
}

/// A number whose 0 asks for nothing; without a value it asks for the most.
fn check_number(node: Node<'_>, name: &str, findings: &mut Findings) {
    let Some(value) = node.property(name) else {
        return;
    };
    if node.u32(name) != Some(0) {
        let value = cells_text(value);
        findings.error(
            node,
            name,
            format!("= {value}: is not supported, must be <0> or absent"),
        );
    }
}
