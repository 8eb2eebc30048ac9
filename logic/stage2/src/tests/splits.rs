//! Unmapping and remapping parts of blocks.

use super::*;

#[test]
fn unmapping_a_whole_block_gives_its_table_back() {
    let (mut mem, mut stage2) = tables();
    stage2.map_ram(&mut mem, GIB + MIB2, MIB2, MIB2).unwrap();
    stage2.unmap(&mut mem, Ipa(GIB + MIB2), MIB2).unwrap();
    assert_eq!((stage2.counts(), mem.tables_in_use()), ([0; 4], 0));
    assert_eq!(mem.invalidations.len(), 1, "once for all");
    assert_eq!(stage2.pa(&mem, GIB + MIB2), None);
    mem.assert_no_stale_translation();
}

#[test]
fn unmapping_a_page_of_a_large_block_splits_it_twice() {
    let (mut mem, mut stage2) = tables();
    stage2.map_ram(&mut mem, GIB, 3 * GIB, GIB).unwrap();
    let page = GIB + 5 * MIB2 + 7 * KIB4;
    stage2.unmap(&mut mem, Ipa(page), KIB4).unwrap();
    assert_eq!(stage2.counts(), [0, 511, 511, 2]);
    assert_eq!(stage2.mapped().bytes(), GIB - KIB4);
    assert_eq!(stage2.pa(&mem, page), None);
    assert_eq!(stage2.pa(&mem, page - 1), Some(page - 1 + 2 * GIB));
    assert_eq!(stage2.pa(&mem, page + KIB4), Some(page + KIB4 + 2 * GIB));
    assert_eq!(
        stage2.translate(&mem, Ipa(page - 1)).unwrap().attributes,
        Attributes::RAM
    );
    mem.assert_no_stale_translation();
}

#[test]
fn unmapping_skips_holes_and_needs_no_tables_for_them() {
    let (mut mem, mut stage2) = tables_of(Format::default(), 0);
    stage2.unmap(&mut mem, Ipa(0), 1 << 40).unwrap();
    stage2.map_ram(&mut mem, 5 * GIB, 0, GIB).unwrap();
    stage2.unmap(&mut mem, Ipa(0), 1 << 40).unwrap();
    assert_eq!(stage2.counts(), [0; 4]);
    assert!(mem.leaves().is_empty());
}

#[test]
fn a_split_without_tables_changes_nothing() {
    for pool in 0..2 {
        let (mut mem, mut stage2) = tables_of(Format::default(), pool);
        stage2.map_ram(&mut mem, GIB, 3 * GIB, GIB).unwrap();
        let unmapped = stage2.unmap(&mut mem, Ipa(GIB + KIB4), KIB4);
        assert_eq!(unmapped, Err(MapError::OutOfTables));
        let remapped = stage2.remap(&mut mem, Ipa(GIB + KIB4), Pa(0), KIB4, Attributes::RAM);
        assert_eq!(remapped, Err(MapError::OutOfTables));
        assert_eq!((stage2.counts(), mem.tables_in_use()), ([1, 0, 0, 0], 0));
        assert!(mem.invalidations.is_empty());
    }
}

#[test]
fn remapping_a_page_of_a_block_keeps_the_rest() {
    let (mut mem, mut stage2) = tables();
    stage2.map_ram(&mut mem, GIB, 3 * GIB, 2 * MIB2).unwrap();
    stage2
        .remap(&mut mem, Ipa(GIB + KIB4), Pa(0x9000), KIB4, ROM)
        .unwrap();
    assert_eq!(stage2.counts(), [0, 1, 512, 2]);
    let page = stage2.translate(&mem, Ipa(GIB + KIB4)).unwrap();
    assert_eq!((page.pa, page.attributes), (Pa(0x9000), ROM));
    assert_eq!(stage2.pa(&mem, GIB), Some(3 * GIB));
    assert_eq!(stage2.pa(&mem, GIB + 2 * KIB4), Some(3 * GIB + 2 * KIB4));
    mem.assert_no_stale_translation();
}

#[test]
fn remapping_a_whole_block_exchanges_it() {
    let (mut mem, mut stage2) = tables();
    stage2.map_ram(&mut mem, GIB, 3 * GIB, GIB).unwrap();
    stage2
        .remap(&mut mem, Ipa(GIB), Pa(7 * GIB), GIB, Attributes::RAM)
        .unwrap();
    assert_eq!(stage2.counts(), [1, 0, 0, 0]);
    assert_eq!(mem.invalidations.len(), 1);
    assert_eq!(stage2.pa(&mem, GIB), Some(7 * GIB));
    // The same once more is nothing to do.
    stage2
        .remap(&mut mem, Ipa(GIB), Pa(7 * GIB), GIB, Attributes::RAM)
        .unwrap();
    assert_eq!(mem.invalidations.len(), 1);
}

#[test]
fn remapping_a_block_to_where_none_fits_takes_a_table() {
    let (mut mem, mut stage2) = tables();
    stage2.map_ram(&mut mem, GIB, 3 * GIB, GIB).unwrap();
    stage2
        .remap(&mut mem, Ipa(GIB), Pa(MIB2), GIB, Attributes::RAM)
        .unwrap();
    assert_eq!(stage2.counts(), [0, 512, 0, 1]);
    assert_eq!(stage2.pa(&mem, GIB), Some(MIB2));
    mem.assert_no_stale_translation();
}

#[test]
fn remapping_a_hole_maps_it() {
    let (mut mem, mut stage2) = tables();
    stage2
        .remap(&mut mem, Ipa(GIB), Pa(0), GIB + KIB4, ROM)
        .unwrap();
    assert_eq!(stage2.counts(), [1, 0, 1, 2]);
    assert!(mem.invalidations.is_empty());
}

#[test]
fn a_page_that_is_away_for_a_while_leaves_its_table() {
    let (mut mem, mut stage2) = tables();
    stage2.map_ram(&mut mem, GIB, GIB, KIB4).unwrap();
    let tables = mem.tables_in_use();
    stage2.unmap_for_a_while(&mut mem, Ipa(GIB), KIB4).unwrap();
    assert_eq!(stage2.translate(&mem, Ipa(GIB)), None);
    assert_eq!(mem.tables_in_use(), tables);
    stage2.unmap(&mut mem, Ipa(GIB), KIB4).unwrap();
    assert_eq!(mem.tables_in_use(), 0);
}
