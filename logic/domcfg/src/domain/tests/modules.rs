//! Modules and other children of a domain.

use super::*;

#[test]
fn children_are_checked() {
    let child =
        |kind: &'static str| move |d: Node| d.child(Node::new("child").text("compatible", kind));
    refused(
        child("xen,evtchn-v1"),
        "~/child: xen,evtchn = <>: must be two cells: the port and the peer's node",
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
fn domains_share_a_module_whole_or_not_at_all() {
    let second = |start, size| {
        let kernel = module("multiboot,kernel", start, size);
        domain("domU2").remove("module@48000000").child(kernel)
    };
    let read_both = |second| read(with_domains(host(gicv3()), [domain("domU1"), second]));
    assert_eq!(
        read_both(second(0x4800_0000, 0x200_0000)).errors().count(),
        0
    );
    let system = read_both(second(0x4900_0000, 0x200_0000));
    told(
        &system,
        Severity::Error,
        "/chosen/domU2/module@49000000: reg = 0x49000000..0x4b000000: overlaps /chosen/domU1/module@48000000 at 0x48000000..0x4a000000",
    );
    let accepted: Vec<_> = system.accepted().map(|spec| spec.id).collect();
    assert_eq!(accepted, [DomId(1)]);
}
