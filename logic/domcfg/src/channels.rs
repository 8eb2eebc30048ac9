//! Static event channels: `xen,evtchn-v1` nodes in domain nodes, which come in pairs that point to
//! each other (Xen, docs/misc/arm/device-tree/booting.txt, "Static event channel").

use alloc::format;
use alloc::string::String;

use abi::evtchn::two_level;
use abi::{DomId, Port};

use crate::finding::Findings;
use crate::tree::{Node, Tree, cells_text, read_cells};
use crate::{Channel, DEFAULT_MAX_EVTCHN_PORT, DomainEntry};

/// `compatible` of a channel's node.
const COMPATIBLE: &str = "xen,evtchn-v1";
/// What it says: `<local-port &peer>`.
const PROPERTY: &str = "xen,evtchn";
/// The most ends that are read: a tree is not trusted to be small.
const MAX_ENDS: usize = 1024;

/// Reads all channels of all domains. A mistake refuses the domain whose node has it.
pub(crate) fn read(tree: &Tree<'_>, domains: &mut [DomainEntry], findings: &mut Findings) {
    let Some(chosen) = tree.find("/chosen") else {
        return;
    };
    let mut left = MAX_ENDS;
    for domain in chosen.children() {
        let Some(index) = index_of(domain, domains) else {
            continue;
        };
        for node in domain.children() {
            if !node.is_compatible(COMPATIBLE) {
                continue;
            }
            let Some(rest) = left.checked_sub(1) else {
                let rule = "comes after 1024 ends of event channels: no more are read";
                findings.error(node, "", rule);
                return;
            };
            left = rest;
            read_end(tree, node, index, domains, findings);
        }
    }
}

/// Reads one end, which is domain `index`'s.
fn read_end(
    tree: &Tree<'_>,
    node: Node<'_>,
    index: usize,
    domains: &mut [DomainEntry],
    findings: &mut Findings,
) {
    let result = one(tree, node, domains, highest_port(domains.get(index)));
    let Some(entry) = domains.get_mut(index) else {
        return;
    };
    let taken = |port| {
        let spec = entry.spec.as_ref();
        spec.is_some_and(|spec| spec.channels.iter().any(|other| other.port == port))
    };
    let result = result.and_then(|channel| match taken(channel.port) {
        true => Err(format!("{} is another channel's, too", channel.port)),
        false => Ok(channel),
    });
    match result {
        Ok(channel) => {
            if let Some(spec) = &mut entry.spec {
                spec.channels.push(channel);
            }
        }
        Err(rule) => {
            let value = cells_text(node.property(PROPERTY).unwrap_or(&[]));
            findings.error(node, PROPERTY, format!("= {value}: {rule}"));
            entry.spec = None;
        }
    }
}

/// Says which ends wait for a domain that is not built.
pub(crate) fn note_missing_peers(domains: &[DomainEntry], findings: &mut Findings) {
    for spec in domains.iter().filter_map(|entry| entry.spec.as_ref()) {
        for channel in &spec.channels {
            let peer = domains.iter().find(|entry| entry.id == channel.peer);
            if peer.is_some_and(|peer| peer.spec.is_none()) {
                let message = format!(
                    "{}: its peer {} is refused: it waits unbound",
                    channel.port, channel.peer
                );
                findings.note_at(spec.path.clone(), PROPERTY, message);
            }
        }
    }
}

fn index_of(domain: Node<'_>, domains: &[DomainEntry]) -> Option<usize> {
    let path = domain.path();
    domains.iter().position(|entry| entry.path == path)
}

/// The port and the peer that a node names.
fn ends(node: Node<'_>) -> Result<(Port, u32), String> {
    let value = node.property(PROPERTY).unwrap_or(&[]);
    match value.split_at_checked(4) {
        Some((port, peer)) if peer.len() == 4 => {
            Ok((Port(read_cells(port) as u32), read_cells(peer) as u32))
        }
        _ => Err("must be two cells: the port and the peer's node".into()),
    }
}

/// The highest port of a channel of the domain's: it is made before the guest may change to FIFO.
fn highest_port(domain: Option<&DomainEntry>) -> u32 {
    let spec = domain.and_then(|entry| entry.spec.as_ref());
    let most = spec.map_or(DEFAULT_MAX_EVTCHN_PORT, |spec| spec.max_evtchn_port);
    most.0.min(two_level::PORTS - 1)
}

/// Reads a channel's node, whose port is `highest` at most, and checks its peer.
fn one(
    tree: &Tree<'_>,
    node: Node<'_>,
    domains: &[DomainEntry],
    highest: u32,
) -> Result<Channel, String> {
    let (port, handle) = ends(node)?;
    if !(1..=highest).contains(&port.0) {
        return Err(format!("the port must be 1 to {highest}"));
    }
    let peer = tree
        .all()
        .find(|other| handle != 0 && other.phandle() == Some(handle))
        .filter(|other| other.is_compatible(COMPATIBLE))
        .ok_or("the peer must be a node compatible with \"xen,evtchn-v1\"")?;
    if peer == node {
        return Err("the peer must be another node".into());
    }
    let (peer_port, back) = ends(peer).map_err(|rule| format!("the peer's {rule}"))?;
    if node.phandle() != Some(back) {
        return Err(format!("the peer {} does not point back", peer.path()));
    }
    let id: Option<DomId> = peer
        .parent()
        .and_then(|parent| index_of(parent, domains))
        .and_then(|index| domains.get(index))
        .map(|entry| entry.id);
    let peer = id.ok_or("the peer must be in a domain's node")?;
    Ok(Channel {
        port,
        peer,
        peer_port,
    })
}
