//! The interrupt controller's registers (Devicetree bindings arm,gic and arm,gic-v3).

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use abi::{IntId, Range};

use super::{address, interrupts};
use crate::Gic;
use crate::finding::Findings;
use crate::tree::{Node, Tree, cells_text, read_cells};

const V2: [&str; 6] = [
    "arm,gic-400",
    "arm,cortex-a15-gic",
    "arm,cortex-a7-gic",
    "arm,cortex-a9-gic",
    "arm,eb11mp-gic",
    "qcom,msm-qgic2",
];
const V3: [&str; 1] = ["arm,gic-v3"];

/// Stands in when there is none, so that the rest of the tree can be checked.
fn placeholder() -> Gic {
    let distributor = Range::default();
    let redistributors = vec![Range::default()];
    Gic::V3 {
        distributor,
        redistributors,
        stride: None,
        maintenance: IntId(25),
    }
}

/// The interrupt controller and its node.
pub(super) fn gic<'t>(tree: &'t Tree<'t>, findings: &mut Findings) -> (Gic, Option<Node<'t>>) {
    let is_gic = |node: &Node<'_>| {
        node.has("interrupt-controller")
            && node.is_available()
            && (node.is_any(&V2) || node.is_any(&V3))
    };
    let Some(node) = tree.all().find(is_gic) else {
        findings.fatal(
            tree.root(),
            "",
            "no interrupt controller: no GIC of version 2 or 3",
        );
        return (placeholder(), None);
    };
    if interrupts::specifier_cells(node).is_none() {
        findings.fatal(node, "#interrupt-cells", "must be <3> or <4>");
        return (placeholder(), None);
    }
    let found = match address::cpu_reg(node) {
        Ok(registers) if node.is_any(&V3) => v3(node, &registers),
        Ok(registers) => v2(node, &registers),
        Err(message) => Err(("reg", message)),
    };
    match found {
        Ok(gic) => (gic, Some(node)),
        Err((property, message)) => {
            findings.fatal(node, property, message);
            (placeholder(), Some(node))
        }
    }
}

type Wrong = (&'static str, String);

fn maintenance(node: Node<'_>) -> Result<IntId, Wrong> {
    match interrupts::of(node, node) {
        Ok(ids) => match ids.first() {
            Some(id) if id.is_private() => Ok(*id),
            _ => Err((
                "interrupts",
                String::from("must be the maintenance interrupt, a PPI"),
            )),
        },
        Err(message) => Err((
            "interrupts",
            format!("{message}: the maintenance interrupt is needed to run guests"),
        )),
    }
}

fn v2(node: Node<'_>, registers: &[Range]) -> Result<Gic, Wrong> {
    let [distributor, cpu, hyp, virt, ..] = *registers else {
        return Err((
            "reg",
            format!(
                "has {} ranges: a GICv2 that can run guests has 4 (GICD, GICC, GICH, GICV)",
                registers.len()
            ),
        ));
    };
    if distributor.size() < 0x1000 || [cpu, hyp, virt].iter().any(|range| range.size() < 0x1000) {
        return Err(("reg", String::from("has a range smaller than 0x1000")));
    }
    Ok(Gic::V2 {
        distributor,
        cpu,
        hyp,
        virt,
        maintenance: maintenance(node)?,
    })
}

fn v3(node: Node<'_>, registers: &[Range]) -> Result<Gic, Wrong> {
    let count = match node.property("#redistributor-regions") {
        None => 1,
        Some(value) => match node.u32("#redistributor-regions") {
            Some(count) if count > 0 => count as usize,
            _ => {
                let message = format!("= {}: must be one cell, at least 1", cells_text(value));
                return Err(("#redistributor-regions", message));
            }
        },
    };
    let redistributors: Vec<Range> = registers.iter().skip(1).take(count).copied().collect();
    let Some(&distributor) = registers.first().filter(|_| redistributors.len() == count) else {
        let message = format!(
            "has {} ranges: must be GICD and {count} of GICR",
            registers.len()
        );
        return Err(("reg", message));
    };
    if distributor.size() < 0x1_0000 || redistributors.iter().any(|one| one.size() < 0x2_0000) {
        return Err((
            "reg",
            String::from("has a GICD below 0x10000 or a GICR below 0x20000"),
        ));
    }
    let stride = match node.property("redistributor-stride") {
        None => None,
        Some(value) => match read_cells(value) {
            stride
                if matches!(value.len(), 4 | 8) && stride >= 0x2_0000 && stride % 0x1_0000 == 0 =>
            {
                Some(stride)
            }
            _ => {
                let message = format!(
                    "= {}: must be a multiple of 64 KiB, at least 0x20000",
                    cells_text(value)
                );
                return Err(("redistributor-stride", message));
            }
        },
    };
    Ok(Gic::V3 {
        distributor,
        redistributors,
        stride,
        maintenance: maintenance(node)?,
    })
}
