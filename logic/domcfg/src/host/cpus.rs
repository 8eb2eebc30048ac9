//! The CPUs, and the firmware that turns them on.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::address::cell_counts;
use crate::finding::Findings;
use crate::tree::{Node, Tree, cells_text, read_cells, string_text, strings};
use crate::{Conduit, CpuNode, CpuSet, Enable};

/// The affinity fields of MPIDR_EL1.
const AFFINITY: u64 = 0xff_00ff_ffff;

/// The available CPUs below `/cpus`, in tree order.
pub(super) fn cpus(tree: &Tree<'_>, findings: &mut Findings) -> Vec<CpuNode> {
    let mut cpus: Vec<CpuNode> = Vec::new();
    let Some(parent) = tree.find("/cpus") else {
        findings.fatal(tree.root(), "", "no CPUs: there is no node /cpus");
        return cpus;
    };
    let is_cpu = |node: &Node<'_>| node.string("device_type") == Some("cpu");
    for node in parent.children().filter(is_cpu) {
        if !node.is_available() {
            findings.note(
                node,
                "status",
                "says that this CPU is not available: left out",
            );
            continue;
        }
        match mpidr(node) {
            Err(message) => findings.error(node, "reg", message),
            Ok(mpidr) if cpus.iter().any(|cpu| cpu.mpidr == mpidr) => {
                findings.error(
                    node,
                    "reg",
                    format!("= <{mpidr:#x}>: another CPU has the same"),
                );
            }
            Ok(_) if cpus.len() == usize::from(CpuSet::MAX) => {
                findings.error(node, "", "is one CPU too many: at most 128 are used");
            }
            Ok(mpidr) => cpus.push(cpu(node, mpidr)),
        }
    }
    if cpus.is_empty() {
        findings.fatal(
            parent,
            "",
            "no CPUs: no child has device_type = \"cpu\" and a good reg",
        );
    }
    cpus
}

fn cpu(node: Node<'_>, mpidr: u64) -> CpuNode {
    let compatible_list = node.property("compatible").unwrap_or(&[]);
    let enable = match node.property("enable-method") {
        Some(b"psci\0") => Enable::Psci,
        Some(value) => Enable::Other(strings(value).next().unwrap_or("").into()),
        None => Enable::Other(String::new()),
    };
    CpuNode {
        mpidr,
        enable,
        phandle: node.phandle(),
        compatible: strings(compatible_list).next().unwrap_or("").into(),
        compatible_list: compatible_list.into(),
        clock_frequency: node.u32("clock-frequency"),
    }
}

fn mpidr(node: Node<'_>) -> Result<u64, String> {
    let Some(value) = node.property("reg") else {
        return Err(String::from("is missing"));
    };
    // Only to complain about bad counts: CPUs have no size.
    cell_counts(node.parent().unwrap_or(node))?;
    if !matches!(value.len(), 4 | 8) {
        return Err(format!("= {}: must be 1 or 2 cells", cells_text(value)));
    }
    match read_cells(value) {
        mpidr if mpidr & !AFFINITY == 0 => Ok(mpidr),
        _ => Err(format!(
            "= {}: must be affinity fields of MPIDR_EL1 only",
            cells_text(value)
        )),
    }
}

/// How PSCI is called; an error when CPUs need it and it is not there.
pub(super) fn psci(tree: &Tree<'_>, cpus: &[CpuNode], findings: &mut Findings) -> Option<Conduit> {
    const USABLE: [&str; 2] = ["arm,psci-1.0", "arm,psci-0.2"];
    let needed = cpus.len() > 1 && cpus.iter().any(|cpu| cpu.enable == Enable::Psci);
    let Some(node) = tree.all().find(|node| node.is_any(&USABLE)) else {
        if let Some(old) = tree.all().find(|node| node.is_compatible("arm,psci")) {
            findings.error(
                old,
                "compatible",
                "= \"arm,psci\": PSCI 0.1 is not supported",
            );
        } else if needed {
            let message = "need PSCI (enable-method), and no node is compatible with arm,psci-0.2";
            findings.error_at(String::from("/cpus"), "", message);
        }
        return None;
    };
    match node.property("method") {
        Some(b"smc\0") => Some(Conduit::Smc),
        Some(b"hvc\0") => Some(Conduit::Hvc),
        other => {
            let value = other.map_or(String::from("is missing"), |value| {
                format!("= {}", string_text(value))
            });
            findings.error(
                node,
                "method",
                format!("{value}: must be \"smc\" or \"hvc\""),
            );
            None
        }
    }
}
