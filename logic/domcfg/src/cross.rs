//! Checks of the domains and modules against the host and against one another.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use abi::Range;

use crate::finding::Findings;
use crate::host::merge;
use crate::layout;
use crate::modules::BootModule;
use crate::{CommandLine, DomainEntry, DomainSpec, HostSpec};

/// Checks everything; a domain with an error loses its spec.
pub(crate) fn check(
    host: &HostSpec,
    line: &CommandLine,
    modules: &[BootModule],
    domains: &mut [DomainEntry],
    findings: &mut Findings,
) {
    for (index, module) in modules.iter().enumerate() {
        let earlier = modules.get(..index).unwrap_or(&[]);
        if let Some(rule) = misplaced(module, earlier, host) {
            findings.error_at(
                module.path.clone(),
                "reg",
                format!("= {}: {rule}", module.range),
            );
            if let Some(domain) = module.domain.and_then(|index| domains.get_mut(index)) {
                domain.spec = None;
            }
        }
    }
    let mut claimed: Vec<(Range, String)> = Vec::new();
    let mut left = usable(host);
    for entry in domains {
        let Some(spec) = &entry.spec else { continue };
        let before = findings.errors();
        affinity(spec, host, line, findings);
        static_mem(spec, host, modules, &claimed, findings);
        claimed.extend(
            spec.static_mem
                .iter()
                .map(|range| (*range, entry.path.clone())),
        );
        if let Err(finding) = layout::check(spec, host) {
            let property = finding.property.as_deref().unwrap_or("");
            findings.error_at(finding.path, property, finding.message);
        }
        // Bounded: a domain's memory is below 2^40 KiB.
        let needed = spec.memory_kib * 1024;
        if needed > left {
            let message = format!(
                "= {} KiB: only {} KiB of the host's are left",
                needed / 1024,
                left / 1024
            );
            findings.error_at(entry.path.clone(), "memory", message);
        }
        if findings.errors() != before {
            entry.spec = None;
        } else {
            left -= needed;
        }
    }
}

/// Bytes of RAM that are not reserved.
fn usable(host: &HostSpec) -> u64 {
    if host.memory.is_empty() {
        return u64::MAX;
    }
    let shared = |a: &Range, b: &Range| {
        a.end()
            .min(b.end())
            .saturating_sub(a.start().max(b.start()))
    };
    let bytes: u64 = host
        .memory
        .iter()
        .fold(0, |sum, bank| sum.saturating_add(bank.size()));
    let gaps = merge(host.reserved.clone());
    let reserved = gaps
        .iter()
        .flat_map(|gap| host.memory.iter().map(|bank| shared(bank, gap)));
    reserved.fold(bytes, u64::saturating_sub)
}

/// Without any memory, which is an error of its own, every place is as good.
fn in_ram(range: Range, host: &HostSpec) -> bool {
    host.memory.is_empty() || host.memory.iter().any(|bank| bank.contains(range))
}

/// What is wrong with where a module lies. Domains may share a module: the same bytes, the same
/// kind. A boot loader may have reserved exactly a module's bytes.
fn misplaced(module: &BootModule, earlier: &[BootModule], host: &HostSpec) -> Option<String> {
    let range = module.range;
    if !in_ram(range, host) {
        return Some(String::from("is not in the host's memory"));
    }
    let reserved = host
        .reserved
        .iter()
        .find(|gap| gap.overlaps(range) && **gap != range);
    if let Some(gap) = reserved {
        return Some(format!("overlaps the reserved range {gap}"));
    }
    let shares = |other: &&BootModule| {
        other.range.overlaps(range) && (other.range != range || other.kind != module.kind)
    };
    let other = earlier.iter().find(shares)?;
    Some(format!("overlaps {} at {}", other.path, other.range))
}

fn affinity(spec: &DomainSpec, host: &HostSpec, line: &CommandLine, findings: &mut Findings) {
    let count = host
        .cpus
        .len()
        .min(line.maxcpus.map_or(usize::MAX, usize::from));
    for (vcpu, set) in spec.affinity.iter().enumerate() {
        let highest = set.map_or(0, |set| 128 - set.0.leading_zeros() as usize);
        if highest > count {
            let message = format!(
                "of vCPU {vcpu} names CPU {}: the host has {count}",
                highest.saturating_sub(1)
            );
            findings.error_at(spec.path.clone(), "hard-affinity", message);
        }
    }
}

fn static_mem(
    spec: &DomainSpec,
    host: &HostSpec,
    modules: &[BootModule],
    claimed: &[(Range, String)],
    findings: &mut Findings,
) {
    for (index, range) in spec.static_mem.iter().enumerate() {
        let own = spec.static_mem.get(..index).unwrap_or(&[]);
        let rule = if !in_ram(*range, host) {
            String::from("is not in the host's memory")
        } else if let Some(gap) = host.reserved.iter().find(|gap| gap.overlaps(*range)) {
            format!("overlaps the reserved range {gap}")
        } else if let Some(module) = modules.iter().find(|module| module.range.overlaps(*range)) {
            format!("overlaps {} at {}", module.path, module.range)
        } else if let Some(other) = own.iter().find(|other| other.overlaps(*range)) {
            format!("overlaps its own range {other}")
        } else if let Some((other, path)) = claimed.iter().find(|(other, _)| other.overlaps(*range))
        {
            format!("overlaps {path} at {other}")
        } else {
            continue;
        };
        findings.error_at(
            spec.path.clone(),
            "xen,static-mem",
            format!("= {range}: {rule}"),
        );
    }
}
