use super::*;
use std::vec::Vec;

fn range(start: u64, end: u64) -> Range {
    Range::from_bounds(start, end).unwrap()
}

fn reserving(reserved: &[Range]) -> Occupied<'_> {
    Occupied {
        reserved,
        ..Occupied::default()
    }
}

/// 1 MiB of RAM that starts with the image.
fn with_modules(modules: &[Range], reserved: &[Range]) -> Frames {
    let image = range(0x10_0000, 0x11_0000);
    let occupied = Occupied {
        image,
        reserved,
        modules,
    };
    *Frames::new(&[range(0x10_0000, 0x20_0000)], occupied).unwrap()
}

#[test]
fn shared_words_are_changed_in_place_and_nowhere_else() {
    let machine = crate::host::Machine::new(crate::host::Parts::default());
    machine.enter(abi::CpuId(0));
    let start = machine.ram().start();
    let extent = Extent {
        range: range(start, start + 0x1000),
    };
    assert_eq!(extent.fetch_or64(8, 0x8001), 0);
    assert_eq!(extent.fetch_and64(8, !1), 0x8001);
    assert_eq!(extent.load64(8), 0x8000);
    assert_eq!(extent.swap8(9, 1), 0x80);
    assert_eq!(extent.load32(8), 0x100);
    assert_eq!(extent.compare_exchange32(8, 7, 1), Err(0x100));
    assert_eq!(extent.compare_exchange32(8, 0x100, 1), Ok(0x100));
    extent.store64(0xff8, u64::MAX);
    assert_eq!(extent.load8(0xfff), 0xff);
    for outside in [0x1000, 0xffc, 0xff9, u64::MAX] {
        extent.store64(outside, 5);
        assert_eq!(extent.fetch_or64(outside, 1), 0, "{outside:#x}");
    }
    assert_eq!(extent.load64(0xff8), u64::MAX);
}

#[test]
fn what_is_used_is_not_free() {
    let frames = Frames::new(
        &[range(0x10_000, 0x20_000)],
        reserving(&[range(0x11_001, 0x11_fff)]),
    );
    assert_eq!(frames.unwrap().free_bytes(), 0xf000);
}

#[test]
fn an_extent_comes_from_the_smallest_range_and_goes_back_whole() {
    let mut frames = Frames::new(
        &[range(0x10_0000, 0x20_0000), range(0x40_0000, 0x41_0000)],
        reserving(&[]),
    )
    .unwrap();
    let before = frames.free_bytes();
    let small = frames.allocate(0x1001, 0x4000).unwrap();
    assert_eq!(small.range(), range(0x40_0000, 0x40_2000));
    let large = frames.allocate(0x8_0000, 0x10_0000).unwrap();
    assert_eq!(large.range().start(), 0x10_0000);
    frames.release(small).unwrap();
    frames.release(large).unwrap();
    assert_eq!(frames.free_bytes(), before);
    assert_eq!(frames.free.len(), 2);
}

#[test]
fn nothing_is_handed_out_twice() {
    let mut frames = Frames::new(&[range(0x10_0000, 0x20_0000)], reserving(&[])).unwrap();
    let mut taken: Vec<Range> = Vec::new();
    while let Some(extent) = frames.allocate(0x3000, 0x1000) {
        assert!(taken.iter().all(|other| !other.overlaps(extent.range())));
        taken.push(extent.range());
    }
    assert_eq!(taken.len(), 0x100 / 3);
    assert!(frames.take(taken[0]).is_none());
}

#[test]
fn modules_are_neither_free_nor_given_twice() {
    let module = range(0x18_0000, 0x18_0800);
    let mut frames = with_modules(&[module], &[]);
    assert!(frames.module(range(0x11_0000, 0x11_1000)).is_none());
    let first = frames.module(module).unwrap();
    assert!(frames.module(module).is_none());
    let before = frames.free_bytes();
    frames.release_module(first).unwrap();
    assert_eq!(frames.free_bytes(), before + 0x1000);
}

#[test]
fn the_largest_range_serves_a_fragmented_guest() {
    let mut frames = Frames::new(
        &[range(0x10_0000, 0x90_0000)],
        reserving(&[range(0x48_0000, 0x49_0000)]),
    )
    .unwrap();
    let part = frames.allocate_largest(1 << 30, 0x20_0000).unwrap();
    assert!(part.range().size() == 0x20_0000 && part.range().start().is_multiple_of(0x20_0000));
    assert!(frames.allocate_largest(0x10_0000, 0x20_0000).is_none());
}

#[test]
fn no_module_lies_in_the_image() {
    let mut frames = with_modules(&[], &[]);
    assert!(frames.module(range(0x10_0000, 0x10_1000)).is_none());
    assert!(frames.module(range(0x10_f800, 0x11_0800)).is_none());
}

#[test]
fn what_is_reserved_stays_so_when_a_module_in_it_is_given_back() {
    let module = range(0x18_0000, 0x18_4000);
    let mut frames = with_modules(&[module], &[range(0x18_1800, 0x18_2000)]);
    let before = frames.free_bytes();
    let module = frames.module(module).unwrap();
    frames.release_module(module).unwrap();
    assert_eq!(frames.free_bytes(), before + 0x3000);
    assert!(frames.take(range(0x18_1000, 0x18_2000)).is_none());
}

#[test]
fn a_page_of_two_modules_is_given_back_with_the_second() {
    let (first, second) = (range(0x18_0000, 0x18_1800), range(0x18_1800, 0x18_2800));
    let mut frames = with_modules(&[first, second], &[]);
    let before = frames.free_bytes();
    let (first, second) = (
        frames.module(first).unwrap(),
        frames.module(second).unwrap(),
    );
    frames.release_module(first).unwrap();
    assert_eq!(frames.free_bytes(), before + 0x1000);
    frames.release_module(second).unwrap();
    assert_eq!(frames.free_bytes(), before + 0x3000);
}

#[test]
fn a_module_gives_back_no_page_that_is_not_all_ram() {
    let bank = range(0x10_0800, 0x20_0000);
    let module = range(0x10_0800, 0x10_2000);
    let occupied = Occupied {
        modules: &[module],
        ..Occupied::default()
    };
    let mut frames = Frames::new(&[bank], occupied).unwrap();
    let before = frames.free_bytes();
    let module = frames.module(module).unwrap();
    frames.release_module(module).unwrap();
    assert_eq!(frames.free_bytes(), before + 0x1000);
}

#[test]
fn a_rival_that_wins_every_race_for_a_word_costs_a_bounded_time() {
    use super::extent::{MOST_TRIES, change_u32};
    use core::sync::atomic::{AtomicU32, Ordering};
    let (word, tries) = (AtomicU32::new(0), AtomicU32::new(0));
    // It changes the word between the look at it and the attempt.
    change_u32(&word, |old| {
        tries.fetch_add(1, Ordering::Relaxed);
        word.store(old.wrapping_add(1), Ordering::Relaxed);
        old | 1 << 31
    });
    assert_eq!(tries.into_inner(), MOST_TRIES);
    assert_eq!(word.into_inner() >> 31, 0, "it was given up");
    const { assert!(MOST_TRIES <= 1 << 10) };
}

#[test]
fn a_held_page_is_accessed_as_its_extent_is() {
    let machine = crate::host::Machine::new(crate::host::Parts::default());
    machine.enter(abi::CpuId(0));
    let start = machine.ram().start();
    let extent = alloc::sync::Arc::new(Extent {
        range: range(start + 0x1000, start + 0x3000),
    });
    let page = HeldPage::new(&extent, 0x1000);
    page.store64(0, 0x1122_3344_5566_7788);
    assert_eq!(extent.load64(0x1000), 0x1122_3344_5566_7788);
    assert_eq!(page.load32(4), extent.load32(0x1004));
    assert_eq!(page.load8(7), 0x11);
    assert_eq!(page.swap8(0xfff, 9), 0);
    assert_eq!(extent.load8(0x1fff), 9);
    assert_eq!(page.fetch_or32(8, 6), 0);
    assert_eq!(page.fetch_and32(8, 2), 6);
    assert_eq!(page.fetch_or64(16, 6), 0);
    assert_eq!(page.fetch_and64(16, 4), 6);
    assert_eq!(extent.load64(0x1010), 4);
    assert_eq!(page.compare_exchange32(8, 7, 1), Err(2));
    while page.compare_exchange32(8, 2, 1).is_err() {}
    assert_eq!(extent.load32(0x1008), 1);
    let to = HeldPage::new(&extent, 0);
    assert!(page.copy_to(8, &to, 0x40, 16));
    assert_eq!((extent.load64(0x40), extent.load64(0x48)), (1, 4));
    assert!(page.copy_to(0, &to, 0, 0x1000));
    for offset in (0..0x1000).step_by(8) {
        assert_eq!(extent.load64(offset), extent.load64(0x1000 + offset));
    }
    for (from, at, bytes) in [
        (8, 0, 0xff9),
        (0, 8, 0xff9),
        (0x1000, 0, 1),
        (u32::MAX, 0, 2),
    ] {
        assert!(!page.copy_to(from, &to, at, bytes), "{from:#x} {at:#x}");
    }
    for offset in (0..0x1000).step_by(8) {
        to.store64(offset, 0);
    }
    // Whatever the offset, it stays in the page.
    page.store64(u32::MAX, 5);
    assert_eq!(extent.load64(0x1ff8), 5);
    assert_eq!((extent.load64(0), extent.load64(0xff8)), (0, 0));
}

#[test]
fn where_there_is_no_whole_page_nothing_is_held() {
    let machine = crate::host::Machine::new(crate::host::Parts::default());
    machine.enter(abi::CpuId(0));
    let start = machine.ram().start();
    let extent = alloc::sync::Arc::new(Extent {
        range: range(start, start + 0x1000),
    });
    let none = alloc::sync::Arc::new(Extent::none());
    for (extent, offset) in [
        (&none, 0),
        (&extent, 0x1000),
        (&extent, 0x800),
        (&extent, 8),
        (&extent, !0xfff),
    ] {
        let page = HeldPage::new(extent, offset);
        page.store32(0, 7);
        assert_eq!(page.load32(0), 0, "{offset:#x}");
        assert_eq!(page.swap8(0, 7), 0);
        assert!(!page.copy_to(0, &page, 0, 1));
        assert_eq!(page.fetch_or64(0, 7), 0);
        assert_eq!(page.compare_exchange32(0, 0, 7), Err(0));
    }
    assert_eq!(extent.load64(0), 0);
}

#[test]
fn what_comes_back_with_modules_is_known() {
    let modules = [
        range(0x11_0800, 0x11_1800),
        range(0x12_0000, 0x12_4000),
        range(0x13_0000, 0x13_1000),
    ];
    let mut frames = with_modules(&modules, &[range(0x13_0000, 0x13_1000)]);
    assert_eq!(frames.lent_bytes(), 0, "none was handed out");
    let free = frames.free_bytes();
    let handed: Vec<_> = modules.map(|range| frames.module(range).unwrap()).into();
    // Whole pages; the third one is in reserved memory, and stays there.
    assert_eq!(frames.lent_bytes(), 0x2000 + 0x4000);
    for module in handed {
        frames.release_module(module).unwrap();
    }
    assert_eq!(frames.lent_bytes(), 0);
    assert_eq!(frames.free_bytes(), free + 0x6000);
}
