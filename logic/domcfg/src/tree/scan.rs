//! The one walk over the structure block: iterative, with a budget for everything.

use alloc::vec::Vec;

use super::{BAD_CELLS, MAX_DEPTH, MAX_NAME, MAX_NODES, MAX_PROPERTIES, Record, u32_at};
use crate::TreeError;

pub(super) const BEGIN_NODE: u32 = 1;
pub(super) const END_NODE: u32 = 2;
pub(super) const PROP: u32 = 3;
pub(super) const NOP: u32 = 4;
const END: u32 = 9;

/// Walks the structure block and gives its nodes, parents before children.
pub(super) fn nodes(structure: &[u8], strings: &[u8]) -> Result<Vec<Record>, TreeError> {
    let mut scan = Scan {
        structure,
        strings,
        at: 0,
        nodes: Vec::new(),
        open: [0; MAX_DEPTH],
        depth: 0,
        properties: 0,
        properties_allowed: false,
    };
    loop {
        let token = scan.word()?;
        match token {
            BEGIN_NODE => scan.begin()?,
            END_NODE => scan.end()?,
            PROP => scan.property()?,
            NOP => {}
            END if scan.depth == 0 && !scan.nodes.is_empty() => return Ok(scan.nodes),
            END => return Err(scan.bad("the tree ends inside a node")),
            _ => return Err(scan.bad("unknown token")),
        }
    }
}

struct Scan<'b> {
    structure: &'b [u8],
    strings: &'b [u8],
    at: usize,
    nodes: Vec<Record>,
    /// Indices of the nodes that are open, outermost first; `depth` of them.
    open: [u16; MAX_DEPTH],
    depth: usize,
    properties: usize,
    /// Properties stand before a node's children, not between or behind them.
    properties_allowed: bool,
}

impl Scan<'_> {
    fn bad(&self, rule: &'static str) -> TreeError {
        TreeError::Structure {
            offset: self.at.saturating_sub(4) as u32,
            rule,
        }
    }

    fn word(&mut self) -> Result<u32, TreeError> {
        let word = u32_at(self.structure, self.at);
        self.at += 4;
        word.ok_or_else(|| self.bad("the structure block ends early"))
    }

    fn begin(&mut self) -> Result<(), TreeError> {
        if self.depth == MAX_DEPTH {
            return Err(TreeError::TooDeep {
                offset: self.at.saturating_sub(4) as u32,
            });
        }
        if self.nodes.len() == MAX_NODES {
            return Err(TreeError::TooManyNodes);
        }
        if self.depth == 0 && !self.nodes.is_empty() {
            return Err(self.bad("more than one root node"));
        }
        let len = name_len(self.structure, self.at)
            .ok_or_else(|| self.bad("a node's name is too long or not printable"))?;
        if (len == 0) != (self.depth == 0) {
            return Err(self.bad("only the root node has an empty name"));
        }
        let name = self.at as u32;
        self.at = (self.at + len + 1).next_multiple_of(4);
        let index = self.nodes.len() as u16;
        let top = self
            .depth
            .checked_sub(1)
            .and_then(|top| self.open.get(top))
            .copied();
        let parent = top
            .and_then(|index| self.nodes.get(usize::from(index)))
            .copied();
        self.nodes.push(Record {
            name,
            name_len: len as u8,
            properties: self.at as u32,
            parent: top.unwrap_or(0),
            end: 0,
            phandle: 0,
            ..parent.unwrap_or(DEFAULTS)
        });
        if let Some(slot) = self.open.get_mut(self.depth) {
            *slot = index;
        }
        self.depth += 1;
        self.properties_allowed = true;
        Ok(())
    }

    fn end(&mut self) -> Result<(), TreeError> {
        let Some(top) = self.depth.checked_sub(1) else {
            return Err(self.bad("a node ends that never began"));
        };
        self.depth = top;
        self.properties_allowed = false;
        let end = self.nodes.len() as u16;
        let index = self.open.get(top).copied().unwrap_or(0);
        if let Some(node) = self.nodes.get_mut(usize::from(index)) {
            node.end = end;
        }
        Ok(())
    }

    fn property(&mut self) -> Result<(), TreeError> {
        if !self.properties_allowed {
            return Err(self.bad("a property stands behind its node's children"));
        }
        self.properties += 1;
        if self.properties > MAX_PROPERTIES {
            return Err(TreeError::TooManyProperties);
        }
        let value_len = self.word()? as usize;
        let name = self.word()? as usize;
        let len = name_len(self.strings, name)
            .filter(|&len| len != 0)
            .ok_or_else(|| self.bad("a property's name is missing, too long or not printable"))?;
        // Both are below 2^32 and usize has 64 bits: no overflow.
        let end = self.at + value_len;
        let value = self
            .structure
            .get(self.at..end)
            .ok_or_else(|| self.bad("a property's value runs out of the structure block"))?;
        self.keep(self.strings.get(name..name + len).unwrap_or(&[]), value);
        self.at = end.next_multiple_of(4);
        Ok(())
    }

    /// Keeps the values that are looked up often or on the way up the tree.
    fn keep(&mut self, name: &[u8], value: &[u8]) {
        let Some(node) = self.nodes.last_mut() else {
            return;
        };
        let cell = if value.len() == 4 {
            u32_at(value, 0)
        } else {
            None
        };
        let count = cell
            .and_then(|cell| u8::try_from(cell).ok())
            .unwrap_or(BAD_CELLS);
        match name {
            b"#address-cells" => node.address_cells = count,
            b"#size-cells" => node.size_cells = count,
            b"interrupt-parent" => node.interrupt_parent = cell.unwrap_or(0),
            b"phandle" => node.phandle = cell.unwrap_or(0),
            b"linux,phandle" if node.phandle == 0 => node.phandle = cell.unwrap_or(0),
            _ => {}
        }
    }
}

/// What the root inherits: the cell counts are the specification's defaults.
pub(super) const DEFAULTS: Record = Record {
    name: 0,
    name_len: 0,
    properties: 0,
    parent: 0,
    end: 0,
    phandle: 0,
    interrupt_parent: 0,
    address_cells: 2,
    size_cells: 1,
};

/// Length of the NUL-terminated name at `offset`, if it is printable ASCII without `/` and not
/// longer than [`MAX_NAME`].
pub(super) fn name_len(block: &[u8], offset: usize) -> Option<usize> {
    let rest = block.get(offset..)?;
    let window = rest.get(..rest.len().min(MAX_NAME + 1))?;
    let len = window.iter().position(|&byte| byte == 0)?;
    let printable = |&byte: &u8| byte.is_ascii_graphic() && byte != b'/' && byte != b'"';
    window.get(..len)?.iter().all(printable).then_some(len)
}
