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
    /// The queue that it was put on last: vCPU and priority.
    last: (u8, u8),
    /// Pending, but its word's page is not there yet.
    pub(crate) is_saved: bool,
}

impl ChannelPart {
    pub(crate) const NEW: Self = Self {
        priority: PRIORITY_DEFAULT as u8,
        last: (0, 0),
        is_saved: false,
    };

    /// What is left when the port is closed.
    pub(crate) const fn of_closed(mut self) -> Self {
        self.priority = PRIORITY_DEFAULT as u8;
        self.is_saved = false;
        self
    }

    /// Records the queue that the port goes to now. If it ended the one that it was on last, that
    /// one is empty: the port is on none.
    fn change_queue<P>(&mut self, vcpus: &mut [Queues<P>], vcpu: VcpuId, port: Port) {
        let now = (vcpu.0 as u8, self.priority);
        let (last_vcpu, last_priority) = core::mem::replace(&mut self.last, now);
        if (last_vcpu, last_priority) != now
            && let Some(queues) = vcpus.get_mut(usize::from(last_vcpu))
            && let Some(tail) = queues.tails.get_mut(usize::from(last_priority))
            && *tail == port
        {
            *tail = Port(0);
        }
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
    /// Makes the port pending, and puts it at the end of its vCPU's queue.
    pub(crate) fn set_pending(&mut self, channel: &mut Channel, port: Port) -> Raised {
        let Self { pages, vcpus } = self;
        let Some(word) = Word::of(pages, port) else {
            channel.fifo.is_saved = true;
            return Raised::default();
        };
        // Without a control block there is nobody to take it off a queue again.
        let vcpu = usize::from(channel.vcpu.0);
        if vcpus
            .get(vcpu)
            .is_none_or(|queues| queues.control.is_none())
        {
            return Raised::default();
        }
        let was = word.set_pending();
        let new = was & PENDING == 0;
        // Nobody but the guest can have set LINKED in between.
        if was & (MASKED | LINKED) != 0 || !word.set_linked() {
            return Raised { new, upcall: false };
        }
        channel.fifo.change_queue(vcpus, channel.vcpu, port);
        let upcall = vcpus
            .get_mut(vcpu)
            .is_some_and(|queues| queues.append(pages, channel.fifo.priority, port));
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
}

impl<P: SharedPage> Queues<P> {
    /// Adds a port at the end of a queue; true if that made the queue ready.
    fn append(&mut self, pages: &[P], priority: u8, port: Port) -> bool {
        let (Some(tail), Some((page, offset))) =
            (self.tails.get_mut(usize::from(priority)), &self.control)
        else {
            return false;
        };
        let before = core::mem::replace(tail, port);
        // The port itself is on no queue: if it is the tail, the queue ended with it.
        if before != Port(0)
            && before != port
            && Word::of(pages, before).is_some_and(|word| word.link_to(port))
        {
            return false;
        }
        // The guest takes the ready bits, and reads the head after that.
        page.store32(offset + HEADS_OFFSET + 4 * u32::from(priority), port.0);
        let bit = 1 << priority;
        page.fetch_or32(offset + READY_OFFSET, bit) & bit == 0
    }
}
