//! What the tests of hypercalls share: calls with structures in the guest's memory.

use abi::{CpuId, Errno, Ipa, Port, evtchn, hypercall};
use machine::guest::Guest;

use crate::bench::{Bench, ENTRY, Setup, Who, small};
use crate::trees::Node;

/// Where arguments go.
pub(crate) const ARGUMENT: u64 = ENTRY + 0x10_0000;
/// Where arrays go that arguments point to.
pub(crate) const ARRAY: u64 = ENTRY + 0x10_1000;
/// A page for whatever guest and hypervisor share.
pub(crate) const SHARED: u64 = ENTRY + 0x10_2000;
/// No guest has this mapped.
pub(crate) const UNMAPPED: u64 = 1 << 48;

/// A domain that is told of the hypervisor.
pub(crate) fn enhanced(number: u32, vcpus: u32) -> Node {
    small(number, vcpus).text("xen,enhanced", "no-xenstore")
}

/// Two CPUs, and two domains that are told of the hypervisor.
pub(crate) fn two() -> Bench {
    Setup::with(vec![enhanced(1, 1), enhanced(2, 1)]).boot()
}

/// A hypercall; its result.
pub(crate) fn call(bench: &mut Bench, who: Who, number: u64, arguments: [u64; 5]) -> i64 {
    begin(bench, who, number, arguments);
    while bench.pc(who) == ENTRY {
        // It is continued.
        bench.run(who, |guest| {
            guest.set_pc(ENTRY + 4);
            Some(machine::exit::Exit::Hvc(hypercall::HVC_IMMEDIATE))
        });
    }
    bench.registers(who, |registers| registers.cpu.register(0)) as i64
}

/// The exit of a hypercall, without what follows if it is continued.
pub(crate) fn begin(bench: &mut Bench, who: Who, number: u64, arguments: [u64; 5]) {
    let [first, second, third, fourth, fifth] = arguments;
    bench.run(who, move |guest: &mut Guest<'_>| {
        guest.set_pc(ENTRY);
        guest.set_x(16, number);
        guest.set_x(4, fifth);
        guest.hvc(hypercall::HVC_IMMEDIATE, [first, second, third, fourth])
    });
}

/// As `call` of an operation whose argument is a structure; what is in the structure behind it.
pub(crate) fn operate<const N: usize>(
    bench: &mut Bench,
    who: Who,
    number: u64,
    command: u32,
    argument: [u8; N],
) -> (i64, [u8; N]) {
    put(bench, who, ARGUMENT, &argument);
    let result = call(bench, who, number, [command.into(), ARGUMENT, 0, 0, 0]);
    (result, get(bench, who, ARGUMENT))
}

/// Writes to a guest's memory, as the guest would.
pub(crate) fn put(bench: &mut Bench, who: Who, at: u64, bytes: &[u8]) {
    bench.machine.enter(CpuId(0));
    let domain = bench.domain(who.0);
    let mut token = bench.machine.token();
    let mut life = domain.control.lock(&mut token);
    assert!(
        life.memory.as_mut().unwrap().write(Ipa(at), bytes),
        "{at:#x}"
    );
}

/// Reads a guest's memory, as the guest would.
pub(crate) fn get<const N: usize>(bench: &mut Bench, who: Who, at: u64) -> [u8; N] {
    bench.machine.enter(CpuId(0));
    let domain = bench.domain(who.0);
    let mut token = bench.machine.token();
    let mut life = domain.control.lock(&mut token);
    let memory = life.memory.as_mut().unwrap();
    let mut bytes = [0; N];
    for (at, byte) in (at..).zip(&mut bytes) {
        let page = memory.page(abi::Gfn(at >> 12)).unwrap();
        assert!(page.read((at & 0xfff) as u32, core::slice::from_mut(byte)));
    }
    bytes
}

/// A 64-bit word of a guest's memory.
pub(crate) fn word(bench: &mut Bench, who: Who, at: u64) -> u64 {
    u64::from_le_bytes(get(bench, who, at))
}

/// What a call that fails gives.
pub(crate) fn failed(errno: Errno) -> i64 {
    errno.as_result()
}

/// Maps the shared info page at `at`.
pub(crate) fn map_shared_info(bench: &mut Bench, who: Who, at: u64) -> i64 {
    let wanted = abi::memory::AddToPhysmap {
        domid: abi::DomId::SELF,
        space: abi::memory::space::SHARED_INFO,
        gpfn: at >> 12,
        ..Default::default()
    };
    let command = abi::memory::op::ADD_TO_PHYSMAP;
    operate(bench, who, hypercall::MEMORY_OP, command, wanted.to_bytes()).0
}

/// An operation on event channels.
pub(crate) fn events<const N: usize>(
    bench: &mut Bench,
    who: Who,
    command: u32,
    argument: [u8; N],
) -> (i64, [u8; N]) {
    operate(bench, who, hypercall::EVENT_CHANNEL_OP, command, argument)
}

/// One of those that take a port.
pub(crate) fn on_port(bench: &mut Bench, who: Who, command: u32, port: Port) -> i64 {
    events(bench, who, command, evtchn::OnePort { port }.to_bytes()).0
}

/// Opens a port for the domain itself.
pub(crate) fn open_ipi(bench: &mut Bench, who: Who, vcpu: u32) -> Port {
    let wanted = evtchn::BindIpi {
        vcpu,
        port: Port(0),
    };
    let (result, bytes) = events(bench, who, evtchn::op::BIND_IPI, wanted.to_bytes());
    assert_eq!(result, 0);
    evtchn::BindIpi::from_bytes(&bytes).port
}
