//! `/chosen`: the command line, and the walk over its children that finds modules and domains.

use alloc::format;
use alloc::vec::Vec;

use abi::{DomId, Range};

use crate::finding::Findings;
use crate::modules::{BootModule, ModuleKind, is_module, kind, read_module};
use crate::tree::{Node, Tree, string_text};
use crate::{CommandLine, DomainEntry, HostSpec, domain};

/// The most domains.
const MAX_DOMAINS: usize = 128;
/// The most boot modules, in all domains together.
const MAX_MODULES: usize = 256;

/// The hypervisor's command line by Xen's rules: `xen,xen-bootargs`; else `bootargs`, but only
/// when a dom0 has one of its own; else none.
pub(crate) fn command_line(tree: &Tree<'_>, findings: &mut Findings) -> CommandLine {
    let Some(chosen) = tree.find("/chosen") else {
        return CommandLine::default();
    };
    let dom0_has_own = chosen.has("xen,dom0-bootargs")
        || chosen
            .children()
            .any(|node| is_dom0_kernel(node) && node.has("bootargs"));
    let property = if chosen.has("xen,xen-bootargs") {
        "xen,xen-bootargs"
    } else {
        "bootargs"
    };
    if !chosen.has(property) {
        return CommandLine::default();
    }
    let Some(text) = chosen.string(property) else {
        let value = string_text(chosen.property(property).unwrap_or(&[]));
        findings.error(chosen, property, format!("= {value}: must be one string"));
        return CommandLine::default();
    };
    if property == "bootargs" && !dom0_has_own {
        if !text.is_empty() {
            findings.note(
                chosen,
                property,
                "is a dom0's and not used: the hypervisor's options belong in xen,xen-bootargs",
            );
        }
        return CommandLine::default();
    }
    let line = CommandLine::parse(text);
    for option in &line.invalid {
        findings.note(
            chosen,
            property,
            if option.contains("bootscrub") {
                format!("has {option}: RAM is always zeroed, ignored")
            } else {
                format!("has {option}: unknown value, ignored")
            },
        );
    }
    for option in &line.unknown {
        findings.note(
            chosen,
            property,
            format!("has {option}: unknown option, ignored"),
        );
    }
    line
}

fn is_dom0_kernel(node: Node<'_>) -> bool {
    is_module(node) && kind(node) == Some(ModuleKind::Kernel)
}

/// The domains in tree order, and all modules.
pub(crate) fn children(
    tree: &Tree<'_>,
    host: &HostSpec,
    findings: &mut Findings,
) -> (Vec<DomainEntry>, Vec<BootModule>) {
    let mut domains: Vec<DomainEntry> = Vec::new();
    let mut modules: Vec<BootModule> = Vec::new();
    let chosen = tree.find("/chosen");
    for node in chosen.into_iter().flat_map(Node::children) {
        if modules.len() > MAX_MODULES {
            findings.error(node, "", "comes after 256 boot modules: no more are read");
            break;
        }
        if node.is_compatible("xen,domain") {
            if domains.len() == MAX_DOMAINS {
                findings.error(node, "", "is one domain too many: at most 128 are read");
                break;
            }
            // Xen never gives out 0 here; the count is below 128.
            let id = DomId(domains.len() as u16 + 1);
            let entry = domain::read(node, id, host, &mut modules, findings);
            domains.push(refuse_namesake(entry, &domains, node, findings));
        } else if is_module(node) {
            modules.extend(dom0_module(node, findings));
        } else {
            other(node, findings);
        }
    }
    if let Some(chosen) = chosen {
        chosen_properties(chosen, findings);
    }
    outside_chosen(tree, findings);
    (domains, modules)
}

fn refuse_namesake(
    mut entry: DomainEntry,
    others: &[DomainEntry],
    node: Node<'_>,
    findings: &mut Findings,
) -> DomainEntry {
    if others.iter().any(|other| other.path == entry.path) {
        findings.error(
            node,
            "",
            "is there twice: two domains have the same node name",
        );
        entry.spec = None;
    }
    entry
}

/// A module directly in `/chosen` is a dom0's. Its memory is respected all the same.
fn dom0_module(node: Node<'_>, findings: &mut Findings) -> Option<BootModule> {
    match kind(node) {
        Some(ModuleKind::Kernel) | None => {
            findings.error(node, "", "is a dom0's kernel: dom0 is not supported");
        }
        Some(ModuleKind::Policy) => {
            findings.error(
                node,
                "",
                "is a security policy: xen,xsm-policy is not supported",
            );
        }
        Some(_) => findings.note(
            node,
            "",
            "is a dom0's module, which is not supported: not used",
        ),
    }
    read_module(node, None, findings)
}

/// Neither a domain nor a module.
fn other(node: Node<'_>, findings: &mut Findings) {
    const REFUSED: [(&str, &str); 3] = [
        ("xen,cpupool", "CPU pools"),
        ("xen,evtchn-v1", "static event channels of a dom0"),
        ("xen,domain-shared-memory-v1", "static shared memory"),
    ];
    if let Some((name, what)) = REFUSED.iter().find(|(name, _)| node.is_compatible(name)) {
        findings.error(
            node,
            "compatible",
            format!("= \"{name}\": {what} are not supported"),
        );
    } else if node.has("cpus") || node.has("memory") {
        let value = string_text(node.property("compatible").unwrap_or(&[0]));
        findings.note(
            node,
            "compatible",
            format!("= {value}: ignored: a domain must be compatible with \"xen,domain\""),
        );
    }
}

fn chosen_properties(chosen: Node<'_>, findings: &mut Findings) {
    if chosen.has("xen,static-heap") {
        findings.note(
            chosen,
            "xen,static-heap",
            "only tunes Xen: not supported, ignored",
        );
    }
    let has_domain = chosen
        .children()
        .any(|node| node.is_compatible("xen,domain"));
    if !has_domain {
        findings.note(
            chosen,
            "",
            "has no domains: no child is compatible with xen,domain",
        );
    }
}

/// Domain nodes anywhere else are not domains.
fn outside_chosen(tree: &Tree<'_>, findings: &mut Findings) {
    let chosen = tree.find("/chosen");
    let astray = |node: &Node<'_>| node.is_compatible("xen,domain") && node.parent() != chosen;
    for node in tree.all().filter(astray) {
        findings.note(
            node,
            "",
            "is ignored: a domain must be a direct child of /chosen",
        );
    }
}

/// The modules' ranges, each once: domains may share a module.
pub(crate) fn unique_ranges(modules: &[BootModule]) -> Vec<Range> {
    let mut ranges: Vec<Range> = Vec::new();
    for module in modules {
        if !ranges.contains(&module.range) {
            ranges.push(module.range);
        }
    }
    ranges
}
