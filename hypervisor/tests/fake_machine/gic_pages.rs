//! A GICv2 whose pages are there 16 times each, in windows of 128 KiB.

use abi::arm::GICV2_CPU_INTERFACE;
use abi::{Ipa, PAGE_SIZE, Pa};
use machine::host::Pages;

use crate::bench::{Bench, Setup, small};

/// Boots with these pages, by a tree in which GICC and GICV have 128 KiB.
fn boot(mut setup: Setup, pages: Pages) -> Bench {
    let frames = [
        [0, 0x800_0000, 0, 0x1_0000],
        [0, 0x801_0000, 0, 0x2_0000],
        [0, 0x803_0000, 0, 0x1_0000],
        [0, 0x804_0000, 0, 0x2_0000],
    ];
    setup = setup.gicv2();
    setup.gic = setup.gic.cells("reg", &frames.concat());
    setup.parts.pages = pages;
    setup.boot()
}

/// What the first guest finds in the two pages of its CPU interface, at `start`, and behind them.
fn found(bench: &mut Bench, start: u64) -> [Option<Pa>; 3] {
    bench.ask((1, 0), |_| ());
    let cpu = bench.cpu_of((1, 0)).unwrap();
    [0, PAGE_SIZE, 2 * PAGE_SIZE].map(|offset| {
        let mapped = bench.machine.translate(cpu, Ipa(start + offset));
        mapped.map(|mapped| mapped.address)
    })
}

#[test]
fn of_repeated_pages_the_guest_gets_the_two_that_lie_together() {
    let mut bench = boot(Setup::two(), Pages::Repeated);
    assert_eq!(
        found(&mut bench, GICV2_CPU_INTERFACE.start()),
        [Some(Pa(0x804_f000)), Some(Pa(0x805_0000)), None]
    );
}

#[test]
fn pages_that_are_there_once_stay_where_the_tree_says() {
    let mut bench = boot(Setup::two(), Pages::Once);
    assert_eq!(
        found(&mut bench, GICV2_CPU_INTERFACE.start()),
        [Some(Pa(0x804_0000)), Some(Pa(0x804_1000)), None]
    );
}

#[test]
fn a_direct_mapped_guest_finds_them_where_the_host_uses_them() {
    let node = small(1, 1)
        .cells("xen,static-mem", &[0, 0x4380_0000, 0, 4 << 20])
        .flag("direct-map");
    let mut bench = boot(Setup::with(vec![node]), Pages::Repeated);
    assert_eq!(
        found(&mut bench, 0x801_f000),
        [Some(Pa(0x804_f000)), Some(Pa(0x805_0000)), None]
    );
}
