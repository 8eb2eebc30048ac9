//! Interrupt controller, timer, CPUs, firmware, console.

use super::*;

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
        uart(|uart| uart.cells("reg", &[0, 0x900_0000, 0, 0x40])),
        "/pl011@9000000: reg must hold at least 0x48 bytes of registers",
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

/// Where GICC and GICV are, of these sizes by the tree, when `GICC_IIDR` reads so in both places.
fn settled(cpu_bytes: u32, virt_bytes: u32, iidrs: [u32; 2]) -> (Range, Range) {
    let frames = [
        [0, 0x800_0000, 0, 0x1_0000],
        [0, 0x801_0000, 0, cpu_bytes],
        [0, 0x803_0000, 0, 0x1_0000],
        [0, 0x804_0000, 0, virt_bytes],
    ];
    let mut gic = host_of(host(gicv2().cells("reg", &frames.concat()))).gic;
    gic.settle(iidrs[0], iidrs[1]);
    let Gic::V2 { cpu, virt, .. } = gic else {
        panic!()
    };
    (cpu, virt)
}

#[test]
fn repeated_pages_of_a_gicv2_are_recognised_by_size_and_identity() {
    const GIC_400: u32 = 0x0202_143b;
    let as_told = (range(0x801_0000, 0x2_0000), range(0x804_0000, 0x2_0000));
    let adjusted = (range(0x801_f000, 0x2000), range(0x804_f000, 0x2000));
    assert_eq!(settled(0x2_0000, 0x2_0000, [GIC_400; 2]), adjusted);
    for iidrs in [[GIC_400, 0], [0; 2], [0x0201_143b; 2], [0x0202_1234; 2]] {
        assert_eq!(settled(0x2_0000, 0x2_0000, iidrs), as_told, "{iidrs:x?}");
    }
    let small = (range(0x801_0000, 0x1_0000), range(0x804_0000, 0x1_0000));
    assert_eq!(settled(0x1_0000, 0x1_0000, [GIC_400; 2]), small);
    // Only the first page is known to be what it says.
    for bytes in [0x2000, 0x1_0000] {
        let (_, virt) = settled(0x2_0000, bytes, [GIC_400; 2]);
        assert_eq!(virt, range(0x804_0000, 0x1000));
    }
    let mut v3 = host_of(host(gicv3())).gic;
    let before = v3.clone();
    v3.settle(GIC_400, GIC_400);
    assert_eq!(v3, before);
}
