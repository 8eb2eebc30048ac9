//! Hosts, good and bad, in the words of their nodes.

mod devices;

use abi::{IntId, Range};

use crate::fixture::{Node, gicv2, gicv3, host, rich};
use crate::{Conduit, Enable, Gic, HostSpec, SystemSpec, TreeError, UartKind, parse};

fn range(start: u64, size: u64) -> Range {
    Range::new(start, size).unwrap()
}

fn read(tree: Node) -> SystemSpec {
    parse(&tree.blob()).unwrap_or_else(|error| panic!("{error}"))
}

fn host_of(tree: Node) -> HostSpec {
    read(tree).host
}

/// The lines of a tree's errors, or its fatal line first.
fn lines(tree: Node) -> Vec<String> {
    match parse(&tree.blob()) {
        Ok(system) => system.errors().map(ToString::to_string).collect(),
        Err(error) => {
            assert!(!error.findings().is_empty(), "{error}");
            vec![error.to_string()]
        }
    }
}

#[track_caller]
fn told(tree: Node, line: &str) {
    let lines = lines(tree);
    assert!(
        lines.iter().any(|one| one == line),
        "no `{line}` in {lines:#?}"
    );
}

#[test]
fn a_gicv3_host_reads() {
    let system = read(host(gicv3()));
    assert_eq!(system.errors().count(), 0);
    let host = system.host;
    assert_eq!(host.memory, [range(0x4000_0000, 0x4000_0000)]);
    assert_eq!(host.psci, Some(Conduit::Smc));
    let Gic::V3 {
        distributor,
        redistributors,
        stride,
        maintenance,
    } = host.gic
    else {
        panic!()
    };
    assert_eq!(distributor, range(0x800_0000, 0x1_0000));
    assert_eq!(redistributors, [range(0x80a_0000, 0xf6_0000)]);
    assert_eq!((stride, maintenance), (None, IntId(25)));
    let timer = host.timer;
    assert_eq!(
        (timer.virt, timer.phys, timer.hyp),
        (IntId(27), IntId(30), IntId(26))
    );
    let uart = host.uart.unwrap();
    assert_eq!(
        (uart.range, uart.interrupt),
        (range(0x900_0000, 0x1000), Some(IntId(33)))
    );
    assert_eq!(
        (uart.kind, uart.path.as_str()),
        (UartKind::Pl011, "/pl011@9000000")
    );
    assert_eq!(host.host_spis, 32);
    assert_eq!(
        host.cpus.iter().map(|cpu| cpu.mpidr).collect::<Vec<_>>(),
        [0, 1]
    );
    assert!(host.cpus.iter().all(|cpu| cpu.enable == Enable::Psci));
    assert_eq!(host.cpus[0].compatible, "arm,cortex-a57");
}

#[test]
fn a_gicv2_host_reads() {
    let Gic::V2 {
        distributor,
        cpu,
        hyp,
        virt,
        maintenance,
    } = host_of(host(gicv2())).gic
    else {
        panic!()
    };
    let starts = [distributor, cpu, hyp, virt].map(Range::start);
    assert_eq!(starts, [0x800_0000, 0x801_0000, 0x803_0000, 0x804_0000]);
    assert_eq!(maintenance, IntId(25));
}

#[test]
fn addresses_are_translated_on_the_way_up() {
    let uart = host_of(rich()).uart.unwrap();
    assert_eq!(uart.range, range(0x900_0000, 0x1000));
    assert_eq!(
        (uart.kind, uart.interrupt),
        (UartKind::Sbsa, Some(IntId(109)))
    );
    told(
        rich().edit("soc", |soc| soc.without("ranges")),
        "/soc/serial@0: reg cannot be reached: /soc has no ranges",
    );
    told(
        rich().edit("soc", |soc| {
            soc.cells("ranges", &[0x1000, 0, 0x900_0000, 0x1000])
        }),
        "/soc/serial@0: reg = 0x0..0x1000: is outside the ranges of /soc",
    );
    told(
        rich().edit("soc", |soc| {
            soc.cells("ranges", &[0, u32::MAX, u32::MAX, 0x1000])
        }),
        "/soc/serial@0: reg wraps when translated by /soc",
    );
    let second_window = rich().edit("soc", |soc| {
        soc.cells(
            "ranges",
            &[0, 0, 0x800_0000, 0x1000, 0x1000, 0, 0x900_0000, 0x8000],
        )
        .edit("serial@0", |uart| uart.cells("reg", &[0x3000, 0x1000]))
    });
    assert_eq!(
        host_of(second_window).uart.unwrap().range,
        range(0x900_2000, 0x1000)
    );
    let identity = rich()
        .edit("soc", |soc| soc.flag("ranges"))
        .edit("soc/serial@0", |uart| {
            uart.cells("reg", &[0x900_0000, 0x1000])
        });
    assert_eq!(
        host_of(identity).uart.unwrap().range,
        range(0x900_0000, 0x1000)
    );
}

#[test]
fn cell_counts_come_from_the_nearest_ancestor() {
    let inherited = rich().edit("soc", |soc| {
        soc.without("#address-cells")
            .without("#size-cells")
            .flag("ranges")
            .edit("serial@0", |uart| {
                uart.cells("reg", &[0, 0x900_0000, 0, 0x1000])
            })
    });
    assert_eq!(
        host_of(inherited).uart.unwrap().range,
        range(0x900_0000, 0x1000)
    );
    told(
        rich().edit("soc", |soc| soc.cells("#address-cells", &[3])),
        "/soc/serial@0: reg cannot be read: #address-cells = <0x3>: must be 1 to 2",
    );
    told(
        rich().edit("soc", |soc| soc.cells("#address-cells", &[0])),
        "/soc/serial@0: reg cannot be read: #address-cells = <0x0>: must be 1 to 2",
    );
    told(
        rich().edit("soc", |soc| soc.cells("#size-cells", &[1, 1])),
        "/soc/serial@0: reg cannot be read: #size-cells must be one cell",
    );
    told(
        rich().edit("soc", |soc| soc.cells("#size-cells", &[0])),
        "/soc/serial@0: reg = <0x0 0x1000>: must be pairs of an address (1 cells) and a size (0 cells)",
    );
}

#[test]
fn memory_is_sorted_and_joined() {
    let bank = |name: &str, cells: &[u32]| {
        Node::new(name)
            .text("device_type", "memory")
            .cells("reg", cells)
    };
    let tree = host(gicv3())
        .child(bank(
            "memory@a0000000",
            &[0, 0xa000_0000, 0, 0x1000, 0, 0x8000_0000, 0, 0x1000],
        ))
        .child(bank("memory", &[0, 0x2000_0000, 0, 0]))
        .child(bank("memory@1", &[8, 0, 1, 0]))
        .child(bank("memory@2", &[1, 0, 1, 0]).text("status", "disabled"))
        .child(bank("memory-controller", &[9, 0, 1, 0]))
        .child(Node::new("memory@3").cells("reg", &[7, 0, 1, 0]));
    assert_eq!(
        host_of(tree).memory,
        [
            range(0x4000_0000, 0x4000_1000),
            range(0xa000_0000, 0x1000),
            range(0x8_0000_0000, 0x1_0000_0000)
        ]
    );
}

#[test]
fn what_is_reserved_is_kept() {
    let tree = rich().edit("reserved-memory", |node| {
        node.child(Node::new("later").cells("size", &[0, 0x1000]))
            .child(
                Node::new("off")
                    .cells("reg", &[0, 0, 0, 1])
                    .text("status", "disabled"),
            )
    });
    let blob = tree.blob_reserving(&[(0x4000_0000, 0x1000)]);
    let reserved = parse(&blob).unwrap().host.reserved;
    assert_eq!(
        reserved,
        [range(0x4000_0000, 0x1000), range(0x7f00_0000, 0x10_0000)]
    );
    let initrd = |start: &[u32], end: &[u32]| {
        host(gicv3()).edit("chosen", |chosen| {
            chosen
                .cells("linux,initrd-start", start)
                .cells("linux,initrd-end", end)
        })
    };
    let system = read(initrd(&[0x4400_0000], &[0, 0x4500_0000]));
    assert_eq!(system.host.reserved, [range(0x4400_0000, 0x100_0000)]);
    assert!(
        system
            .findings
            .iter()
            .any(|one| one.to_string().contains("belongs to a dom0"))
    );
    told(
        initrd(&[2], &[1]),
        "/chosen: linux,initrd-start and linux,initrd-end must be 1 or 2 cells each, start before end",
    );
    told(
        rich().edit("reserved-memory/fw@7f000000", |node| {
            node.cells("reg", &[1])
        }),
        "/reserved-memory/fw@7f000000: reg = <0x1>: must be pairs of an address (2 cells) and a size (2 cells)",
    );
}

#[test]
fn a_host_without_what_it_takes_is_fatal() {
    let base = || host(gicv3());
    told(
        base().remove("memory@40000000"),
        "/: no memory: no node /memory@... gives any",
    );
    told(base().remove("cpus"), "/: no CPUs: there is no node /cpus");
    told(
        base().edit("cpus", |cpus| cpus.remove("cpu@0").remove("cpu@1")),
        "/cpus: no CPUs: no child has device_type = \"cpu\" and a good reg",
    );
    told(
        base().remove("intc@8000000"),
        "/: no interrupt controller: no GIC of version 2 or 3",
    );
    told(
        base().remove("timer"),
        "/: no timer: no node is compatible with arm,armv8-timer",
    );
    let error = parse(&base().remove("timer").blob()).unwrap_err();
    assert!(matches!(error, TreeError::Host { first: 0, .. }));
}

#[test]
fn absurd_numbers_of_ranges_are_refused() {
    told(
        host(gicv3()).edit("pl011@9000000", |uart| uart.cells("reg", &[0; 257 * 4])),
        "/pl011@9000000: reg has more than 256 ranges",
    );
    let many: Vec<u32> = (0..200).flat_map(|n| [0, n * 0x2000, 0, 0x1000]).collect();
    let children = |node: Node| {
        node.child(Node::new("a").cells("reg", &many))
            .child(Node::new("b").cells("reg", &many))
    };
    told(
        rich().edit("reserved-memory", children),
        "/reserved-memory/b: reg has too many ranges: at most 256 in all are kept",
    );
}
