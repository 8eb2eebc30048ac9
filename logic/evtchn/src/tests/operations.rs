//! Each operation on each kind of port: what it answers.

use abi::{Errno, Port, VcpuId};

use super::bench::{Domain, OTHER, OWN};
use crate::{Closed, Consumer, GlobalVirqs, Sent, Side, State, Wanted};

/// A domain with a port of each kind, and the other ends' domain.
struct Zoo {
    domain: Domain,
    other: Domain,
    ports: [(&'static str, Port); 9],
}

fn zoo() -> Zoo {
    let (mut domain, mut other) = (Domain::new(OWN), Domain::new(OTHER));
    let events = &mut domain.events;
    let consumer = Consumer(core::num::NonZeroU8::MIN);
    let unbound = events.alloc_unbound(Wanted::Lowest, OTHER).unwrap();
    let waiting = other.events.alloc_unbound(Wanted::Lowest, OWN).unwrap();
    let interdomain = events
        .bind_interdomain(Wanted::Lowest, Some(&mut other.events), waiting)
        .unwrap()
        .0;
    let ports = [
        ("reserved", Port(0)),
        ("unbound", unbound),
        ("interdomain", interdomain),
        (
            "vcpu virq",
            events.bind_virq(1, 1, GlobalVirqs::NotHandled).unwrap(),
        ),
        (
            "global virq",
            events.bind_virq(2, 0, GlobalVirqs::Handled).unwrap(),
        ),
        ("ipi", events.bind_ipi(1).unwrap()),
        (
            "owned",
            events.alloc_owned(OTHER, VcpuId(0), consumer).unwrap(),
        ),
        ("closed", Port(20)),
        ("beyond", Port(64)),
    ];
    Zoo {
        domain,
        other,
        ports,
    }
}

/// Runs `operation` on each port of a fresh zoo and compares the answers, in the zoo's order.
fn check<T: PartialEq + std::fmt::Debug>(
    name: &str,
    expected: [T; 9],
    operation: impl Fn(&mut Zoo, Port) -> T,
) {
    for (index, expected) in expected.into_iter().enumerate() {
        let mut zoo = zoo();
        let (kind, port) = zoo.ports[index];
        assert_eq!(operation(&mut zoo, port), expected, "{name} on {kind}");
    }
}

const INVAL: Result<(), Errno> = Err(Errno::Inval);

#[test]
fn close() {
    let expected = [
        INVAL,
        Ok(()),
        Ok(()),
        Ok(()),
        Ok(()),
        Ok(()),
        INVAL,
        INVAL,
        INVAL,
    ];
    check("close", expected, |zoo, port| {
        let peer = Some(&mut zoo.other.events);
        zoo.domain
            .events
            .close(port, Side::Guest, peer)
            .map(|done| assert_eq!(done, Closed::Done))
    });
}

#[test]
fn send() {
    let delivered = Ok("delivered");
    let peer = Ok("peer");
    let inval = Err(Errno::Inval);
    let expected = [
        inval,
        Ok("dropped"),
        peer,
        inval,
        inval,
        delivered,
        inval,
        inval,
        inval,
    ];
    check("send", expected, |zoo, port| {
        zoo.domain
            .events
            .send(port, Side::Guest)
            .map(|sent| match sent {
                Sent::Delivered(_) => "delivered",
                Sent::Peer { .. } => "peer",
                Sent::Dropped => "dropped",
                Sent::Consumed(_) => "consumed",
            })
    });
}

#[test]
fn unmask() {
    let mut expected = [Ok(()); 9];
    expected[8] = INVAL;
    check("unmask", expected, |zoo, port| {
        zoo.domain.events.unmask(port).map(|_| ())
    });
}

#[test]
fn status() {
    let interdomain = State::Interdomain {
        remote: OTHER,
        port: Port(1),
    };
    let unbound = State::Unbound { remote: OTHER };
    let expected = [
        Ok((State::Closed, 0)),
        Ok((unbound, 0)),
        Ok((interdomain, 0)),
        Ok((State::Virq { virq: 1 }, 1)),
        Ok((State::Virq { virq: 2 }, 0)),
        Ok((State::Ipi, 1)),
        Ok((unbound, 0)),
        Ok((State::Closed, 0)),
        Err(Errno::Inval),
    ];
    check("status", expected, |zoo, port| {
        zoo.domain
            .events
            .status(port)
            .map(|status| (status.state, status.vcpu.0))
    });
}

#[test]
fn bind_vcpu() {
    let expected = [
        INVAL,
        Ok(()),
        Ok(()),
        INVAL,
        Ok(()),
        INVAL,
        INVAL,
        INVAL,
        INVAL,
    ];
    check("bind_vcpu", expected, |zoo, port| {
        zoo.domain.events.bind_vcpu(port, 3)
    });
    // The vCPU is looked at first.
    check("bind_vcpu", [Err(Errno::NoEnt); 9], |zoo, port| {
        zoo.domain.events.bind_vcpu(port, 4)
    });
    check("bind_vcpu", [Err(Errno::NoEnt); 9], |zoo, port| {
        zoo.domain.events.bind_vcpu(port, 0x1_0000)
    });
}

#[cfg(feature = "fifo")]
#[test]
fn set_priority() {
    let nosys = Err(Errno::NoSys);
    let acces = Err(Errno::Acces);
    let mut expected = [nosys; 9];
    expected[8] = INVAL;
    check("set_priority, 2-level", expected, |zoo, port| {
        zoo.domain.events.set_priority(port, 99)
    });
    let fifo = |priority| {
        move |zoo: &mut Zoo, port| {
            zoo.domain
                .events
                .init_control(0, super::bench::Page::new(), 0)
                .unwrap();
            zoo.domain.events.set_priority(port, priority)
        }
    };
    let with = |usable| {
        [
            acces, usable, usable, usable, usable, usable, acces, acces, INVAL,
        ]
    };
    check("set_priority", with(Ok(())), fifo(15));
    check("set_priority", with(INVAL), fifo(16));
}

#[test]
fn bind_ipi_and_virq_arguments_in_order() {
    let mut domain = Domain::new(OWN);
    assert_eq!(domain.events.bind_ipi(4), Err(Errno::NoEnt));
    let not = GlobalVirqs::NotHandled;
    let handled = GlobalVirqs::Handled;
    for (virq, vcpu, handler, expected) in [
        (24, 9, not, Err(Errno::Inval)),
        (u32::MAX, 0, handled, Err(Errno::Inval)),
        (2, 1, not, Err(Errno::Inval)),
        (11, 1, not, Err(Errno::Inval)),
        (1, 4, not, Err(Errno::NoEnt)),
        (3, 0, not, Err(Errno::Busy)),
        (16, 0, not, Err(Errno::Busy)),
        (11, 0, not, Ok(Port(1))),
        (11, 0, not, Err(Errno::Exist)),
        (0, 1, not, Ok(Port(2))),
        (0, 2, not, Ok(Port(3))),
        (0, 1, not, Err(Errno::Exist)),
        (23, 0, handled, Ok(Port(4))),
        (23, 0, handled, Err(Errno::Exist)),
    ] {
        let got = domain.events.bind_virq(virq, vcpu, handler);
        assert_eq!(got, expected, "virq {virq} vcpu {vcpu} {handler:?}");
    }
}

#[test]
fn a_failed_bind_virq_undoes_nothing_of_the_binding_before_xsa_496() {
    let mut domain = Domain::limited(OWN, 1);
    let port = domain.events.bind_virq(2, 0, GlobalVirqs::Handled).unwrap();
    assert_eq!(
        domain.events.bind_virq(2, 0, GlobalVirqs::Handled),
        Err(Errno::Exist)
    );
    assert_eq!(
        domain.events.bind_virq(3, 0, GlobalVirqs::Handled),
        Err(Errno::NoSpc)
    );
    assert!(!domain.events.raise_virq(2, VcpuId(0)).is_none());
    assert!(domain.events.is_pending(port));
    // The one that found no port is not bound.
    assert!(domain.events.raise_virq(3, VcpuId(0)).is_none());
}

#[test]
fn a_domain_has_vcpus() {
    for (vcpus, ok) in [(0, false), (1, true), (128, true), (129, false)] {
        let config = crate::Config {
            domain: OWN,
            vcpus,
            max_port: Port(1023),
        };
        assert_eq!(
            crate::Events::new(config, super::bench::Page::new()).is_ok(),
            ok
        );
    }
}
