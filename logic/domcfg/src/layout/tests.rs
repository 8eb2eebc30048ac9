//! Address maps and placement by the rules of Xen's kernel loader.

use abi::arm::{RAM_BANK_0, RAM_BANK_1};
use proptest::prelude::*;

use super::*;
use crate::fixture::{domain, gicv2, gicv3, host, rich, with_domains};
use crate::kernel::KernelKind;
use crate::{Module, SystemSpec};

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

fn range(start: u64, size: u64) -> Range {
    Range::new(start, size).unwrap()
}

fn read(tree: crate::fixture::Node) -> SystemSpec {
    crate::parse(&tree.blob()).unwrap()
}

/// A good domain of so many bytes on a host with a GICv3, and that host.
fn sized(bytes: u64) -> (DomainSpec, HostSpec) {
    let system = read(with_domains(host(gicv3()), [domain("domU1")]));
    let mut spec = system.domains[0].spec.clone().unwrap();
    spec.memory_kib = bytes / 1024;
    (spec, system.host)
}

fn banks(bytes: u64) -> Vec<Range> {
    let (spec, host) = sized(bytes);
    layout(&spec, &host).unwrap().banks
}

fn kernel(text_offset: u64, image_size: u64) -> PlainKernel {
    let file_size = image_size;
    PlainKernel {
        kind: KernelKind::Image,
        text_offset,
        file_size,
        image_size,
        alignment: UNIT,
    }
}

fn placed(ram: u64, kernel: &PlainKernel, ramdisk: Option<u64>) -> Option<Placement> {
    try_place(range(RAM_BANK_0.start(), ram), kernel, ramdisk)
}

#[test]
fn ram_fills_the_first_bank_then_the_second() {
    assert_eq!(banks(256 * MIB), [range(RAM_BANK_0.start(), 256 * MIB)]);
    assert_eq!(banks(3 * GIB), [RAM_BANK_0]);
    assert_eq!(
        banks(5 * GIB),
        [RAM_BANK_0, range(RAM_BANK_1.start(), 2 * GIB)]
    );
    assert_eq!(banks(1019 * GIB), [RAM_BANK_0, RAM_BANK_1]);
    let (spec, host) = sized(1020 * GIB);
    let error = layout(&spec, &host).unwrap_err().to_string();
    assert!(
        error.starts_with("/chosen/domU1: memory is more than"),
        "{error}"
    );
    let (spec, host) = sized(0);
    assert_eq!(
        layout(&spec, &host).unwrap_err().to_string(),
        "/chosen/domU1: memory gives no bank"
    );
}

#[test]
fn devices_are_where_xen_puts_them() {
    let (spec, host) = sized(256 * MIB);
    let map = layout(&spec, &host).unwrap();
    let GuestGic::V3 {
        distributor,
        redistributors,
    } = map.gic
    else {
        panic!()
    };
    assert_eq!(distributor, range(0x300_1000, 0x1_0000));
    assert_eq!(redistributors, [range(0x302_0000, 0x100_0000)]);
    let uart = GuestUart {
        range: range(0x2200_0000, 0x1000),
        interrupt: IntId(32),
    };
    assert_eq!(map.uart, Some(uart));
    let system = read(with_domains(
        crate::fixture::host(gicv2()),
        [domain("domU1").without("vpl011")],
    ));
    let map = layout(system.accepted().next().unwrap(), &system.host).unwrap();
    assert_eq!(
        map.gic,
        GuestGic::V2 {
            distributor: range(0x300_1000, 0x1000),
            cpu: range(0x300_2000, 0x2000)
        }
    );
    assert_eq!((map.uart, map.backing.len()), (None, 0));
}

#[test]
fn a_direct_mapped_domain_sees_the_hosts_addresses() {
    let system = read(rich());
    let spec = system.accepted().nth(2).unwrap();
    let map = layout(spec, &system.host).unwrap();
    assert_eq!(map.banks, [range(0x7000_0000, 128 * MIB)]);
    assert_eq!(
        map.backing,
        [Backing {
            ipa: Ipa(0x7000_0000),
            host: range(0x7000_0000, 128 * MIB)
        }]
    );
    let GuestGic::V3 {
        distributor,
        redistributors,
    } = &map.gic
    else {
        panic!()
    };
    assert_eq!(
        (distributor.start(), redistributors[0].start()),
        (0x800_0000, 0x80a_0000)
    );
    let uart = GuestUart {
        range: range(0x900_0000, 0x1000),
        interrupt: IntId(109),
    };
    assert_eq!(map.uart, Some(uart));
    let (v2, mut direct) = (read(with_domains(host(gicv2()), [])).host, spec.clone());
    let map = layout(&direct, &v2).unwrap();
    let GuestGic::V2 { cpu, .. } = map.gic else {
        panic!()
    };
    assert_eq!(cpu, range(0x801_0000, 0x1_0000));
    let mut without = v2;
    without.uart = None;
    let error = layout(&direct, &without).unwrap_err().to_string();
    assert!(error.ends_with("vpl011 with direct-map needs the host's console UART and its SPI"));
    direct.vpl011 = false;
    assert_eq!(layout(&direct, &without).unwrap().uart, None);
}

#[test]
fn direct_mapped_banks_keep_their_order() {
    let (mut spec, host) = sized(8 * MIB);
    spec.direct_map = true;
    spec.static_mem = vec![range(0x6000_0000, 4 * MIB), range(0x5fc0_0000, 4 * MIB)];
    assert_eq!(layout(&spec, &host).unwrap().banks, spec.static_mem);
}

#[test]
fn static_memory_fills_the_banks_in_its_order() {
    let (mut spec, host) = sized(4 * GIB);
    spec.static_mem = vec![range(8 * GIB, 2 * GIB), range(16 * GIB, 2 * GIB)];
    let map = layout(&spec, &host).unwrap();
    assert_eq!(
        map.backing,
        [
            Backing {
                ipa: Ipa(GIB),
                host: range(8 * GIB, 2 * GIB)
            },
            Backing {
                ipa: Ipa(3 * GIB),
                host: range(16 * GIB, GIB)
            },
            Backing {
                ipa: Ipa(8 * GIB),
                host: range(17 * GIB, GIB)
            },
        ],
        "the second range meets the end of the first bank and is split"
    );
}

#[test]
fn the_tree_goes_128_mib_up_when_there_is_room() {
    let start = RAM_BANK_0.start();
    let place = placed(256 * MIB, &kernel(0x8_0000, 20 * MIB), Some(5 * MIB + 1)).unwrap();
    assert_eq!(place.kernel, range(start + 0x8_0000, 20 * MIB));
    assert_eq!(place.entry, Ipa(start + 0x8_0000));
    assert_eq!(place.dtb, range(start + 128 * MIB, 2 * MIB));
    assert_eq!(place.initrd, Some(range(start + 130 * MIB, 5 * MIB + 1)));
    assert_eq!(
        placed(256 * MIB, &kernel(0, MIB), None).unwrap().initrd,
        None
    );
}

#[test]
fn else_at_the_end_else_below_the_kernel() {
    let start = RAM_BANK_0.start();
    let end = placed(64 * MIB, &kernel(0, 20 * MIB), Some(3 * MIB)).unwrap();
    assert_eq!(end.dtb, range(start + 58 * MIB, 2 * MIB));
    assert_eq!(end.initrd, Some(range(start + 60 * MIB, 3 * MIB)));
    let large_kernel = placed(256 * MIB, &kernel(0, 140 * MIB), None).unwrap();
    assert_eq!(large_kernel.dtb.start(), start + 254 * MIB);
    // Only a bank that starts between two aligned addresses has room below the kernel.
    let odd = range(start + UNIT + 0x1000, 40 * MIB);
    let high = PlainKernel {
        alignment: 32 * MIB,
        ..kernel(0, 9 * MIB)
    };
    let below = try_place(odd, &high, None).unwrap();
    assert_eq!(below.kernel.start(), start + 32 * MIB);
    assert_eq!(below.dtb.start(), start + 30 * MIB);
}

#[test]
fn bss_is_kept_free() {
    let mut image = kernel(0, 30 * MIB);
    image.file_size = 10 * MIB;
    assert!(placed(32 * MIB, &image, None).is_some());
    assert!(
        placed(32 * MIB, &image, Some(1)).is_none(),
        "only the file's bytes would leave room"
    );
}

#[test]
fn what_does_not_fit_is_one_line() {
    let (mut spec, host) = sized(16 * MIB);
    let map = layout(&spec, &host).unwrap();
    spec.ramdisk = Some(Module {
        range: range(0, 9 * MIB),
        path: String::new(),
    });
    let error = place(&spec, &map, &kernel(0, 5 * MIB)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/chosen/domU1: memory = 16384 KiB: the first bank (16384 KiB) does not hold the kernel \
         (5120 KiB), the device tree (2048 KiB) and the ramdisk (9216 KiB)"
    );
    spec.ramdisk = None;
    assert!(place(&spec, &map, &kernel(0, 5 * MIB)).is_ok());
    for absurd in [
        kernel(u64::MAX, 1),
        kernel(0, u64::MAX),
        kernel(0, 17 * MIB),
    ] {
        assert!(place(&spec, &map, &absurd).is_err());
    }
    assert_eq!(placed(16 * MIB, &kernel(0, MIB), Some(u64::MAX)), None);
}

proptest! {
    /// Whatever is placed lies in RAM, apart from the rest, in its alignment.
    #[test]
    fn parts_never_meet(
        ram_pages in 1u64..0x8_0000,
        offset in 0u64..UNIT,
        image in 1u64..200 * MIB,
        ramdisk in proptest::option::of(1u64..300 * MIB),
        start_page in 0u64..0x1000,
    ) {
        let bank = range(RAM_BANK_0.start() + start_page * 4096, ram_pages * 4096);
        if let Some(place) = try_place(bank, &kernel(offset, image), ramdisk) {
            let parts = [Some(place.kernel), Some(place.dtb), place.initrd];
            let parts: Vec<Range> = parts.into_iter().flatten().collect();
            for (index, part) in parts.iter().enumerate() {
                prop_assert!(bank.contains(*part));
                prop_assert!(parts[..index].iter().all(|other| !other.overlaps(*part)));
            }
            prop_assert!(place.dtb.start() % UNIT == 0);
            prop_assert!(place.initrd.is_none_or(|initrd| initrd.start() % UNIT == 0));
            prop_assert_eq!((place.entry.0 - offset) % UNIT, 0);
        } else {
            // Refused only when even the generous bound does not fit.
            let needed = image + offset + ramdisk.unwrap_or(0) + 4 * UNIT + 2 * UNIT;
            prop_assert!(needed > bank.size());
        }
    }
}
