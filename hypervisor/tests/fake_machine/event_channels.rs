//! `event_channel_op`, `vcpu_op` and upcalls.

use abi::arm::EVENT_UPCALL;
use abi::evtchn::{
    AllocUnbound, BindInterdomain, BindVcpu, BindVirq, ExpandArray, InitControl, Reset, Status, op,
    status, virq,
};
#[cfg(feature = "fifo-evtchn")]
use abi::evtchn::{SetPriority, fifo};
use abi::hypercall::{EVENT_CHANNEL_OP, VCPU_OP};
use abi::shared_info::{MASK_OFFSET, PENDING_OFFSET, vcpu_info};
use abi::vcpu::{self, RegisterVcpuInfo};
use abi::{DomId, Errno, IntId, Port};

use crate::bench::{Bench, Setup, Who};
use crate::xen::{
    ARGUMENT, ARRAY, SHARED, UNMAPPED, call, enhanced, events, failed, get, map_shared_info,
    on_port, open_ipi, put, two, word,
};

const A: Who = (1, 0);
const B: Who = (2, 0);

/// Lets a vCPU take its private interrupts.
pub(crate) fn enable_upcall(bench: &mut Bench, (domain, vcpu): Who) {
    let frame = 0x302_0000 + u64::from(vcpu) * 0x2_0000 + 0x1_0000;
    bench.store((domain, vcpu), frame + 0x100, 1 << EVENT_UPCALL.0);
    bench.store((domain, vcpu), 0x300_1000, 2);
}

pub(crate) fn taken(bench: &mut Bench, who: Who) -> Option<IntId> {
    bench.ask(who, |guest| {
        let intid = guest.acknowledge();
        intid.into_iter().for_each(|intid| guest.end(intid));
        intid
    })
}

fn self_status(bench: &mut Bench, who: Who, port: Port) -> (i64, Status) {
    let wanted = Status {
        dom: DomId::SELF,
        port,
        ..Status::default()
    };
    let (result, bytes) = events(bench, who, op::STATUS, wanted.to_bytes());
    (result, Status::from_bytes(&bytes))
}

#[test]
fn an_event_to_oneself_is_pending_and_interrupts_once() {
    let mut bench = two();
    assert_eq!(map_shared_info(&mut bench, A, SHARED), 0);
    enable_upcall(&mut bench, A);
    let port = open_ipi(&mut bench, A, 0);
    assert_eq!(port, Port(1));
    assert_eq!(on_port(&mut bench, A, op::SEND, port), 0);
    assert_eq!(taken(&mut bench, A), Some(EVENT_UPCALL));
    assert_eq!(word(&mut bench, A, SHARED + u64::from(PENDING_OFFSET)), 2);
    assert_eq!(get::<1>(&mut bench, A, SHARED), [1]);
    let selector = SHARED + u64::from(vcpu_info::PENDING_SEL_OFFSET);
    assert_eq!(word(&mut bench, A, selector), 1);
    // The guest has not cleared that it was told.
    assert_eq!(on_port(&mut bench, A, op::SEND, port), 0);
    assert_eq!(taken(&mut bench, A), None);
    put(&mut bench, A, SHARED, &[0; 16]);
    put(&mut bench, A, SHARED + u64::from(PENDING_OFFSET), &[0; 8]);
    assert_eq!(on_port(&mut bench, A, op::SEND, port), 0);
    assert_eq!(taken(&mut bench, A), Some(EVENT_UPCALL));
}

#[test]
fn a_masked_event_waits_for_the_unmask() {
    let mut bench = two();
    assert_eq!(map_shared_info(&mut bench, A, SHARED), 0);
    enable_upcall(&mut bench, A);
    let port = open_ipi(&mut bench, A, 0);
    put(&mut bench, A, SHARED + u64::from(MASK_OFFSET), &[2]);
    assert_eq!(on_port(&mut bench, A, op::SEND, port), 0);
    assert_eq!(taken(&mut bench, A), None);
    assert_eq!(on_port(&mut bench, A, op::UNMASK, port), 0);
    assert_eq!(taken(&mut bench, A), Some(EVENT_UPCALL));
    // What cannot be used is left alone, and what is beyond the table is told.
    assert_eq!(on_port(&mut bench, A, op::UNMASK, Port(0)), 0);
    assert_eq!(
        on_port(&mut bench, A, op::UNMASK, Port(4000)),
        failed(Errno::Inval)
    );
}

#[test]
fn another_vcpu_is_interrupted_where_it_sleeps() {
    let mut bench = Setup::with(vec![enhanced(1, 2)]).cpus(2).boot();
    let (first, second) = ((1, 0), (1, 1));
    bench.hvc(first, 0xc400_0003, [1, crate::bench::ENTRY, 0]);
    let info = RegisterVcpuInfo {
        mfn: SHARED >> 12,
        offset: 64,
        rsvd: 0,
    };
    put(&mut bench, first, ARGUMENT, &info.to_bytes());
    let register = [vcpu::op::REGISTER_VCPU_INFO.into(), 1, ARGUMENT, 0, 0];
    assert_eq!(call(&mut bench, first, VCPU_OP, register), 0);
    enable_upcall(&mut bench, second);
    // It is told to look at everything.
    assert_eq!(taken(&mut bench, second), Some(EVENT_UPCALL));
    assert_eq!(word(&mut bench, first, SHARED + 64 + 8), u64::MAX);
    put(&mut bench, first, SHARED + 64, &[0; 16]);
    let port = open_ipi(&mut bench, first, 1);
    bench.wait(second);
    bench.settle();
    assert_eq!(on_port(&mut bench, first, op::SEND, port), 0);
    assert_eq!(taken(&mut bench, second), Some(EVENT_UPCALL));
}

#[test]
fn vcpu_info_is_registered_once_and_where_it_fits() {
    let mut bench = two();
    let mut register = |vcpu: u64, gfn: u64, offset: u32| {
        let info = RegisterVcpuInfo {
            mfn: gfn,
            offset,
            rsvd: 0,
        };
        put(&mut bench, A, ARGUMENT, &info.to_bytes());
        let command = vcpu::op::REGISTER_VCPU_INFO.into();
        call(&mut bench, A, VCPU_OP, [command, vcpu, ARGUMENT, 0, 0])
    };
    assert_eq!(register(1, SHARED >> 12, 0), failed(Errno::NoEnt));
    assert_eq!(register(0, SHARED >> 12, 4), failed(Errno::NxIo));
    assert_eq!(register(0, SHARED >> 12, 4056), failed(Errno::NxIo));
    assert_eq!(register(0, 1 << 40, 0), failed(Errno::Inval));
    assert_eq!(register(0, SHARED >> 12, 4048), 0);
    assert_eq!(register(0, SHARED >> 12, 0), failed(Errno::Busy));
    let unknown = [7, 0, ARGUMENT, 0, 0];
    assert_eq!(call(&mut bench, A, VCPU_OP, unknown), failed(Errno::Inval));
}

#[test]
fn ports_have_their_status() {
    let mut bench = two();
    let alloc = AllocUnbound {
        dom: DomId::SELF,
        remote_dom: DomId::SELF,
        port: Port(0),
    };
    let (result, bytes) = events(&mut bench, A, op::ALLOC_UNBOUND, alloc.to_bytes());
    let unbound = AllocUnbound::from_bytes(&bytes).port;
    assert_eq!((result, unbound), (0, Port(1)));
    let (result, answer) = self_status(&mut bench, A, unbound);
    assert_eq!(
        (result, answer.status, answer.detail),
        (0, status::UNBOUND, 1)
    );
    let bind = BindInterdomain {
        remote_dom: DomId(1),
        remote_port: unbound,
        local_port: Port(0),
    };
    let (result, bytes) = events(&mut bench, A, op::BIND_INTERDOMAIN, bind.to_bytes());
    assert_eq!(result, 0);
    assert_eq!(BindInterdomain::from_bytes(&bytes).local_port, Port(2));
    let (_, answer) = self_status(&mut bench, A, unbound);
    assert_eq!(
        (answer.status, answer.detail, answer.remote_port),
        (status::INTERDOMAIN, 1, Port(2))
    );
    let timer = BindVirq {
        virq: virq::TIMER,
        ..BindVirq::default()
    };
    assert_eq!(events(&mut bench, A, op::BIND_VIRQ, timer.to_bytes()).0, 0);
    let (_, answer) = self_status(&mut bench, A, Port(3));
    assert_eq!((answer.status, answer.detail), (status::VIRQ, virq::TIMER));
    let console = BindVirq {
        virq: virq::CONSOLE,
        ..BindVirq::default()
    };
    assert_eq!(
        events(&mut bench, A, op::BIND_VIRQ, console.to_bytes()).0,
        failed(Errno::Busy)
    );
    let ipi = open_ipi(&mut bench, A, 0);
    assert_eq!(self_status(&mut bench, A, ipi).1.status, status::IPI);
    let bind = BindVcpu { port: ipi, vcpu: 0 };
    assert_eq!(
        events(&mut bench, A, op::BIND_VCPU, bind.to_bytes()).0,
        failed(Errno::Inval)
    );
    assert_eq!(on_port(&mut bench, A, op::CLOSE, ipi), 0);
    assert_eq!(self_status(&mut bench, A, ipi).1.status, status::CLOSED);
    assert_eq!(self_status(&mut bench, A, Port(0)).1.status, status::CLOSED);
    assert_eq!(
        self_status(&mut bench, A, Port(500)).0,
        failed(Errno::Inval)
    );
}

#[test]
fn other_domains_are_not_a_guests_business() {
    let mut bench = two();
    let status = |dom| Status {
        dom: DomId(dom),
        ..Status::default()
    };
    for (dom, errno) in [(2, Errno::Perm), (3, Errno::Srch), (0x7ff1, Errno::Srch)] {
        let (result, _) = events(&mut bench, A, op::STATUS, status(dom).to_bytes());
        assert_eq!(result, failed(errno), "{dom:#x}");
        let (result, _) = events(
            &mut bench,
            A,
            op::RESET,
            Reset { dom: DomId(dom) }.to_bytes(),
        );
        assert_eq!(result, failed(errno), "{dom:#x}");
    }
    let alloc = AllocUnbound {
        dom: DomId::SELF,
        remote_dom: DomId(2),
        port: Port(0),
    };
    assert_eq!(
        events(&mut bench, A, op::ALLOC_UNBOUND, alloc.to_bytes()).0,
        failed(Errno::Perm)
    );
    let bind = |dom, port| BindInterdomain {
        remote_dom: DomId(dom),
        remote_port: Port(port),
        local_port: Port(0),
    };
    for (dom, port, errno) in [
        (3, 1, Errno::Srch),
        (2, 1, Errno::Inval),
        (2, 9999, Errno::Inval),
        (1, 9999, Errno::Inval),
    ] {
        let (result, _) = events(
            &mut bench,
            A,
            op::BIND_INTERDOMAIN,
            bind(dom, port).to_bytes(),
        );
        assert_eq!(result, failed(errno), "d{dom} port {port}");
    }
}

#[test]
fn a_guest_that_cannot_be_told_of_its_port_has_none() {
    let mut bench = two();
    let at = crate::bench::ENTRY + (4 << 20) - 4;
    // The argument is there, its answer is not: the structure crosses the end of the RAM.
    let result = call(
        &mut bench,
        A,
        EVENT_CHANNEL_OP,
        [op::BIND_IPI.into(), at, 0, 0, 0],
    );
    assert_eq!(result, failed(Errno::Fault));
    for command in 0..=13 {
        let result = call(
            &mut bench,
            A,
            EVENT_CHANNEL_OP,
            [command, UNMAPPED, 0, 0, 0],
        );
        let expected = match command {
            11..=13 if cfg!(not(feature = "fifo-evtchn")) => Errno::NoSys,
            _ => Errno::Fault,
        };
        assert_eq!(result, failed(expected), "{command}");
    }
    let unknown = [14, ARGUMENT, 0, 0, 0];
    assert_eq!(
        call(&mut bench, A, EVENT_CHANNEL_OP, unknown),
        failed(Errno::NoSys)
    );
    assert_eq!(open_ipi(&mut bench, A, 0), Port(1));
}

#[test]
fn a_reset_closes_all_ports() {
    let mut bench = two();
    for port in 1..=1023 {
        assert_eq!(open_ipi(&mut bench, A, 0), Port(port));
    }
    let own = Reset { dom: DomId::SELF }.to_bytes();
    assert_eq!(events(&mut bench, A, op::RESET, own).0, 0);
    assert_eq!(open_ipi(&mut bench, A, 0), Port(1));
    assert_eq!(events(&mut bench, A, op::RESET, own).0, 0);
    assert_eq!(self_status(&mut bench, A, Port(1)).1.status, status::CLOSED);
}

pub(crate) fn init_control(bench: &mut Bench, gfn: u64) -> (i64, u8) {
    let wanted = InitControl {
        control_gfn: gfn,
        ..InitControl::default()
    };
    let (result, bytes) = events(bench, A, op::INIT_CONTROL, wanted.to_bytes());
    (result, InitControl::from_bytes(&bytes).link_bits)
}

#[cfg(feature = "fifo-evtchn")]
#[test]
fn fifo_delivers_through_the_guests_pages() {
    let mut bench = two();
    assert_eq!(map_shared_info(&mut bench, A, SHARED), 0);
    enable_upcall(&mut bench, A);
    let expand = ExpandArray {
        array_gfn: (SHARED >> 12) + 2,
    };
    let priority = |priority| SetPriority {
        port: Port(1),
        priority,
    };
    let (result, _) = events(&mut bench, A, op::EXPAND_ARRAY, expand.to_bytes());
    assert_eq!(result, failed(Errno::OpNotSupp));
    let port = open_ipi(&mut bench, A, 0);
    let (result, _) = events(&mut bench, A, op::SET_PRIORITY, priority(1).to_bytes());
    assert_eq!(result, failed(Errno::NoSys));
    assert_eq!(init_control(&mut bench, 1 << 40).0, failed(Errno::Inval));
    let control = (SHARED >> 12) + 1;
    assert_eq!(init_control(&mut bench, control), (0, 17));
    assert_eq!(init_control(&mut bench, control).0, failed(Errno::Inval));
    // Kept until there is a word for it.
    assert_eq!(on_port(&mut bench, A, op::SEND, port), 0);
    assert_eq!(taken(&mut bench, A), None);
    let (result, _) = events(&mut bench, A, op::EXPAND_ARRAY, expand.to_bytes());
    assert_eq!(result, 0);
    assert_eq!(taken(&mut bench, A), Some(EVENT_UPCALL));
    let event = u32::from_le_bytes(get(&mut bench, A, SHARED + 0x2000 + 4));
    assert_eq!(event, fifo::PENDING | fifo::LINKED);
    let ready = u32::from_le_bytes(get(&mut bench, A, SHARED + 0x1000));
    assert_eq!(ready, 1 << fifo::PRIORITY_DEFAULT);
    let (result, _) = events(&mut bench, A, op::SET_PRIORITY, priority(1).to_bytes());
    assert_eq!(result, 0);
    let (result, _) = events(&mut bench, A, op::SET_PRIORITY, priority(16).to_bytes());
    assert_eq!(result, failed(Errno::Inval));
}

fn channel(handle: u32, port: u32, peer: u32) -> crate::trees::Node {
    crate::trees::Node::new(&format!("channel@{handle}"))
        .text("compatible", "xen,evtchn-v1")
        .cells("phandle", &[handle])
        .cells("xen,evtchn", &[port, peer])
}

/// Two domains, port 10 of the first connected with port 11 of the second.
pub(crate) fn connected_domains() -> Setup {
    Setup::with(vec![
        enhanced(1, 1).child(channel(1, 10, 2)),
        enhanced(2, 1).child(channel(2, 11, 1)),
    ])
}

fn connected() -> Bench {
    connected_domains().boot()
}

#[test]
fn static_channels_connect_domains_and_begin_pending() {
    let mut bench = connected();
    for (who, port, peer) in [(A, 10, 11), (B, 11, 10)] {
        let (_, answer) = self_status(&mut bench, who, Port(port));
        assert_eq!(answer.status, status::INTERDOMAIN);
        assert_eq!(answer.remote_port, Port(peer));
        assert_eq!(map_shared_info(&mut bench, who, SHARED), 0);
        let pending = SHARED + u64::from(PENDING_OFFSET);
        assert_eq!(word(&mut bench, who, pending), 1 << port);
        enable_upcall(&mut bench, who);
        assert_eq!(taken(&mut bench, who), Some(EVENT_UPCALL), "{who:?}");
        put(&mut bench, who, SHARED, &[0; 16]);
        put(&mut bench, who, pending, &[0; 8]);
    }
    bench.wait(B);
    bench.settle();
    assert_eq!(on_port(&mut bench, A, op::SEND, Port(10)), 0);
    assert_eq!(taken(&mut bench, B), Some(EVENT_UPCALL));
    assert_eq!(taken(&mut bench, A), None);
    assert_eq!(on_port(&mut bench, A, op::CLOSE, Port(10)), 0);
    let (_, answer) = self_status(&mut bench, B, Port(11));
    assert_eq!((answer.status, answer.detail), (status::UNBOUND, 1));
    assert_eq!(on_port(&mut bench, B, op::SEND, Port(11)), 0);
    // Binding anew is not a guest's to do.
    let bind = BindInterdomain {
        remote_dom: DomId(2),
        remote_port: Port(11),
        local_port: Port(0),
    };
    assert_eq!(
        events(&mut bench, A, op::BIND_INTERDOMAIN, bind.to_bytes()).0,
        failed(Errno::Perm)
    );
}

#[test]
fn a_domain_that_ends_leaves_its_peers_unbound() {
    let mut bench = connected();
    let _ = call(
        &mut bench,
        A,
        abi::hypercall::SCHED_OP,
        [abi::sched::op::SHUTDOWN.into(), ARRAY, 0, 0, 0],
    );
    bench.settle();
    let (_, answer) = self_status(&mut bench, B, Port(11));
    assert_eq!((answer.status, answer.detail), (status::UNBOUND, 1));
    assert_eq!(on_port(&mut bench, B, op::SEND, Port(11)), 0);
}

/// A kernel boots, uses FIFO if it is offered, and gives way to one that was hibernated and knows
/// 2-level alone, with its memory as it was. Whether that one hears of an event.
fn hears_after_resume(permits: &str) -> bool {
    let permits = format!("{permits}\0");
    let domain = enhanced(1, 1).bytes("euxenite,permit", permits.as_bytes());
    let mut bench = Setup::with(vec![domain]).boot();
    assert_eq!(map_shared_info(&mut bench, A, SHARED), 0);
    enable_upcall(&mut bench, A);
    let port = open_ipi(&mut bench, A, 0);
    if init_control(&mut bench, (SHARED >> 12) + 1).0 == 0 {
        let expand = ExpandArray {
            array_gfn: (SHARED >> 12) + 2,
        };
        let (result, _) = events(&mut bench, A, op::EXPAND_ARRAY, expand.to_bytes());
        assert_eq!(result, 0);
    }
    // The shared info page is where it was: a second mapping is refused, and not needed.
    assert_eq!(map_shared_info(&mut bench, A, SHARED), failed(Errno::Busy));
    put(&mut bench, A, SHARED, &[0; 1088]);
    assert_eq!(on_port(&mut bench, A, op::SEND, port), 0);
    let pending = word(&mut bench, A, SHARED + u64::from(PENDING_OFFSET));
    pending == 1 << port.0 && taken(&mut bench, A) == Some(EVENT_UPCALL)
}

#[test]
fn without_the_permit_for_fifo_a_hibernated_2_level_kernel_hears_its_events() {
    let has_fifo = cfg!(feature = "fifo-evtchn");
    assert_eq!(hears_after_resume("all"), !has_fifo, "deaf as on Xen");
    assert!(hears_after_resume("-fifo-evtchn"));
}
