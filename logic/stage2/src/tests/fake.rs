//! Table memory on the host that asserts what the architecture demands: break-before-make with
//! an invalidation in between, nothing written outside tables, nothing freed while reachable.

use std::collections::{BTreeMap, BTreeSet};

use abi::{PAGE_SIZE, Pa, Range};

use crate::descriptor::{BITS_PER_LEVEL, Entry, decode, is_valid, level_shift};
use crate::{Format, TableMemory};

/// Where the root lies.
const ROOT: u64 = 0x1_0000;
/// Where tables are allocated, in order.
const TABLES: u64 = 0x8000_0000;

/// A cached translation or walk: (IPA range, descriptor, level).
type Cached = (Range, u64, u8);

pub(super) struct FakeMemory {
    format: Format,
    pages: BTreeMap<u64, Box<[u64; 512]>>,
    free_tables: Vec<u64>,
    /// All that a CPU may have cached: every descriptor that was ever reachable, until invalidated.
    tlb: BTreeMap<u64, Vec<Cached>>,
    freed: BTreeSet<u64>,
    pub(super) allocated: usize,
    pub(super) frees: usize,
    pub(super) invalidations: Vec<Range>,
}

impl FakeMemory {
    /// A zeroed root for `format` and a pool of `tables`.
    pub(super) fn new(format: Format, tables: usize) -> Self {
        let mut pages = BTreeMap::new();
        for page in 0..format.root_pages() as u64 {
            pages.insert(ROOT + page * PAGE_SIZE, Box::new([0; 512]));
        }
        let free_tables = (0..tables as u64)
            .rev()
            .map(|n| TABLES + n * PAGE_SIZE)
            .collect();
        Self {
            format,
            pages,
            free_tables,
            tlb: BTreeMap::new(),
            freed: BTreeSet::new(),
            allocated: 0,
            frees: 0,
            invalidations: Vec::new(),
        }
    }

    pub(super) fn root(&self) -> Pa {
        Pa(ROOT)
    }

    pub(super) fn tables_in_use(&self) -> usize {
        self.allocated - self.frees
    }

    /// Every reachable leaf: (IPA range, descriptor).
    pub(super) fn leaves(&self) -> Vec<(Range, u64)> {
        let walk = self.walk();
        walk.iter()
            .filter(|w| matches!(decode(w.1, w.2), Entry::Leaf(_)))
            .map(|w| (w.0, w.1))
            .collect()
    }

    /// Every reachable valid descriptor.
    fn walk(&self) -> Vec<Cached> {
        let mut found = Vec::new();
        let level = self.format.start_level();
        for page in 0..self.format.root_pages() as u64 {
            let base = page << (level_shift(level) + BITS_PER_LEVEL);
            self.walk_table(ROOT + page * PAGE_SIZE, level, base, &mut found);
        }
        found
    }

    fn walk_table(&self, table: u64, level: u8, base: u64, found: &mut Vec<Cached>) {
        let entries = self.pages.get(&table).expect("a walk leaves the tables");
        for (index, &descriptor) in entries.iter().enumerate() {
            if !is_valid(descriptor) {
                continue;
            }
            let size = 1 << level_shift(level);
            let ipa = base + index as u64 * size;
            found.push((Range::new(ipa, size).unwrap(), descriptor, level));
            if let Entry::Table(below) = decode(descriptor, level) {
                self.walk_table(below.0, level + 1, ipa, found);
            }
        }
    }

    /// The IPA range of a slot, if a walk reaches it now.
    fn reachable_slot(&self, table: Pa, index: usize) -> Option<(Range, u8)> {
        let level = self.format.start_level();
        for page in 0..self.format.root_pages() as u64 {
            let base = page << (level_shift(level) + BITS_PER_LEVEL);
            if let Some((ipa, level)) = self.find(table.0, ROOT + page * PAGE_SIZE, level, base) {
                let size = 1 << level_shift(level);
                return Some((Range::new(ipa + index as u64 * size, size).unwrap(), level));
            }
        }
        None
    }

    fn find(&self, wanted: u64, table: u64, level: u8, base: u64) -> Option<(u64, u8)> {
        if wanted == table {
            return Some((base, level));
        }
        let entries = self.pages.get(&table).expect("a walk leaves the tables");
        entries.iter().enumerate().find_map(|(index, &descriptor)| {
            match decode(descriptor, level) {
                Entry::Table(below) => {
                    let ipa = base + ((index as u64) << level_shift(level));
                    self.find(wanted, below.0, level + 1, ipa)
                }
                _ => None,
            }
        })
    }

    fn cache(&mut self, entry: Cached) {
        let cached = self.tlb.entry(entry.0.start()).or_default();
        if !cached.contains(&entry) {
            cached.push(entry);
        }
    }

    /// What becomes reachable gets cached, as a speculating CPU may; and nothing that is cached may
    /// disagree with it.
    fn cache_subtree(&mut self, range: Range, descriptor: u64, level: u8) {
        for stale in self.tlb.values().flatten() {
            let clash = stale.0.overlaps(range)
                && stale.1 != descriptor
                && (stale.2 == level
                    || matches!(decode(stale.1, stale.2), Entry::Leaf(_)) && stale.2 < level);
            assert!(
                !clash,
                "make without break and invalidate: {stale:x?} and {descriptor:#x} at {range}"
            );
        }
        self.cache((range, descriptor, level));
        if let Entry::Table(below) = decode(descriptor, level) {
            let mut found = Vec::new();
            self.walk_table(below.0, level + 1, range.start(), &mut found);
            found.into_iter().for_each(|entry| self.cache(entry));
        }
    }
}

impl TableMemory for FakeMemory {
    fn read(&self, table: Pa, index: usize) -> u64 {
        assert!(!self.freed.contains(&table.0), "read of a freed table");
        self.pages[&table.0][index]
    }

    fn write(&mut self, table: Pa, index: usize, descriptor: u64) {
        assert!(!self.freed.contains(&table.0), "write to a freed table");
        let old = self.read(table, index);
        self.pages
            .get_mut(&table.0)
            .expect("write outside the tables")[index] = descriptor;
        let Some((range, level)) = self.reachable_slot(table, index) else {
            return;
        };
        if is_valid(old) && is_valid(descriptor) {
            assert_eq!(old, descriptor, "valid to valid without a break at {range}");
        }
        if is_valid(descriptor) {
            self.cache_subtree(range, descriptor, level);
        }
    }

    fn allocate(&mut self) -> Option<Pa> {
        let table = self.free_tables.pop()?;
        self.freed.remove(&table);
        self.pages.insert(table, Box::new([0; 512]));
        self.allocated += 1;
        Some(Pa(table))
    }

    fn free(&mut self, table: Pa) {
        assert!(table.0 >= TABLES, "the root is not the planner's to free");
        assert!(self.pages.remove(&table.0).is_some(), "freed twice");
        assert!(
            self.reachable_slot(table, 0).is_none(),
            "freed while reachable"
        );
        let cached = self
            .tlb
            .values()
            .flatten()
            .any(|c| decode(c.1, c.2) == Entry::Table(table));
        assert!(!cached, "freed while a walk cache leads to it");
        self.freed.insert(table.0);
        self.free_tables.push(table.0);
        self.frees += 1;
    }

    fn invalidate(&mut self, ipa: Range) {
        assert!(!ipa.is_empty());
        for cached in self.tlb.values_mut() {
            cached.retain(|entry| !entry.0.overlaps(ipa));
        }
        self.tlb.retain(|_, cached| !cached.is_empty());
        self.invalidations.push(ipa);
        // What is still reachable may be cached again at once.
        for entry in self.walk() {
            self.cache(entry);
        }
    }
}

impl FakeMemory {
    /// After an operation: the caches hold nothing but what the tables say.
    pub(super) fn assert_no_stale_translation(&self) {
        let now = self.walk();
        for cached in self.tlb.values().flatten() {
            assert!(now.contains(cached), "stale: {cached:x?}");
        }
    }
}
