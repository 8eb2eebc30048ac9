//! Taking a domain's tables apart in bounded steps.
//!
//! First every root descriptor is made invalid, its address kept, and the whole address space is
//! invalidated once: from then on no walk reaches a table. Then the tables are freed depth first.
//! Work between two calls is kept here, so that a domain with a great many tables does not hold a
//! CPU (XSA-410).

use abi::Pa;

use crate::descriptor::{Entry, LAST_LEVEL, TABLE_ENTRIES, decode, parked, parked_table};
use crate::plan::slot;
use crate::{Format, TableMemory};

/// Whether resumable work is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Progress {
    /// Call again.
    More,
    /// Over.
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Detach,
    Free,
    Done,
}

/// A position in a table below the root.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    table: Pa,
    next: usize,
}

/// Tables below the root: levels 1 to 3 at most.
const MAX_DEPTH: usize = LAST_LEVEL as usize;

/// The teardown of one domain's tables, under way.
#[derive(Debug)]
pub struct Teardown {
    root: Pa,
    format: Format,
    phase: Phase,
    root_index: usize,
    path: [Cursor; MAX_DEPTH],
    depth: usize,
}

impl Teardown {
    pub(crate) fn new(root: Pa, format: Format) -> Self {
        let path = [Cursor {
            table: Pa(0),
            next: 0,
        }; MAX_DEPTH];
        Self {
            root,
            format,
            phase: Phase::Detach,
            root_index: 0,
            path,
            depth: 0,
        }
    }

    /// Looks at up to `budget` descriptors and frees what tables it can. When done, all tables but
    /// the root are freed, the root is zeroed and the caller's to free, and no CPU has any
    /// translation left.
    pub fn step(&mut self, mem: &mut impl TableMemory, budget: u32) -> Progress {
        for _ in 0..budget {
            match self.phase {
                Phase::Detach => self.detach(mem),
                Phase::Free => self.free(mem),
                Phase::Done => break,
            }
        }
        if self.phase == Phase::Done {
            Progress::Done
        } else {
            Progress::More
        }
    }

    /// Makes one root descriptor invalid; after the last, drops all cached translations.
    fn detach(&mut self, mem: &mut impl TableMemory) {
        let (page, index) = slot(self.root, self.root_index);
        let descriptor = mem.read(page, index);
        if descriptor != 0 {
            mem.write(page, index, parked(descriptor));
        }
        self.root_index += 1;
        if self.root_index >= self.format.root_entries() {
            mem.invalidate(self.format.address_space());
            self.root_index = 0;
            self.phase = Phase::Free;
        }
    }

    /// Looks at the next descriptor: goes down into a table, or on, or frees what is exhausted.
    fn free(&mut self, mem: &mut impl TableMemory) {
        let start_level = self.format.start_level();
        let Some(here) = self
            .depth
            .checked_sub(1)
            .and_then(|top| self.path.get_mut(top))
        else {
            return self.free_below_root(mem);
        };
        if here.next >= TABLE_ENTRIES {
            mem.free(here.table);
            self.depth -= 1;
            return;
        }
        let level = start_level + self.depth as u8;
        let descriptor = mem.read(here.table, here.next);
        here.next += 1;
        if let Entry::Table(below) = decode(descriptor, level) {
            self.enter(mem, below, level + 1);
        }
    }

    fn free_below_root(&mut self, mem: &mut impl TableMemory) {
        if self.root_index >= self.format.root_entries() {
            self.phase = Phase::Done;
            return;
        }
        let (page, index) = slot(self.root, self.root_index);
        let descriptor = mem.read(page, index);
        if descriptor != 0 {
            mem.write(page, index, 0);
        }
        self.root_index += 1;
        if let Some(below) = parked_table(descriptor) {
            self.enter(mem, below, self.format.start_level() + 1);
        }
    }

    /// Goes on in `table`. One of the last level points to no tables and is freed at once.
    fn enter(&mut self, mem: &mut impl TableMemory, table: Pa, level: u8) {
        if level == LAST_LEVEL {
            mem.free(table);
        } else if let Some(below) = self.path.get_mut(self.depth) {
            *below = Cursor { table, next: 0 };
            self.depth += 1;
        }
    }
}
