//! Channels between two domains, and within one.

use abi::{Errno, Port, VcpuId};

use super::bench::{Domain, OTHER, OWN};
use crate::{Closed, Consumer, Notify, Sent, Side, State, Wanted};

/// Two domains with a channel from the first one's port to the second one's.
pub(crate) fn connected() -> (Domain, Domain, Port, Port) {
    let (mut one, mut two) = (Domain::new(OWN), Domain::new(OTHER));
    let _ = two.events.bind_ipi(0);
    let near = one.events.alloc_unbound(Wanted::Lowest, OTHER).unwrap();
    let (far, notify) = two
        .events
        .bind_interdomain(Wanted::Lowest, Some(&mut one.events), near)
        .unwrap();
    assert_eq!(notify.upcall, Some(VcpuId(0)));
    assert_eq!(two.consume(), [far]);
    (one, two, near, far)
}

#[test]
fn an_event_crosses_both_ways() {
    let (mut one, mut two, near, far) = connected();
    assert_eq!(
        one.events.send(near, Side::Guest),
        Ok(Sent::Peer {
            domain: OTHER,
            port: far
        })
    );
    assert!(matches!(
        two.events.receive(far, OWN, near),
        Sent::Delivered(_)
    ));
    assert_eq!(two.consume(), [far]);
    assert_eq!(
        two.events.send(far, Side::Guest),
        Ok(Sent::Peer {
            domain: OWN,
            port: near
        })
    );
    assert!(matches!(
        one.events.receive(near, OTHER, far),
        Sent::Delivered(_)
    ));
    assert_eq!(one.consume(), [near]);
}

#[test]
fn an_event_whose_channel_was_closed_on_the_way_is_dropped() {
    let (mut one, mut two, near, far) = connected();
    let _ = one.events.send(near, Side::Guest);
    let closed = two.events.close(far, Side::Guest, Some(&mut one.events));
    assert_eq!(closed, Ok(Closed::Done));
    assert_eq!(two.events.receive(far, OWN, near), Sent::Dropped);
    // The number has another use now.
    assert_eq!(two.events.bind_ipi(0), Ok(far));
    assert_eq!(two.events.receive(far, OWN, near), Sent::Dropped);
    assert_eq!(two.events.receive(Port(5000), OWN, near), Sent::Dropped);
    assert_eq!(two.consume(), []);
}

#[test]
fn the_peer_of_a_closed_end_waits_for_the_closer_again() {
    let (mut one, mut two, near, far) = connected();
    assert_eq!(
        two.events.close(far, Side::Guest, None),
        Ok(Closed::NeedsPeer(OWN))
    );
    let mut stranger = Domain::new(abi::DomId(9));
    let wrong = two
        .events
        .close(far, Side::Guest, Some(&mut stranger.events));
    assert_eq!(wrong, Ok(Closed::NeedsPeer(OWN)));
    let closed = two.events.close(far, Side::Guest, Some(&mut one.events));
    assert_eq!(closed, Ok(Closed::Done));
    assert_eq!(
        one.events.status(near).unwrap().state,
        State::Unbound { remote: OTHER }
    );
    assert_eq!(one.events.send(near, Side::Guest), Ok(Sent::Dropped));
    let bound = two
        .events
        .bind_interdomain(Wanted::Lowest, Some(&mut one.events), near);
    assert_eq!(bound.map(|(port, _)| port), Ok(far));
}

#[test]
fn a_port_waits_for_one_domain_alone() {
    let (mut one, mut two) = (Domain::new(OWN), Domain::new(OTHER));
    let port = one
        .events
        .alloc_unbound(Wanted::Lowest, abi::DomId(7))
        .unwrap();
    for remote_port in [port, Port(0), Port(2), Port(63), Port(64), Port(u32::MAX)] {
        let bound = two
            .events
            .bind_interdomain(Wanted::Lowest, Some(&mut one.events), remote_port);
        assert_eq!(bound, Err(Errno::Inval), "{remote_port}");
    }
    assert_eq!(
        two.events.bind_ipi(0),
        Ok(Port(1)),
        "a failed bind leaves no port"
    );
}

#[test]
fn both_ends_may_be_one_domains() {
    let mut domain = Domain::new(OWN);
    let one = domain.events.alloc_unbound(Wanted::Lowest, OWN).unwrap();
    let (two, _) = domain
        .events
        .bind_interdomain(Wanted::Lowest, None, one)
        .unwrap();
    assert_eq!(domain.consume(), [two]);
    assert!(matches!(
        domain.events.send(two, Side::Guest),
        Ok(Sent::Delivered(_))
    ));
    assert_eq!(domain.consume(), [one]);
    assert!(matches!(
        domain.events.send(one, Side::Guest),
        Ok(Sent::Delivered(_))
    ));
    assert_eq!(domain.consume(), [two]);
    assert_eq!(
        domain.events.close(one, Side::Guest, None),
        Ok(Closed::Done)
    );
    assert_eq!(
        domain.events.status(two).unwrap().state,
        State::Unbound { remote: OWN }
    );
}

#[test]
fn static_channels_have_the_ports_that_they_are_given() {
    let (mut one, mut two) = (Domain::limited(OWN, 1023), Domain::limited(OTHER, 1023));
    let near = one
        .events
        .alloc_unbound(Wanted::Exactly(Port(1023)), OTHER)
        .unwrap();
    let wanted = Wanted::Exactly(Port(700));
    let (far, _) = two
        .events
        .bind_interdomain(wanted, Some(&mut one.events), near)
        .unwrap();
    assert_eq!((near, far), (Port(1023), Port(700)));
    assert_eq!(one.events.make_pending(near).upcall, Some(VcpuId(0)));
    assert_eq!((one.consume(), two.consume()), (vec![near], vec![far]));
    assert_eq!(one.events.make_pending(Port(5)), Notify::NONE);
    for (port, errno) in [(0, Errno::Busy), (1023, Errno::Busy), (1024, Errno::NoSpc)] {
        let got = one.events.alloc_unbound(Wanted::Exactly(Port(port)), OTHER);
        assert_eq!(got, Err(errno), "port {port}");
    }
    assert_eq!(
        one.events.bind_ipi(0),
        Ok(Port(1)),
        "others still get the lowest"
    );
}

#[test]
fn the_hypervisors_own_end_is_out_of_the_guests_reach() {
    let consumer = Consumer(core::num::NonZeroU8::new(3).unwrap());
    let (mut one, mut two) = (Domain::new(OWN), Domain::new(OTHER));
    let own = one.events.alloc_owned(OTHER, VcpuId(2), consumer).unwrap();
    assert_eq!(
        one.events.alloc_owned(OTHER, VcpuId(4), consumer),
        Err(Errno::NoEnt)
    );
    let (far, _) = two
        .events
        .bind_interdomain(Wanted::Lowest, Some(&mut one.events), own)
        .unwrap();
    assert_eq!(two.consume(), [far]);

    assert_eq!(one.events.send(own, Side::Guest), Err(Errno::Inval));
    assert_eq!(
        one.events.close(own, Side::Guest, Some(&mut two.events)),
        Err(Errno::Inval)
    );
    assert_eq!(one.events.bind_vcpu(own, 0), Err(Errno::Inval));
    assert_eq!(one.events.unmask(own), Ok(Notify::NONE));
    assert_eq!(one.events.poll(VcpuId(0), &[own]), Err(Errno::Inval));
    assert_eq!(one.events.make_pending(own), Notify::NONE);
    let status = one.events.status(own).unwrap();
    assert_eq!(
        status.state,
        State::Interdomain {
            remote: OTHER,
            port: far
        }
    );
    assert_eq!(status.vcpu, VcpuId(2));

    let sent = one.events.send(own, Side::Hypervisor);
    assert_eq!(
        sent,
        Ok(Sent::Peer {
            domain: OTHER,
            port: far
        })
    );
    assert_eq!(
        one.events.receive(own, OTHER, far),
        Sent::Consumed(consumer)
    );
    assert!(!one.events.is_pending(own));
    let closed = one
        .events
        .close(own, Side::Hypervisor, Some(&mut two.events));
    assert_eq!(closed, Ok(Closed::Done));
}
