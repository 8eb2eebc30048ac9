//! What concerns several domains or `/chosen` itself.

use super::*;

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
    let scrub = |c: Node| c.text("xen,xen-bootargs", "bootscrub=off");
    told(
        &read(host(gicv3()).edit("chosen", scrub)),
        Severity::Note,
        "/chosen: xen,xen-bootargs has bootscrub=off: RAM is always zeroed, ignored",
    );
}

#[test]
fn what_is_shown_is_printable_and_bounded() {
    let option = format!("\u{1b}[2J\u{e9}{}", "x".repeat(1000));
    let change = |c: Node| c.text("xen,xen-bootargs", &option);
    let system = read(host(gicv3()).edit("chosen", change));
    let line = system.findings[0].to_string();
    assert!(
        line.starts_with("/chosen: xen,xen-bootargs has ?[2J?xxx"),
        "{line}"
    );
    assert!(line.len() < 600, "{}", line.len());
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
