//! The children of a domain node: modules and vCPUs.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::{affinity, names};
use crate::finding::Findings;
use crate::modules::{BootModule, ModuleKind, is_module, kind, read_module};
use crate::tree::{Node, cells_text, string_text};
use crate::{CpuSet, Module, VcpuAffinity};

/// The longest command line of a guest, in characters: twice what Linux keeps.
const MAX_BOOTARGS: usize = 4096;

/// What a domain is booted from.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) kernel: Option<Module>,
    pub(super) ramdisk: Option<Module>,
    pub(super) bootargs: Option<String>,
}

/// Reads the modules; every other child that is not a vCPU is refused or noted.
pub(super) fn parts(
    domain: Node<'_>,
    index: usize,
    modules: &mut Vec<BootModule>,
    findings: &mut Findings,
) -> Parts {
    let mut parts = Parts::default();
    let mut kernels = 0;
    let mut ramdisks = 0;
    for node in domain.children() {
        if !is_module(node) {
            not_a_module(node, findings);
            continue;
        }
        names::check(node, names::MODULE, findings);
        let module = read_module(node, Some(index), findings);
        match kind(node) {
            Some(ModuleKind::Kernel) => {
                kernels += 1;
                parts.kernel = module.as_ref().map(BootModule::to_module);
                parts.bootargs = bootargs(node, findings);
            }
            Some(ModuleKind::Ramdisk) => {
                ramdisks += 1;
                parts.ramdisk = module.as_ref().map(BootModule::to_module);
            }
            Some(ModuleKind::DeviceTree) => findings.error(
                node,
                "compatible",
                "= \"multiboot,device-tree\": passthrough of devices is not supported",
            ),
            Some(ModuleKind::Policy) | None => {
                let value = string_text(node.property("compatible").unwrap_or(&[]));
                let rule = "must be a multiboot,kernel or multiboot,ramdisk";
                findings.error(node, "compatible", format!("= {value}: {rule}"));
            }
        }
        modules.extend(module);
    }
    match kernels {
        0 => findings.error(
            domain,
            "",
            "has no kernel: no child is a multiboot,kernel module",
        ),
        1 => {}
        _ => findings.error(domain, "", format!("has {kernels} kernels: must be one")),
    }
    if ramdisks > 1 {
        findings.error(
            domain,
            "",
            format!("has {ramdisks} ramdisks: must be at most one"),
        );
    }
    parts
}

fn bootargs(node: Node<'_>, findings: &mut Findings) -> Option<String> {
    let value = node.property("bootargs")?;
    if value.is_empty() {
        return None;
    }
    match node.string("bootargs") {
        Some(text) if text.len() > MAX_BOOTARGS => {
            let message = format!("has {} characters: at most {MAX_BOOTARGS}", text.len());
            findings.error(node, "bootargs", message);
            None
        }
        Some(text) => (!text.is_empty()).then(|| text.into()),
        None => {
            let message = format!("= {}: must be one string", string_text(value));
            findings.error(node, "bootargs", message);
            None
        }
    }
}

fn not_a_module(node: Node<'_>, findings: &mut Findings) {
    const REFUSED: [(&str, &str); 2] = [
        ("xen,evtchn", "must be \"xen,evtchn-v1\""),
        (
            "xen,domain-shared-memory-v1",
            "static shared memory is not supported",
        ),
    ];
    if node.is_any(&["xen,vcpu", "xen,evtchn-v1"]) {
        return;
    }
    if let Some((name, rule)) = REFUSED.iter().find(|(name, _)| node.is_compatible(name)) {
        findings.error(node, "compatible", format!("= \"{name}\": {rule}"));
    } else if kind(node).is_some() {
        let value = string_text(node.property("compatible").unwrap_or(&[]));
        let rule = "must also have \"multiboot,module\"";
        findings.error(node, "compatible", format!("= {value}: {rule}"));
    } else {
        findings.note(node, "", "is unknown and ignored");
    }
}

/// Where each vCPU may run, from `xen,vcpu` children. `vcpus` above 128 means not known.
pub(super) fn affinity(domain: Node<'_>, vcpus: u16, findings: &mut Findings) -> Vec<VcpuAffinity> {
    let count = usize::from(vcpus.min(CpuSet::MAX));
    let mut all: Vec<VcpuAffinity> = vec![None; count];
    let mut seen = vec![false; count];
    for node in domain
        .children()
        .filter(|node| node.is_compatible("xen,vcpu"))
    {
        names::check(node, names::VCPU, findings);
        let Some(value) = node.property("id") else {
            findings.error(node, "id", "is missing: must say which vCPU this is");
            continue;
        };
        let id = node.u32("id").map_or(usize::MAX, |id| id as usize);
        let (Some(seen), Some(slot)) = (seen.get_mut(id), all.get_mut(id)) else {
            let rule = format!("= {}: must be one cell, below cpus", cells_text(value));
            findings.error(node, "id", rule);
            continue;
        };
        if *seen {
            findings.error(
                node,
                "id",
                format!("= {}: is there twice", cells_text(value)),
            );
            continue;
        }
        *seen = true;
        *slot = hard_affinity(node, findings);
    }
    all
}

fn hard_affinity(node: Node<'_>, findings: &mut Findings) -> VcpuAffinity {
    const NAME: &str = "hard-affinity";
    let value = node.property(NAME)?;
    match node.string(NAME).map(affinity::parse) {
        Some(Ok(set)) => Some(set),
        wrong => {
            let rule = match wrong {
                Some(Err(rule)) => rule,
                _ => affinity::FORM,
            };
            findings.error(node, NAME, format!("= {}: {rule}", string_text(value)));
            None
        }
    }
}
