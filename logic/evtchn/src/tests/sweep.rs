//! Reset and the end.

use abi::{Errno, Port, VcpuId};
use proptest::prelude::*;

use super::bench::{Domain, OTHER, OWN, Page};
use crate::{Closed, Consumer, GlobalVirqs, Side, State, Sweep, Wanted};

/// Sweeps to the end with `budget` each time; returns how many calls it took.
fn sweep(domain: &mut Domain, other: &mut Domain, budget: u32) -> u32 {
    for calls in 1..10_000 {
        match domain.events.sweep(budget) {
            Sweep::Done => return calls,
            Sweep::More => {}
            Sweep::Peer { port, domain: peer } => {
                assert_eq!(peer, OTHER);
                let other = Some(&mut other.events);
                let closed = domain.events.close(port, Side::Hypervisor, other);
                assert_eq!(closed, Ok(Closed::Done));
            }
        }
    }
    panic!("the sweep does not end");
}

/// Ports of all kinds, `count` of each, and one of the hypervisor's own.
fn populate(domain: &mut Domain, other: &mut Domain, count: u32) -> Port {
    let consumer = Consumer(core::num::NonZeroU8::MIN);
    for _ in 0..count {
        let _ = domain.events.bind_ipi(1).unwrap();
        let waiting = other.events.alloc_unbound(Wanted::Lowest, OWN).unwrap();
        let peer = Some(&mut other.events);
        let _ = domain
            .events
            .bind_interdomain(Wanted::Lowest, peer, waiting)
            .unwrap();
        let loopback = domain.events.alloc_unbound(Wanted::Lowest, OWN).unwrap();
        let _ = domain
            .events
            .bind_interdomain(Wanted::Lowest, None, loopback)
            .unwrap();
    }
    let _ = domain.events.bind_virq(2, 0, GlobalVirqs::Handled).unwrap();
    domain
        .events
        .alloc_owned(OTHER, VcpuId(0), consumer)
        .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_reset_closes_the_guests_ports_with_any_budget_xsa_344(
        budget in 0_u32..200,
        count in 0_u32..100,
    ) {
        let (mut domain, mut other) = (Domain::new(OWN), Domain::new(OTHER));
        let owned = populate(&mut domain, &mut other, count);
        let reset = domain.events.begin_reset().unwrap();
        prop_assert_eq!(domain.events.begin_reset(), Err(Errno::Busy));
        let calls = sweep(&mut domain, &mut other, budget);
        prop_assert!(calls <= 5 * count + 20);
        prop_assert!(domain.events.finish_reset(reset).is_ok());
        for port in (1..domain.events.port_count()).map(Port).filter(|port| *port != owned) {
            prop_assert_eq!(domain.events.status(port).unwrap().state, State::Closed);
        }
        let unbound = State::Unbound { remote: OTHER };
        prop_assert_eq!(domain.events.status(owned).unwrap().state, unbound);
        for port in (1..=count).map(Port) {
            let state = other.events.status(port).unwrap().state;
            prop_assert_eq!(state, State::Unbound { remote: OWN });
        }
        prop_assert_eq!(domain.events.bind_virq(2, 0, GlobalVirqs::Handled), Ok(Port(1)));
    }
}

#[test]
fn ports_opened_behind_the_sweep_make_it_try_again() {
    let (mut domain, mut other) = (Domain::new(OWN), Domain::new(OTHER));
    populate(&mut domain, &mut other, 70);
    let reset = domain.events.begin_reset().unwrap();
    let _ = domain.events.sweep(10);
    assert_eq!(domain.events.bind_ipi(0), Ok(Port(1)));
    sweep(&mut domain, &mut other, 10);
    assert!(matches!(
        domain.events.finish_reset(reset),
        Err(Errno::Again)
    ));
    let reset = domain.events.begin_reset().unwrap();
    sweep(&mut domain, &mut other, 10);
    assert!(domain.events.finish_reset(reset).is_ok());
}

#[test]
fn the_end_closes_everything_and_gives_all_pages_back() {
    let (mut domain, mut other) = (Domain::new(OWN), Domain::new(OTHER));
    let page = Page::new();
    let _ = domain
        .events
        .register_vcpu_info(1, page.clone(), 0)
        .unwrap();
    #[cfg(feature = "fifo")]
    {
        domain.events.init_control(0, page.clone(), 128).unwrap();
        let _ = domain.events.expand_array(page.clone()).unwrap();
    }
    let owned = populate(&mut domain, &mut other, 3);
    let reset = domain.events.begin_reset().unwrap();
    domain.events.begin_destroy();
    assert!(!domain.events.is_running(reset));
    assert_eq!(domain.events.begin_reset(), Err(Errno::Busy));
    assert_eq!(domain.events.bind_ipi(0), Err(Errno::Inval));
    sweep(&mut domain, &mut other, 1);
    let retired = domain.events.finish_destroy(Page::new());
    assert!(page.handles() > 1);
    drop(retired);
    assert_eq!(page.handles(), 1);
    assert_eq!(domain.events.port_count(), 0);
    assert_eq!(domain.events.status(owned), Err(Errno::Inval));
    assert_eq!(domain.events.begin_reset(), Err(Errno::Busy));
    // Others may still send to it.
    assert!(domain.events.raise_virq(1, VcpuId(0)).is_none());
    assert!(domain.events.make_pending(owned).is_none());
}

#[test]
fn nothing_is_swept_unless_it_was_begun() {
    let mut domain = Domain::new(OWN);
    let port = domain.events.bind_ipi(0).unwrap();
    assert_eq!(domain.events.sweep(100), Sweep::Done);
    assert!(domain.events.status(port).unwrap().state.is_open());
}

#[cfg(feature = "fifo")]
#[test]
fn after_a_reset_2_level_works_again_xsa_505() {
    use crate::SharedPage;
    let (mut domain, mut other) = (Domain::new(OWN), Domain::new(OTHER));
    let page = Page::new();
    domain.events.init_control(0, page.clone(), 0).unwrap();
    let _ = domain.events.expand_array(page.clone()).unwrap();
    let port = domain.events.bind_ipi(0).unwrap();
    let _ = domain.events.send(port, Side::Guest);
    domain.shared_info.store32(560, 0x10);
    let reset = domain.events.begin_reset().unwrap();
    sweep(&mut domain, &mut other, 1);
    drop(domain.events.finish_reset(reset).unwrap());
    assert_eq!(page.handles(), 1);
    assert_eq!(
        domain.shared_info.load32(560),
        0x10,
        "the bitmaps stay as they are"
    );
    assert_eq!(domain.events.check_expand_array(), Err(Errno::OpNotSupp));
    let port = domain.events.bind_ipi(0).unwrap();
    assert_eq!(domain.events.set_priority(port, 3), Err(Errno::NoSys));
    let _ = domain.events.send(port, Side::Guest);
    assert!(domain.shared_info.bit(48, port.0));
}

#[cfg(feature = "fifo")]
#[test]
fn the_hypervisors_port_beyond_the_2_level_numbers_outlives_a_reset_xsa_342() {
    let (mut domain, mut other) = (Domain::new(OWN), Domain::new(OTHER));
    domain.events.init_control(0, Page::new(), 0).unwrap();
    while domain.events.bind_ipi(0).unwrap() < Port(5000) {}
    let consumer = Consumer(core::num::NonZeroU8::MIN);
    let owned = domain
        .events
        .alloc_owned(OTHER, VcpuId(0), consumer)
        .unwrap();
    let reset = domain.events.begin_reset().unwrap();
    sweep(&mut domain, &mut other, 64);
    assert!(domain.events.finish_reset(reset).is_ok());
    assert!(!domain.events.is_pending(owned));
    assert_eq!(domain.events.unmask(owned), Ok(crate::Notify::NONE));
    assert_eq!(
        domain.events.close(owned, Side::Hypervisor, None),
        Ok(Closed::Done)
    );
    // Numbers beyond have a status, and are not given out.
    assert_eq!(domain.events.status(owned).unwrap().state, State::Closed);
    let wanted = Wanted::Exactly(owned);
    assert_eq!(
        domain.events.alloc_unbound(wanted, OTHER),
        Err(Errno::NoSpc)
    );
    for port in 1..4096 {
        assert_eq!(domain.events.bind_ipi(0), Ok(Port(port)));
    }
    assert_eq!(domain.events.bind_ipi(0), Err(Errno::NoSpc));
}

#[test]
fn a_reset_that_nobody_goes_on_with_is_taken_over() {
    let (mut domain, mut other) = (Domain::new(OWN), Domain::new(OTHER));
    for _ in 0..200 {
        domain.events.bind_ipi(0).unwrap();
    }
    let first = domain.events.begin_reset().unwrap();
    let _ = domain.events.sweep(10);
    // It goes on between two who would like to begin.
    assert_eq!(domain.events.begin_reset(), Err(Errno::Busy));
    let _ = domain.events.sweep(10);
    assert_eq!(domain.events.begin_reset(), Err(Errno::Busy));
    assert!(domain.events.is_running(first));
    // And now it does not.
    let second = domain.events.begin_reset().unwrap();
    assert!(!domain.events.is_running(first));
    sweep(&mut domain, &mut other, 10);
    let late = domain.events.finish_reset(first);
    assert!(matches!(late, Err(Errno::Busy)));
    assert!(domain.events.finish_reset(second).is_ok());
    assert!(!domain.events.is_running(second));
    let third = domain.events.begin_reset().unwrap();
    sweep(&mut domain, &mut other, 10);
    assert!(domain.events.finish_reset(third).is_ok());
}
