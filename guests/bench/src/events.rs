//! Event channels (2-level) and the hypercalls that take a structure.

use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

use abi::arm::{EVENT_UPCALL, MAGIC};
use abi::evtchn::{AllocUnbound, BindIpi, OnePort, Status, op};
use abi::hypercall::{EVENT_CHANNEL_OP, HVM_OP, MEMORY_OP, MULTICALL, MulticallEntry, XEN_VERSION};
use abi::memory::{AddToPhysmap, Domain, RemoveFromPhysmap, Reservation, space};
use abi::shared_info::PENDING_OFFSET;
use abi::{DomId, Port, hvm, memory, version};
use support::{call::hypercall, cpu, gic};

use crate::operation::{Operation, each};

/// Where the shared info page is mapped: where no RAM is.
pub(crate) const SHARED_INFO: u64 = MAGIC.start();
/// No guest has this mapped.
const UNMAPPED: u64 = 1 << 40;
/// GICR_ISENABLER0.
pub(crate) const ENABLE: u64 = 0x1_0100;
/// A page that is given up and got back.
const SPARE: u64 = abi::arm::RAM_BANK_0.start() + (32 << 20);

/// A port for events to oneself; 0 until it is opened.
static PORT: AtomicU32 = AtomicU32::new(0);

pub(crate) fn on_events(command: u32, argument: *const u8) -> u64 {
    hypercall(EVENT_CHANNEL_OP, [command.into(), argument as u64, 0, 0])
}

pub(crate) fn on_memory(command: u32, argument: *const u8) -> u64 {
    hypercall(MEMORY_OP, [command.into(), argument as u64, 0, 0])
}

/// The port. Opened and, with the shared info page in place, able to interrupt, at first.
pub(crate) fn port() -> Port {
    let port = PORT.load(Relaxed);
    if port != 0 {
        return Port(port);
    }
    add_shared_info();
    gic::write(gic::redistributor(0, ENABLE), 1 << EVENT_UPCALL.0);
    let port = bind(0);
    PORT.store(port.0.max(1), Relaxed);
    port
}

/// Opens a port that interrupts `vcpu`. Port 0, which nobody has, if there is none left.
pub(crate) fn bind(vcpu: u32) -> Port {
    let argument = BindIpi {
        vcpu,
        port: Port(0),
    };
    let mut argument = argument.to_bytes();
    on_events(op::BIND_IPI, argument.as_mut_ptr());
    // The call wrote it behind the compiler's back.
    BindIpi::from_bytes(core::hint::black_box(&argument)).port
}

pub(crate) fn send(port: Port) -> u64 {
    let argument = OnePort { port }.to_bytes();
    on_events(op::SEND, argument.as_ptr())
}

pub(crate) fn add_shared_info() -> u64 {
    let wanted = AddToPhysmap {
        domid: DomId::SELF,
        space: space::SHARED_INFO,
        gpfn: SHARED_INFO >> 12,
        ..AddToPhysmap::default()
    };
    on_memory(memory::op::ADD_TO_PHYSMAP, wanted.to_bytes().as_ptr())
}

/// Takes what is pending on the port, as a handler of the vCPU with its `vcpu_info` at `info` does.
pub(crate) fn take(info: u64, port: Port) {
    // SAFETY: in the shared info page, which is mapped by then, or a page for such things; aligned.
    let (upcall, selector, pending) = unsafe {
        (
            &*(info as *const AtomicU8),
            &*((info + 8) as *const AtomicU64),
            &*((SHARED_INFO + u64::from(PENDING_OFFSET + port.0 / 64 * 8)) as *const AtomicU64),
        )
    };
    upcall.store(0, Relaxed);
    selector.swap(0, Relaxed);
    pending.fetch_and(!(1 << (port.0 % 64)), Relaxed);
}

fn handled() -> u64 {
    let (port, block) = (port(), cpu::block(0));
    take(SHARED_INFO, port);
    let seen = block.interrupts();
    let result = send(port);
    cpu::wait_spinning(block, seen);
    result
}

pub(crate) fn alloc_and_close() -> u64 {
    let wanted = AllocUnbound {
        dom: DomId::SELF,
        remote_dom: DomId::SELF,
        port: Port(0),
    };
    let mut argument = wanted.to_bytes();
    on_events(op::ALLOC_UNBOUND, argument.as_mut_ptr());
    close(AllocUnbound::from_bytes(core::hint::black_box(&argument)).port)
}

pub(crate) fn close(port: Port) -> u64 {
    on_events(op::CLOSE, OnePort { port }.to_bytes().as_ptr())
}

fn reservation(command: u32) -> u64 {
    let frame = [SPARE >> 12];
    let wanted = Reservation {
        extent_start: frame.as_ptr() as u64,
        nr_extents: 1,
        domid: DomId::SELF,
        ..Reservation::default()
    };
    on_memory(command, wanted.to_bytes().as_ptr())
}

fn multicall() -> u64 {
    let entry = MulticallEntry {
        op: XEN_VERSION,
        ..MulticallEntry::default()
    };
    let list = [entry.to_bytes(); 8];
    hypercall(MULTICALL, [list.as_ptr() as u64, 8, 0, 0])
}

pub(crate) const OPERATIONS: &[Operation] = &[
    each("changeset", 512, || {
        let text = [0u8; version::CHANGESET_LEN];
        hypercall(
            XEN_VERSION,
            [version::CHANGESET, text.as_ptr() as u64, 0, 0],
        )
    }),
    each("pointer to nothing", 512, || {
        hypercall(XEN_VERSION, [version::CHANGESET, UNMAPPED, 0, 0])
    }),
    each("get_param", 512, || {
        let wanted = hvm::Param {
            domid: DomId::SELF,
            index: hvm::param::STORE_PFN,
            ..hvm::Param::default()
        };
        let argument = wanted.to_bytes();
        hypercall(
            HVM_OP,
            [hvm::op::GET_PARAM.into(), argument.as_ptr() as u64, 0, 0],
        )
    }),
    each("current_reservation", 512, || {
        let own = Domain { domid: DomId::SELF };
        on_memory(memory::op::CURRENT_RESERVATION, own.to_bytes().as_ptr())
    }),
    each("multicall of 8", 128, multicall),
    each("event to oneself, handled", 256, handled),
    each("event, already pending", 512, || send(port())),
    each("event on a closed port", 512, || send(Port(900))),
    each("event unmask", 512, || {
        let argument = OnePort { port: port() }.to_bytes();
        on_events(op::UNMASK, argument.as_ptr())
    }),
    each("event status", 512, || {
        let wanted = Status {
            dom: DomId::SELF,
            port: port(),
            ..Status::default()
        };
        on_events(op::STATUS, wanted.to_bytes().as_ptr())
    }),
    each("event alloc and close", 256, alloc_and_close),
    each("shared_info once more", 256, add_shared_info),
    each("shared_info remove and add", 64, || {
        let wanted = RemoveFromPhysmap {
            domid: DomId::SELF,
            gpfn: SHARED_INFO >> 12,
        };
        on_memory(memory::op::REMOVE_FROM_PHYSMAP, wanted.to_bytes().as_ptr());
        add_shared_info()
    }),
    each("page given up and got back", 64, || {
        reservation(memory::op::DECREASE_RESERVATION);
        reservation(memory::op::POPULATE_PHYSMAP)
    }),
];
