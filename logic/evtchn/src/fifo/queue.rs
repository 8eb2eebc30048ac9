//! Queues: putting a pending port where its vCPU finds it.

use abi::evtchn::fifo::{
    HEADS_OFFSET, LINKED, MASKED, PENDING, PRIORITY_DEFAULT, QUEUES, READY_OFFSET,
};
use abi::{Port, VcpuId, VcpuSet};

use super::control::Fifo;
use super::word::Word;
use crate::channel::Channel;
use crate::events::Raised;
use crate::page::SharedPage;

// A vCPU's number fits in a byte.
const _: () = assert!(VcpuSet::MAX <= 256);

/// What FIFO keeps of a port.
#[derive(Clone, Copy)]
pub(crate) struct ChannelPart {
    /// For the next time that it is queued.
    pub(crate) priority: u8,
    /// The queue that it was put on last, of this priority and vCPU.
    last_priority: u8,
    last_vcpu: u8,
    /// Pending, but its word's page is not there yet.
    pub(crate) is_saved: bool,
}

impl ChannelPart {
    pub(crate) const NEW: Self = Self {
        priority: PRIORITY_DEFAULT as u8,
        last_priority: 0,
        last_vcpu: 0,
        is_saved: false,
    };

    /// What is left when the port is closed.
    pub(crate) const fn of_closed(mut self) -> Self {
        self.priority = PRIORITY_DEFAULT as u8;
        self.is_saved = false;
        self
    }
}

/// A vCPU's control block and queues.
pub(crate) struct Queues<P> {
    /// The block's page and offset. While there is none the vCPU gets no events.
    pub(crate) control: Option<(P, u32)>,
    /// The port last added to each queue, 0 for none.
    pub(crate) tails: [Port; QUEUES],
}

impl<P: SharedPage> Fifo<P> {
    /// Makes the port pending.
    pub(crate) fn set_pending(&mut self, channel: &mut Channel, port: Port) -> Raised {
        let Some(word) = Word::of(&self.pages, port) else {
            channel.fifo.is_saved = true;
            return Raised::default();
        };
        // Without a control block there is nobody to take it off a queue again.
        if !self.has_control(channel.vcpu) {
            return Raised::default();
        }
        let was = word.set_pending();
        let upcall = was & (MASKED | LINKED) == 0 && self.enqueue(channel, port);
        let new = was & PENDING == 0;
        Raised { new, upcall }
    }

    /// Takes the port's mask off, and queues it if it is pending.
    pub(crate) fn unmask(&mut self, channel: &mut Channel, port: Port) -> Raised {
        match Word::of(&self.pages, port) {
            Some(word) if word.clear_mask() & PENDING != 0 => self.set_pending(channel, port),
            _ => Raised::default(),
        }
    }

    /// Whether the port is pending, as far as its word's page is there.
    pub(crate) fn is_pending(&self, port: Port) -> bool {
        Word::of(&self.pages, port).is_some_and(|word| word.is_pending())
    }

    /// Whether a queue of the guest leads through the port.
    pub(crate) fn is_linked(&self, port: Port) -> bool {
        Word::of(&self.pages, port).is_some_and(|word| word.is_linked())
    }

    /// Takes a pending event back. A queue may still lead through the port.
    pub(crate) fn clear_pending(&self, port: Port) {
        if let Some(word) = Word::of(&self.pages, port) {
            word.clear_pending();
        }
    }

    /// Puts the port at the end of its vCPU's queue; true if that made the queue ready.
    fn enqueue(&mut self, channel: &mut Channel, port: Port) -> bool {
        let Some(word) = Word::of(&self.pages, port) else {
            return false;
        };
        if !word.set_linked() {
            // Nobody else does that but the guest.
            return false;
        }
        let part = &mut channel.fifo;
        // It is on no queue, so the one it was on last ended with it if its tail says so.
        if let Some(tail) = tail_mut(&mut self.vcpus, part.last_vcpu, part.last_priority)
            && *tail == port
        {
            *tail = Port(0);
        }
        part.last_vcpu = channel.vcpu.0 as u8;
        part.last_priority = part.priority;
        let Some(tail) = tail_mut(&mut self.vcpus, part.last_vcpu, part.last_priority) else {
            return false;
        };
        let before = core::mem::replace(tail, port);
        if before != Port(0) && Word::of(&self.pages, before).is_some_and(|w| w.link_to(port)) {
            return false;
        }
        self.set_head(channel.vcpu, part.last_priority, port)
    }

    /// Writes a queue's head, then its ready bit; true if the queue was not ready.
    fn set_head(&self, vcpu: VcpuId, priority: u8, port: Port) -> bool {
        let queues = self.vcpus.get(usize::from(vcpu.0));
        let Some((page, offset)) = queues.and_then(|queues| queues.control.as_ref()) else {
            return false;
        };
        // The guest takes the ready bits, and reads the head after that.
        page.store32(offset + HEADS_OFFSET + 4 * u32::from(priority), port.0);
        let bit = 1 << priority;
        page.fetch_or32(offset + READY_OFFSET, bit) & bit == 0
    }
}

fn tail_mut<P>(vcpus: &mut [Queues<P>], vcpu: u8, priority: u8) -> Option<&mut Port> {
    vcpus
        .get_mut(usize::from(vcpu))?
        .tails
        .get_mut(usize::from(priority))
}
