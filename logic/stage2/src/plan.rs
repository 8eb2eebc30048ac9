//! What an operation does with one descriptor, and how many tables it needs in all.
//!
//! Counting and changing both ask [`decide`], so they cannot disagree.

use abi::{Ipa, Pa, Range};

use crate::descriptor::{self, Entry, LAST_LEVEL, Leaf, TABLE_ENTRIES, entry_size, level_shift};
use crate::{Attributes, Format, MapError};

/// Where a range goes: `pa` of an address is the address plus `offset`, wrapping.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    offset: u64,
    attributes: Attributes,
}

impl Target {
    pub(crate) const fn new(ipa: Ipa, pa: Pa, attributes: Attributes) -> Self {
        Self {
            offset: pa.0.wrapping_sub(ipa.0),
            attributes,
        }
    }

    fn leaf_at(self, ipa: u64) -> Leaf {
        Leaf::new(ipa.wrapping_add(self.offset), self.attributes)
    }

    /// Whether one leaf of `level` can map the whole of `span`.
    fn fits(self, level: u8, span: Span) -> bool {
        // Level 0 has no blocks with this granule.
        level > 0
            && span.covers_entry(level)
            && self.offset & entry_size(level).wrapping_sub(1) == 0
    }

    /// Whether `leaf`, of `level`, maps `span` to the very same place.
    fn equals(self, leaf: Leaf, level: u8, span: Span) -> bool {
        let inside = span.start & entry_size(level).wrapping_sub(1);
        leaf.advanced(inside) == self.leaf_at(span.start)
    }
}

/// What is done to a range.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    /// Map; what is mapped already must be mapped to the same place.
    Map(Target),
    /// Map, whatever was there.
    Remap(Target),
    /// Unmap; holes are skipped.
    Unmap,
}

/// The part `start .. end` of a range that lies in one descriptor's reach. Not empty.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Span {
    /// Splits off the part that lies in the first entry of `level`; the rest may be empty.
    pub(crate) fn split_entry(self, level: u8) -> (Self, Self) {
        let boundary = (self.start | (entry_size(level) - 1))
            .saturating_add(1)
            .min(self.end);
        (
            Self {
                end: boundary,
                ..self
            },
            Self {
                start: boundary,
                ..self
            },
        )
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// All that the entry of `level` at its start covers.
    pub(crate) fn entry_range(self, level: u8) -> Range {
        let size = entry_size(level);
        Range::new(self.start & !(size - 1), size).unwrap_or_default()
    }

    /// Index of its entry in a table of `level` (of all root pages, at the start level).
    pub(crate) const fn index(self, level: u8, entries: usize) -> usize {
        (self.start >> level_shift(level)) as usize & entries.wrapping_sub(1)
    }

    const fn covers_entry(self, level: u8) -> bool {
        self.end - self.start == entry_size(level)
    }
}

/// What happens to one descriptor.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// Nothing.
    Keep,
    /// The leaf goes in, in place of a hole or of another leaf.
    Leaf(Leaf),
    /// The leaf goes out.
    Clear,
    /// The change happens in the table below.
    Descend(Pa),
    /// A new table with nothing in it goes in; then the change happens there.
    Fill,
    /// A new table that maps the same as this leaf goes in; then the change happens there.
    Split(Leaf),
    /// Mapped otherwise.
    Conflict,
}

/// What `change` does with an entry of `level` of which it concerns `span`.
pub(crate) fn decide(change: Change, entry: Entry, level: u8, span: Span) -> Step {
    let leaf = match entry {
        Entry::Table(table) => return Step::Descend(table),
        Entry::Invalid => {
            return match change {
                Change::Unmap => Step::Keep,
                Change::Map(target) | Change::Remap(target) => put(target, level, span),
            };
        }
        Entry::Leaf(leaf) => leaf,
    };
    let whole = span.covers_entry(level);
    match change {
        Change::Unmap if whole => Step::Clear,
        Change::Unmap => Step::Split(leaf),
        Change::Map(target) | Change::Remap(target) if target.equals(leaf, level, span) => {
            Step::Keep
        }
        Change::Map(_) => Step::Conflict,
        Change::Remap(target) if whole => put(target, level, span),
        Change::Remap(_) => Step::Split(leaf),
    }
}

fn put(target: Target, level: u8, span: Span) -> Step {
    if target.fits(level, span) {
        Step::Leaf(target.leaf_at(span.start))
    } else {
        Step::Fill
    }
}

/// A table that exists, or one that the change would make.
#[derive(Clone, Copy)]
pub(crate) enum Node {
    /// Exists; the root's further pages follow the first.
    Real(Pa),
    /// Would be new and empty.
    Empty,
    /// Would be new and map the same as this leaf of the level above.
    SplitOf(Leaf),
}

impl Node {
    fn entry(self, read: &impl Fn(Pa, usize) -> u64, level: u8, index: usize) -> Entry {
        match self {
            Self::Real(table) => {
                let (page, index) = slot(table, index);
                descriptor::decode(read(page, index), level)
            }
            Self::Empty => Entry::Invalid,
            Self::SplitOf(leaf) => Entry::Leaf(leaf.advanced((index as u64) << level_shift(level))),
        }
    }
}

/// Page and index in it of the descriptor at `index` of a table that may have several pages.
pub(crate) fn slot(table: Pa, index: usize) -> (Pa, usize) {
    let page = (index / TABLE_ENTRIES) as u64;
    (
        Pa(table.0.wrapping_add(page << abi::PAGE_SHIFT)),
        index % TABLE_ENTRIES,
    )
}

/// Descriptors that a table of `level` has.
pub(crate) fn entries_of(format: Format, level: u8) -> usize {
    if level == format.start_level() {
        format.root_entries()
    } else {
        TABLE_ENTRIES
    }
}

/// How many tables `change` on `span` allocates below `node` of `level`, or why it is refused.
/// `read` gives the descriptor at an index of a table.
pub(crate) fn count_tables(
    read: &impl Fn(Pa, usize) -> u64,
    format: Format,
    change: Change,
    node: Node,
    level: u8,
    span: Span,
) -> Result<u64, MapError> {
    if level == LAST_LEVEL && matches!(node, Node::Empty) {
        return Ok(0);
    }
    let entries = entries_of(format, level);
    let mut tables: u64 = 0;
    let mut rest = span;
    while !rest.is_empty() {
        let (here, behind) = rest.split_entry(level);
        rest = behind;
        let entry = node.entry(read, level, here.index(level, entries));
        let (own, below) = match decide(change, entry, level, here) {
            Step::Keep | Step::Leaf(_) | Step::Clear => continue,
            Step::Conflict => {
                return Err(MapError::AlreadyMapped {
                    at: Ipa(here.start),
                });
            }
            Step::Descend(table) => (0, Node::Real(table)),
            Step::Fill => (1, Node::Empty),
            Step::Split(leaf) => (1, Node::SplitOf(leaf)),
        };
        let below = count_tables(read, format, change, below, level + 1, here)?;
        tables = tables.saturating_add(own).saturating_add(below);
    }
    Ok(tables)
}
