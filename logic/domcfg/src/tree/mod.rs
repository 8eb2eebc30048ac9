//! The flattened device tree as an indexed, read-only view.
//!
//! Invariant: a [`Tree`] exists only for a blob whose structure block was walked once, front to
//! back, within fixed limits (size, depth, nodes, properties, length of names); everything read
//! later stays inside what that walk saw. What later look-ups need of a node's ancestors is kept with
//! the node, so that the cost of reading a tree stays linear in its size. Implements the Devicetree Specification v0.4, chapter 5
//! (flattened format, version 17).
//!
//! Real trees carry node and property names beyond the specification's 31 characters (some SoC
//! vendors' pad settings have 45), so names are bounded more widely here.

mod header;
mod node;
mod plain;
mod scan;
mod values;

use alloc::vec::Vec;

use abi::Range;

pub(crate) use node::Node;
pub(crate) use plain::PlainBlob;
pub(crate) use values::{cells_text, read_cells, string_text, strings, u32_at};

use crate::TreeError;

/// The largest blob that is looked at, in bytes: Xen's limit.
pub const MAX_BLOB: usize = 2 << 20;
/// The deepest nesting of nodes, the root being level 1.
pub const MAX_DEPTH: usize = 32;
/// The most nodes.
pub const MAX_NODES: usize = 16_384;
/// The most properties in all nodes together.
pub const MAX_PROPERTIES: usize = 131_072;
/// The longest name of a node or property, in characters.
pub const MAX_NAME: usize = 127;
/// The most entries of the memory reservation block.
pub const MAX_RESERVATIONS: usize = 256;

/// Where a node lies in the structure block, and its place in the tree.
#[derive(Clone, Copy)]
struct Record {
    name: u32,
    name_len: u8,
    properties: u32,
    parent: u16,
    /// Index of the first node behind this node's subtree.
    end: u16,
    /// The node's own handle; 0 when it has none.
    phandle: u32,
    /// `interrupt-parent`, inherited; 0 when there is none.
    interrupt_parent: u32,
    /// `#address-cells`, inherited; [`BAD_CELLS`] when it is not one cell or absurd.
    address_cells: u8,
    /// `#size-cells`, inherited; [`BAD_CELLS`] when it is not one cell or absurd.
    size_cells: u8,
}

/// A cell count that cannot be used.
pub(crate) const BAD_CELLS: u8 = u8::MAX;

/// A checked blob.
pub(crate) struct Tree<'b> {
    structure: &'b [u8],
    strings: &'b [u8],
    reservations: &'b [u8],
    nodes: Vec<Record>,
}

impl<'b> Tree<'b> {
    /// Checks the blob and indexes its nodes. `blob` may be longer than the tree in it.
    pub(crate) fn new(blob: &'b [u8]) -> Result<Self, TreeError> {
        let blocks = header::blocks(blob)?;
        let nodes = scan::nodes(blocks.structure, blocks.strings)?;
        let header::Blocks {
            structure,
            strings,
            reservations,
        } = blocks;
        Ok(Self {
            structure,
            strings,
            reservations,
            nodes,
        })
    }

    /// The root node.
    pub(crate) fn root(&self) -> Node<'_> {
        Node::at(self, 0)
    }

    /// All nodes, parents before their children, in the order of the blob.
    pub(crate) fn all(&self) -> impl Iterator<Item = Node<'_>> {
        (0..self.nodes.len() as u16).map(|index| Node::at(self, index))
    }

    /// The node of a full path. A component without a unit address matches the first node of
    /// that name with any unit address.
    pub(crate) fn find(&self, path: &str) -> Option<Node<'_>> {
        let mut node = self.root();
        for component in path.strip_prefix('/')?.split('/').filter(|c| !c.is_empty()) {
            node = node.child(component)?;
        }
        Some(node)
    }

    /// The entries of the memory reservation block; those that wrap are left out.
    pub(crate) fn reservations(&self) -> impl Iterator<Item = Range> + '_ {
        self.reservations.chunks_exact(16).filter_map(|entry| {
            let (address, size) = entry.split_at(8);
            Range::new(read_cells(address), read_cells(size))
        })
    }
}

#[cfg(test)]
mod tests;
