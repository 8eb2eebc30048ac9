//! Polling.

use abi::{Errno, Port, VcpuId, VcpuSet};

use super::bench::{Domain, OWN};
use crate::{Polled, Side};

const ONE: VcpuId = VcpuId(1);

#[test]
fn a_pending_port_needs_no_sleep_even_masked() {
    let mut domain = Domain::new(OWN);
    let port = domain.events.bind_ipi(0).unwrap();
    domain
        .shared_info
        .set_bit(abi::shared_info::MASK_OFFSET, port.0);
    assert_eq!(domain.events.poll(ONE, &[port]), Ok(Polled::Waiting));
    domain.events.end_poll(ONE);
    let _ = domain.events.send(port, Side::Guest);
    assert_eq!(domain.events.poll(ONE, &[port]), Ok(Polled::Ready));
    assert_eq!(domain.events.poll(ONE, &[]), Ok(Polled::Waiting));
}

#[test]
fn an_event_wakes_whom_it_concerns_once() {
    let mut domain = Domain::new(OWN);
    let ports = [(); 3].map(|()| domain.events.bind_ipi(0).unwrap());
    assert_eq!(domain.events.poll(ONE, &ports[..1]), Ok(Polled::Waiting));
    assert_eq!(
        domain.events.poll(VcpuId(2), &ports[1..2]),
        Ok(Polled::Waiting)
    );
    assert_eq!(domain.events.poll(VcpuId(3), &ports), Ok(Polled::Waiting));
    let wake = |domain: &mut Domain, port| match domain.events.send(port, Side::Guest) {
        Ok(crate::Sent::Delivered(notify)) => notify.wake,
        other => panic!("{other:?}"),
    };
    let both = VcpuSet::of(ONE).union(VcpuSet::of(VcpuId(3)));
    assert_eq!(wake(&mut domain, ports[0]), both);
    assert_eq!(wake(&mut domain, ports[2]), VcpuSet::EMPTY);
    domain.events.end_poll(VcpuId(2));
    assert_eq!(wake(&mut domain, ports[1]), VcpuSet::EMPTY);
}

#[test]
fn only_ones_own_open_ports_can_be_polled_xsa_342() {
    let mut domain = Domain::new(OWN);
    let port = domain.events.bind_ipi(0).unwrap();
    for bad in [0, 2, 64, 4096, 131_072, u32::MAX] {
        assert_eq!(
            domain.events.poll(ONE, &[port, Port(bad)]),
            Err(Errno::Inval),
            "port {bad}"
        );
    }
    assert_eq!(domain.events.poll(VcpuId(4), &[port]), Err(Errno::Inval));
    // A poll that was refused left nobody waiting.
    let _ = domain.events.send(port, Side::Guest);
    assert!(domain.events.polling.is_empty());
}
