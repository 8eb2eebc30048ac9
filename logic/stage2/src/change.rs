//! Carries a planned change out, with break-before-make.
//!
//! Arm DDI 0487 D8.16 (TLB maintenance, break-before-make): going from a valid descriptor to a
//! different valid one takes an invalid one and a TLB invalidation in between. A hole that is filled
//! needs no invalidation (faults are not cached); what is cleared is invalidated once, at the end,
//! and only then are emptied tables given back.

use abi::{Pa, Range};

use crate::chain::Chain;
use crate::descriptor::{self, LAST_LEVEL, Leaf, TABLE_ENTRIES, decode, is_valid, level_shift};
use crate::plan::{Change, Span, Step, decide, entries_of, slot};
use crate::{Format, Mapped, TableMemory};

/// One operation under way.
pub(crate) struct Changer<'a, M> {
    mem: &'a mut M,
    format: Format,
    mapped: &'a mut Mapped,
    /// Tables to put in: as many as were counted.
    spare: Chain,
    /// Tables that were emptied and taken out.
    emptied: Chain,
    /// What has to be invalidated before the operation ends.
    stale: Range,
    /// What is done with tables that become empty.
    when_empty: WhenEmpty,
}

/// What is done with a table in which nothing is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenEmpty {
    /// It is taken out and given back.
    Free,
    /// It stays, for what is mapped there next.
    Keep,
}

/// A descriptor's place.
#[derive(Clone, Copy)]
struct Slot {
    page: Pa,
    index: usize,
    level: u8,
}

impl<'a, M: TableMemory> Changer<'a, M> {
    pub(crate) fn new(
        mem: &'a mut M,
        format: Format,
        mapped: &'a mut Mapped,
        spare: Chain,
        when_empty: WhenEmpty,
    ) -> Self {
        let (emptied, stale) = (Chain::default(), Range::default());
        Self {
            mem,
            format,
            mapped,
            spare,
            emptied,
            stale,
            when_empty,
        }
    }

    /// Applies `change` to `span` below `table` of `level`.
    pub(crate) fn apply(&mut self, change: Change, table: Pa, level: u8, span: Span) {
        let entries = entries_of(self.format, level);
        let mut rest = span;
        while !rest.is_empty() {
            let (here, behind) = rest.split_entry(level);
            rest = behind;
            let (page, index) = slot(table, here.index(level, entries));
            self.apply_entry(change, Slot { page, index, level }, here);
        }
    }

    /// Applies `change` to the one page of `span`, below `table` of the last level.
    pub(crate) fn apply_page(&mut self, change: Change, table: Pa, span: Span) {
        let index = span.index(LAST_LEVEL, TABLE_ENTRIES);
        let level = LAST_LEVEL;
        self.apply_entry(
            change,
            Slot {
                page: table,
                index,
                level,
            },
            span,
        );
    }

    fn apply_entry(&mut self, change: Change, at: Slot, span: Span) {
        let entry = decode(self.mem.read(at.page, at.index), at.level);
        match decide(change, entry, at.level, span) {
            // A conflict was refused when the tables were counted.
            Step::Keep | Step::Conflict => {}
            Step::Leaf(leaf) => {
                self.make(at, span, leaf.descriptor(at.level));
                self.mapped.add_leaves(at.level, 1);
            }
            Step::Clear => {
                self.mem.write(at.page, at.index, 0);
                self.mapped.remove_leaf(at.level);
                self.mark_stale(span.entry_range(at.level));
            }
            Step::Descend(table) => {
                self.apply(change, table, at.level + 1, span);
                if self.when_empty == WhenEmpty::Free {
                    self.drop_if_empty(at, table, span);
                }
            }
            Step::Fill => {
                let Some(table) = self.take_spare() else {
                    return;
                };
                // Filled first: the walker finds all of it at once.
                self.apply(change, table, at.level + 1, span);
                self.make(at, span, descriptor::table(table));
            }
            Step::Split(leaf) => {
                let Some(table) = self.take_spare() else {
                    return;
                };
                self.fill_from(table, at.level + 1, leaf);
                self.make(at, span, descriptor::table(table));
                self.mapped.add_leaves(at.level + 1, TABLE_ENTRIES as u64);
                self.apply(change, table, at.level + 1, span);
            }
        }
    }

    /// Ends the operation: invalidates what went out, then gives back the tables not in use.
    pub(crate) fn finish(self) {
        if !self.stale.is_empty() {
            self.mem.invalidate(self.stale);
        }
        self.emptied.free(self.mem);
        self.spare.free(self.mem);
    }

    /// Puts `descriptor` in; breaks first what is there.
    fn make(&mut self, at: Slot, span: Span, descriptor: u64) {
        if is_valid(self.mem.read(at.page, at.index)) {
            self.mem.write(at.page, at.index, 0);
            self.mem.invalidate(span.entry_range(at.level));
            self.mapped.remove_leaf(at.level);
        }
        self.mem.write(at.page, at.index, descriptor);
    }

    fn take_spare(&mut self) -> Option<Pa> {
        let table = self.spare.pop(self.mem)?;
        self.mapped.tables = self.mapped.tables.saturating_add(1);
        Some(table)
    }

    fn fill_from(&mut self, table: Pa, level: u8, leaf: Leaf) {
        for index in 0..TABLE_ENTRIES {
            let part = leaf.advanced((index as u64) << level_shift(level));
            self.mem.write(table, index, part.descriptor(level));
        }
    }

    /// Takes `table` out if nothing is left in it. A walk that led there may be cached, also of a table
    /// that was kept when it became empty.
    fn drop_if_empty(&mut self, at: Slot, table: Pa, span: Span) {
        if (0..TABLE_ENTRIES).any(|index| is_valid(self.mem.read(table, index))) {
            return;
        }
        self.mem.write(at.page, at.index, 0);
        self.mark_stale(span.entry_range(at.level));
        self.emptied.push(self.mem, table);
        self.mapped.tables = self.mapped.tables.saturating_sub(1);
    }

    fn mark_stale(&mut self, range: Range) {
        if self.stale.is_empty() {
            self.stale = range;
            return;
        }
        let start = self.stale.start().min(range.start());
        let end = self.stale.end().max(range.end());
        self.stale = Range::from_bounds(start, end).unwrap_or(range);
    }
}
