//! The console's UART: `dtuart=` on the command line, else `stdout-path` of `/chosen`.

use alloc::format;

use super::{address, interrupts};
use crate::finding::Findings;
use crate::tree::{Node, Tree, string_text};
use crate::{CommandLine, ConsoleDevice, Uart, UartKind};

/// Bytes up to the last register that a driver needs; some trees give no more than 0x200.
const REGISTER_BYTES: u64 = 0x48;

/// Finds the UART. A console that cannot be had is an error, but never stops the boot.
pub(super) fn console(
    tree: &Tree<'_>,
    line: &CommandLine,
    gic: Option<Node<'_>>,
    findings: &mut Findings,
) -> Option<Uart> {
    let chosen = tree.find("/chosen").unwrap_or(tree.root());
    let (property, given) = match (&line.dtuart, chosen.string("stdout-path")) {
        (Some(given), _) => ("dtuart", given.as_str()),
        (None, Some(given)) => ("stdout-path", given),
        (None, None) => {
            if line.console == ConsoleDevice::DtUart {
                findings.note(
                    chosen,
                    "",
                    "no console: neither stdout-path nor dtuart= is given",
                );
            }
            return None;
        }
    };
    let Some(node) = resolve(tree, given) else {
        let given = string_text(format!("{given}\0").as_bytes());
        findings.error(
            chosen,
            property,
            format!("= {given}: there is no such node or alias"),
        );
        return None;
    };
    let kind = if node.is_compatible("arm,pl011") {
        UartKind::Pl011
    } else if node.is_compatible("arm,sbsa-uart") {
        UartKind::Sbsa
    } else {
        let path = node.path();
        findings.error(
            chosen,
            property,
            format!("= \"{path}\": is no arm,pl011 or arm,sbsa-uart"),
        );
        return None;
    };
    let range = match address::cpu_reg(node).map(|ranges| ranges.first().copied()) {
        Ok(Some(range)) if range.size() >= REGISTER_BYTES => range,
        Ok(_) => {
            findings.error(node, "reg", "must hold at least 0x48 bytes of registers");
            return None;
        }
        Err(message) => {
            findings.error(node, "reg", message);
            return None;
        }
    };
    let interrupt = gic.and_then(|gic| match interrupts::of(node, gic) {
        Ok(ids) => ids.first().copied(),
        Err(message) => {
            findings.note(
                node,
                "interrupts",
                format!("{message}: the console is polled"),
            );
            None
        }
    });
    Some(Uart {
        range,
        interrupt,
        kind,
        path: node.path(),
    })
}

/// The node of a path or alias, with options behind a `:` left off.
fn resolve<'t>(tree: &'t Tree<'t>, given: &str) -> Option<Node<'t>> {
    let name = given.split(':').next().unwrap_or("");
    if name.starts_with('/') {
        return tree.find(name);
    }
    tree.find(tree.find("/aliases")?.string(name)?)
}
