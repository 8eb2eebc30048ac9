//! Event channels as the guest uses them (public/event_channel.h): the shared info page, upcalls,
//! and short ways to open ports.

use abi::arm::{EVENT_UPCALL, MAGIC};
use abi::evtchn::{AllocUnbound, BindInterdomain, BindIpi, BindVirq, OnePort, Reset, Status, op};
use abi::hypercall::MEMORY_OP;
use abi::memory::{self, AddToPhysmap, RemoveFromPhysmap, space};
use abi::shared_info::{PENDING_OFFSET, vcpu_info};
use abi::{DomId, Port};
use support::{cpu, gic};

use crate::ask::{call, event, frame, load32, load64, store64};

/// Where the shared info page is mapped: where no RAM is.
pub(crate) const SHARED_INFO: u64 = MAGIC.start();
/// Of the shared info page: the masks.
const MASK_OFFSET: u64 = 560;
const GICR_ISENABLER0: u64 = 0x1_0100;

/// Maps the shared info page and lets upcalls arrive (where interrupts are unmasked).
pub(crate) fn open() {
    map_shared_info();
    gic::enable(0);
    gic::write(gic::redistributor(0, GICR_ISENABLER0), 1 << EVENT_UPCALL.0);
    quiet();
}

/// Takes the shared info page out again.
pub(crate) fn close_all() {
    reset();
    quiet();
    let gpfn = frame(SHARED_INFO);
    let structure = RemoveFromPhysmap {
        domid: DomId::SELF,
        gpfn,
    };
    call(
        MEMORY_OP,
        memory::op::REMOVE_FROM_PHYSMAP,
        structure.to_bytes(),
    );
    gic::write(
        gic::redistributor(0, GICR_ISENABLER0 + 0x80),
        1 << EVENT_UPCALL.0,
    );
}

fn map_shared_info() {
    let structure = AddToPhysmap {
        domid: DomId::SELF,
        space: space::SHARED_INFO,
        gpfn: frame(SHARED_INFO),
        ..AddToPhysmap::default()
    };
    call(MEMORY_OP, memory::op::ADD_TO_PHYSMAP, structure.to_bytes());
}

/// Everything in the shared info page as at the start, no upcall outstanding.
pub(crate) fn quiet() {
    for word in 0..64 {
        store64(SHARED_INFO + u64::from(PENDING_OFFSET) + 8 * word, 0);
        store64(SHARED_INFO + MASK_OFFSET + 8 * word, 0);
    }
    taken();
    store64(SHARED_INFO, 0);
    store64(SHARED_INFO + u64::from(vcpu_info::PENDING_SEL_OFFSET), 0);
    taken();
}

/// Takes the interrupts that are pending: how many, and the last one's number.
pub(crate) fn taken() -> (u64, u64) {
    let block = cpu::block(0);
    let before = block.interrupts();
    cpu::unmask_interrupts();
    cpu::mask_interrupts();
    let count = block.interrupts() - before;
    let last = block.irq_last.load(core::sync::atomic::Ordering::Relaxed);
    (count, if count == 0 { 0 } else { last })
}

/// What the guest sees of its events: printed as `pending words, selector, upcall, interrupts`.
pub(crate) struct Seen;

impl core::fmt::Display for Seen {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let word = |offset| load64(SHARED_INFO + offset);
        let (count, last) = taken();
        write!(
            f,
            "pending {:#x}, selector {:#x}, upcall {:#x}, {count} interrupts of {last}",
            word(u64::from(PENDING_OFFSET)),
            word(u64::from(vcpu_info::PENDING_SEL_OFFSET)),
            load32(SHARED_INFO) & 0xff
        )
    }
}

/// Masks or unmasks a port as a guest does, without a call.
pub(crate) fn set_mask(port: u32, is_masked: bool) {
    let at = SHARED_INFO + MASK_OFFSET + u64::from(port / 64 * 8);
    let bit = 1 << (port % 64);
    let word = load64(at) & !bit;
    store64(at, if is_masked { word | bit } else { word });
}

/// Closes everything.
pub(crate) fn reset() -> i64 {
    event(op::RESET, Reset { dom: DomId::SELF }.to_bytes()).result
}

/// A port of our own that waits for ourselves; 0 if there is none.
pub(crate) fn unbound() -> u32 {
    let structure = AllocUnbound {
        dom: DomId::SELF,
        remote_dom: DomId::SELF,
        port: Port(0),
    };
    event(op::ALLOC_UNBOUND, structure.to_bytes()).word(4)
}

/// Two ports of our own that are connected.
pub(crate) fn pair() -> (u32, u32) {
    let remote = unbound();
    let structure = BindInterdomain {
        remote_dom: DomId::SELF,
        remote_port: Port(remote),
        local_port: Port(0),
    };
    (
        remote,
        event(op::BIND_INTERDOMAIN, structure.to_bytes()).word(8),
    )
}

/// A port for interrupts to vCPU `vcpu`.
pub(crate) fn ipi(vcpu: u32) -> u32 {
    let structure = BindIpi {
        vcpu,
        port: Port(0),
    };
    event(op::BIND_IPI, structure.to_bytes()).word(4)
}

/// A port for virtual interrupt `virq`.
pub(crate) fn virq(virq: u32, vcpu: u32) -> u32 {
    let structure = BindVirq {
        virq,
        vcpu,
        port: Port(0),
    };
    event(op::BIND_VIRQ, structure.to_bytes()).word(8)
}

/// An operation on one port.
pub(crate) fn on_port(command: u32, port: u32) -> i64 {
    event(command, OnePort { port: Port(port) }.to_bytes()).result
}

/// A port's status, as it is printed.
pub(crate) fn status(port: u32) -> crate::ask::Reply<24> {
    let structure = Status {
        dom: DomId::SELF,
        port: Port(port),
        status: u32::MAX,
        vcpu: u32::MAX,
        detail: 0xaaaa_aaaa,
        remote_port: Port(0xbbbb_bbbb),
    };
    event(op::STATUS, structure.to_bytes())
}
