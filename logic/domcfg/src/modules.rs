//! Boot modules: nodes compatible with `multiboot,module` (or the older
//! `xen,multiboot-module`) that say where the boot loader put something.

use alloc::string::String;

use abi::Range;

use crate::Module;
use crate::finding::Findings;
use crate::host::reg;
use crate::tree::Node;

/// What a module is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ModuleKind {
    Kernel,
    Ramdisk,
    DeviceTree,
    Policy,
}

/// A module, and the domain that it belongs to.
pub(crate) struct BootModule {
    pub(crate) path: String,
    pub(crate) range: Range,
    pub(crate) kind: Option<ModuleKind>,
    /// Index among the domains; `None`: directly in `/chosen`.
    pub(crate) domain: Option<usize>,
}

impl BootModule {
    pub(crate) fn to_module(&self) -> Module {
        Module {
            range: self.range,
            path: self.path.clone(),
        }
    }
}

/// Whether the node is a module, by the current or the older name.
pub(crate) fn is_module(node: Node<'_>) -> bool {
    node.is_any(&["multiboot,module", "xen,multiboot-module"])
}

/// The kind that the node's other `compatible` strings say.
pub(crate) fn kind(node: Node<'_>) -> Option<ModuleKind> {
    const KINDS: [(&str, ModuleKind); 6] = [
        ("multiboot,kernel", ModuleKind::Kernel),
        ("multiboot,ramdisk", ModuleKind::Ramdisk),
        ("multiboot,device-tree", ModuleKind::DeviceTree),
        ("xen,xsm-policy", ModuleKind::Policy),
        ("xen,linux-zimage", ModuleKind::Kernel),
        ("xen,linux-initrd", ModuleKind::Ramdisk),
    ];
    KINDS
        .iter()
        .find(|(name, _)| node.is_compatible(name))
        .map(|(_, kind)| *kind)
}

/// Reads where a module lies; errors are told.
pub(crate) fn read_module(
    node: Node<'_>,
    domain: Option<usize>,
    findings: &mut Findings,
) -> Option<BootModule> {
    let range = match reg(node) {
        Ok(ranges) => match ranges.as_slice() {
            [range] => *range,
            _ => {
                findings.error(node, "reg", "has more than one range: a module has one");
                return None;
            }
        },
        Err(message) => {
            findings.error(node, "reg", message);
            return None;
        }
    };
    if range.is_empty() {
        findings.error(node, "reg", alloc::format!("= {range}: must not be empty"));
        return None;
    }
    Some(BootModule {
        path: node.path(),
        range,
        kind: kind(node),
        domain,
    })
}
