//! Hosts, good and bad, in the words of their nodes.

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
fn a_gic_must_be_able_to_run_guests() {
    let with = |change: fn(Node) -> Node| host(change(gicv3()));
    told(
        with(|gic| gic.without("interrupts")),
        "/intc@8000000: interrupts is missing: the maintenance interrupt is needed to run guests",
    );
    told(
        with(|gic| gic.cells("interrupts", &[0, 9, 4])),
        "/intc@8000000: interrupts must be the maintenance interrupt, a PPI",
    );
    told(
        with(|gic| gic.cells("#interrupt-cells", &[1])),
        "/intc@8000000: #interrupt-cells must be <3> or <4>",
    );
    told(
        with(|gic| gic.cells("reg", &[0, 0x800_0000, 0, 0x1_0000])),
        "/intc@8000000: reg has 1 ranges: must be GICD and 1 of GICR",
    );
    told(
        with(|gic| gic.cells("#redistributor-regions", &[0])),
        "/intc@8000000: #redistributor-regions = <0x0>: must be one cell, at least 1",
    );
    told(
        with(|gic| gic.cells("#redistributor-regions", &[u32::MAX])),
        "/intc@8000000: reg has 2 ranges: must be GICD and 4294967295 of GICR",
    );
    told(
        with(|gic| {
            gic.cells(
                "reg",
                &[0, 0x800_0000, 0, 0x1000, 0, 0x900_0000, 0, 0x2_0000],
            )
        }),
        "/intc@8000000: reg has a GICD below 0x10000 or a GICR below 0x20000",
    );
    told(
        with(|gic| gic.cells("redistributor-stride", &[0, 0])),
        "/intc@8000000: redistributor-stride = <0x0 0x0>: must be a multiple of 64 KiB, at least 0x20000",
    );
    told(
        with(|gic| gic.without("reg")),
        "/intc@8000000: reg is missing",
    );
    told(
        host(gicv2().cells("reg", &[0, 0x800_0000, 0, 0x1000, 0, 0x801_0000, 0, 0x1000])),
        "/intc@8000000: reg has 2 ranges: a GICv2 that can run guests has 4 (GICD, GICC, GICH, GICV)",
    );
    told(
        host(gicv2().cells("reg", &[0; 16])),
        "/intc@8000000: reg has a range smaller than 0x1000",
    );
    let stride = host(gicv3().cells("redistributor-stride", &[0, 0x4_0000]));
    assert!(matches!(
        host_of(stride).gic,
        Gic::V3 {
            stride: Some(0x4_0000),
            ..
        }
    ));
}

#[test]
fn timer_interrupts_go_by_name_or_order() {
    let with = |change: fn(Node) -> Node| host(gicv3()).edit("timer", change);
    let named = with(|timer| {
        timer
            .cells("interrupts", &[1, 11, 8, 1, 10, 8, 1, 14, 8])
            .bytes("interrupt-names", b"virt\0hyp-phys\0phys\0")
            .cells("clock-frequency", &[62_500_000])
    });
    let timer = host_of(named).timer;
    assert_eq!(
        (timer.virt, timer.phys, timer.hyp),
        (IntId(27), IntId(30), IntId(26))
    );
    assert_eq!(timer.clock_frequency, Some(62_500_000));
    told(
        with(|timer| timer.cells("interrupts", &[1, 13, 8, 1, 14, 8])),
        "/timer: interrupts has no virt interrupt",
    );
    told(
        with(|timer| timer.cells("interrupts", &[1, 13, 8, 0, 14, 8, 1, 11, 8, 1, 10, 8])),
        "/timer: interrupts must be PPIs: phys is not",
    );
    told(
        with(|timer| timer.cells("interrupts", &[1, 16, 8])),
        "/timer: interrupts = <0x1 0x10 0x8>: must be SPI <0 0-987> or PPI <1 0-15>",
    );
    told(
        with(|timer| timer.cells("interrupts", &[1, 13])),
        "/timer: interrupts = <0x1 0xd>: must be 3 cells each",
    );
    told(
        with(|timer| timer.cells("interrupt-parent", &[7])),
        "/timer: interrupts do not lead to the GIC: see interrupt-parent",
    );
    let extended = |timer: Node, to: u32| {
        let one = |ppi| [to, 1, ppi, 8];
        let cells: Vec<u32> = [13, 14, 11, 10].into_iter().flat_map(one).collect();
        timer
            .without("interrupts")
            .cells("interrupts-extended", &cells)
    };
    let timer = host_of(host(gicv3()).edit("timer", |timer| extended(timer, 0x8001))).timer;
    assert_eq!(timer.hyp, IntId(26));
    told(
        host(gicv3()).edit("timer", |timer| extended(timer, 7)),
        "/timer: interrupts do not lead to the GIC: see interrupts-extended",
    );
}

#[test]
fn cpus_are_checked() {
    let with = |change: fn(Node) -> Node| host(gicv3()).edit("cpus/cpu@1", change);
    told(
        with(|cpu| cpu.cells("reg", &[0])),
        "/cpus/cpu@1: reg = <0x0>: another CPU has the same",
    );
    told(
        with(|cpu| cpu.without("reg")),
        "/cpus/cpu@1: reg is missing",
    );
    told(
        with(|cpu| cpu.cells("reg", &[0x8000_0001])),
        "/cpus/cpu@1: reg = <0x80000001>: must be affinity fields of MPIDR_EL1 only",
    );
    told(
        with(|cpu| cpu.cells("reg", &[0, 0, 1])),
        "/cpus/cpu@1: reg = <0x0 0x0 0x1>: must be 1 or 2 cells",
    );
    let system = read(with(|cpu| cpu.text("status", "fail")));
    assert_eq!((system.host.cpus.len(), system.errors().count()), (1, 0));
    let spin = with(|cpu| cpu.text("enable-method", "spin-table"));
    assert_eq!(
        host_of(spin).cpus[1].enable,
        Enable::Other("spin-table".into())
    );
    let none = with(|cpu| cpu.without("enable-method").cells("clock-frequency", &[9]));
    let host = host_of(none);
    assert_eq!(host.cpus[1].enable, Enable::Other(String::new()));
    assert_eq!(host.cpus[1].clock_frequency, Some(9));
}

#[test]
fn more_cpus_than_fit_are_told() {
    let cpu = |n: u32| {
        Node::new(&format!("cpu@{n:x}"))
            .text("device_type", "cpu")
            .cells("reg", &[n])
    };
    let tree = host(gicv3()).edit("cpus", |cpus| (2..129).map(cpu).fold(cpus, Node::child));
    told(
        tree,
        "/cpus/cpu@80: is one CPU too many: at most 128 are used",
    );
}

#[test]
fn firmware_is_checked() {
    let with = |change: fn(Node) -> Node| host(gicv3()).edit("psci", change);
    assert_eq!(
        host_of(with(|psci| psci.text("method", "hvc"))).psci,
        Some(Conduit::Hvc)
    );
    told(
        with(|psci| psci.text("method", "svc")),
        "/psci: method = \"svc\": must be \"smc\" or \"hvc\"",
    );
    told(
        with(|psci| psci.without("method")),
        "/psci: method is missing: must be \"smc\" or \"hvc\"",
    );
    told(
        with(|psci| psci.text("compatible", "arm,psci")),
        "/psci: compatible = \"arm,psci\": PSCI 0.1 is not supported",
    );
    told(
        host(gicv3()).remove("psci"),
        "/cpus: need PSCI (enable-method), and no node is compatible with arm,psci-0.2",
    );
}

#[test]
fn the_console_is_found_by_path_or_alias() {
    let with = |change: fn(Node) -> Node| host(gicv3()).edit("chosen", change);
    assert!(
        host_of(with(|chosen| chosen.text("stdout-path", "/pl011:9600n8")))
            .uart
            .is_some()
    );
    let none = read(with(|chosen| chosen.without("stdout-path")));
    assert_eq!(
        (none.host.uart, none.findings[0].path.as_str()),
        (None, "/chosen")
    );
    let silent = with(|chosen| {
        chosen
            .without("stdout-path")
            .text("xen,xen-bootargs", "console=none")
    });
    assert!(
        !read(silent)
            .findings
            .iter()
            .any(|one| one.message.contains("no console"))
    );
    told(
        with(|chosen| chosen.text("stdout-path", "serial9")),
        "/chosen: stdout-path = \"serial9\": there is no such node or alias",
    );
    told(
        with(|chosen| chosen.text("xen,xen-bootargs", "dtuart=/cpus")),
        "/chosen: dtuart = \"/cpus\": is no arm,pl011 or arm,sbsa-uart",
    );
    let uart = |change: fn(Node) -> Node| host(gicv3()).edit("pl011@9000000", change);
    told(
        uart(|uart| uart.cells("reg", &[0, 0x900_0000, 0, 0x100])),
        "/pl011@9000000: reg must hold at least 0x1000 bytes",
    );
    told(
        uart(|uart| uart.without("reg")),
        "/pl011@9000000: reg is missing",
    );
    let polled = read(uart(|uart| uart.without("interrupts")));
    assert_eq!(polled.host.uart.unwrap().interrupt, None);
    assert_eq!(
        polled.findings[0].to_string(),
        "/pl011@9000000: interrupts is missing: the console is polled"
    );
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
