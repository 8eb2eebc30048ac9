//! The machine: memory, CPUs, firmware, interrupt controller, timer, console UART.
//!
//! Nothing here knows a board: all comes from the tree. What is missing and cannot be done
//! without is a fatal finding; a placeholder then stands in, so that the rest of the tree is
//! still checked and all mistakes are told at once.

mod address;
mod cpus;
mod gic;
mod interrupts;
mod memory;
mod timer;
mod uart;

use alloc::vec::Vec;

use crate::finding::Findings;
use crate::seed::HostSeed;
use crate::tree::Tree;
use crate::{CommandLine, HostSpec};

pub(crate) use address::{cell_counts, ranges_of, reg};
pub(crate) use memory::merge;

/// Reads the machine's description. Modules are added by the caller.
pub(crate) fn read(tree: &Tree<'_>, line: &CommandLine, findings: &mut Findings) -> HostSpec {
    let memory = memory::ram(tree, findings);
    let reserved = memory::reserved(tree, findings);
    let cpus = cpus::cpus(tree, findings);
    let psci = cpus::psci(tree, &cpus, findings);
    let (gic, gic_node) = gic::gic(tree, findings);
    let timer = timer::timer(tree, gic_node, findings);
    let uart = uart::console(tree, line, gic_node, findings);
    let host_spis = gic_node.map_or(32, |gic| interrupts::host_spis(tree, gic));
    let chosen = tree.find("/chosen");
    HostSpec {
        memory,
        reserved,
        modules: Vec::new(),
        cpus,
        psci,
        gic,
        timer,
        uart,
        host_spis,
        rng_seed: chosen.and_then(|node| HostSeed::new(node.property("rng-seed")?)),
    }
}

#[cfg(test)]
mod tests;
