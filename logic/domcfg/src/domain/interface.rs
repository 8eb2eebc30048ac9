//! What of the hypervisor's interface a domain sees: `xen,enhanced` and `euxenite,permit`.

use alloc::format;

use abi::permit::Permits;

use crate::Enhanced;
use crate::finding::Findings;
use crate::tree::{Node, string_text, strings};

/// `xen,enhanced`. What needs a xenstore is refused, as there is none.
pub(super) fn enhanced(node: Node<'_>, findings: &mut Findings) -> Enhanced {
    const NAME: &str = "xen,enhanced";
    let Some(value) = node.property(NAME) else {
        return Enhanced::No;
    };
    let text = if value.is_empty() {
        Some("")
    } else {
        node.string(NAME)
    };
    let rule = match text {
        Some("disabled") => return Enhanced::No,
        Some("no-xenstore") => return Enhanced::NoXenstore,
        Some("") => {
            findings.error(
                node,
                NAME,
                "asks for a xenstore, which is not supported: \"no-xenstore\" does without",
            );
            return Enhanced::No;
        }
        Some("enabled" | "legacy") => {
            "asks for a xenstore, which is not supported: \"no-xenstore\" does without"
        }
        _ => "must be \"no-xenstore\", \"disabled\" or absent",
    };
    findings.error(node, NAME, format!("= {}: {rule}", string_text(value)));
    Enhanced::No
}

/// `euxenite,permit`: a list of strings, each of which adds a part of the ABI or takes one away.
pub(super) fn permits(node: Node<'_>, findings: &mut Findings) -> Permits {
    const NAME: &str = "euxenite,permit";
    let Some(value) = node.property(NAME) else {
        return Permits::ALL;
    };
    let is_list = value.last() == Some(&0) && core::str::from_utf8(value).is_ok();
    let result = if is_list {
        Permits::parse(strings(value)).map_err(|unknown| format!("{unknown}"))
    } else {
        Err("must be a list of strings".into())
    };
    result.unwrap_or_else(|rule| {
        findings.error(node, NAME, format!("= {}: {rule}", string_text(value)));
        Permits::ALL
    })
}
