//! Interrupt specifiers that lead to the GIC (Devicetree binding arm,gic and arm,gic-v3).

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use abi::IntId;

use crate::tree::{Node, Tree, cells_text, u32_at};

/// The GIC's interrupt-specifier length in cells: 3, or 4 with partitioned PPIs.
pub(super) fn specifier_cells(gic: Node<'_>) -> Option<usize> {
    gic.u32("#interrupt-cells")
        .filter(|cells| matches!(cells, 3 | 4))
        .map(|cells| cells as usize)
}

/// The interrupts of `node`, in order. Errors are messages about `interrupts`.
pub(super) fn of(node: Node<'_>, gic: Node<'_>) -> Result<Vec<IntId>, String> {
    let cells = specifier_cells(gic)
        .ok_or_else(|| String::from("cannot be read: the GIC's #interrupt-cells must be 3 or 4"))?;
    if let Some(value) = node.property("interrupts-extended") {
        return extended(value, gic, cells);
    }
    let Some(value) = node.property("interrupts") else {
        return Err(String::from("is missing"));
    };
    if node != gic && !leads_to(node, gic) {
        return Err(String::from("do not lead to the GIC: see interrupt-parent"));
    }
    if value.is_empty() || !value.len().is_multiple_of(cells * 4) {
        return Err(format!(
            "= {}: must be {cells} cells each",
            cells_text(value)
        ));
    }
    value.chunks_exact(cells * 4).map(specifier).collect()
}

fn extended(value: &[u8], gic: Node<'_>, cells: usize) -> Result<Vec<IntId>, String> {
    let entry = (cells + 1) * 4;
    let to_gic = |item: &[u8]| u32_at(item, 0).is_some() && u32_at(item, 0) == gic.phandle();
    if !value.len().is_multiple_of(entry) || !value.chunks_exact(entry).all(to_gic) {
        return Err(String::from(
            "do not lead to the GIC: see interrupts-extended",
        ));
    }
    value
        .chunks_exact(entry)
        .map(|item| specifier(item.get(4..).unwrap_or(&[])))
        .collect()
}

/// Whether the nearest `interrupt-parent` names the GIC.
fn leads_to(node: Node<'_>, gic: Node<'_>) -> bool {
    node.interrupt_parent().is_some() && node.interrupt_parent() == gic.phandle()
}

/// One specifier: kind 0 is an SPI, kind 1 a PPI.
fn specifier(cells: &[u8]) -> Result<IntId, String> {
    match (u32_at(cells, 0), u32_at(cells, 4)) {
        (Some(0), Some(number)) if number < abi::arm::MAX_SPIS => Ok(IntId(number + 32)),
        (Some(1), Some(number)) if number < 16 => Ok(IntId(number + 16)),
        _ => Err(format!(
            "= {}: must be SPI <0 0-987> or PPI <1 0-15>",
            cells_text(cells)
        )),
    }
}

/// SPIs that the tree mentions: the highest plus one, rounded up to 32, at least 32.
pub(super) fn host_spis(tree: &Tree<'_>, gic: Node<'_>) -> u32 {
    let spis = tree.all().filter_map(|node| of(node, gic).ok()).flatten();
    let highest = spis.filter(|id| !id.is_private()).map(|id| id.0 - 31).max();
    highest.unwrap_or(1).next_multiple_of(32)
}
