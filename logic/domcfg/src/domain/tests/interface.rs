//! What a domain sees of the hypervisor: `xen,enhanced`, `euxenite,permit`, static event channels.

use abi::permit::{Permit, Permits};
use abi::{DomId, Port};

use super::{good, read, refused, told};
use crate::fixture::{Node, domain, gicv3, host, with_domains};
use crate::{Channel, Enhanced, Severity, SystemSpec};

#[test]
fn a_domain_may_be_told_of_the_hypervisor() {
    assert_eq!(good(|domain| domain).enhanced, Enhanced::No);
    let spec = good(|domain| domain.text("xen,enhanced", "no-xenstore"));
    assert_eq!(spec.enhanced, Enhanced::NoXenstore);
    assert_eq!(spec.permits, Permits::ALL);
    refused(
        |domain| domain.text("xen,enhanced", "legacy"),
        "~: xen,enhanced = \"legacy\": asks for a xenstore, which is not supported: \"no-xenstore\" does without",
    );
}

#[test]
fn permits_are_a_list_of_names() {
    let spec = good(|domain| domain.bytes("euxenite,permit", b"all\0-fifo-evtchn\0"));
    assert_eq!(spec.permits, Permits::ALL.without(Permit::FifoEvtchn));
    refused(
        |domain| domain.bytes("euxenite,permit", b"all\0-fifo\0"),
        "~: euxenite,permit = \"all|-fifo\": unknown permit \"-fifo\"; known are all, fifo-evtchn, \
         evtchn-upcall-vector, grant-table, console-io, multicall, vcpu-runstate",
    );
    refused(
        |domain| domain.bytes("euxenite,permit", b"all"),
        "~: euxenite,permit = [61 6c 6c]: must be a list of strings",
    );
}

#[test]
fn the_highest_port_is_a_number() {
    assert_eq!(good(|domain| domain).max_evtchn_port, Port(1023));
    const NAME: &str = "euxenite,max-evtchn-port";
    for port in [1, 1024, 131_071] {
        let spec = good(|domain| domain.cells(NAME, &[port]));
        assert_eq!(spec.max_evtchn_port, Port(port));
    }
    let cases: [(&[u32], &str); 4] = [
        (&[0], "= <0x0>"),
        (&[131_072], "= <0x20000>"),
        (&[0, 100], "= <0x0 0x64>"),
        (&[], "= <>"),
    ];
    for (cells, value) in cases {
        let line = format!("~: {NAME} {value}: must be one cell, 1 to 131071");
        refused(|domain| domain.cells(NAME, cells), &line);
    }
}

fn end(handle: u32, cells: &[u32]) -> Node {
    Node::new(&format!("channel@{handle}"))
        .text("compatible", "xen,evtchn-v1")
        .cells("phandle", &[handle])
        .cells("xen,evtchn", cells)
}

fn two(first: Node, second: Node) -> SystemSpec {
    let domains = [domain("domU1").child(first), domain("domU2").child(second)];
    read(with_domains(host(gicv3()), domains))
}

#[test]
fn the_ends_of_a_channel_name_each_other() {
    let system = two(end(1, &[10, 2]), end(2, &[11, 1]));
    assert_eq!(system.errors().count(), 0, "{:#?}", system.findings);
    let channel = |port, peer, peer_port| Channel {
        port: Port(port),
        peer: DomId(peer),
        peer_port: Port(peer_port),
    };
    let channels: Vec<_> = system.accepted().map(|spec| &spec.channels[..]).collect();
    assert_eq!(channels, [[channel(10, 2, 11)], [channel(11, 1, 10)]]);
}

#[test]
fn a_channel_that_leads_nowhere_refuses_its_domain() {
    let cases: [(&[u32], &str); 6] = [
        (&[0, 2], "= <0x0 0x2>: the port must be 1 to 1023"),
        (&[1024, 2], "= <0x400 0x2>: the port must be 1 to 1023"),
        (
            &[10],
            "= <0xa>: must be two cells: the port and the peer's node",
        ),
        (&[10, 1], "= <0xa 0x1>: the peer must be another node"),
        (
            &[10, 99],
            "= <0xa 0x63>: the peer must be a node compatible with \"xen,evtchn-v1\"",
        ),
        (
            &[10, 0x8001],
            "= <0xa 0x8001>: the peer must be a node compatible with \"xen,evtchn-v1\"",
        ),
    ];
    for (cells, rule) in cases {
        let system = two(end(1, cells), end(2, &[11, 1]));
        let line = format!("/chosen/domU1/channel@1: xen,evtchn {rule}");
        told(&system, Severity::Error, &line);
        assert!(system.domains[0].spec.is_none());
    }
    let system = two(end(1, &[10, 2]), end(2, &[11, 3]).child(end(3, &[12, 2])));
    told(
        &system,
        Severity::Error,
        "/chosen/domU1/channel@1: xen,evtchn = <0xa 0x2>: the peer /chosen/domU2/channel@2 does not point back",
    );
}

#[test]
fn a_channels_port_is_one_that_its_domain_may_open() {
    for (most, port, highest) in [(2000, 2000, 2000), (9, 10, 9), (131_071, 4096, 4095)] {
        let first = domain("domU1")
            .cells("euxenite,max-evtchn-port", &[most])
            .child(end(1, &[port, 2]));
        let second = domain("domU2").child(end(2, &[11, 1]));
        let system = read(with_domains(host(gicv3()), [first, second]));
        if port <= highest {
            assert_eq!(system.errors().count(), 0, "{:#?}", system.findings);
            continue;
        }
        let line = format!(
            "/chosen/domU1/channel@1: xen,evtchn = <{port:#x} 0x2>: the port must be 1 to {highest}"
        );
        told(&system, Severity::Error, &line);
    }
}

#[test]
fn a_port_has_one_channel() {
    let first = domain("domU1")
        .child(end(1, &[10, 2]))
        .child(end(3, &[10, 4]));
    let second = domain("domU2")
        .child(end(2, &[10, 1]))
        .child(end(4, &[11, 3]));
    let system = read(with_domains(host(gicv3()), [first, second]));
    told(
        &system,
        Severity::Error,
        "/chosen/domU1/channel@3: xen,evtchn = <0xa 0x4>: port 10 is another channel's, too",
    );
    told(
        &system,
        Severity::Note,
        "/chosen/domU2: xen,evtchn port 10: its peer d1 is refused: it waits unbound",
    );
    assert!(system.domains[1].spec.is_some());
}
