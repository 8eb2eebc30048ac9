//! One end of an event channel, with 2-level events (public/event_channel.h).

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering::SeqCst};

use abi::arm::{EVENT_UPCALL, MAGIC};
use abi::evtchn::{OnePort, op};
use abi::hypercall::{EVENT_CHANNEL_OP, MEMORY_OP};
use abi::memory::{AddToPhysmap, space};
use abi::shared_info::{PENDING_OFFSET, vcpu_info};
use abi::{DomId, Port};
use support::{call, cpu, gic, gic_v2};

/// Where the shared info page is mapped: where no RAM is.
const SHARED_INFO: u64 = MAGIC.start();

/// Which interrupt controller the guest has.
#[derive(Clone, Copy)]
pub(crate) enum Controller {
    V2,
    V3,
}

/// An end of a channel.
pub(crate) struct Channel {
    port: Port,
    /// Events taken from it.
    pub(crate) taken: u64,
}

impl Channel {
    /// The end at `port`, which the boot device tree made; from now on upcalls arrive.
    pub(crate) fn open(port: u32, controller: Controller) -> Self {
        match controller {
            Controller::V2 => gic_v2::take(EVENT_UPCALL),
            Controller::V3 => {
                gic::enable(0);
                gic::take(0, EVENT_UPCALL);
            }
        }
        let result = add_to_physmap(space::SHARED_INFO, SHARED_INFO);
        assert!(
            result == 0,
            "the shared info page cannot be mapped: {result}"
        );
        Self {
            port: Port(port),
            taken: 0,
        }
    }

    /// Sends an event.
    pub(crate) fn send(&self) {
        let argument = OnePort { port: self.port }.to_bytes();
        let result = call::hypercall(
            EVENT_CHANNEL_OP,
            [op::SEND.into(), argument.as_ptr() as u64, 0, 0],
        );
        assert!(result == 0, "an event cannot be sent: {}", result as i64);
    }

    /// Waits for an event and takes it.
    pub(crate) fn wait(&mut self) {
        cpu::mask_interrupts();
        loop {
            byte(vcpu_info::UPCALL_PENDING_OFFSET).store(0, SeqCst);
            // What comes from here on is an interrupt.
            word(vcpu_info::PENDING_SEL_OFFSET).store(0, SeqCst);
            let bit = 1 << (self.port.0 % 64);
            let pending = word(PENDING_OFFSET + self.port.0 / 64 * 8);
            if pending.fetch_and(!bit, SeqCst) & bit != 0 {
                self.taken += 1;
                break;
            }
            cpu::wait_for_interrupt();
            cpu::unmask_interrupts();
            cpu::mask_interrupts();
        }
        cpu::unmask_interrupts();
    }
}

/// Maps what is at index 0 of `space`.
pub(crate) fn add_to_physmap(space: u32, at: u64) -> i64 {
    let wanted = AddToPhysmap {
        domid: DomId::SELF,
        space,
        gpfn: at >> 12,
        ..AddToPhysmap::default()
    };
    let argument = wanted.to_bytes();
    let command = abi::memory::op::ADD_TO_PHYSMAP.into();
    call::hypercall(MEMORY_OP, [command, argument.as_ptr() as u64, 0, 0]) as i64
}

fn byte(offset: u32) -> &'static AtomicU8 {
    // SAFETY: in the shared info page, which is mapped and which we reach by atomics alone.
    unsafe { &*((SHARED_INFO + u64::from(offset)) as *const AtomicU8) }
}

fn word(offset: u32) -> &'static AtomicU64 {
    // SAFETY: as above, and aligned.
    unsafe { &*((SHARED_INFO + u64::from(offset)) as *const AtomicU64) }
}
