//! Domain nodes: what each property gives, and the line for each mistake.

mod interface;
mod memory;
mod modules;
mod system;

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
        |d| d.cells("memory", &[0, 3]),
        "~: memory = <0x0 0x3>: must be at least 4 KiB",
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
fn weights_are_in_xens_range() {
    let weight = |weight| good(|d| d.cells("euxenite,weight", &[weight])).weight.get();
    assert_eq!(good(|d| d).weight.get(), 256);
    assert_eq!([1, 512, 65_535].map(weight), [1, 512, 65_535]);
    for (cells, shown) in [
        (&[0][..], "<0x0>"),
        (&[65_536], "<0x10000>"),
        (&[1, 0], "<0x1 0x0>"),
        (&[], "<>"),
    ] {
        refused(
            |d| d.cells("euxenite,weight", cells),
            &format!("~: euxenite,weight = {shown}: must be one cell, 1 to 65535"),
        );
    }
    refused(
        |d| d.bytes("euxenite,weight", b"\x02\0"),
        "~: euxenite,weight = [02 00]: must be one cell, 1 to 65535",
    );
    noted(
        |d| d.cells("weight", &[512]),
        "~: weight is unknown and ignored: did you mean euxenite,weight?",
    );
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
        "~: xen,enhanced = \"enabled\": asks for a xenstore, which is not supported: \"no-xenstore\" does without",
    );
    refused(
        set("xen,enhanced", "enable"),
        "~: xen,enhanced = \"enable\": must be \"no-xenstore\", \"disabled\" or absent",
    );
    refused(
        |d| d.flag("xen,enhanced"),
        "~: xen,enhanced asks for a xenstore, which is not supported: \"no-xenstore\" does without",
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
