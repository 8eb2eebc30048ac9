//! Closing, and what number a port gets.

use abi::{Errno, Port};

use super::bench::{Domain, OTHER, OWN};
use crate::{Closed, Side, Wanted};

#[test]
fn ports_are_given_lowest_first_from_1() {
    let mut domain = Domain::new(OWN);
    for expected in 1..200 {
        assert_eq!(domain.events.bind_ipi(0), Ok(Port(expected)));
    }
    for port in [150, 3, 70] {
        assert_eq!(
            domain.events.close(Port(port), Side::Guest, None),
            Ok(Closed::Done)
        );
    }
    for expected in [3, 70, 150, 200] {
        let got = domain.events.alloc_unbound(Wanted::Lowest, OTHER);
        assert_eq!(got, Ok(Port(expected)));
    }
}

#[test]
fn the_limit_is_the_highest_number_xsa_317() {
    for (limit, last) in [(1023, 1023), (100, 100), (u32::MAX, 4095), (1, 1)] {
        let mut domain = Domain::limited(OWN, limit);
        let mut count = 0;
        while domain.events.bind_ipi(0).is_ok() {
            count += 1;
        }
        assert_eq!(count, last, "limit {limit}");
        assert_eq!(domain.events.bind_ipi(0), Err(Errno::NoSpc));
        // A number exists once there is a record for it, and for good.
        assert!(domain.events.status(Port(last)).is_ok());
        assert_eq!(
            domain.events.status(Port(last / 64 * 64 + 64)),
            Err(Errno::Inval)
        );
        assert_eq!(
            domain.events.close(Port(1), Side::Guest, None),
            Ok(Closed::Done)
        );
        assert_eq!(domain.events.bind_ipi(0), Ok(Port(1)));
    }
}

#[test]
fn a_limit_of_0_leaves_no_port() {
    assert_eq!(
        Domain::limited(OWN, 0).events.bind_ipi(0),
        Err(Errno::NoSpc)
    );
}

#[test]
fn closing_takes_the_pending_event_and_the_vcpu_along() {
    let mut domain = Domain::new(OWN);
    let port = domain.events.alloc_unbound(Wanted::Lowest, OWN).unwrap();
    assert_eq!(domain.events.bind_vcpu(port, 3), Ok(()));
    let _ = domain.events.make_pending(port);
    assert!(domain.events.is_pending(port));
    assert_eq!(
        domain.events.close(port, Side::Guest, None),
        Ok(Closed::Done)
    );
    assert!(!domain.events.is_pending(port));
    assert_eq!(domain.events.status(port).unwrap().vcpu.0, 0);
    assert_eq!(
        domain.events.close(port, Side::Guest, None),
        Err(Errno::Inval)
    );
}
