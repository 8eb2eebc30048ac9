//! Taking tables apart in steps.

use super::*;
use crate::{Progress, StartLevel};

/// Maps something at every level.
fn fill(mem: &mut FakeMemory, stage2: &mut Stage2) {
    stage2.map_ram(mem, 0, 0, GIB + MIB2 + KIB4).unwrap();
    stage2
        .map_ram(mem, 3 * GIB - KIB4, 5 * GIB, 2 * KIB4)
        .unwrap();
    stage2.map_ram(mem, (1 << 40) - KIB4, 0, KIB4).unwrap();
}

#[test]
fn every_table_is_freed_whatever_the_budget() {
    for format in [
        Format::default(),
        Format::new(40, StartLevel::Zero).unwrap(),
    ] {
        let mut steps_by_budget = vec![];
        for budget in [1, 7, 512, u32::MAX] {
            let (mut mem, mut stage2) = tables_of(format, 64);
            fill(&mut mem, &mut stage2);
            assert!(mem.tables_in_use() > 6);
            let mut teardown = stage2.teardown();
            let mut steps = 1;
            while teardown.step(&mut mem, budget) == Progress::More {
                steps += 1;
                assert!(steps < 100_000);
            }
            assert_eq!(mem.tables_in_use(), 0);
            assert!(mem.root_is_zero());
            assert_eq!(mem.invalidations, [format.address_space()]);
            mem.assert_no_stale_translation();
            assert_eq!(teardown.step(&mut mem, budget), Progress::Done);
            steps_by_budget.push(steps);
        }
        assert!(
            steps_by_budget.is_sorted_by(|a, b| a > b),
            "{steps_by_budget:?}"
        );
        assert_eq!(steps_by_budget.last(), Some(&1));
    }
}

#[test]
fn a_budget_of_nothing_does_nothing() {
    let (mut mem, mut stage2) = tables();
    fill(&mut mem, &mut stage2);
    let leaves = mem.leaves();
    assert_eq!(stage2.teardown().step(&mut mem, 0), Progress::More);
    assert_eq!(mem.leaves(), leaves);
}

#[test]
fn tables_are_freed_only_when_nothing_can_reach_them() {
    let (mut mem, mut stage2) = tables();
    fill(&mut mem, &mut stage2);
    let in_use = mem.tables_in_use();
    let mut teardown = stage2.teardown();
    // The root of two pages is detached first.
    let _ = teardown.step(&mut mem, 1024);
    assert_eq!((mem.tables_in_use(), mem.invalidations.len()), (in_use, 1));
    assert!(mem.leaves().is_empty());
    let _ = teardown.step(&mut mem, u32::MAX);
    assert_eq!(mem.tables_in_use(), 0);
}
