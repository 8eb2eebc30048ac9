//! A list of spare tables, threaded through the tables themselves.
//!
//! Tables are collected before an operation so that it cannot fail half-way, and after it so that
//! they are freed only behind the invalidation; neither may allocate memory for the list. A link is
//! an invalid descriptor in slot 0: should a stale walk cache still lead to the table, the walk
//! ends there.

use abi::Pa;

use crate::TableMemory;
use crate::descriptor::{link, parked_table};

/// Spare tables, last in first out.
#[derive(Default)]
pub(crate) struct Chain {
    head: Option<Pa>,
}

impl Chain {
    /// Allocates `count` tables; `None`, with everything given back, if there are not as many.
    pub(crate) fn allocate(mem: &mut impl TableMemory, count: u64) -> Option<Self> {
        let mut chain = Self::default();
        for _ in 0..count {
            match mem.allocate() {
                Some(table) => chain.push(mem, table),
                None => {
                    chain.free(mem);
                    return None;
                }
            }
        }
        Some(chain)
    }

    /// Adds `table`, every descriptor of which is invalid.
    pub(crate) fn push(&mut self, mem: &mut impl TableMemory, table: Pa) {
        mem.write(table, 0, self.head.map_or(0, link));
        self.head = Some(table);
    }

    /// Takes a table out; its descriptors are all invalid.
    pub(crate) fn pop(&mut self, mem: &mut impl TableMemory) -> Option<Pa> {
        let table = self.head?;
        self.head = parked_table(mem.read(table, 0));
        mem.write(table, 0, 0);
        Some(table)
    }

    /// Gives all tables back.
    pub(crate) fn free(mut self, mem: &mut impl TableMemory) {
        while let Some(table) = self.pop(mem) {
            mem.free(table);
        }
    }
}
