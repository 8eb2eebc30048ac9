//! Static memory, direct mapping, and where vCPUs run.

use super::*;

#[test]
fn static_memory_is_checked() {
    let with = |cells: &'static [u32]| {
        move |d: Node| {
            d.cells("memory", &[0, 0x1000])
                .cells("xen,static-mem", cells)
        }
    };
    good(|d| {
        with(&[0, 0x5000_0000, 0, 0x40_0000])(d)
            .remove("module@48000000")
            .child(module("multiboot,kernel", 0x4800_0000, 0x1000))
    });
    refused(
        with(&[0, 0x5000_0000, 0, 0x20_0000]),
        "~: xen,static-mem holds 2048 KiB: must be exactly memory, 4096 KiB",
    );
    refused(
        with(&[0, 0x5000_0800, 0, 0x40_0000]),
        "~: xen,static-mem = 0x50000800..0x50400800: must be whole pages of 4 KiB",
    );
    refused(
        with(&[1, 0, 0, 0x40_0000]),
        "~: xen,static-mem = 0x100000000..0x100400000: is not in the host's memory",
    );
    refused(
        with(&[0, 0x4900_0000, 0, 0x40_0000]),
        "~: xen,static-mem = 0x49000000..0x49400000: overlaps /chosen/domU1/module@48000000 at 0x48000000..0x4a000000",
    );
    refused(
        with(&[0, 0x5000_0000, 0, 0x20_0000, 0, 0x5000_0000, 0, 0x20_0000]),
        "~: xen,static-mem = 0x50000000..0x50200000: overlaps its own range 0x50000000..0x50200000",
    );
    refused(
        with(&[0x5000_0000, 0x40_0000]),
        "~: xen,static-mem = <0x50000000 0x400000>: must be pairs of an address (2 cells) and a size (2 cells)",
    );
    refused(
        with(&[u32::MAX; 4]),
        "~: xen,static-mem = <0xffffffff 0xffffffff 0xffffffff 0xffffffff>: wraps",
    );
    refused(
        |d| d.flag("direct-map"),
        "~: direct-map needs xen,static-mem",
    );
    let twice = |name: &str| {
        domain(name)
            .cells("memory", &[0, 0x2_0000])
            .cells("xen,static-mem", &[0, 0x6000_0000, 0, 0x800_0000])
    };
    let system = read(with_domains(
        host(gicv3()),
        [twice("domU1"), twice("domU2")],
    ));
    told(
        &system,
        Severity::Error,
        "/chosen/domU2: xen,static-mem = 0x60000000..0x68000000: overlaps /chosen/domU1 at 0x60000000..0x68000000",
    );
    assert!(system.domains[0].spec.is_some() && system.domains[1].spec.is_none());
    let reserved =
        parse(&with_domains(host(gicv3()), [twice("domU1")]).blob_reserving(&[(0x6000_0000, 1)]))
            .unwrap();
    told(
        &reserved,
        Severity::Error,
        "/chosen/domU1: xen,static-mem = 0x60000000..0x68000000: overlaps the reserved range 0x60000000..0x60000001",
    );
}

#[test]
fn a_direct_mapped_uart_needs_the_hosts() {
    let direct = |d: Node| {
        d.cells("memory", &[0, 0x2_0000])
            .cells("xen,static-mem", &[0, 0x6000_0000, 0, 0x800_0000])
            .flag("direct-map")
    };
    assert_eq!(good(direct).nr_spis, 32);
    let tree = with_domains(host(gicv3()), [direct(domain("domU1"))]);
    let polled = read(
        tree.clone()
            .edit("pl011@9000000", |uart| uart.without("interrupts")),
    );
    let line = "/chosen/domU1: vpl011 with direct-map needs the host's console UART and its SPI";
    told(&polled, Severity::Error, line);
    let none = read(tree.edit("chosen", |chosen| chosen.without("stdout-path")));
    told(&none, Severity::Error, line);
    let room = |d: Node| direct(d).cells("cpus", &[128]);
    refused(
        room,
        "~: cpus = <0x80>: with direct-map at most the host's 123 redistributors",
    );
}

#[test]
fn affinity_is_checked() {
    let vcpu = |id: u32, list: &'static str| {
        Node::new(&format!("vcpu{id}-{}", list.len()))
            .text("compatible", "xen,vcpu")
            .cells("id", &[id])
            .text("hard-affinity", list)
    };
    let spec = good(|d| d.child(vcpu(1, "1")));
    assert_eq!(spec.affinity, [None, Some(CpuSet(2))]);
    refused(
        |d| d.child(vcpu(2, "1")),
        "~/vcpu2-1: id = <0x2>: must be one cell, below cpus",
    );
    refused(
        |d| d.child(vcpu(0, "1")).child(vcpu(0, "0,1")),
        "~/vcpu0-3: id = <0x0>: is there twice",
    );
    refused(
        |d| d.child(vcpu(0, "1").without("id")),
        "~/vcpu0-1: id is missing: must say which vCPU this is",
    );
    refused(
        |d| d.child(vcpu(0, "one")),
        "~/vcpu0-3: hard-affinity = \"one\": must be a list of CPUs such as \"0-3,5\"",
    );
    refused(
        |d| d.child(vcpu(0, "1").cells("hard-affinity", &[1])),
        "~/vcpu0-1: hard-affinity = <0x1>: must be a list of CPUs such as \"0-3,5\"",
    );
    refused(
        |d| d.child(vcpu(0, "0-2")),
        "~: hard-affinity of vCPU 0 names CPU 2: the host has 2",
    );
    assert_eq!(
        good(|d| d.child(vcpu(0, "1").without("hard-affinity"))).affinity,
        [None, None]
    );
    assert!(!CpuSet::default().contains(abi::CpuId(200)));
    assert!(CpuSet(2).contains(abi::CpuId(1)));
}
