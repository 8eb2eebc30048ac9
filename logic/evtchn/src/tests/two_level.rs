//! 2-level delivery.

use abi::shared_info::{MASK_OFFSET, PENDING_OFFSET, vcpu_info};
use abi::{Errno, Port, VcpuId, VcpuSet};

use super::bench::{Domain, OWN, Page};
use crate::{GlobalVirqs, Notify, Sent, SharedPage, Side};

fn upcall(vcpu: u16) -> Notify {
    Notify {
        upcall: Some(VcpuId(vcpu)),
        wake: VcpuSet::EMPTY,
    }
}

#[test]
fn an_ipi_to_oneself_is_heard_once() {
    let mut domain = Domain::new(OWN);
    let port = domain.events.bind_ipi(0).unwrap();
    assert_eq!(port, Port(1));
    assert_eq!(
        domain.events.send(port, Side::Guest),
        Ok(Sent::Delivered(upcall(0)))
    );
    assert!(domain.events.upcall_pending(VcpuId(0)));
    assert_eq!(
        domain.events.send(port, Side::Guest),
        Ok(Sent::Delivered(Notify::NONE))
    );
    assert_eq!(domain.consume(), [port]);
    assert!(!domain.events.upcall_pending(VcpuId(0)));
    assert_eq!(
        domain.events.send(port, Side::Guest),
        Ok(Sent::Delivered(upcall(0)))
    );
}

#[test]
fn a_masked_event_arrives_at_the_unmask() {
    let mut domain = Domain::new(OWN);
    let port = domain.events.bind_ipi(0).unwrap();
    domain.shared_info.set_bit(MASK_OFFSET, port.0);
    assert_eq!(
        domain.events.send(port, Side::Guest),
        Ok(Sent::Delivered(Notify::NONE))
    );
    assert_eq!(domain.consume(), []);
    assert_eq!(domain.events.unmask(port), Ok(upcall(0)));
    assert_eq!(domain.consume(), [port]);
    // It was not masked any more, so the second one does nothing.
    domain.shared_info.set_bit(PENDING_OFFSET, port.0);
    assert_eq!(domain.events.unmask(port), Ok(Notify::NONE));
}

#[test]
fn a_second_event_while_the_first_is_looked_for_needs_no_second_upcall() {
    let mut domain = Domain::new(OWN);
    let one = domain.events.bind_ipi(0).unwrap();
    let two = domain.events.bind_ipi(0).unwrap();
    assert_eq!(
        domain.events.send(one, Side::Guest),
        Ok(Sent::Delivered(upcall(0)))
    );
    assert_eq!(
        domain.events.send(two, Side::Guest),
        Ok(Sent::Delivered(Notify::NONE))
    );
    assert_eq!(domain.consume(), [one, two]);
}

#[test]
fn registering_a_vcpu_info_moves_it_and_makes_the_vcpu_look_at_everything() {
    let mut domain = Domain::new(OWN);
    domain.shared_info.store32(16, 0xabcd);
    let page = Page::filled(0x5555_5555);
    assert_eq!(
        domain.events.register_vcpu_info(0, page.clone(), 0x540),
        Ok(upcall(0))
    );
    assert_eq!(page.load32(0x540), 1);
    assert_eq!(page.load64(0x548), u64::MAX);
    assert_eq!(page.load32(0x540 + 16), 0xabcd);
    assert_eq!(page.load32(0x53c), 0x5555_5555);
    assert_eq!(page.load32(0x540 + vcpu_info::SIZE), 0x5555_5555);
    let again = domain.events.register_vcpu_info(0, page.clone(), 0);
    assert_eq!(again, Err(Errno::Busy));
    assert_eq!(page.handles(), 2);
}

#[test]
fn a_bad_place_for_a_vcpu_info_is_refused_xsa_327() {
    let mut domain = Domain::new(OWN);
    for (vcpu, offset, errno) in [
        (4, 0, Errno::NoEnt),
        (u32::MAX, 0, Errno::NoEnt),
        (1, 4, Errno::NxIo),
        (1, 1, Errno::NxIo),
        (1, 4096 - 40, Errno::NxIo),
        (1, 4096, Errno::NxIo),
        (1, 0xffff_fff8, Errno::NxIo),
    ] {
        let result = domain.events.register_vcpu_info(vcpu, Page::new(), offset);
        assert_eq!(result, Err(errno), "vcpu {vcpu} offset {offset}");
    }
    assert!(
        domain
            .events
            .register_vcpu_info(1, Page::new(), 4096 - 48)
            .is_ok()
    );
}

#[test]
fn a_vcpu_without_info_hears_nothing_until_it_registers() {
    let mut domain = Domain::new(OWN);
    let port = domain.events.bind_ipi(1).unwrap();
    assert_eq!(
        domain.events.send(port, Side::Guest),
        Ok(Sent::Delivered(Notify::NONE))
    );
    assert!(domain.events.is_pending(port));
    assert!(!domain.events.upcall_pending(VcpuId(1)));
    assert_eq!(
        domain.events.register_vcpu_info(1, Page::new(), 0),
        Ok(upcall(1))
    );
    assert!(domain.events.upcall_pending(VcpuId(1)));
}

#[test]
fn virqs_go_to_whom_they_are_bound() {
    let mut domain = Domain::new(OWN);
    let debug = domain
        .events
        .bind_virq(1, 0, GlobalVirqs::NotHandled)
        .unwrap();
    let console = domain.events.bind_virq(2, 0, GlobalVirqs::Handled).unwrap();
    assert_eq!(domain.events.raise_virq(1, VcpuId(0)), upcall(0));
    assert_eq!(domain.events.raise_virq(1, VcpuId(1)), Notify::NONE);
    assert_eq!(domain.events.raise_virq(3, VcpuId(0)), Notify::NONE);
    assert_eq!(domain.events.raise_virq(99, VcpuId(0)), Notify::NONE);
    assert_eq!(domain.consume(), [debug]);
    // A global one stands with vCPU 0 and can interrupt another.
    assert_eq!(domain.events.raise_virq(2, VcpuId(3)), upcall(0));
    assert_eq!(domain.consume(), [console]);
    let _ = domain.events.register_vcpu_info(2, Page::new(), 0).unwrap();
    assert_eq!(domain.events.bind_vcpu(console, 2), Ok(()));
    let _ = domain.events.raise_virq(2, VcpuId(0));
    assert!(domain.events.is_pending(console));
    assert_eq!(
        domain.events.close(console, Side::Guest, None),
        Ok(crate::Closed::Done)
    );
    assert_eq!(domain.events.raise_virq(2, VcpuId(0)), Notify::NONE);
    assert_eq!(
        domain.events.bind_virq(2, 0, GlobalVirqs::Handled),
        Ok(console)
    );
}

#[test]
fn an_event_that_is_pending_already_is_not_announced_again() {
    let mut domain = Domain::new(OWN);
    let port = domain.events.bind_ipi(0).unwrap();
    let _ = domain.events.send(port, Side::Guest);
    // The guest began to look, and has not come to this port.
    domain
        .shared_info
        .swap8(vcpu_info::UPCALL_PENDING_OFFSET, 0);
    domain
        .shared_info
        .fetch_and64(vcpu_info::PENDING_SEL_OFFSET, 0);
    let sent = domain.events.send(port, Side::Guest);
    assert_eq!(sent, Ok(Sent::Delivered(Notify::NONE)));
    assert!(!domain.events.upcall_pending(VcpuId(0)));
}
