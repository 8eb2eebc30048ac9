//! A node of a checked tree: its name, place, properties.

use alloc::string::String;
use alloc::vec::Vec;

use super::scan::{NOP, PROP, name_len};
use super::{Record, Tree, strings, u32_at};

/// A node. Cheap to copy.
#[derive(Clone, Copy)]
pub(crate) struct Node<'t> {
    tree: &'t Tree<'t>,
    index: u16,
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.index == other.index
    }
}

impl<'t> Node<'t> {
    pub(super) fn at(tree: &'t Tree<'_>, index: u16) -> Self {
        Self { tree, index }
    }

    fn record(self) -> Record {
        self.tree
            .nodes
            .get(usize::from(self.index))
            .copied()
            .unwrap_or(super::scan::DEFAULTS)
    }

    /// The name with its unit address; the root's is empty.
    pub(crate) fn name(self) -> &'t str {
        let Record { name, name_len, .. } = self.record();
        let bytes = self
            .tree
            .structure
            .get(name as usize..name as usize + usize::from(name_len));
        bytes
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
            .unwrap_or("")
    }

    /// The name without its unit address.
    pub(crate) fn base_name(self) -> &'t str {
        self.name().split('@').next().unwrap_or("")
    }

    /// The parent; `None` for the root.
    pub(crate) fn parent(self) -> Option<Self> {
        (self.index != 0).then(|| Self::at(self.tree, self.record().parent))
    }

    /// The node itself, its parent and so on up to the root.
    pub(crate) fn ancestors(self) -> impl Iterator<Item = Self> {
        core::iter::successors(Some(self), |node| node.parent())
    }

    /// The children in the order of the blob.
    pub(crate) fn children(self) -> impl Iterator<Item = Node<'t>> {
        let tree = self.tree;
        let end = self.record().end;
        let mut next = self.index.saturating_add(1);
        core::iter::from_fn(move || {
            if next >= end {
                return None;
            }
            let child = Node::at(tree, next);
            next = child.record().end.max(next.saturating_add(1));
            Some(child)
        })
    }

    /// The first child called `name`; a name without a unit address matches any unit address.
    pub(crate) fn child(self, name: &str) -> Option<Self> {
        let exact = self.children().find(|child| child.name() == name);
        exact.or_else(|| self.children().find(|child| child.base_name() == name))
    }

    /// The full path.
    pub(crate) fn path(self) -> String {
        let names: Vec<&str> = self.ancestors().map(Node::name).collect();
        let mut path = String::new();
        for name in names.iter().rev().filter(|name| !name.is_empty()) {
            path.push('/');
            path.push_str(name);
        }
        if path.is_empty() {
            path.push('/');
        }
        path
    }

    /// Offsets of the names, and the values, of the properties, in the order of the blob.
    fn raw_properties(self) -> impl Iterator<Item = (usize, &'t [u8])> {
        let structure = self.tree.structure;
        let mut at = self.record().properties as usize;
        core::iter::from_fn(move || {
            while u32_at(structure, at)? == NOP {
                at += 4;
            }
            if u32_at(structure, at)? != PROP {
                return None;
            }
            let len = u32_at(structure, at + 4)? as usize;
            let name = u32_at(structure, at + 8)? as usize;
            let value = structure.get(at + 12..at + 12 + len)?;
            at = (at + 12 + len).next_multiple_of(4);
            Some((name, value))
        })
    }

    /// Names and values of the properties, in the order of the blob.
    pub(crate) fn properties(self) -> impl Iterator<Item = (&'t str, &'t [u8])> {
        let names = self.tree.strings;
        self.raw_properties().filter_map(move |(at, value)| {
            let name = names.get(at..at + name_len(names, at)?)?;
            Some((core::str::from_utf8(name).ok()?, value))
        })
    }

    /// The value of a property.
    pub(crate) fn property(self, name: &str) -> Option<&'t [u8]> {
        let names = self.tree.strings;
        let is_it = |at: usize| {
            let end = at + name.len();
            names.get(at..end) == Some(name.as_bytes()) && names.get(end) == Some(&0)
        };
        self.raw_properties()
            .find(|(at, _)| is_it(*at))
            .map(|(_, value)| value)
    }

    /// Whether the property is there, whatever its value.
    pub(crate) fn has(self, name: &str) -> bool {
        self.property(name).is_some()
    }

    /// A property of exactly one cell.
    pub(crate) fn u32(self, name: &str) -> Option<u32> {
        let value = self.property(name)?;
        if value.len() == 4 {
            u32_at(value, 0)
        } else {
            None
        }
    }

    /// A property that is one NUL-terminated string.
    pub(crate) fn string(self, name: &str) -> Option<&'t str> {
        let value = self.property(name)?;
        let (last, text) = value.split_last()?;
        if *last != 0 || text.contains(&0) {
            return None;
        }
        core::str::from_utf8(text).ok()
    }

    /// Whether one of the node's `compatible` strings is `name`.
    pub(crate) fn is_compatible(self, name: &str) -> bool {
        self.property("compatible")
            .is_some_and(|value| strings(value).any(|one| one == name))
    }

    /// Whether one of the node's `compatible` strings is among `names`.
    pub(crate) fn is_any(self, names: &[&str]) -> bool {
        names.iter().any(|name| self.is_compatible(name))
    }

    /// Whether `status` is absent or says that the node may be used.
    pub(crate) fn is_available(self) -> bool {
        match self.property("status") {
            None => true,
            Some(value) => matches!(value, b"okay\0" | b"ok\0"),
        }
    }

    /// The node's handle.
    pub(crate) fn phandle(self) -> Option<u32> {
        Some(self.record().phandle).filter(|&phandle| phandle != 0)
    }

    /// The nearest `interrupt-parent`, the node's own or an ancestor's.
    pub(crate) fn interrupt_parent(self) -> Option<u32> {
        Some(self.record().interrupt_parent).filter(|&phandle| phandle != 0)
    }

    /// Cells of an address and of a size in `reg` of this node's children, by the nearest
    /// property up the tree; [`BAD_CELLS`](super::BAD_CELLS) where it is unusable.
    pub(crate) fn child_cells(self) -> (u8, u8) {
        (self.record().address_cells, self.record().size_cells)
    }
}
