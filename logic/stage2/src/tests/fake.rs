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
    /// Tables that a walk reaches: where their IPAs start, and their level.
    reachable: BTreeMap<u64, (u64, u8)>,
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
        let (mut pages, mut reachable) = (BTreeMap::new(), BTreeMap::new());
        let level = format.start_level();
        for page in 0..format.root_pages() as u64 {
            let base = page << (level_shift(level) + BITS_PER_LEVEL);
            pages.insert(ROOT + page * PAGE_SIZE, Box::new([0; 512]));
            reachable.insert(ROOT + page * PAGE_SIZE, (base, level));
        }
        let free_tables = (0..tables as u64)
            .rev()
            .map(|n| TABLES + n * PAGE_SIZE)
            .collect();
        Self {
            format,
            pages,
            free_tables,
            reachable,
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

    pub(super) fn root_is_zero(&self) -> bool {
        let pages = self.pages.range(ROOT..ROOT + self.format.root_size());
        pages
            .into_iter()
            .all(|(_, page)| page.iter().all(|&descriptor| descriptor == 0))
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

    /// The IPA range of a slot and its level, if a walk reaches it now.
    fn reachable_slot(&self, table: Pa, index: usize) -> Option<(Range, u8)> {
        let &(base, level) = self.reachable.get(&table.0)?;
        let size = 1 << level_shift(level);
        Some((Range::new(base + index as u64 * size, size).unwrap(), level))
    }

    /// Notes that a walk reaches `table`, or no longer does, and all tables below it.
    fn set_reachable(&mut self, table: Pa, place: Option<(u64, u8)>, level: u8) {
        match place {
            Some(place) => self.reachable.insert(table.0, place),
            None => self.reachable.remove(&table.0),
        };
        let entries = *self.pages[&table.0];
        for (index, descriptor) in entries.into_iter().enumerate() {
            if let Entry::Table(below) = decode(descriptor, level) {
                let ipa = |(base, _)| base + ((index as u64) << level_shift(level));
                self.set_reachable(below, place.map(|p| (ipa(p), level + 1)), level + 1);
            }
        }
    }

    /// Where cached entries start that may overlap `range`.
    fn cached_starts(&self, range: Range) -> Vec<u64> {
        let inside = self
            .tlb
            .range(range.start()..range.end())
            .map(|(&start, _)| start);
        let around: BTreeSet<_> = (0..3)
            .map(|level| range.start() & !((1 << level_shift(level)) - 1))
            .collect();
        let around = around.into_iter().filter(|&start| start < range.start());
        inside
            .chain(around.filter(|start| self.tlb.contains_key(start)))
            .collect()
    }

    /// Whether the tables hold `entry` now.
    fn holds(&self, entry: &Cached) -> bool {
        let &(range, descriptor, level) = entry;
        let start = self.format.start_level();
        let top = level_shift(start) + BITS_PER_LEVEL;
        let mut table = ROOT + (range.start() >> top) * PAGE_SIZE;
        for above in start.. {
            let index = (range.start() >> level_shift(above)) as usize % 512;
            let found = self.pages[&table][index];
            match decode(found, above) {
                _ if above == level => return found == descriptor,
                Entry::Table(below) => table = below.0,
                _ => return false,
            }
        }
        false
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
        for stale in self
            .cached_starts(range)
            .iter()
            .flat_map(|start| &self.tlb[start])
        {
            let other = stale.2 == level && stale.1 != descriptor;
            let larger = stale.2 < level && matches!(decode(stale.1, stale.2), Entry::Leaf(_));
            let clash = stale.0.overlaps(range) && (other || larger);
            assert!(
                !clash,
                "make without break and invalidate: {stale:x?}, {descriptor:#x} at {range}"
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
        if let Entry::Table(below) = decode(old, level) {
            self.set_reachable(below, None, level + 1);
        }
        if let Entry::Table(below) = decode(descriptor, level) {
            self.set_reachable(below, Some((range.start(), level + 1)), level + 1);
        }
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
        // Dropped at once; but what is still in the tables may be cached again at once, too.
        for start in self.cached_starts(ipa) {
            let cached = self.tlb.remove(&start).unwrap_or_default();
            let stays = |entry: &Cached| !entry.0.overlaps(ipa) || self.holds(entry);
            let cached: Vec<_> = cached.into_iter().filter(stays).collect();
            if !cached.is_empty() {
                self.tlb.insert(start, cached);
            }
        }
        self.invalidations.push(ipa);
    }
}

impl FakeMemory {
    /// After an operation: the caches hold nothing but what the tables say, and what is invalid in
    /// those is zero.
    pub(super) fn assert_no_stale_translation(&self) {
        for entry in self.tlb.values().flatten() {
            assert!(self.holds(entry), "stale: {entry:x?}");
        }
        let in_use = self
            .reachable
            .keys()
            .flat_map(|table| self.pages[table].iter());
        assert!(
            in_use
                .into_iter()
                .all(|&descriptor| is_valid(descriptor) || descriptor == 0)
        );
    }
}
