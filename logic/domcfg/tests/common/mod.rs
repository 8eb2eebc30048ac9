//! Trees for tests: built in memory, so that no compiler is needed.
#![allow(dead_code)]

use vm_fdt::{FdtReserveEntry, FdtWriter};

/// A node under construction.
#[derive(Clone, Default)]
pub(crate) struct Node {
    name: String,
    properties: Vec<(String, Vec<u8>)>,
    children: Vec<Node>,
}

impl Node {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            ..Self::default()
        }
    }

    /// Sets a property, replacing an older value.
    pub(crate) fn bytes(mut self, name: &str, value: &[u8]) -> Self {
        self.properties.retain(|(other, _)| other != name);
        self.properties.push((name.into(), value.into()));
        self
    }

    pub(crate) fn cells(self, name: &str, cells: &[u32]) -> Self {
        let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        self.bytes(name, &bytes)
    }

    pub(crate) fn text(self, name: &str, text: &str) -> Self {
        self.bytes(name, format!("{text}\0").as_bytes())
    }

    pub(crate) fn flag(self, name: &str) -> Self {
        self.bytes(name, &[])
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.properties.retain(|(other, _)| other != name);
        self
    }

    pub(crate) fn child(mut self, child: Node) -> Self {
        self.children.push(child);
        self
    }

    /// Replaces the node at `path` (names separated by `/`) by what `change` makes of it.
    pub(crate) fn edit(mut self, path: &str, change: impl FnOnce(Node) -> Node) -> Self {
        let (first, rest) = path.split_once('/').unwrap_or((path, ""));
        let child = self
            .children
            .iter_mut()
            .find(|child| child.name == first)
            .expect(path);
        let old = std::mem::take(child);
        *child = if rest.is_empty() {
            change(old)
        } else {
            old.edit(rest, change)
        };
        self
    }

    pub(crate) fn remove(mut self, name: &str) -> Self {
        self.children.retain(|child| child.name != name);
        self
    }

    fn write(&self, fdt: &mut FdtWriter) {
        let node = fdt.begin_node(&self.name).unwrap();
        for (name, value) in &self.properties {
            fdt.property(name, value).unwrap();
        }
        for child in &self.children {
            child.write(fdt);
        }
        fdt.end_node(node).unwrap();
    }

    /// The tree with this node as its root.
    pub(crate) fn blob(&self) -> Vec<u8> {
        self.blob_reserving(&[])
    }

    pub(crate) fn blob_reserving(&self, reserved: &[(u64, u64)]) -> Vec<u8> {
        let entry = |&(start, size): &(u64, u64)| FdtReserveEntry::new(start, size).unwrap();
        let entries: Vec<_> = reserved.iter().map(entry).collect();
        let mut fdt = FdtWriter::new_with_mem_reserv(&entries).unwrap();
        self.write(&mut fdt);
        fdt.finish().unwrap()
    }
}

const GIC: u32 = 0x8001;

/// A machine like QEMU's virt: 1 GiB at 0x40000000, two CPUs, a PL011.
pub(crate) fn host(gic: Node) -> Node {
    let cpu = |n: u32| {
        Node::new(&format!("cpu@{n}"))
            .text("device_type", "cpu")
            .text("compatible", "arm,cortex-a57")
            .cells("reg", &[n])
            .text("enable-method", "psci")
    };
    let cpus = Node::new("cpus")
        .cells("#address-cells", &[1])
        .cells("#size-cells", &[0])
        .child(cpu(0))
        .child(cpu(1));
    Node::new("")
        .cells("#address-cells", &[2])
        .cells("#size-cells", &[2])
        .cells("interrupt-parent", &[GIC])
        .child(
            Node::new("psci")
                .bytes("compatible", b"arm,psci-1.0\0arm,psci-0.2\0arm,psci\0")
                .text("method", "smc"),
        )
        .child(
            Node::new("memory@40000000")
                .text("device_type", "memory")
                .cells("reg", &[0, 0x4000_0000, 0, 0x4000_0000]),
        )
        .child(cpus)
        .child(gic)
        .child(
            Node::new("timer")
                .text("compatible", "arm,armv8-timer")
                .cells(
                    "interrupts",
                    &[1, 13, 0x304, 1, 14, 0x304, 1, 11, 0x304, 1, 10, 0x304],
                ),
        )
        .child(
            Node::new("pl011@9000000")
                .bytes("compatible", b"arm,pl011\0arm,primecell\0")
                .cells("reg", &[0, 0x900_0000, 0, 0x1000])
                .cells("interrupts", &[0, 1, 4]),
        )
        .child(Node::new("aliases").text("serial0", "/pl011@9000000"))
        .child(
            Node::new("chosen")
                .text("stdout-path", "serial0:115200")
                .text("xen,xen-bootargs", ""),
        )
}

fn gic(compatible: &str, reg: &[u32]) -> Node {
    Node::new("intc@8000000")
        .text("compatible", compatible)
        .flag("interrupt-controller")
        .cells("#interrupt-cells", &[3])
        .cells("phandle", &[GIC])
        .cells("reg", reg)
        .cells("interrupts", &[1, 9, 4])
}

pub(crate) fn gicv3() -> Node {
    gic(
        "arm,gic-v3",
        &[0, 0x800_0000, 0, 0x1_0000, 0, 0x80a_0000, 0, 0xf6_0000],
    )
}

pub(crate) fn gicv2() -> Node {
    let frames = [0x800_0000, 0x801_0000, 0x803_0000, 0x804_0000];
    let reg: Vec<u32> = frames
        .iter()
        .flat_map(|&frame| [0, frame, 0, 0x1_0000])
        .collect();
    gic("arm,cortex-a15-gic", &reg)
}

pub(crate) fn module(kind: &str, start: u32, size: u32) -> Node {
    Node::new(&format!("module@{start:x}"))
        .bytes(
            "compatible",
            format!("{kind}\0multiboot,module\0").as_bytes(),
        )
        .cells("reg", &[0, start, 0, size])
}

/// A good domain: 2 vCPUs, 256 MiB, an emulated UART, a kernel of 32 MiB.
pub(crate) fn domain(name: &str) -> Node {
    Node::new(name)
        .text("compatible", "xen,domain")
        .cells("#address-cells", &[2])
        .cells("#size-cells", &[2])
        .cells("cpus", &[2])
        .cells("memory", &[0, 0x4_0000])
        .flag("vpl011")
        .child(
            module("multiboot,kernel", 0x4800_0000, 0x200_0000).text("bootargs", "console=ttyAMA0"),
        )
}

/// The usual host with these domains.
pub(crate) fn with_domains(host: Node, domains: impl IntoIterator<Item = Node>) -> Node {
    let add = |chosen: Node| domains.into_iter().fold(chosen, Node::child);
    host.edit("chosen", add)
}

/// A tree that uses nearly everything that is supported.
pub(crate) fn rich() -> Node {
    let second = domain("domU2")
        .cells("cpus", &[4])
        .cells("memory", &[0, 0x1_0000])
        .cells("nr_spis", &[40])
        .cells("trap-unmapped-accesses", &[0])
        .cells("max_grant_frames", &[32])
        .cells("euxenite,weight", &[512])
        .cells("xen,static-mem", &[0, 0x6000_0000, 0, 0x400_0000])
        .child(module("multiboot,ramdisk", 0x4c00_0000, 0x10_0001))
        .child(
            Node::new("vcpu0")
                .text("compatible", "xen,vcpu")
                .cells("id", &[0])
                .text("hard-affinity", "0-1"),
        );
    let third = domain("domU3")
        .cells("memory", &[0, 0x2_0000])
        .cells("xen,static-mem", &[0, 0x7000_0000, 0, 0x800_0000])
        .flag("direct-map");
    let bus = Node::new("soc")
        .cells("#address-cells", &[1])
        .cells("#size-cells", &[1])
        .cells("ranges", &[0, 0, 0x900_0000, 0x100_0000])
        .child(
            Node::new("serial@0")
                .text("compatible", "arm,sbsa-uart")
                .cells("reg", &[0, 0x1000])
                .cells("interrupts", &[0, 77, 4]),
        );
    let reserved = Node::new("reserved-memory")
        .cells("#address-cells", &[2])
        .cells("#size-cells", &[2])
        .flag("ranges")
        .child(Node::new("fw@7f000000").cells("reg", &[0, 0x7f00_0000, 0, 0x10_0000]));
    with_domains(host(gicv3()), [domain("domU1"), second, third])
        .child(bus)
        .child(reserved)
        .edit("chosen", |chosen| {
            chosen.text(
                "xen,xen-bootargs",
                "dtuart=/soc/serial@0:9600 loglvl=all/all guest_loglvl=debug maxcpus=2 sched=null",
            )
        })
}
