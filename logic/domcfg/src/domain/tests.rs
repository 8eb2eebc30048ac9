//! Domain nodes: what each property gives, and the line for each mistake.

use abi::{DomId, Range};

use crate::fixture::{Node, domain, gicv2, gicv3, host, module, rich, with_domains};
use crate::{CpuSet, DomainSpec, Severity, SystemSpec, parse};

fn read(tree: Node) -> SystemSpec {
    parse(&tree.blob()).unwrap_or_else(|error| panic!("{error}"))
}

fn one(change: impl FnOnce(Node) -> Node) -> SystemSpec {
    read(with_domains(host(gicv3()), [change(domain("domU1"))]))
}

fn good(change: impl FnOnce(Node) -> Node) -> DomainSpec {
    let system = one(change);
    let lines: Vec<String> = system.errors().map(ToString::to_string).collect();
    assert!(lines.is_empty(), "{lines:#?}");
    system.domains[0].spec.clone().unwrap()
}

#[track_caller]
fn told(system: &SystemSpec, severity: Severity, line: &str) {
    let is_it = |one: &&crate::Finding| one.severity == severity && one.to_string() == line;
    let found = system.findings.iter().find(is_it);
    assert!(found.is_some(), "no `{line}` in {:#?}", system.findings);
}

/// The change refuses the domain with this line; `~` stands for the domain's path.
#[track_caller]
fn refused(change: impl FnOnce(Node) -> Node, line: &str) {
    let system = one(change);
    told(
        &system,
        Severity::Error,
        &line.replace('~', "/chosen/domU1"),
    );
    assert_eq!(system.domains[0].spec, None);
}

#[track_caller]
fn noted(change: impl FnOnce(Node) -> Node, line: &str) {
    let system = one(change);
    told(&system, Severity::Note, &line.replace('~', "/chosen/domU1"));
    assert!(system.domains[0].spec.is_some(), "{:#?}", system.findings);
}

#[test]
fn a_good_domain_reads() {
    let spec = good(|domain| domain);
    assert_eq!((spec.id, spec.path.as_str()), (DomId(1), "/chosen/domU1"));
    assert_eq!(
        (spec.vcpus, spec.memory_kib, spec.nr_spis),
        (2, 0x4_0000, 32)
    );
    assert!(spec.vpl011 && spec.trap_unmapped && !spec.direct_map);
    assert_eq!(
        spec.kernel.range,
        Range::new(0x4800_0000, 0x200_0000).unwrap()
    );
    assert_eq!(spec.kernel.path, "/chosen/domU1/module@48000000");
    assert_eq!(spec.bootargs.as_deref(), Some("console=ttyAMA0"));
    assert_eq!((spec.ramdisk, spec.affinity), (None, vec![None, None]));
}

#[test]
fn all_of_a_rich_tree_reads() {
    let system = read(rich());
    assert_eq!(system.errors().count(), 0, "{:#?}", system.findings);
    let specs: Vec<&DomainSpec> = system.accepted().collect();
    assert_eq!(specs.len(), 3);
    assert_eq!((specs[1].nr_spis, specs[1].nr_spis_given), (64, Some(40)));
    assert!(!specs[1].trap_unmapped);
    assert_eq!(specs[1].affinity, [Some(CpuSet(3)), None, None, None]);
    assert_eq!(specs[1].ramdisk.as_ref().unwrap().range.size(), 0x10_0001);
    assert_eq!(
        specs[2].nr_spis, 96,
        "the host UART's SPI 77 and those before"
    );
    assert!(specs[2].direct_map);
    assert_eq!(system.host.modules.len(), 2, "the kernel is shared");
    told(
        &system,
        Severity::Note,
        "/chosen: xen,xen-bootargs has sched=null: unknown option, ignored",
    );
    told(
        &system,
        Severity::Note,
        "/chosen/domU2: max_grant_frames only tunes Xen: not supported, ignored",
    );
}

#[test]
fn numbers_are_checked() {
    refused(
        |d| d.without("cpus"),
        "~: cpus is missing: a domain must say how many vCPUs it has",
    );
    refused(
        |d| d.cells("cpus", &[0]),
        "~: cpus = <0x0>: must be one cell, 1 to 128 with a GICv3",
    );
    refused(
        |d| d.cells("cpus", &[129]),
        "~: cpus = <0x81>: must be one cell, 1 to 128 with a GICv3",
    );
    refused(
        |d| d.cells("cpus", &[0, 1]),
        "~: cpus = <0x0 0x1>: must be one cell, 1 to 128 with a GICv3",
    );
    assert_eq!(good(|d| d.cells("cpus", &[128])).vcpus, 128);
    let v2 = |cpus| {
        read(with_domains(
            host(gicv2()),
            [domain("domU1").cells("cpus", &[cpus])],
        ))
    };
    assert!(v2(8).domains[0].spec.is_some());
    told(
        &v2(9),
        Severity::Error,
        "/chosen/domU1: cpus = <0x9>: must be one cell, 1 to 8 with a GICv2",
    );
    refused(
        |d| d.without("memory"),
        "~: memory is missing: a domain must say how many KiB it has",
    );
    refused(
        |d| d.cells("memory", &[4096]),
        "~: memory = <0x1000>: must be two cells: a 64-bit number of KiB",
    );
    refused(
        |d| d.cells("memory", &[0, 0]),
        "~: memory = <0x0 0x0>: must be at least 4 KiB",
    );
    refused(
        |d| d.cells("memory", &[0, 5]),
        "~: memory = <0x0 0x5>: must be a multiple of 4 KiB",
    );
    refused(
        |d| d.cells("memory", &[u32::MAX, 0]),
        "~: memory = <0xffffffff 0x0>: is more than a guest's two banks hold (3 GiB and 1016 GiB)",
    );
    refused(
        |d| d.cells("memory", &[0, 0x10_0004]),
        "~: memory = 1048580 KiB: only 1048576 KiB of the host's are left",
    );
    refused(
        |d| d.cells("trap-unmapped-accesses", &[2]),
        "~: trap-unmapped-accesses = <0x2>: must be <0> or <1>",
    );
    assert!(good(|d| d.cells("trap-unmapped-accesses", &[1])).trap_unmapped);
}

#[test]
fn spis_cover_the_uart() {
    refused(
        |d| d.cells("nr_spis", &[0]),
        "~: nr_spis = <0x0>: must be at least 1 for vpl011",
    );
    assert_eq!(
        good(|d| d.cells("nr_spis", &[0]).without("vpl011")).nr_spis,
        0
    );
    assert_eq!(good(|d| d.cells("nr_spis", &[1])).nr_spis, 32);
    assert_eq!(good(|d| d.cells("nr_spis", &[960])).nr_spis, 960);
    refused(
        |d| d.cells("nr_spis", &[961]),
        "~: nr_spis = <0x3c1>: must be one cell, at most 960",
    );
    refused(
        |d| d.cells("nr_spis", &[0, 1]),
        "~: nr_spis = <0x0 0x1>: must be one cell, at most 960",
    );
    let spec = good(|d| d);
    assert_eq!(
        [0, 32, 224, 988].map(|host| spec.effective_spis(host, 0)),
        [32, 32, 224, 960]
    );
    assert_eq!(spec.effective_spis(0, 40), 64);
}

#[test]
fn what_is_not_built_is_refused_by_name() {
    let set = |name: &'static str, value: &'static str| move |d: Node| d.text(name, value);
    refused(
        set("passthrough", "enabled"),
        "~: passthrough = \"enabled\": is not supported",
    );
    refused(
        set("passthrough", "yes"),
        "~: passthrough = \"yes\": must be \"disabled\" or absent",
    );
    refused(
        set("xen,enhanced", "enabled"),
        "~: xen,enhanced = \"enabled\": is not supported",
    );
    refused(
        set("xen,enhanced", "enable"),
        "~: xen,enhanced = \"enable\": must be \"disabled\" or absent",
    );
    refused(
        |d| d.flag("xen,enhanced"),
        "~: xen,enhanced is not supported",
    );
    refused(
        set("xen,sci_type", "scmi_smc"),
        "~: xen,sci_type = \"scmi_smc\": is not supported",
    );
    refused(
        |d| d.cells("capabilities", &[1]),
        "~: capabilities = <0x1>: is not supported, must be <0> or absent",
    );
    refused(
        |d| d.flag("sve"),
        "~: sve = <>: is not supported, must be <0> or absent",
    );
    refused(
        set("llc-colors", "0-3"),
        "~: llc-colors cache colouring is not supported",
    );
    refused(
        |d| d.cells("domain-cpupool", &[9]),
        "~: domain-cpupool CPU pools are not supported",
    );
    refused(
        set("v8r_el1_msa", "mpu"),
        "~: v8r_el1_msa is for Armv8-R only",
    );
    good(|d| {
        d.text("passthrough", "disabled")
            .text("xen,enhanced", "disabled")
            .text("xen,sci_type", "none")
            .cells("capabilities", &[0])
            .cells("sve", &[0])
    });
    noted(
        |d| d.cells("max_grant_version", &[1]),
        "~: max_grant_version only tunes Xen: not supported, ignored",
    );
}

#[test]
fn nothing_is_silently_ignored() {
    noted(
        |d| d.cells("vcpus", &[1]),
        "~: vcpus is unknown and ignored: did you mean cpus?",
    );
    noted(
        |d| d.flag("frobnicate"),
        "~: frobnicate is unknown and ignored",
    );
    noted(
        |d| d.cells("vpl011", &[0]),
        "~: vpl011 = <0x0>: is on whatever its value",
    );
    noted(
        |d| d.text("status", "disabled"),
        "~: status has no effect on a domain, as on Xen",
    );
    noted(
        |d| d.child(Node::new("thing")),
        "~/thing: is unknown and ignored",
    );
    let kernel = |d: Node| d.edit("module@48000000", |kernel| kernel.text("boot-args", "x"));
    noted(
        kernel,
        "~/module@48000000: boot-args is unknown and ignored: did you mean bootargs?",
    );
    let many = |d: Node| (0..100).fold(d, |d, n| d.flag(&format!("p{n}")));
    assert_eq!(one(many).findings.len(), 16);
}

#[test]
fn children_are_checked() {
    let child =
        |kind: &'static str| move |d: Node| d.child(Node::new("child").text("compatible", kind));
    refused(
        child("xen,evtchn-v1"),
        "~/child: compatible = \"xen,evtchn-v1\": static event channels are not supported",
    );
    refused(
        child("xen,domain-shared-memory-v1"),
        "~/child: compatible = \"xen,domain-shared-memory-v1\": static shared memory is not supported",
    );
    refused(
        child("multiboot,ramdisk"),
        "~/child: compatible = \"multiboot,ramdisk\": must also have \"multiboot,module\"",
    );
    refused(
        |d| d.child(module("multiboot,device-tree", 0x5000_0000, 0x1000)),
        "~/module@50000000: compatible = \"multiboot,device-tree\": passthrough of devices is not supported",
    );
    refused(
        |d| d.child(module("vendor,blob", 0x5000_0000, 0x1000)),
        "~/module@50000000: compatible = \"vendor,blob|multiboot,module\": must be a multiboot,kernel or multiboot,ramdisk",
    );
    refused(
        |d| d.remove("module@48000000"),
        "~: has no kernel: no child is a multiboot,kernel module",
    );
    refused(
        |d| d.child(module("multiboot,kernel", 0x5000_0000, 0x1000)),
        "~: has 2 kernels: must be one",
    );
    let ramdisk = |at| module("multiboot,ramdisk", at, 0x1000);
    refused(
        |d| d.child(ramdisk(0x5000_0000)).child(ramdisk(0x5100_0000)),
        "~: has 2 ramdisks: must be at most one",
    );
}

#[test]
fn older_module_names_count() {
    let legacy = |d: Node| {
        let kernel = Node::new("kernel")
            .bytes("compatible", b"xen,linux-zimage\0xen,multiboot-module\0")
            .cells("reg", &[0, 0x4800_0000, 0, 0x1000]);
        let ramdisk = Node::new("ramdisk")
            .bytes("compatible", b"xen,linux-initrd\0xen,multiboot-module\0")
            .cells("reg", &[0, 0x4900_0000, 0, 0x1000]);
        d.remove("module@48000000").child(kernel).child(ramdisk)
    };
    let spec = good(legacy);
    assert!(spec.ramdisk.is_some() && spec.bootargs.is_none());
}

#[test]
fn modules_are_checked() {
    let kernel = |change: fn(Node) -> Node| move |d: Node| d.edit("module@48000000", change);
    refused(
        kernel(|k| k.without("reg")),
        "~/module@48000000: reg is missing",
    );
    refused(
        kernel(|k| k.cells("reg", &[0x4800_0000, 0x1000])),
        "~/module@48000000: reg = <0x48000000 0x1000>: must be pairs of an address (2 cells) and a size (2 cells)",
    );
    refused(
        kernel(|k| k.cells("reg", &[0, 1, 0, 1, 0, 2, 0, 1])),
        "~/module@48000000: reg has more than one range: a module has one",
    );
    refused(
        kernel(|k| k.cells("reg", &[0, 0x4800_0000, 0, 0])),
        "~/module@48000000: reg = 0x48000000..0x48000000: must not be empty",
    );
    refused(
        kernel(|k| k.cells("reg", &[u32::MAX, u32::MAX, 0, 2])),
        "~/module@48000000: reg = <0xffffffff 0xffffffff 0x0 0x2>: wraps",
    );
    refused(
        kernel(|k| k.cells("reg", &[0, 0x7fff_f000, 0, 0x2000])),
        "~/module@48000000: reg = 0x7ffff000..0x80001000: is not in the host's memory",
    );
    refused(
        |d| d.child(module("multiboot,ramdisk", 0x49ff_ffff, 0x1000)),
        "~/module@49ffffff: reg = 0x49ffffff..0x4a000fff: overlaps /chosen/domU1/module@48000000 at 0x48000000..0x4a000000",
    );
    refused(
        kernel(|k| k.bytes("bootargs", b"a\0b\0")),
        "~/module@48000000: bootargs = \"a|b\": must be one string",
    );
    refused(
        kernel(|k| k.text("bootargs", &"x".repeat(4097))),
        "~/module@48000000: bootargs has 4097 characters: at most 4096",
    );
    assert_eq!(good(kernel(|k| k.text("bootargs", ""))).bootargs, None);
    assert_eq!(good(kernel(|k| k.flag("bootargs"))).bootargs, None);
}

#[test]
fn reserved_memory_and_modules_stay_apart() {
    let tree = || with_domains(host(gicv3()), [domain("domU1")]);
    let exact = parse(&tree().blob_reserving(&[(0x4800_0000, 0x200_0000)])).unwrap();
    assert!(
        exact.domains[0].spec.is_some(),
        "a boot loader reserved the module itself"
    );
    let partly = parse(&tree().blob_reserving(&[(0x4800_0000, 0x1000)])).unwrap();
    told(
        &partly,
        Severity::Error,
        "/chosen/domU1/module@48000000: reg = 0x48000000..0x4a000000: overlaps the reserved range 0x48000000..0x48001000",
    );
    assert_eq!(partly.domains[0].spec, None);
}

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

#[test]
fn domains_share_the_hosts_memory() {
    let big = |name: &str| domain(name).cells("memory", &[0, 0x8_0000]);
    let system = read(with_domains(
        host(gicv3()),
        ["domU1", "domU2", "domU3"].map(big),
    ));
    let ids: Vec<_> = system.accepted().map(|spec| spec.id).collect();
    assert_eq!(ids, [DomId(1), DomId(2)]);
    told(
        &system,
        Severity::Error,
        "/chosen/domU3: memory = 524288 KiB: only 0 KiB of the host's are left",
    );
}

#[test]
fn one_that_does_not_fit_is_told() {
    refused(
        |d| {
            d.cells("memory", &[0, 0x8000])
                .child(module("multiboot,ramdisk", 0x5000_0000, 0x100))
        },
        "~: memory = 32768 KiB: the first bank (32768 KiB) does not hold the kernel (32768 KiB), the device tree (2048 KiB) and the ramdisk (1 KiB)",
    );
}

#[test]
fn a_refused_domain_keeps_its_number() {
    let tree = with_domains(
        host(gicv3()),
        [domain("a").without("cpus"), domain("b"), domain("b")],
    );
    let system = read(tree);
    let seen: Vec<_> = system
        .domains
        .iter()
        .map(|one| (one.id.0, one.spec.is_some()))
        .collect();
    assert_eq!(seen, [(1, false), (2, true), (3, false)]);
    told(
        &system,
        Severity::Error,
        "/chosen/b: is there twice: two domains have the same node name",
    );
    assert!(!system.is_refused(), "only config=strict refuses all");
    assert_eq!(system.accepted().count(), 1);
}

#[test]
fn strict_refuses_all() {
    let strict = |chosen: Node| chosen.text("xen,xen-bootargs", "config=strict");
    let bad = with_domains(host(gicv3()), [domain("a").without("cpus"), domain("b")]);
    assert!(read(bad.edit("chosen", strict)).is_refused());
    let fine = with_domains(host(gicv3()), [domain("b")]);
    assert!(!read(fine.edit("chosen", strict)).is_refused());
}

#[test]
fn the_command_line_is_chosen_as_on_xen() {
    let raw = |change: fn(Node) -> Node| {
        let tree = host(gicv3()).edit("chosen", |chosen| {
            change(chosen.without("xen,xen-bootargs"))
        });
        read(tree).command_line.raw
    };
    assert_eq!(raw(|c| c), "");
    assert_eq!(raw(|c| c.text("bootargs", "b")), "");
    assert_eq!(
        raw(|c| c.text("bootargs", "b").text("xen,dom0-bootargs", "d")),
        "b"
    );
    assert_eq!(
        raw(|c| c.text("bootargs", "b").text("xen,xen-bootargs", "x")),
        "x"
    );
    let dom0 = |c: Node| {
        c.text("bootargs", "b")
            .child(module("multiboot,kernel", 0x5000_0000, 16).text("bootargs", "d"))
    };
    assert_eq!(raw(dom0), "b");
    let notes = read(host(gicv3()).edit("chosen", |c| {
        c.without("xen,xen-bootargs").text("bootargs", "b")
    }));
    let line = "/chosen: bootargs is a dom0's and not used: the hypervisor's options belong in xen,xen-bootargs";
    told(&notes, Severity::Note, line);
    let broken = read(host(gicv3()).edit("chosen", |c| c.bytes("xen,xen-bootargs", b"\xff")));
    told(
        &broken,
        Severity::Error,
        "/chosen: xen,xen-bootargs = [ff]: must be one string",
    );
    let invalid = read(host(gicv3()).edit("chosen", |c| c.text("xen,xen-bootargs", "loglvl=x")));
    told(
        &invalid,
        Severity::Note,
        "/chosen: xen,xen-bootargs has loglvl=x: unknown value, ignored",
    );
}

#[test]
fn what_else_is_in_chosen_is_told() {
    let with = |child: Node| read(host(gicv3()).edit("chosen", |chosen| chosen.child(child)));
    let kind = |kind: &str| Node::new("node").text("compatible", kind);
    told(
        &with(module("multiboot,kernel", 0x5000_0000, 16)),
        Severity::Error,
        "/chosen/module@50000000: is a dom0's kernel: dom0 is not supported",
    );
    let dom0_ramdisk = with(module("multiboot,ramdisk", 0x5000_0000, 16));
    told(
        &dom0_ramdisk,
        Severity::Note,
        "/chosen/module@50000000: is a dom0's module, which is not supported: not used",
    );
    assert_eq!(
        dom0_ramdisk.host.modules.len(),
        1,
        "its memory is occupied all the same"
    );
    told(
        &with(module("xen,xsm-policy", 0x5000_0000, 16)),
        Severity::Error,
        "/chosen/module@50000000: is a security policy: xen,xsm-policy is not supported",
    );
    told(
        &with(kind("xen,cpupool")),
        Severity::Error,
        "/chosen/node: compatible = \"xen,cpupool\": CPU pools are not supported",
    );
    told(
        &with(domain("domU1").text("compatible", "xen,domian")),
        Severity::Note,
        "/chosen/domU1: compatible = \"xen,domian\": ignored: a domain must be compatible with \"xen,domain\"",
    );
    let heap = host(gicv3()).edit("chosen", |chosen| chosen.flag("xen,static-heap"));
    told(
        &read(heap),
        Severity::Note,
        "/chosen: xen,static-heap only tunes Xen: not supported, ignored",
    );
    let astray = read(host(gicv3()).child(domain("domU1")));
    told(
        &astray,
        Severity::Note,
        "/domU1: is ignored: a domain must be a direct child of /chosen",
    );
    told(
        &astray,
        Severity::Note,
        "/chosen: has no domains: no child is compatible with xen,domain",
    );
}

#[test]
fn absurd_numbers_are_cut_off() {
    let many = (0..130).map(|n| {
        domain(&format!("d{n}"))
            .cells("memory", &[0, 4])
            .remove("module@48000000")
    });
    let system = read(with_domains(host(gicv3()), many));
    assert_eq!(system.domains.len(), 128);
    told(
        &system,
        Severity::Error,
        "/chosen/d128: is one domain too many: at most 128 are read",
    );
    let modules = (0..258).map(|n| module("multiboot,ramdisk", 0x5000_0000 + n * 16, 16));
    let chosen = host(gicv3()).edit("chosen", |chosen| modules.fold(chosen, Node::child));
    let system = read(chosen);
    assert_eq!(system.findings.len(), 257, "the list is cut off");
    assert_eq!(
        system.findings[256].to_string(),
        "/: more findings than can be listed"
    );
}
