//! A guest that uses FIFO as Linux does (drivers/xen/events/events_fifo.c), on any kind of page.

use abi::Port;
use abi::evtchn::fifo::{
    BUSY, HEADS_OFFSET, LINK_MASK, LINKED, MASKED, PENDING, QUEUES, READY_OFFSET,
};

use crate::SharedPage;

/// One vCPU's consumer.
pub(crate) struct Consumer<P> {
    /// Its control block is at the start of this page.
    pub(crate) control: P,
    /// Event words.
    pub(crate) words: Vec<P>,
    /// Where each queue goes on, 0 to read the control block.
    heads: [u32; QUEUES],
    /// Called when it has to wait.
    relax: fn(),
}

impl<P: SharedPage> Consumer<P> {
    pub(crate) fn new(control: P, words: Vec<P>, relax: fn()) -> Self {
        Self {
            control,
            words,
            heads: [0; QUEUES],
            relax,
        }
    }

    /// Takes the upcall: everything on the queues, highest priority first. A port is reported if
    /// it is pending and not masked; its pending bit is cleared then.
    pub(crate) fn consume(&mut self) -> Vec<Port> {
        let mut seen = Vec::new();
        let mut ready = self.control.fetch_and32(READY_OFFSET, 0);
        while ready != 0 {
            let queue = ready.trailing_zeros() as usize;
            if queue >= QUEUES {
                break;
            }
            let (port, next) = self.take(queue);
            if next == 0 {
                ready &= !(1 << queue);
            }
            seen.extend(port);
            ready |= self.control.fetch_and32(READY_OFFSET, 0);
        }
        seen
    }

    fn take(&mut self, queue: usize) -> (Option<Port>, u32) {
        let head = match self.heads[queue] {
            0 => self.control.load32(HEADS_OFFSET + 4 * queue as u32),
            head => head,
        };
        let next = self.update(Port(head), |word| word & !(LINKED | LINK_MASK)) & LINK_MASK;
        self.heads[queue] = next;
        let port = Port(head);
        let word = self.word(port);
        let is_seen = word & PENDING != 0 && word & MASKED == 0;
        if is_seen {
            self.update(port, |word| word & !PENDING);
        }
        (is_seen.then_some(port), next)
    }

    pub(crate) fn mask(&self, port: Port) {
        self.update(port, |word| word | MASKED);
    }

    /// Takes the mask off; true if the hypervisor must be asked to, as an event waits.
    pub(crate) fn unmask(&self, port: Port) -> bool {
        loop {
            let word = self.word(port);
            if word & BUSY != 0 {
                (self.relax)();
                continue;
            }
            let (page, offset) = self.place(port);
            if page
                .compare_exchange32(offset, word, word & !MASKED)
                .is_ok()
            {
                return self.word(port) & PENDING != 0;
            }
        }
    }

    pub(crate) fn word(&self, port: Port) -> u32 {
        let (page, offset) = self.place(port);
        page.load32(offset)
    }

    fn update(&self, port: Port, change: impl Fn(u32) -> u32) -> u32 {
        let (page, offset) = self.place(port);
        let mut old = page.load32(offset);
        while let Err(now) = page.compare_exchange32(offset, old, change(old)) {
            old = now;
        }
        old
    }

    fn place(&self, port: Port) -> (&P, u32) {
        (&self.words[port.0 as usize / 1024], port.0 % 1024 * 4)
    }
}
