//! The partitions as text: a table of the domains and drawn memory maps.
//!
//! For the host's tools; the hypervisor's image is built without it.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use abi::Range;

use crate::layout::{GuestGic, Layout, layout};
use crate::{DomainEntry, DomainSpec, Gic, HostSpec, Severity, SystemSpec, TreeError};

/// Characters between the borders of a drawn map.
const WIDTH: usize = 57;

/// What a check of a tree came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckOutcome {
    /// One line for each error and note, then the partitions.
    pub text: String,
    /// Whether there is no error.
    pub ok: bool,
}

/// Checks a boot device tree as the hypervisor does.
pub fn check(blob: &[u8]) -> CheckOutcome {
    let mut text = String::new();
    let parsed = crate::parse(blob);
    let findings = match &parsed {
        Ok(system) => system.findings.as_slice(),
        Err(error) => error.findings(),
    };
    for finding in findings {
        let kind = if finding.severity == Severity::Error {
            "error"
        } else {
            "note"
        };
        text.push_str(&format!("{kind}: {finding}\n"));
    }
    match parsed {
        Ok(system) => {
            let ok = system.errors().next().is_none();
            if system.is_refused() {
                text.push_str("config=strict: nothing is booted\n");
            }
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(&partitions(&system));
            CheckOutcome { text, ok }
        }
        Err(TreeError::Host { .. }) => CheckOutcome { text, ok: false },
        Err(error) => CheckOutcome {
            text: format!("error: {error}\n"),
            ok: false,
        },
    }
}

/// The table of the domains, the host's memory map and each domain's.
pub fn partitions(system: &SystemSpec) -> String {
    let mut text = host_line(&system.host);
    text.push_str(&table(&system.domains));
    text.push_str("\nHost memory\n");
    text.push_str(&draw(&host_segments(system)));
    for spec in system.accepted() {
        text.push_str(&format!("\n{} {} sees\n", spec.id, spec.path));
        match layout(spec, &system.host) {
            Ok(layout) => text.push_str(&draw(&guest_segments(&layout))),
            Err(finding) => text.push_str(&format!("{finding}\n")),
        }
    }
    text
}

fn host_line(host: &HostSpec) -> String {
    let version = if matches!(host.gic, Gic::V2 { .. }) {
        2
    } else {
        3
    };
    let bytes = host
        .memory
        .iter()
        .fold(0u64, |sum, bank| sum.saturating_add(bank.size()));
    let console = host.uart.as_ref().map_or("none", |uart| uart.path.as_str());
    format!(
        "Host: {} CPUs, {} RAM, GICv{version}, console {console}\n\n",
        host.cpus.len(),
        bytes_text(bytes)
    )
}

fn table(domains: &[DomainEntry]) -> String {
    let heads = [
        "id",
        "domain",
        "vCPUs",
        "memory",
        "SPIs",
        "ports",
        "UART",
        "CPUs",
        "weight",
        "memory from",
    ];
    let mut rows: Vec<Vec<String>> = Vec::from([heads.map(String::from).to_vec()]);
    rows.extend(domains.iter().map(row));
    let columns = heads.len();
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(String::len)
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn row(entry: &DomainEntry) -> Vec<String> {
    let mut row = Vec::from([format!("{}", entry.id), entry.path.clone()]);
    let Some(spec) = &entry.spec else {
        row.push(String::from("refused"));
        return row;
    };
    row.push(format!("{}", spec.vcpus));
    row.push(bytes_text(spec.memory_kib.saturating_mul(1024)));
    row.push(format!("{}", spec.nr_spis));
    row.push(format!("{}", spec.max_evtchn_port.0));
    row.push(String::from(if spec.vpl011 { "vpl011" } else { "-" }));
    row.push(affinity_text(spec));
    row.push(format!("{}", spec.weight));
    row.push(String::from(
        match (spec.static_mem.is_empty(), spec.direct_map) {
            (true, _) => "free",
            (false, false) => "static",
            (false, true) => "static, 1:1",
        },
    ));
    row
}

fn affinity_text(spec: &DomainSpec) -> String {
    if spec.affinity.iter().all(Option::is_none) {
        return String::from("any");
    }
    let one = |set: &Option<crate::CpuSet>| set.map_or("any".into(), |set| format!("{:#x}", set.0));
    spec.affinity.iter().map(one).collect::<Vec<_>>().join(",")
}

/// A part of a map: what is where.
struct Segment {
    range: Range,
    label: String,
}

fn host_segments(system: &SystemSpec) -> Vec<Segment> {
    let host = &system.host;
    let mut used: Vec<Segment> = Vec::new();
    used.extend(host.reserved.iter().map(|&range| Segment {
        range,
        label: "reserved".into(),
    }));
    used.extend(host.modules.iter().map(|&range| Segment {
        range,
        label: owners(system, range),
    }));
    for spec in system.accepted() {
        let label = format!("RAM of {}", spec.id);
        used.extend(spec.static_mem.iter().map(|&range| Segment {
            range,
            label: label.clone(),
        }));
    }
    used.sort_by_key(|segment| segment.range.start());
    let mut all = Vec::new();
    for bank in &host.memory {
        let mut at = bank.start();
        for segment in used.iter().filter(|segment| segment.range.overlaps(*bank)) {
            free(&mut all, at, segment.range.start());
            at = at.max(segment.range.end());
            all.push(Segment {
                range: segment.range,
                label: segment.label.clone(),
            });
        }
        free(&mut all, at, bank.end());
    }
    all
}

fn free(all: &mut Vec<Segment>, start: u64, end: u64) {
    if let Some(range) = Range::from_bounds(start, end).filter(|range| !range.is_empty()) {
        all.push(Segment {
            range,
            label: "free".into(),
        });
    }
}

/// What a module is, and whose.
fn owners(system: &SystemSpec, range: Range) -> String {
    let mut names = Vec::new();
    for spec in system.accepted() {
        if spec.kernel.range == range {
            names.push(format!("kernel of {}", spec.id));
        }
        if spec
            .ramdisk
            .as_ref()
            .is_some_and(|ramdisk| ramdisk.range == range)
        {
            names.push(format!("ramdisk of {}", spec.id));
        }
    }
    if names.is_empty() {
        "module, not used".into()
    } else {
        names.join(", ")
    }
}

fn guest_segments(layout: &Layout) -> Vec<Segment> {
    let mut all = Vec::new();
    let mut add = |range: Range, label: &str| {
        all.push(Segment {
            range,
            label: label.into(),
        })
    };
    match &layout.gic {
        GuestGic::V2 { distributor, cpu } => {
            add(*distributor, "GICv2 distributor");
            add(*cpu, "GICv2 CPU interface");
        }
        GuestGic::V3 {
            distributor,
            redistributors,
        } => {
            add(*distributor, "GICv3 distributor");
            for range in redistributors {
                add(*range, "GICv3 redistributors");
            }
        }
    }
    if let Some(uart) = &layout.uart {
        add(uart.range, &format!("UART, interrupt {}", uart.interrupt.0));
    }
    for bank in &layout.banks {
        add(*bank, "RAM");
    }
    all.sort_by_key(|segment| segment.range.start());
    all
}

fn draw(segments: &[Segment]) -> String {
    let border = format!("{:>20} +{}+\n", "", "-".repeat(WIDTH));
    let mut text = border.clone();
    let mut last_end = segments.first().map_or(0, |segment| segment.range.start());
    for Segment { range, label } in segments {
        if range.start() > last_end {
            text.push_str(&border);
            text.push_str(&format!("{:>20} :\n", ""));
            text.push_str(&border);
        }
        last_end = range.end();
        let size = bytes_text(range.size());
        let room = WIDTH.saturating_sub(size.len() + 2);
        let label: String = label.chars().take(room).collect();
        text.push_str(&format!(
            "{:>#20x} | {label:<room$}{size} |\n",
            range.start()
        ));
    }
    text.push_str(&border);
    text
}

/// In the largest unit that divides it; otherwise in KiB, rounded up.
fn bytes_text(bytes: u64) -> String {
    const UNITS: [(u32, &str); 2] = [(30, "GiB"), (20, "MiB")];
    let whole = UNITS
        .iter()
        .find(|(shift, _)| bytes >= 1 << shift && bytes.is_multiple_of(1 << shift));
    match whole {
        Some((shift, unit)) => format!("{} {unit}", bytes >> shift),
        None => format!("{} KiB", bytes.div_ceil(1024)),
    }
}

#[cfg(test)]
mod tests;
