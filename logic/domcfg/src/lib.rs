//! Boot device tree to system description, every mistake named; the guest device tree writer.
//!
//! [`parse`] reads an untrusted host device tree in Xen's dom0less form and gives a
//! [`SystemSpec`]: plain values that have passed all checks, and one line for every mistake.
//! Parse all, validate all: an error in a domain refuses that domain only. [`layout`] and
//! [`kernel`] say where a domain's parts go, [`guest_tree`] writes the tree that it sees.
//!
//! Runs at boot only, so it may allocate; it never panics and never recurses, whatever the tree
//! holds. Specification: Xen's `docs/misc/arm/device-tree/booting.txt` and the Devicetree
//! Specification v0.4.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod channels;
mod chosen;
mod cmdline;
mod cross;
mod domain;
mod early;
mod error;
mod finding;
#[cfg(test)]
#[path = "../tests/common/mod.rs"]
mod fixture;
pub mod guest_tree;
mod host;
pub mod kernel;
pub mod layout;
mod modules;
#[cfg(feature = "report")]
pub mod report;
pub mod seed;
mod spec;
mod tree;

pub use cmdline::{
    BootScrub, CommandLine, ConsoleDevice, Conswitch, LogLevels, StartFocus, Timestamps, Vwfi,
};
pub use early::early_uart;
pub use error::TreeError;
pub use finding::{Finding, Severity};
pub use spec::{
    Channel, Conduit, CpuNode, CpuSet, DEFAULT_MAX_EVTCHN_PORT, DomainEntry, DomainSpec, Enable,
    Enhanced, Gic, HostSpec, MAX_ROUNDED_SPIS, Module, SystemSpec, Timer, Uart, UartKind,
    VcpuAffinity,
};
pub use tree::{MAX_BLOB, MAX_DEPTH, MAX_NAME, MAX_NODES, MAX_PROPERTIES, MAX_RESERVATIONS};

use finding::Findings;
use tree::Tree;

/// Reads a boot device tree. `blob` starts with the tree and may be longer than it.
///
/// # Errors
///
/// [`TreeError`] when nothing can boot with it: the blob is damaged or beyond the limits, or the
/// host lacks memory, CPUs, a GIC or a timer. All other mistakes are in
/// [`SystemSpec::findings`].
pub fn parse(blob: &[u8]) -> Result<SystemSpec, TreeError> {
    let tree = Tree::new(blob)?;
    let mut findings = Findings::default();
    let command_line = chosen::command_line(&tree, &mut findings);
    let mut host = host::read(&tree, &command_line, &mut findings);
    let (mut domains, modules) = chosen::children(&tree, &host, &mut findings);
    host.modules = chosen::unique_ranges(&modules);
    channels::read(&tree, &mut domains, &mut findings);
    cross::check(&host, &command_line, &modules, &mut domains, &mut findings);
    channels::note_missing_peers(&domains, &mut findings);
    if let Some(first) = findings.first_fatal() {
        return Err(TreeError::Host {
            findings: findings.into_list(),
            first,
        });
    }
    Ok(SystemSpec {
        host,
        command_line,
        domains,
        findings: findings.into_list(),
    })
}
