//! Two CPUs at event channels, in every order of their locks and atomics: an event is sent
//! while its channel is closed, reset or bound anew, while its domain ends, while its vCPU starts.

use std::sync::mpsc::channel;

use abi::arm::{EVENT_UPCALL, vcpu_affinity};
use abi::evtchn::{BindInterdomain, BindIpi, BindVcpu, OnePort, Reset, op};
use abi::hypercall::{EVENT_CHANNEL_OP, HVC_IMMEDIATE, VCPU_OP};
use abi::vcpu::RegisterVcpuInfo;
use abi::{CpuId, DomId, Errno, Ipa, Port, psci};
use machine::guest::Guest;

use crate::bench::{ENTRY, Setup, Who};
use crate::event_channels::connected_domains;
use crate::interleave::{Pair, explore};
use crate::xen::{ARGUMENT, SHARED, enhanced, failed};

const A: Who = (1, 0);
const B: Who = (1, 1);
/// The other domain.
const OTHER: Who = (2, 0);
/// Where vCPU `n` has its arguments.
pub(crate) const fn argument_of((_, vcpu): Who) -> u64 {
    ARGUMENT + 64 * vcpu as u64
}
/// Where the `vcpu_info` of B is, and A's in the shared info page is copied to.
const INFO_OF_B: u64 = SHARED + 64;

pub(crate) fn put(pair: &Pair, who: Who, at: u64, bytes: &[u8]) {
    pair.machine.enter(CpuId(0));
    let domain = pair.system.domain(DomId(who.0)).unwrap();
    let mut token = pair.machine.token();
    let mut life = domain.control.lock(&mut token);
    let memory = life.memory.as_mut().unwrap();
    assert!(memory.write(Ipa(at), bytes));
}

pub(crate) fn get<const N: usize>(pair: &Pair, who: Who, at: u64) -> [u8; N] {
    pair.machine.enter(CpuId(0));
    let domain = pair.system.domain(DomId(who.0)).unwrap();
    let mut token = pair.machine.token();
    let life = domain.control.lock(&mut token);
    let found = life.memory.as_ref().unwrap().translate(Ipa(at)).unwrap();
    let bytes = pair.machine.peek(found.pa, N);
    bytes.try_into().unwrap()
}

/// A hypercall of `who` with a structure.
pub(crate) fn begin(pair: &Pair, who: Who, number: u64, command: u32, bytes: &[u8]) {
    let at = argument_of(who);
    put(pair, who, at, bytes);
    pair.script(who, move |guest: &mut Guest<'_>| {
        guest.set_pc(ENTRY);
        guest.set_x(16, number);
        guest.hvc(HVC_IMMEDIATE, [command.into(), at, 1, 0])
    });
}

/// What `look` finds in `who`, as soon as it runs.
fn ask<T: Send + 'static>(
    pair: &mut Pair,
    who: Who,
    look: impl FnOnce(&mut Guest<'_>) -> T + Send + 'static,
) -> T {
    let (sender, receiver) = channel();
    pair.script(who, move |guest: &mut Guest<'_>| {
        sender.send(look(guest)).unwrap();
        None
    });
    pair.settle(&[who]);
    receiver.recv().unwrap()
}

fn result(pair: &mut Pair, who: Who) -> i64 {
    ask(pair, who, |guest| guest.x(0)) as i64
}

/// The same, to the end; its result.
pub(crate) fn call(pair: &mut Pair, who: Who, number: u64, command: u32, bytes: &[u8]) -> i64 {
    begin(pair, who, number, command, bytes);
    pair.settle(&[who]);
    result(pair, who)
}

fn event(pair: &mut Pair, who: Who, command: u32, bytes: &[u8]) -> i64 {
    call(pair, who, EVENT_CHANNEL_OP, command, bytes)
}

fn turn_on_b(pair: &Pair) {
    let entry = [u64::from(psci::CPU_ON_64), vcpu_affinity(1), ENTRY, 0];
    pair.script(A, move |guest: &mut Guest<'_>| guest.hvc(0, entry));
}

/// Lets a vCPU take its upcall.
fn listen(pair: &mut Pair, who: Who) {
    let frame = 0x302_0000 + u64::from(who.1) * 0x2_0000 + 0x1_0000;
    for (at, value) in [(frame + 0x100, 1 << EVENT_UPCALL.0), (0x300_1000, 2)] {
        pair.script(who, move |guest: &mut Guest<'_>| {
            guest.store(Ipa(at), value)
        });
    }
    pair.settle(&[who]);
}

/// Whether `who` takes an upcall.
fn upcall(pair: &mut Pair, who: Who) -> bool {
    ask(pair, who, |guest| {
        let intid = guest.acknowledge();
        intid.into_iter().for_each(|intid| guest.end(intid));
        intid == Some(EVENT_UPCALL)
    })
}

/// A domain of two vCPUs, each on its CPU with a `vcpu_info` of its own.
fn two_vcpus() -> Pair {
    let mut pair = Pair::new(Setup::with(vec![enhanced(1, 2)]).cpus(2));
    turn_on_b(&pair);
    pair.settle(&[A]);
    for (who, offset) in [(A, 0), (B, 64)] {
        let info = RegisterVcpuInfo {
            mfn: SHARED >> 12,
            offset,
            ..RegisterVcpuInfo::default()
        };
        let at = argument_of(A);
        put(&pair, A, at, &info.to_bytes());
        let command = abi::vcpu::op::REGISTER_VCPU_INFO.into();
        let vcpu = u64::from(who.1);
        pair.script(A, move |guest: &mut Guest<'_>| {
            guest.set_x(16, VCPU_OP);
            guest.hvc(HVC_IMMEDIATE, [command, vcpu, at, 0])
        });
        assert_eq!(result(&mut pair, A), 0);
    }
    for who in [A, B] {
        listen(&mut pair, who);
        assert!(upcall(&mut pair, who));
    }
    pair
}

/// The domain is as if it had no events.
fn forget_events(pair: &Pair) {
    put(pair, A, SHARED, &[0; 16]);
    put(pair, A, INFO_OF_B, &[0; 16]);
}

/// Takes all events out of the shared info page, as the guest would.
fn forget_pending(pair: &Pair) {
    pair.machine.enter(CpuId(0));
    let domain = pair.system.domain(DomId(1)).unwrap();
    let mut token = pair.machine.token();
    let life = domain.control.lock(&mut token);
    let page = life.memory.as_ref().unwrap().own_page(0).unwrap();
    assert!(page.write(abi::shared_info::PENDING_OFFSET, &[0; 8]));
}

/// A loopback channel of A's, from port 1 to port 2, whose first event is seen to.
fn open_channel(pair: &mut Pair) {
    let port = |port| OnePort { port: Port(port) }.to_bytes();
    for open in [1, 2] {
        let _ = event(pair, A, op::CLOSE, &port(open));
    }
    let unbound = abi::evtchn::AllocUnbound {
        dom: DomId::SELF,
        remote_dom: DomId::SELF,
        port: Port(0),
    };
    assert_eq!(event(pair, A, op::ALLOC_UNBOUND, &unbound.to_bytes()), 0);
    let bind = BindInterdomain {
        remote_dom: DomId::SELF,
        remote_port: Port(1),
        local_port: Port(0),
    };
    assert_eq!(event(pair, A, op::BIND_INTERDOMAIN, &bind.to_bytes()), 0);
    let _ = upcall(pair, A);
    // Its event was seen; closing and binding clear the pending bit.
    assert_eq!(event(pair, A, op::SEND, &port(1)), 0);
    let _ = upcall(pair, A);
    forget_events(pair);
}

/// A sends on its loopback channel while B does `command`. Whatever comes first, the call gives what it
/// gives to one alone, and all that A can do then works.
fn send_against(command: u32, argument: &[u8]) {
    let mut pair = two_vcpus();
    let played = explore(1, |switches| {
        open_channel(&mut pair);
        begin(
            &pair,
            A,
            EVENT_CHANNEL_OP,
            op::SEND,
            &OnePort { port: Port(1) }.to_bytes(),
        );
        begin(&pair, B, EVENT_CHANNEL_OP, command, argument);
        let points = pair.play(switches, [2, 2]);
        pair.settle(&[A, B]);
        assert_eq!(result(&mut pair, B), 0, "{switches:?}");
        let sent = result(&mut pair, A);
        assert!([0, failed(Errno::Inval)].contains(&sent), "{switches:?}");
        // At most one upcall, and none is left over; a new channel gets the lowest ports.
        let _ = (upcall(&mut pair, A), upcall(&mut pair, B));
        forget_events(&pair);
        points
    });
    assert!(played > 10, "{played} schedules");
}

#[test]
fn an_event_is_sent_while_the_other_end_is_closed() {
    send_against(op::CLOSE, &OnePort { port: Port(2) }.to_bytes());
}

#[test]
fn an_event_is_sent_while_all_ports_are_reset() {
    send_against(op::RESET, &Reset { dom: DomId::SELF }.to_bytes());
}

#[test]
fn an_event_that_is_sent_while_its_port_is_bound_to_another_vcpu_reaches_one_of_them() {
    let mut pair = two_vcpus();
    let played = explore(1, |switches| {
        open_channel(&mut pair);
        forget_pending(&pair);
        forget_events(&pair);
        let send = OnePort { port: Port(1) }.to_bytes();
        begin(&pair, A, EVENT_CHANNEL_OP, op::SEND, &send);
        let other = BindVcpu {
            port: Port(2),
            vcpu: 1,
        };
        begin(&pair, B, EVENT_CHANNEL_OP, op::BIND_VCPU, &other.to_bytes());
        let points = pair.play(switches, [2, 2]);
        pair.settle(&[A, B]);
        let told = [SHARED, INFO_OF_B].map(|info| get::<1>(&pair, A, info) == [1]);
        let taken = [upcall(&mut pair, A), upcall(&mut pair, B)];
        assert_eq!(told, taken, "{switches:?}");
        assert!(taken[0] ^ taken[1], "{switches:?}: {taken:?}");
        points
    });
    assert!(played > 10, "{played} schedules");
}

#[test]
fn an_event_that_is_sent_while_its_vcpu_starts_is_not_lost() {
    let mut pair = two_vcpus();
    let ipi = BindIpi {
        vcpu: 1,
        port: Port(0),
    };
    assert_eq!(event(&mut pair, A, op::BIND_IPI, &ipi.to_bytes()), 0);
    let port = OnePort { port: Port(1) }.to_bytes();
    let played = explore(2, |switches| {
        pair.script(B, |guest: &mut Guest<'_>| {
            guest.hvc(0, [u64::from(psci::CPU_OFF), 0, 0, 0])
        });
        pair.settle(&[B]);
        forget_events(&pair);
        forget_pending(&pair);
        turn_on_b(&pair);
        begin(&pair, A, EVENT_CHANNEL_OP, op::SEND, &port);
        let points = pair.play(switches, [2, 3]);
        pair.settle(&[A]);
        listen(&mut pair, B);
        assert!(upcall(&mut pair, B), "{switches:?}");
        points
    });
    assert!(played > 20, "{played} schedules");
}

#[test]
fn an_event_is_sent_while_the_domain_that_gets_it_ends() {
    let play = |switches: &[usize]| {
        let mut pair = Pair::new(connected_domains());
        pair.settle(&[]);
        pair.machine.take_output();
        let send = OnePort { port: Port(10) }.to_bytes();
        begin(&pair, A, EVENT_CHANNEL_OP, op::SEND, &send);
        pair.script(OTHER, |guest: &mut Guest<'_>| {
            guest.hvc(0, [u64::from(psci::SYSTEM_OFF), 0, 0, 0])
        });
        let points = pair.play(switches, [3, 8]);
        pair.settle(&[A]);
        let output = pair.machine.take_output();
        let line = "d2: memory zeroed and given back";
        assert!(output.contains(line), "{switches:?}: {output}");
        // It is a port that waits for nobody who will come.
        assert_eq!(event(&mut pair, A, op::SEND, &send), 0, "{switches:?}");
        points
    };
    let points = play(&[]);
    // A system for each: some points will do.
    for switch in (1..=points).step_by(7) {
        play(&[switch]);
    }
}
