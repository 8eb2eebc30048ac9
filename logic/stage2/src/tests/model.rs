//! Random operations against a flat map from page to page.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::change::WhenEmpty;
use crate::plan::{Change, Span, Target};
use crate::{Progress, StartLevel, Translation};

/// Page number to (page number, attributes).
type Pages = BTreeMap<u64, (u64, Attributes)>;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Map,
    Remap,
    Unmap,
    UnmapForAWhile,
}

#[derive(Clone, Debug)]
struct Step {
    operation: Operation,
    ipa: u64,
    pa: u64,
    size: u64,
    attributes: Attributes,
}

/// Page-aligned addresses that like the borders of blocks, in a small space so that ranges meet.
fn address() -> impl Strategy<Value = u64> {
    let (large, middle, page) = (
        0..3_u64,
        0..3_u64,
        prop_oneof![Just(0), Just(0), 0..3_u64, Just(511)],
    );
    (large, prop_oneof![middle, Just(511)], page)
        .prop_map(|(large, middle, page)| large * GIB + middle * MIB2 + page * KIB4)
}

fn size() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => (1..4_u64).prop_map(|n| n * KIB4),
        8 => (1..4_u64).prop_map(|n| n * MIB2),
        1 => Just(GIB),
        4 => (0..2_u64, 0..3_u64).prop_map(|(middle, page)| middle * MIB2 + (page + 511) * KIB4),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let operation = prop_oneof![2 => Just(Operation::Map), 1 => Just(Operation::Remap), 2 => Just(Operation::Unmap), 1 => Just(Operation::UnmapForAWhile)];
    let attributes =
        prop_oneof![3 => Just(Attributes::RAM), 1 => Just(ROM), 1 => Just(Attributes::DEVICE)];
    // Often the identity, so that mapping the same again happens.
    let pa = prop_oneof![address().prop_map(Some), Just(None)];
    (operation, address(), pa, size(), attributes).prop_map(
        |(operation, ipa, pa, size, attributes)| {
            // A gibibyte in single pages would only be slow.
            let pa = pa.map_or(ipa, |pa| {
                if size < GIB {
                    pa
                } else {
                    pa / MIB2 * MIB2 + ipa % MIB2
                }
            });
            Step {
                operation,
                ipa,
                pa,
                size,
                attributes,
            }
        },
    )
}

/// The pages that the step is about, with what it maps them to.
fn pages_of(step: &Step) -> impl Iterator<Item = (u64, (u64, Attributes))> {
    let (ipa, pa, attributes) = (step.ipa / KIB4, step.pa / KIB4, step.attributes);
    (0..step.size / KIB4).map(move |page| (ipa + page, (pa + page, attributes)))
}

/// Where the step clashes with `pages`, if it does.
fn clash(step: &Step, pages: &Pages) -> Option<u64> {
    let Operation::Map = step.operation else {
        return None;
    };
    let differs = |(ipa, new): &(u64, _)| pages.get(ipa).is_some_and(|old| old != new);
    pages_of(step).find(differs).map(|(ipa, _)| ipa * KIB4)
}

fn follow(step: &Step, pages: &mut Pages) {
    match step.operation {
        Operation::Unmap | Operation::UnmapForAWhile => {
            let end = (step.ipa + step.size) / KIB4;
            let mut tail = pages.split_off(&(step.ipa / KIB4));
            pages.append(&mut tail.split_off(&end));
        }
        Operation::Map | Operation::Remap => pages.extend(pages_of(step)),
    }
}

fn perform(step: &Step, mem: &mut FakeMemory, stage2: &mut Stage2) -> Result<(), MapError> {
    let (ipa, pa) = (Ipa(step.ipa), Pa(step.pa));
    match step.operation {
        Operation::Map => stage2.map(mem, ipa, pa, step.size, step.attributes),
        Operation::Remap => stage2.remap(mem, ipa, pa, step.size, step.attributes),
        Operation::Unmap => stage2.unmap(mem, ipa, step.size),
        Operation::UnmapForAWhile => stage2.unmap_for_a_while(mem, ipa, step.size),
    }
}

/// The tables map exactly `pages`, and the counters say so.
fn assert_same(pages: &Pages, mem: &FakeMemory, stage2: &Stage2) {
    let mut bytes = 0;
    for (range, _) in mem.leaves() {
        bytes += range.size();
        // First, last and some page of each leaf; leaves are contiguous.
        for offset in [0, range.size() / 2, range.size() - KIB4] {
            let ipa = range.start() + offset;
            let Translation {
                pa,
                attributes,
                block_size,
            } = stage2.translate(mem, Ipa(ipa)).unwrap();
            assert_eq!(pages.get(&(ipa / KIB4)), Some(&(pa.0 / KIB4, attributes)));
            assert_eq!(block_size, range.size());
        }
    }
    assert_eq!(bytes, pages.len() as u64 * KIB4);
    assert_eq!(stage2.mapped().bytes(), bytes);
    assert_eq!(stage2.mapped().tables, mem.tables_in_use() as u64);
}

fn formats() -> impl Strategy<Value = Format> {
    prop_oneof![
        Just(Format::default()),
        Just(Format::for_ipa_bits(32).unwrap()),
        Just(Format::new(48, StartLevel::Zero).unwrap()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn tables_follow_the_model(
        format in formats(),
        pool in prop_oneof![3 => Just(4000_usize), 1 => 0..12_usize],
        steps in prop::collection::vec(step(), 1..12),
    ) {
        let (mut mem, mut stage2) = tables_of(format, pool);
        let mut pages = Pages::new();
        for step in &steps {
            match (perform(step, &mut mem, &mut stage2), clash(step, &pages)) {
                (Ok(()), None) => follow(step, &mut pages),
                (Err(MapError::AlreadyMapped { at }), clash) => prop_assert_eq!(Some(at.0), clash),
                // The pool is known only to the planner; the model stays as it was.
                (Err(MapError::OutOfTables), None) => prop_assert!(pool < 100),
                (got, wanted) => prop_assert!(false, "{step:?}: {got:?}, clash {wanted:?}"),
            }
            mem.assert_no_stale_translation();
            assert_same(&pages, &mem, &stage2);
        }
        let mut teardown = stage2.teardown();
        while teardown.step(&mut mem, 1000) == Progress::More {}
        prop_assert_eq!(mem.tables_in_use(), 0);
    }

    #[test]
    fn the_short_way_for_a_page_is_the_long_way(
        steps in prop::collection::vec((any::<bool>(), 0..6_u64, 0..3_u64, any::<bool>()), 1..40),
    ) {
        // Pages in a block, in a table, and where nothing is.
        let start = GIB + MIB2 - 3 * KIB4;
        let (mut short_mem, mut short) = tables();
        let (mut long_mem, mut long) = tables();
        for (mem, stage2) in [(&mut short_mem, &mut short), (&mut long_mem, &mut long)] {
            stage2.map_ram(mem, GIB, GIB, MIB2).unwrap();
        }
        for (maps, page, place, readable) in steps {
            let (ipa, pa) = (Ipa(start + page * KIB4), Pa(GIB + place * KIB4));
            let attributes = if readable { ROM } else { Attributes::RAM };
            let change = if maps {
                short.remap(&mut short_mem, ipa, pa, KIB4, attributes).unwrap();
                Change::Remap(Target::new(ipa, pa, attributes))
            } else {
                short.unmap_for_a_while(&mut short_mem, ipa, KIB4).unwrap();
                Change::Unmap
            };
            let span = Span { start: ipa.0, end: ipa.0 + KIB4 };
            long.change_span(&mut long_mem, change, span, WhenEmpty::Keep).unwrap();
            short_mem.assert_no_stale_translation();
            prop_assert_eq!(short.mapped(), long.mapped());
            prop_assert_eq!(short_mem.leaves(), long_mem.leaves());
        }
    }
}
