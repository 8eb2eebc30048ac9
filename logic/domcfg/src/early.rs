//! The console UART of a tree, for a message before anything else works: no allocation, no
//! translation of addresses, and whatever is unusual gives nothing.

use dtoolkit::fdt::Fdt;
use dtoolkit::{Node, Property};

use crate::tree::u32_at;

/// Physical address of the PL011 or SBSA UART that `stdout-path` names.
pub fn early_uart(blob: &[u8]) -> Option<u64> {
    let fdt = Fdt::new(blob).ok()?;
    let root = fdt.root();
    let chosen = root.child("chosen")?;
    let stdout = text(chosen.property("stdout-path")?.value())?;
    let path = stdout.split(':').next()?;
    let aliases = root.child("aliases");
    let alias = aliases.as_ref().and_then(|aliases| aliases.property(path));
    let path = match &alias {
        Some(alias) => text(alias.value())?,
        None => path,
    };
    let node = fdt.find_node(path)?;
    let compatible = node.property("compatible")?;
    let known = |name: &[u8]| matches!(name, b"arm,pl011" | b"arm,sbsa-uart");
    if !compatible.value().split(|byte| *byte == 0).any(known) {
        return None;
    }
    let reg = node.property("reg")?;
    let cells = root
        .property("#address-cells")
        .and_then(|cells| u32_at(cells.value(), 0));
    match cells {
        Some(1) => u32_at(reg.value(), 0).map(u64::from),
        _ => Some(u64::from(u32_at(reg.value(), 0)?) << 32 | u64::from(u32_at(reg.value(), 4)?)),
    }
}

fn text(value: &[u8]) -> Option<&str> {
    core::str::from_utf8(value.strip_suffix(&[0])?).ok()
}
