//! FIFO delivery, step by step.

use abi::evtchn::fifo::{LINKED, MASKED, PENDING};
use abi::{Errno, Port, VcpuId, VcpuSet};

use super::bench::{Domain, OTHER, OWN, Page};
use super::guest::Consumer;
use crate::{Closed, Notify, Polled, Sent, SharedPage, Side, Wanted};

/// A domain on FIFO with one page of event words and two vCPUs that take events.
pub(crate) struct Fifo {
    pub(crate) domain: Domain,
    pub(crate) guests: Vec<Consumer<Page>>,
}

pub(crate) fn fifo() -> Fifo {
    let mut domain = Domain::new(OWN);
    let words = Page::new();
    let guests = [0, 1].map(|vcpu| {
        let _ = domain
            .events
            .register_vcpu_info(vcpu, Page::new(), 0)
            .unwrap();
        let control = Page::new();
        domain
            .events
            .init_control(vcpu, control.clone(), 0)
            .unwrap();
        Consumer::new(control, vec![words.clone()], || {
            panic!("a guest alone waits for nobody")
        })
    });
    assert_eq!(domain.events.expand_array(words), Ok(Default::default()));
    let mut fifo = Fifo {
        domain,
        guests: guests.into(),
    };
    fifo.upcall(0);
    fifo.upcall(1);
    fifo
}

impl Fifo {
    /// The guest's handler: acknowledge, then look.
    pub(crate) fn upcall(&mut self, vcpu: usize) -> Vec<Port> {
        let info = match &self.domain.events.vcpus[vcpu].info {
            crate::upcall::Info::Registered(page, _) => page,
            _ => panic!("no vcpu_info"),
        };
        info.swap8(0, 0);
        self.guests[vcpu].consume()
    }

    pub(crate) fn send(&mut self, port: Port) -> Notify {
        match self.domain.events.send(port, Side::Guest) {
            Ok(Sent::Delivered(notify)) => notify,
            other => panic!("{other:?}"),
        }
    }

    /// A port of this domain to itself that may be bound to any vCPU.
    pub(crate) fn channel(&mut self) -> Port {
        let far = self
            .domain
            .events
            .alloc_unbound(Wanted::Lowest, OWN)
            .unwrap();
        let bound = self
            .domain
            .events
            .bind_interdomain(Wanted::Lowest, None, far);
        let near = bound.unwrap().0;
        self.upcall(0);
        near
    }
}

#[test]
fn events_arrive_in_order_and_by_priority() {
    let mut fifo = fifo();
    let ports = [(); 5].map(|()| fifo.domain.events.bind_ipi(0).unwrap());
    fifo.domain.events.set_priority(ports[3], 0).unwrap();
    fifo.domain.events.set_priority(ports[0], 15).unwrap();
    assert_eq!(fifo.send(ports[0]).upcall, Some(VcpuId(0)));
    for port in [4, 2, 3, 1] {
        assert_eq!(
            fifo.send(ports[port]),
            Notify::NONE,
            "one upcall does for all"
        );
    }
    assert_eq!(fifo.send(ports[4]), Notify::NONE, "pending already");
    assert_eq!(
        fifo.upcall(0),
        [3, 4, 2, 1, 0].map(|index: usize| ports[index])
    );
    assert_eq!(fifo.upcall(0), []);
    assert_eq!(fifo.send(ports[2]).upcall, Some(VcpuId(0)));
    assert_eq!(fifo.upcall(0), [ports[2]]);
}

#[test]
fn a_masked_event_is_queued_at_the_unmask() {
    let mut fifo = fifo();
    let port = fifo.domain.events.bind_ipi(0).unwrap();
    fifo.guests[0].mask(port);
    assert_eq!(fifo.send(port), Notify::NONE);
    assert_eq!(fifo.guests[0].word(port), PENDING | MASKED);
    assert!(fifo.guests[0].unmask(port));
    assert_eq!(
        fifo.domain.events.unmask(port).unwrap().upcall,
        Some(VcpuId(0))
    );
    assert_eq!(
        fifo.domain.events.unmask(port),
        Ok(Notify::NONE),
        "queued already"
    );
    assert_eq!(fifo.upcall(0), [port]);
    fifo.guests[0].mask(port);
    assert!(!fifo.guests[0].unmask(port));
    // The hypervisor's unmask takes the mask off too.
    fifo.guests[0].mask(port);
    assert_eq!(fifo.domain.events.unmask(port), Ok(Notify::NONE));
    assert_eq!(fifo.guests[0].word(port), 0);
}

#[test]
fn an_event_that_moved_to_another_queue_leaves_the_old_one_sound_71ac522909() {
    let mut fifo = fifo();
    let (one, two) = (fifo.channel(), fifo.channel());
    let far = |port: Port| Port(port.0 - 1);
    let (one_end, two_end) = (far(one), far(two));
    // `one` is the tail of the old queue, and consumed.
    let _ = fifo.send(one_end);
    assert_eq!(fifo.upcall(0), [one]);
    fifo.domain.events.bind_vcpu(one, 1).unwrap();
    let _ = fifo.send(one_end);
    // If `one` were still taken for the tail here, `two` would be lost behind it on vCPU 1.
    assert_eq!(fifo.send(two_end).upcall, Some(VcpuId(0)));
    assert_eq!(fifo.upcall(0), [two]);
    assert_eq!(fifo.upcall(1), [one]);
}

#[test]
fn a_port_that_is_closed_and_given_out_again_leaves_its_old_queue_sound() {
    let mut fifo = fifo();
    let port = fifo.domain.events.bind_ipi(0).unwrap();
    let _ = fifo.send(port);
    assert_eq!(fifo.upcall(0), [port]);
    assert_eq!(
        fifo.domain.events.close(port, Side::Guest, None),
        Ok(Closed::Done)
    );
    assert_eq!(fifo.domain.events.bind_ipi(1), Ok(port));
    let second = fifo.domain.events.bind_ipi(0).unwrap();
    let _ = fifo.send(port);
    let _ = fifo.send(second);
    assert_eq!((fifo.upcall(0), fifo.upcall(1)), (vec![second], vec![port]));
}

#[test]
fn a_closed_port_is_not_given_out_while_it_is_on_a_queue() {
    let mut fifo = fifo();
    let ports = [(); 3].map(|()| fifo.domain.events.bind_ipi(0).unwrap());
    for port in ports {
        let _ = fifo.send(port);
    }
    assert_eq!(
        fifo.domain.events.close(ports[1], Side::Guest, None),
        Ok(Closed::Done)
    );
    assert_eq!(fifo.guests[0].word(ports[1]) & (PENDING | LINKED), LINKED);
    let wanted = Wanted::Exactly(ports[1]);
    assert_eq!(
        fifo.domain.events.alloc_unbound(wanted, OTHER),
        Err(Errno::Busy)
    );
    assert_eq!(fifo.domain.events.bind_ipi(0), Ok(Port(4)));
    assert_eq!(fifo.upcall(0), [ports[0], ports[2]]);
    assert_eq!(fifo.domain.events.bind_ipi(0), Ok(ports[1]));
}

#[test]
fn saved_events_arrive_with_their_page_in_port_order() {
    let mut domain = Domain::new(OWN);
    let ports = [(); 3].map(|()| domain.events.bind_ipi(0).unwrap());
    for port in [ports[2], ports[0]] {
        let _ = domain.events.send(port, Side::Guest);
    }
    let control = Page::new();
    domain.events.init_control(0, control.clone(), 0).unwrap();
    assert!(domain.events.uses_fifo());
    let _ = domain.events.send(ports[1], Side::Guest);
    domain.shared_info.swap8(0, 0);
    let words = Page::new();
    let notify = domain.events.expand_array(words.clone()).unwrap();
    assert_eq!(notify.upcalls, VcpuSet::of(VcpuId(0)));
    let mut guest = Consumer::new(control, vec![words], || {});
    assert_eq!(guest.consume(), ports);
}

#[test]
fn a_vcpu_without_control_block_gets_nothing_not_even_pending() {
    let mut fifo = fifo();
    let port = fifo.domain.events.bind_ipi(2).unwrap();
    assert_eq!(fifo.send(port), Notify::NONE);
    assert_eq!(fifo.guests[0].word(port), 0);
}

#[test]
fn polling_looks_at_the_event_word() {
    let mut fifo = fifo();
    let port = fifo.domain.events.bind_ipi(0).unwrap();
    assert_eq!(
        fifo.domain.events.poll(VcpuId(3), &[port]),
        Ok(Polled::Waiting)
    );
    assert_eq!(fifo.send(port).wake, VcpuSet::of(VcpuId(3)));
    assert_eq!(
        fifo.domain.events.poll(VcpuId(3), &[port]),
        Ok(Polled::Ready)
    );
}

#[test]
fn set_up_checks_its_arguments() {
    let mut domain = Domain::new(OWN);
    assert_eq!(domain.events.check_expand_array(), Err(Errno::OpNotSupp));
    for (vcpu, offset, errno) in [
        (4, 1, Errno::NoEnt),
        (0, 4, Errno::Inval),
        (0, 4096 - 64, Errno::Inval),
        (0, 0xffff_fff8, Errno::Inval),
    ] {
        let got = domain.events.init_control(vcpu, Page::new(), offset);
        assert_eq!(got, Err(errno), "vcpu {vcpu} offset {offset}");
    }
    assert!(!domain.events.uses_fifo());
    assert_eq!(
        domain.events.init_control(0, Page::new(), 4096 - 72),
        Ok(())
    );
    assert_eq!(
        domain.events.init_control(0, Page::new(), 0),
        Err(Errno::Inval)
    );
    assert_eq!(domain.events.init_control(1, Page::new(), 0), Ok(()));
    for _ in 0..128 {
        assert!(domain.events.expand_array(Page::new()).is_ok());
    }
    assert_eq!(domain.events.expand_array(Page::new()), Err(Errno::NoSpc));
    domain.events.begin_destroy();
    assert_eq!(
        domain.events.init_control(2, Page::new(), 0),
        Err(Errno::Inval)
    );
}

#[test]
fn all_131071_ports_can_be_had() {
    let mut fifo = fifo();
    for port in 1..131_072 {
        assert_eq!(fifo.domain.events.bind_ipi(0), Ok(Port(port)));
    }
    assert_eq!(fifo.domain.events.bind_ipi(0), Err(Errno::NoSpc));
    assert_eq!(fifo.domain.events.port_count(), 131_072);
    let last = Port(131_071);
    assert_eq!(
        fifo.send(last),
        Notify::NONE,
        "saved: its page is not there"
    );
    assert_eq!(fifo.domain.events.status(Port(131_072)), Err(Errno::Inval));
    assert_eq!(
        fifo.domain.events.close(Port(77_777), Side::Guest, None),
        Ok(Closed::Done)
    );
    assert_eq!(fifo.domain.events.bind_ipi(0), Ok(Port(77_777)));
}
