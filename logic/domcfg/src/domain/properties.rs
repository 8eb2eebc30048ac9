//! The properties of a domain that are supported.

use alloc::format;
use alloc::vec::Vec;
use core::num::NonZeroU16;

use abi::{IntId, PAGE_SIZE, Range};

use crate::finding::Findings;
use crate::host::{cell_counts, ranges_of};
use crate::tree::{Node, cells_text, read_cells};
use crate::{DomainSpec, Gic, HostSpec, MAX_ROUNDED_SPIS};

/// The most that both banks of a guest's RAM hold, in KiB.
const MAX_MEMORY_KIB: u64 = (abi::arm::RAM_BANK_0.size() + abi::arm::RAM_BANK_1.size()) / 1024;

/// `cpus`: mandatory.
pub(super) fn vcpus(node: Node<'_>, host: &HostSpec, findings: &mut Findings) -> Option<u16> {
    let Some(value) = node.property("cpus") else {
        findings.error(
            node,
            "cpus",
            "is missing: a domain must say how many vCPUs it has",
        );
        return None;
    };
    let most = host.gic.max_vcpus();
    let count = node.u32("cpus").and_then(|count| u16::try_from(count).ok());
    match count {
        Some(count) if (1..=most).contains(&count) => Some(count),
        _ => {
            let version = if matches!(host.gic, Gic::V2 { .. }) {
                2
            } else {
                3
            };
            findings.error(
                node,
                "cpus",
                format!(
                    "= {}: must be one cell, 1 to {most} with a GICv{version}",
                    cells_text(value)
                ),
            );
            None
        }
    }
}

/// `memory`: mandatory, two cells, KiB.
pub(super) fn memory_kib(node: Node<'_>, findings: &mut Findings) -> Option<u64> {
    let Some(value) = node.property("memory") else {
        findings.error(
            node,
            "memory",
            "is missing: a domain must say how many KiB it has",
        );
        return None;
    };
    let kib = read_cells(value);
    let rule = if value.len() != 8 {
        "must be two cells: a 64-bit number of KiB"
    } else if kib < 4 {
        "must be at least 4 KiB"
    } else if !kib.is_multiple_of(PAGE_SIZE / 1024) {
        "must be a multiple of 4 KiB"
    } else if kib > MAX_MEMORY_KIB {
        "is more than a guest's two banks hold (3 GiB and 1016 GiB)"
    } else {
        return Some(kib);
    };
    findings.error(node, "memory", format!("= {}: {rule}", cells_text(value)));
    None
}

/// A property that is on when present. A value in it misleads its reader: said.
pub(super) fn flag(node: Node<'_>, name: &str, findings: &mut Findings) -> bool {
    let Some(value) = node.property(name) else {
        return false;
    };
    if !value.is_empty() {
        findings.note(
            node,
            name,
            format!("= {}: is on whatever its value", cells_text(value)),
        );
    }
    true
}

/// `trap-unmapped-accesses`: on unless 0.
pub(super) fn trap_unmapped(node: Node<'_>, findings: &mut Findings) -> bool {
    const NAME: &str = "trap-unmapped-accesses";
    let Some(value) = node.property(NAME) else {
        return true;
    };
    match node.u32(NAME) {
        Some(0) => false,
        Some(1) => true,
        _ => {
            findings.error(
                node,
                NAME,
                format!("= {}: must be <0> or <1>", cells_text(value)),
            );
            true
        }
    }
}

/// `euxenite,weight`: one cell, the range of credit2's weights on Xen.
pub(super) fn weight(node: Node<'_>, findings: &mut Findings) -> NonZeroU16 {
    const NAME: &str = "euxenite,weight";
    let Some(value) = node.property(NAME) else {
        return DomainSpec::USUAL_WEIGHT;
    };
    let weight = node.u32(NAME).and_then(|weight| u16::try_from(weight).ok());
    weight.and_then(NonZeroU16::new).unwrap_or_else(|| {
        findings.error(
            node,
            NAME,
            format!("= {}: must be one cell, 1 to 65535", cells_text(value)),
        );
        DomainSpec::USUAL_WEIGHT
    })
}

/// `xen,static-mem`: page aligned, and in all exactly `memory`.
pub(super) fn static_mem(
    node: Node<'_>,
    memory_kib: Option<u64>,
    findings: &mut Findings,
) -> Vec<Range> {
    const NAME: &str = "xen,static-mem";
    let Some(value) = node.property(NAME) else {
        return Vec::new();
    };
    let parent = node.parent().unwrap_or(node);
    let ranges = match cell_counts(parent).and_then(|cells| ranges_of(value, cells)) {
        Ok(ranges) => ranges,
        Err(message) => {
            findings.error(node, NAME, message);
            return Vec::new();
        }
    };
    let aligned = |range: &Range| {
        range.start().is_multiple_of(PAGE_SIZE) && range.size().is_multiple_of(PAGE_SIZE)
    };
    if let Some(range) = ranges
        .iter()
        .find(|range| !aligned(range) || range.is_empty())
    {
        findings.error(
            node,
            NAME,
            format!("= {range}: must be whole pages of 4 KiB"),
        );
    }
    let total = ranges
        .iter()
        .try_fold(0u64, |sum, range| sum.checked_add(range.size()));
    if let Some(kib) = memory_kib
        && total != kib.checked_mul(1024)
    {
        let total = total.unwrap_or(u64::MAX) / 1024;
        let message = format!("holds {total} KiB: must be exactly memory, {kib} KiB");
        findings.error(node, NAME, message);
    }
    ranges
}

/// `nr_spis` as given.
pub(super) fn nr_spis(node: Node<'_>, findings: &mut Findings) -> Option<u32> {
    let value = node.property("nr_spis")?;
    let count = node
        .u32("nr_spis")
        .filter(|&count| count <= MAX_ROUNDED_SPIS);
    if count.is_none() {
        findings.error(
            node,
            "nr_spis",
            format!(
                "= {}: must be one cell, at most {MAX_ROUNDED_SPIS}",
                cells_text(value)
            ),
        );
    }
    count
}

/// The SPI, from 0, that the emulated UART raises: the host UART's for a direct-mapped domain.
fn uart_spi(spec: &DomainSpec, host: &HostSpec) -> Option<u32> {
    let interrupt = if spec.direct_map {
        host.uart.as_ref()?.interrupt?
    } else {
        abi::arm::VPL011_INTERRUPT
    };
    interrupt.0.checked_sub(IntId::FIRST_SPI)
}

/// Sets the number of SPIs, and checks that it covers the emulated UART's.
pub(super) fn settle_spis(
    spec: &mut DomainSpec,
    host: &HostSpec,
    node: Node<'_>,
    findings: &mut Findings,
) {
    let Some(spi) = uart_spi(spec, host) else {
        if spec.vpl011 {
            let rule = "with direct-map needs the host's console UART and its SPI";
            findings.error(node, "vpl011", rule);
        }
        spec.nr_spis = spec.effective_spis(host.host_spis, 0);
        return;
    };
    if spec.vpl011
        && spec.direct_map
        && host
            .uart
            .as_ref()
            .is_some_and(|uart| uart.range.size() < PAGE_SIZE)
    {
        findings.error(
            node,
            "vpl011",
            "with direct-map needs 4 KiB of host UART registers",
        );
    }
    spec.nr_spis = spec.effective_spis(host.host_spis, spi);
    if spec.vpl011 && spec.nr_spis <= spi {
        findings.error(
            node,
            "nr_spis",
            format!(
                "= <{:#x}>: must be at least {} for vpl011",
                spec.nr_spis,
                spi + 1
            ),
        );
    }
}
