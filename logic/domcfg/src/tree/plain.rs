//! Look-ups in a blob without an index, for when there is no memory to build one.

use super::scan::{BEGIN_NODE, END_NODE, NOP, PROP, name_len};
use super::{header, u32_at};

/// The longest path that is followed, in characters.
const MAX_PATH: usize = 256;

/// A blob whose header is sound; its structure block is checked as far as it is walked.
pub(crate) struct PlainBlob<'b>(header::Blocks<'b>);

impl<'b> PlainBlob<'b> {
    /// `None` when the header is damaged. It may be longer than is accepted: that has to be said, too.
    pub(crate) fn new(blob: &'b [u8]) -> Option<Self> {
        header::blocks_of_any_size(blob).ok().map(Self)
    }

    /// The value of a property of the node at a full path, by one walk.
    pub(crate) fn property(&self, path: &str, name: &str) -> Option<&'b [u8]> {
        if path.len() > MAX_PATH {
            return None;
        }
        let components = || path.split('/').filter(|component| !component.is_empty());
        let structure = self.0.structure;
        let wanted = components().count();
        // How many nodes are open below the root, and how many of those are on the path.
        let (mut open, mut depth, mut matched) = (false, 0usize, 0usize);
        let mut at = 0;
        loop {
            let token = u32_at(structure, at)?;
            at += 4;
            match token {
                BEGIN_NODE => {
                    let len = name_len(structure, at)?;
                    let node = structure.get(at..at + len)?;
                    if open {
                        let on_path = components()
                            .nth(depth)
                            .is_some_and(|one| is_called(node, one));
                        matched += usize::from(matched == depth && on_path);
                        depth += 1;
                    }
                    open = true;
                    at = (at + len + 1).next_multiple_of(4);
                }
                END_NODE => {
                    depth = depth.checked_sub(1)?;
                    matched = matched.min(depth);
                }
                PROP => {
                    let len = u32_at(structure, at)? as usize;
                    let found = u32_at(structure, at + 4)? as usize;
                    let value = structure.get(at + 8..at + 8 + len)?;
                    if matched == wanted && depth == wanted && self.is_named(found, name) {
                        return Some(value);
                    }
                    at = (at + 8 + len).next_multiple_of(4);
                }
                NOP => {}
                _ => return None,
            }
        }
    }

    fn is_named(&self, offset: usize, name: &str) -> bool {
        let len = name_len(self.0.strings, offset);
        len.and_then(|len| self.0.strings.get(offset..offset + len)) == Some(name.as_bytes())
    }
}

/// Whether a node's name is `name`, which may leave the unit address out.
fn is_called(node: &[u8], name: &str) -> bool {
    node == name.as_bytes() || node.split(|&byte| byte == b'@').next() == Some(name.as_bytes())
}
