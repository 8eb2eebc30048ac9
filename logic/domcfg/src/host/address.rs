//! `reg` and its translation to CPU addresses (Devicetree Specification v0.4, 2.3.5, 2.3.6 and
//! 2.3.8).
//!
//! `#address-cells` and `#size-cells` are looked up as Xen and Linux do: the nearest ancestor
//! that has the property, else 2 and 1.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use abi::Range;

use crate::tree::{BAD_CELLS, Node, cells_text, read_cells};

/// The most ranges of one property: GICs of large machines have some dozens.
const MAX_RANGES: usize = 256;
/// The most entries of a bus's `ranges` that are looked at.
const MAX_WINDOWS: usize = 1024;

/// Cells of an address and of a size below a bus node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct CellCounts {
    address: usize,
    size: usize,
}

impl CellCounts {
    fn entry_bytes(self) -> usize {
        (self.address + self.size) * 4
    }
}

/// The cells that hold for `reg` of the children of `bus`.
pub(crate) fn cell_counts(bus: Node<'_>) -> Result<CellCounts, String> {
    let (address, size) = bus.child_cells();
    let limited = |name: &str, count: u8, least: u8| match count {
        BAD_CELLS => Err(format!("cannot be read: {name} must be one cell")),
        count if (least..=2).contains(&count) => Ok(usize::from(count)),
        count => Err(format!(
            "cannot be read: {name} = <{count:#x}>: must be {least} to 2"
        )),
    };
    Ok(CellCounts {
        address: limited("#address-cells", address, 1)?,
        size: limited("#size-cells", size, 0)?,
    })
}

/// The (address, size) pairs in `value`, with sizes that are not absent.
pub(crate) fn ranges_of(value: &[u8], cells: CellCounts) -> Result<Vec<Range>, String> {
    if value.is_empty() || cells.size == 0 || !value.len().is_multiple_of(cells.entry_bytes()) {
        let CellCounts { address, size } = cells;
        return Err(format!(
            "= {}: must be pairs of an address ({address} cells) and a size ({size} cells)",
            cells_text(value)
        ));
    }
    if value.len() / cells.entry_bytes() > MAX_RANGES {
        return Err(String::from("has more than 256 ranges"));
    }
    let pair = |entry: &[u8]| {
        let (address, size) = entry.split_at(cells.address * 4);
        Range::new(read_cells(address), read_cells(size))
    };
    value
        .chunks_exact(cells.entry_bytes())
        .map(|entry| pair(entry).ok_or_else(|| format!("= {}: wraps", cells_text(value))))
        .collect()
}

/// The ranges of `reg`, in the address space of the node's parent.
pub(crate) fn reg(node: Node<'_>) -> Result<Vec<Range>, String> {
    let Some(value) = node.property("reg") else {
        return Err(String::from("is missing"));
    };
    ranges_of(value, cell_counts(node.parent().unwrap_or(node))?)
}

/// The ranges of `reg` as CPU addresses: translated by the `ranges` of each bus on the way up.
pub(super) fn cpu_reg(node: Node<'_>) -> Result<Vec<Range>, String> {
    let mut found = reg(node)?;
    let buses = node
        .ancestors()
        .skip(1)
        .filter(|bus| bus.parent().is_some());
    for bus in buses {
        for range in &mut found {
            *range = translate(bus, *range)?;
        }
    }
    Ok(found)
}

fn translate(bus: Node<'_>, range: Range) -> Result<Range, String> {
    let Some(value) = bus.property("ranges") else {
        return Err(format!("cannot be reached: {} has no ranges", bus.path()));
    };
    if value.is_empty() {
        return Ok(range);
    }
    let child = cell_counts(bus)?;
    let parent = cell_counts(bus.parent().unwrap_or(bus))?;
    let entry_bytes = (child.address + parent.address + child.size) * 4;
    for entry in value.chunks_exact(entry_bytes).take(MAX_WINDOWS) {
        let (from, rest) = entry.split_at(child.address * 4);
        let (to, size) = rest.split_at(parent.address * 4);
        let Some(window) = Range::new(read_cells(from), read_cells(size)) else {
            continue;
        };
        if window.contains(range) && !range.is_empty() {
            let moved = read_cells(to).checked_add(range.start() - window.start());
            let moved = moved.and_then(|start| Range::new(start, range.size()));
            return moved.ok_or_else(|| format!("wraps when translated by {}", bus.path()));
        }
    }
    Err(format!(
        "= {range}: is outside the ranges of {}",
        bus.path()
    ))
}
