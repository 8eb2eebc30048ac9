//! Mapping and its errors.

use super::*;
use crate::StartLevel;

#[test]
fn the_largest_blocks_that_fit_both_addresses_are_used() {
    let (mut mem, mut stage2) = tables();
    let start = GIB - MIB2 - KIB4;
    stage2
        .map_ram(&mut mem, start, 3 * GIB + start, KIB4 + MIB2 + GIB + KIB4)
        .unwrap();
    assert_eq!(stage2.counts(), [1, 1, 2, 4]);
    assert_eq!(stage2.mapped().bytes(), GIB + MIB2 + 2 * KIB4);
    assert_eq!(mem.leaves().len(), 4);
    assert!(
        mem.invalidations.is_empty(),
        "holes are filled without invalidation"
    );
}

#[test]
fn an_offset_that_is_no_multiple_of_a_block_takes_smaller_ones() {
    let (mut mem, mut stage2) = tables();
    stage2.map_ram(&mut mem, GIB, MIB2, 2 * MIB2).unwrap();
    assert_eq!(stage2.counts(), [0, 2, 0, 1]);
    stage2.map_ram(&mut mem, 2 * GIB, KIB4, MIB2).unwrap();
    assert_eq!(stage2.counts(), [0, 2, 512, 3]);
}

#[test]
fn translation_gives_place_attributes_and_block() {
    let (mut mem, mut stage2) = tables();
    stage2.map_ram(&mut mem, GIB, 5 * GIB, GIB).unwrap();
    let device = Attributes::DEVICE;
    stage2
        .map(&mut mem, Ipa(0x0300_1000), Pa(0x0800_0000), KIB4, device)
        .unwrap();
    let ram = stage2.translate(&mem, Ipa(GIB + 0x12_3456)).unwrap();
    assert_eq!((ram.pa, ram.block_size), (Pa(5 * GIB + 0x12_3456), GIB));
    assert_eq!(ram.attributes, Attributes::RAM);
    let registers = stage2.translate(&mem, Ipa(0x0300_1ffc)).unwrap();
    assert_eq!(
        (registers.pa, registers.block_size),
        (Pa(0x0800_0ffc), KIB4)
    );
    assert_eq!(registers.attributes, device);
    assert_eq!(stage2.translate(&mem, Ipa(0x0300_2000)), None);
    assert_eq!(stage2.translate(&mem, Ipa(2 * GIB)), None);
    assert_eq!(
        stage2.translate(&mem, Ipa(GIB | 1 << 40)),
        None,
        "no aliases above the size"
    );
    assert_eq!(stage2.translate(&mem, Ipa(u64::MAX)), None);
}

#[test]
fn both_root_pages_are_used() {
    let (mut mem, mut stage2) = tables();
    let last = (1 << 40) - GIB;
    stage2.map_ram(&mut mem, last, GIB, GIB).unwrap();
    assert_eq!(stage2.pa(&mem, (1 << 40) - 1), Some(2 * GIB - 1));
    assert_eq!(stage2.pa(&mem, (1 << 39) - GIB), None);
    assert_eq!(mem.leaves()[0].0.start(), last);
}

#[test]
fn four_levels_have_no_blocks_at_the_first() {
    let format = Format::new(48, StartLevel::Zero).unwrap();
    let (mut mem, mut stage2) = tables_of(format, 8);
    stage2.map_ram(&mut mem, 1 << 47, 0, 512 * GIB).unwrap();
    assert_eq!(stage2.counts(), [512, 0, 0, 1]);
    assert_eq!(
        stage2.pa(&mem, (1 << 47) + 511 * GIB + 5),
        Some(511 * GIB + 5)
    );
    assert_eq!(
        stage2.map_ram(&mut mem, 1 << 48, 0, KIB4),
        Err(MapError::OutOfRange)
    );
}

#[test]
fn thirty_two_bits_end_at_four_gibibytes() {
    let (mut mem, mut stage2) = tables_of(Format::for_ipa_bits(32).unwrap(), 0);
    stage2.map_ram(&mut mem, 0, 0, 4 * GIB).unwrap();
    assert_eq!(
        stage2.map_ram(&mut mem, 4 * GIB, 0, GIB),
        Err(MapError::OutOfRange)
    );
    assert_eq!(stage2.pa(&mem, 4 * GIB), None);
}

#[test]
fn wrong_arguments_are_refused() {
    let (mut mem, mut stage2) = tables();
    let end = 1 << 40;
    for (ipa, pa, size, error) in [
        (1, 0, KIB4, MapError::Unaligned),
        (0, 0x800, KIB4, MapError::Unaligned),
        (0, 0, KIB4 + 1, MapError::Unaligned),
        (0, 0, 0, MapError::Empty),
        (end, 0, KIB4, MapError::OutOfRange),
        (end - KIB4, 0, 2 * KIB4, MapError::OutOfRange),
        (u64::MAX - 0xfff, 0, KIB4, MapError::OutOfRange),
        (0, 1 << 48, KIB4, MapError::OutOfRange),
        (0, (1 << 48) - KIB4, 2 * KIB4, MapError::OutOfRange),
        (0, u64::MAX - 0xfff, KIB4, MapError::OutOfRange),
    ] {
        assert_eq!(
            stage2.map_ram(&mut mem, ipa, pa, size),
            Err(error),
            "{ipa:#x} {pa:#x}"
        );
        let remap = stage2.remap(&mut mem, Ipa(ipa), Pa(pa), size, Attributes::RAM);
        assert_eq!(remap, Err(error));
    }
    assert_eq!(
        stage2.unmap(&mut mem, Ipa(1), KIB4),
        Err(MapError::Unaligned)
    );
    assert_eq!(stage2.unmap(&mut mem, Ipa(0), 0), Err(MapError::Empty));
    assert_eq!(
        stage2.unmap(&mut mem, Ipa(end), KIB4),
        Err(MapError::OutOfRange)
    );
    assert_eq!(stage2.counts(), [0; 4]);
}

#[test]
fn the_root_is_aligned_to_its_size() {
    let format = Format::default();
    assert!(Stage2::new(Pa(0x1000), format).is_none());
    assert!(Stage2::new(Pa(1 << 48), format).is_none());
    let stage2 = Stage2::new(Pa(0x2000), format).unwrap();
    assert_eq!((stage2.root(), stage2.format()), (Pa(0x2000), format));
}

#[test]
fn mapping_over_something_else_is_refused_and_changes_nothing() {
    let (mut mem, mut stage2) = tables();
    stage2.map_ram(&mut mem, GIB + MIB2, MIB2, MIB2).unwrap();
    let before = mem.leaves();
    let clash = Err(MapError::AlreadyMapped {
        at: Ipa(GIB + MIB2),
    });
    assert_eq!(stage2.map_ram(&mut mem, GIB, 7 * GIB, GIB), clash);
    assert_eq!(stage2.map(&mut mem, Ipa(GIB), Pa(0), GIB, ROM), clash);
    let page = GIB + MIB2 + KIB4;
    let clash = Err(MapError::AlreadyMapped { at: Ipa(page) });
    assert_eq!(stage2.map_ram(&mut mem, page, MIB2, KIB4), clash);
    assert_eq!(mem.leaves(), before);
    assert_eq!((stage2.counts(), mem.tables_in_use()), ([0, 1, 0, 1], 1));
}

#[test]
fn mapping_the_same_again_fills_the_holes() {
    let (mut mem, mut stage2) = tables();
    stage2.map_ram(&mut mem, GIB, 3 * GIB, GIB).unwrap();
    stage2
        .map_ram(&mut mem, GIB + 5 * KIB4, 3 * GIB + 5 * KIB4, KIB4)
        .unwrap();
    assert_eq!(stage2.counts(), [1, 0, 0, 0]);
    stage2
        .map_ram(&mut mem, 2 * GIB + KIB4, 4 * GIB + KIB4, KIB4)
        .unwrap();
    stage2.map_ram(&mut mem, GIB, 3 * GIB, GIB + MIB2).unwrap();
    assert_eq!(stage2.counts(), [1, 0, 512, 2]);
    assert!(mem.invalidations.is_empty());
}

#[test]
fn a_pool_that_is_too_small_leaves_nothing_half_done() {
    for pool in 0..4 {
        let (mut mem, mut stage2) = tables_of(Format::default(), pool);
        let (ipa, size) = (GIB - KIB4, 2 * KIB4);
        assert_eq!(
            stage2.map_ram(&mut mem, ipa, ipa, size),
            Err(MapError::OutOfTables)
        );
        assert_eq!((stage2.counts(), mem.tables_in_use()), ([0; 4], 0));
        assert!(mem.leaves().is_empty());
    }
    let (mut mem, mut stage2) = tables_of(Format::default(), 4);
    stage2
        .map_ram(&mut mem, GIB - KIB4, GIB - KIB4, 2 * KIB4)
        .unwrap();
    assert_eq!(mem.tables_in_use(), 4);
}

#[test]
fn the_estimate_is_exact_for_one_range_and_enough_for_several() {
    let format = Format::default();
    let ranges = [
        (Ipa(GIB - KIB4), Pa(0), GIB),
        (Ipa(0x0300_0000), Pa(0x0800_0000), 0x1_0000),
        (Ipa(8 * GIB), Pa(16 * GIB), 2 * GIB + 3 * MIB2 + KIB4),
    ];
    for range in ranges {
        let needed = Stage2::tables_needed(format, [range]).unwrap();
        let (mut mem, mut stage2) = tables_of(format, 600);
        stage2
            .map(&mut mem, range.0, range.1, range.2, Attributes::RAM)
            .unwrap();
        assert_eq!(needed, mem.tables_in_use() as u64);
        assert_eq!(mem.frees, 0, "no more were taken than needed");
    }
    let needed = Stage2::tables_needed(format, ranges).unwrap();
    let (mut mem, mut stage2) = tables_of(format, needed as usize);
    for (ipa, pa, size) in ranges {
        stage2
            .map(&mut mem, ipa, pa, size, Attributes::RAM)
            .unwrap();
    }
    let beyond = Stage2::tables_needed(format, [(Ipa(1 << 40), Pa(0), KIB4)]);
    assert_eq!(beyond, Err(MapError::OutOfRange));
}
