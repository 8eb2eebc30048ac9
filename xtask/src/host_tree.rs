//! The boot device tree: QEMU's own, with domains added under `/chosen` in Xen's dom0less binding
//! (Xen, docs/misc/arm/device-tree/booting.txt).

use anyhow::{Context, Result};
use dtoolkit::{
    Node, Property,
    fdt::Fdt,
    model::{DeviceTree, DeviceTreeNode, DeviceTreeProperty},
};

use crate::layout::Module;

/// Stands in the tree for what QEMU makes at the start.
const SEED_PLACE: [u8; 32] = *b"place of what the emulator makes";

/// A domain to be started at boot.
#[derive(Debug, Clone)]
pub(crate) struct Domain {
    /// The node's name.
    pub(crate) name: String,
    /// Virtual CPUs.
    pub(crate) vcpus: u32,
    /// Memory in MiB.
    pub(crate) memory_mib: u64,
    /// Its kernel.
    pub(crate) kernel: Module,
    /// Its initial file system.
    pub(crate) ramdisk: Option<Module>,
    /// Its command line.
    pub(crate) bootargs: String,
}

/// A change of a domain's node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Edit {
    /// Which domain, from 1 on.
    pub(crate) domain: usize,
    /// Properties to remove.
    pub(crate) remove: Vec<String>,
    /// Its whole command line, which its kernel's node has.
    pub(crate) bootargs: Option<String>,
    /// Properties to set, with their bytes.
    pub(crate) set: Vec<(String, Vec<u8>)>,
    /// Ends of static event channels to add.
    pub(crate) ends: Vec<ChannelEnd>,
}

/// One end of a static event channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChannelEnd {
    /// Its port.
    pub(crate) port: u32,
    /// Its node's handle.
    pub(crate) handle: u32,
    /// The other end's.
    pub(crate) peer: u32,
}

/// A module that a tree names: where its file goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedModule {
    /// The node's path.
    pub(crate) path: String,
    /// What the file is.
    pub(crate) kind: ModuleKind,
    /// Where it lies.
    pub(crate) address: u64,
    /// How many bytes the tree gives it.
    pub(crate) size: u64,
}

/// What a module is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModuleKind {
    Kernel,
    Ramdisk,
}

/// Adds `domains` and the hypervisor's command line to the tree in `blob`.
pub(crate) fn with_domains(
    blob: &[u8],
    xen_args: &str,
    domains: &[Domain],
    edits: &[Edit],
) -> Result<Vec<u8>> {
    let fdt = Fdt::new(blob).context("the machine's own device tree")?;
    let mut tree = DeviceTree::from_fdt(&fdt);
    if tree.root.child("chosen").is_none() {
        tree.root.add_child(DeviceTreeNode::new("chosen")?);
    }
    let chosen = tree.root.child_mut("chosen").context("no /chosen")?;
    // Random in every dump: left out, so that a tree can be compared with the last one.
    chosen.remove_property("kaslr-seed");
    // QEMU puts random bytes in its place at every start (the same ones with `-seed`).
    set(chosen, "rng-seed", SEED_PLACE.to_vec())?;
    set(chosen, "#address-cells", 2_u32)?;
    set(chosen, "#size-cells", 2_u32)?;
    set(chosen, "xen,xen-bootargs", xen_args)?;
    for (index, domain) in domains.iter().enumerate() {
        let mut node = domain_node(domain)?;
        for edit in edits.iter().filter(|edit| edit.domain == index + 1) {
            edit.apply(&mut node)?;
        }
        chosen.add_child(node);
    }
    Ok(tree.to_dtb())
}

impl Edit {
    fn apply(&self, node: &mut DeviceTreeNode) -> Result<()> {
        for name in &self.remove {
            node.remove_property(name)
                .with_context(|| format!("no property {name} to remove"))?;
        }
        for (name, value) in &self.set {
            set(node, name, value.clone())?;
        }
        if let Some(bootargs) = &self.bootargs {
            let kernel = node
                .children_mut()
                .find(|child| kind_of(*child) == Some(ModuleKind::Kernel))
                .context("no kernel to give a command line")?;
            set(kernel, "bootargs", bootargs.as_str())?;
        }
        for end in &self.ends {
            let mut channel = DeviceTreeNode::new(format!("channel{}", end.port))?;
            set(&mut channel, "compatible", "xen,evtchn-v1")?;
            set(&mut channel, "phandle", end.handle)?;
            let cells = [end.port.to_be_bytes(), end.peer.to_be_bytes()].concat();
            set(&mut channel, "xen,evtchn", cells)?;
            node.add_child(channel);
        }
        Ok(())
    }
}

/// The modules that the domains of a ready tree name.
pub(crate) fn modules(blob: &[u8]) -> Result<Vec<NamedModule>> {
    let fdt = Fdt::new(blob).context("the device tree")?;
    let mut found = Vec::new();
    let Some(chosen) = fdt.find_node("/chosen") else {
        return Ok(found);
    };
    for domain in chosen.children() {
        let cells = |name: &str| {
            let value = domain
                .property(name)
                .and_then(|p| words(p.value()).first().copied());
            value.unwrap_or(2) as usize
        };
        let (address_cells, size_cells) = (cells("#address-cells"), cells("#size-cells"));
        for module in domain.children() {
            let (Some(kind), Some(reg)) = (kind_of(&module), module.property("reg")) else {
                continue;
            };
            let words: Vec<u32> = words(reg.value());
            let (Some(address), Some(size)) = (
                number(&words, 0, address_cells),
                number(&words, address_cells, size_cells),
            ) else {
                continue;
            };
            let path = format!("/chosen/{}/{}", domain.name(), module.name());
            found.push(NamedModule {
                path,
                kind,
                address,
                size,
            });
        }
    }
    Ok(found)
}

/// The tree in `blob` with the module that has `module`'s path at `module`'s address.
pub(crate) fn with_module_at(blob: &[u8], module: &NamedModule) -> Result<Vec<u8>> {
    let mut tree = DeviceTree::from_fdt(&Fdt::new(blob)?);
    let node = tree.find_node_mut(&module.path).context("no such node")?;
    let old = node.property("reg").context("no reg")?.value().to_vec();
    // All that QEMU's machine has is below 4 GiB: the last cell of the address is enough.
    let cell = if old.len() > 8 { 4..8 } else { 0..4 };
    let mut reg = old;
    let bytes = u32::try_from(module.address)?.to_be_bytes();
    reg.get_mut(cell)
        .context("a short reg")?
        .copy_from_slice(&bytes);
    set(node, "reg", reg)?;
    Ok(tree.to_dtb())
}

/// The bytes of RAM in a ready tree's first memory node, if it says so in the usual two cells.
pub(crate) fn memory_bytes(blob: &[u8]) -> Option<u64> {
    let fdt = Fdt::new(blob).ok()?;
    let root = fdt.root();
    let memory = root
        .children()
        .find(|node| node.name_without_address() == "memory")?;
    let words = words(memory.property("reg")?.value());
    number(&words, 2, 2)
}

/// The tree as source text.
pub(crate) fn source(blob: &[u8]) -> Result<String> {
    Ok(Fdt::new(blob)?.to_string())
}

fn domain_node(domain: &Domain) -> Result<DeviceTreeNode> {
    let mut node = DeviceTreeNode::new(domain.name.clone())?;
    set(&mut node, "compatible", "xen,domain")?;
    set(&mut node, "#address-cells", 2_u32)?;
    set(&mut node, "#size-cells", 2_u32)?;
    set(&mut node, "cpus", domain.vcpus)?;
    // In KiB.
    set(&mut node, "memory", domain.memory_mib << 10)?;
    set(&mut node, "vpl011", Vec::<u8>::new())?;
    let mut kernel = module_node("multiboot,kernel", &domain.kernel)?;
    if !domain.bootargs.is_empty() {
        set(&mut kernel, "bootargs", domain.bootargs.as_str())?;
    }
    node.add_child(kernel);
    if let Some(ramdisk) = &domain.ramdisk {
        node.add_child(module_node("multiboot,ramdisk", ramdisk)?);
    }
    Ok(node)
}

fn module_node(kind: &str, module: &Module) -> Result<DeviceTreeNode> {
    let mut node = DeviceTreeNode::new(format!("module@{:x}", module.address))?;
    set(&mut node, "compatible", vec![kind, "multiboot,module"])?;
    let mut reg = module.address.to_be_bytes().to_vec();
    reg.extend(module.size.to_be_bytes());
    set(&mut node, "reg", reg)?;
    Ok(node)
}

fn set<T: dtoolkit::ToPropertyValue>(
    node: &mut DeviceTreeNode,
    name: &str,
    value: T,
) -> Result<()> {
    node.remove_property(name);
    node.add_property(DeviceTreeProperty::new(name, value)?);
    Ok(())
}

fn kind_of(node: &impl Node) -> Option<ModuleKind> {
    let compatible = node.property("compatible")?;
    let text = String::from_utf8_lossy(compatible.value()).into_owned();
    text.split('\0').find_map(|name| match name {
        "multiboot,kernel" | "xen,linux-zimage" => Some(ModuleKind::Kernel),
        "multiboot,ramdisk" | "xen,linux-initrd" => Some(ModuleKind::Ramdisk),
        _ => None,
    })
}

fn words(bytes: &[u8]) -> Vec<u32> {
    let (chunks, _) = bytes.as_chunks::<4>();
    chunks
        .iter()
        .map(|chunk| u32::from_be_bytes(*chunk))
        .collect()
}

/// The number in `cells` words from `first` on.
fn number(words: &[u32], first: usize, cells: usize) -> Option<u64> {
    let words = words.get(first..first + cells)?;
    Some(
        words
            .iter()
            .fold(0, |number, &word| number << 32 | u64::from(word)),
    )
}
