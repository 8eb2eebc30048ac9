//! What of the hypervisor's interface a domain sees: `xen,enhanced`, `euxenite,permit` and
//! `euxenite,max-evtchn-port`.

use alloc::format;

use abi::Port;
use abi::evtchn::fifo;
use abi::permit::Permits;

use crate::finding::Findings;
use crate::tree::{Node, cells_text, string_text, strings};
use crate::{DEFAULT_MAX_EVTCHN_PORT, Enhanced};

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

/// `euxenite,max-evtchn-port`: Xen's tools have it for other domains as `max_event_channels`.
pub(super) fn max_evtchn_port(node: Node<'_>, findings: &mut Findings) -> Port {
    const NAME: &str = "euxenite,max-evtchn-port";
    let Some(value) = node.property(NAME) else {
        return DEFAULT_MAX_EVTCHN_PORT;
    };
    match node.u32(NAME) {
        Some(port) if (1..fifo::PORTS).contains(&port) => Port(port),
        _ => {
            let (value, most) = (cells_text(value), fifo::PORTS - 1);
            let rule = format!("= {value}: must be one cell, 1 to {most}");
            findings.error(node, NAME, rule);
            DEFAULT_MAX_EVTCHN_PORT
        }
    }
}
