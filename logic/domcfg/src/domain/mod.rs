//! A domain node: `compatible = "xen,domain"` directly in `/chosen`.
//!
//! Each node is read on its own into a value of its own, so that nothing set for one domain can
//! leak into the next. What is known to Xen and not built here is refused by name when a guest
//! or its isolation depends on it, and noted when it only tunes.

mod affinity;
mod children;
mod interface;
mod names;
mod properties;
mod unsupported;

use alloc::vec::Vec;

use abi::DomId;

use crate::finding::Findings;
use crate::modules::BootModule;
use crate::tree::Node;
use crate::{DomainEntry, DomainSpec, HostSpec};

/// Reads a domain node. Its modules are added to `modules` also when it is refused: their
/// memory is occupied all the same.
pub(crate) fn read(
    node: Node<'_>,
    id: DomId,
    host: &HostSpec,
    modules: &mut Vec<BootModule>,
    findings: &mut Findings,
) -> DomainEntry {
    let errors_before = findings.errors();
    unsupported::check(node, findings);
    names::check(node, names::DOMAIN, findings);
    let spec = build(node, id, host, modules, findings);
    let spec = spec.filter(|_| findings.errors() == errors_before);
    DomainEntry {
        path: node.path(),
        id,
        spec,
    }
}

fn build(
    node: Node<'_>,
    id: DomId,
    host: &HostSpec,
    modules: &mut Vec<BootModule>,
    findings: &mut Findings,
) -> Option<DomainSpec> {
    // All are read before the first missing one ends this, so that all mistakes are told.
    let vcpus = properties::vcpus(node, host, findings);
    let memory_kib = properties::memory_kib(node, findings);
    let vpl011 = properties::flag(node, "vpl011", findings);
    let direct_map = properties::flag(node, "direct-map", findings);
    let static_mem = properties::static_mem(node, memory_kib, findings);
    let trap_unmapped = properties::trap_unmapped(node, findings);
    let nr_spis_given = properties::nr_spis(node, findings);
    let enhanced = interface::enhanced(node, findings);
    let permits = interface::permits(node, findings);
    let weight = properties::weight(node, findings);
    let max_evtchn_port = interface::max_evtchn_port(node, findings);
    if direct_map && !node.has("xen,static-mem") {
        findings.error(node, "direct-map", "needs xen,static-mem");
    }
    let affinity = children::affinity(node, vcpus.unwrap_or(u16::MAX), findings);
    let parts = children::parts(node, usize::from(id.0).saturating_sub(1), modules, findings);
    let mut spec = DomainSpec {
        path: node.path(),
        id,
        vcpus: vcpus?,
        memory_kib: memory_kib?,
        vpl011,
        nr_spis: 0,
        nr_spis_given,
        static_mem,
        direct_map,
        kernel: parts.kernel?,
        ramdisk: parts.ramdisk,
        bootargs: parts.bootargs,
        affinity,
        trap_unmapped,
        enhanced,
        permits,
        weight,
        max_evtchn_port,
        channels: Vec::new(),
    };
    properties::settle_spis(&mut spec, host, node, findings);
    Some(spec)
}

#[cfg(test)]
mod tests;
