//! Event words.

use abi::Port;
use abi::evtchn::fifo::{BUSY, LINK_MASK, LINKED, MASKED, PENDING, WORDS_PER_PAGE};

use crate::page::SharedPage;

/// How often a link is tried while `BUSY` keeps the guest from unmasking. Within that time a guest
/// that keeps to the protocol changes the word at most four times: it may set the mask, clear
/// pending and linked, and have cleared the mask just before.
const LINK_TRIES: u32 = 4;

/// A port's event word.
pub(crate) struct Word<'a, P> {
    page: &'a P,
    offset: u32,
}

impl<'a, P: SharedPage> Word<'a, P> {
    /// The word of `port`, if its page is there.
    pub(crate) fn of(pages: &'a [P], port: Port) -> Option<Self> {
        let page = pages.get((port.0 / WORDS_PER_PAGE) as usize)?;
        Some(Self {
            page,
            offset: port.0 % WORDS_PER_PAGE * 4,
        })
    }

    /// Makes it pending; returns what the word was.
    ///
    /// A guest that takes the mask off looks at pending after that: either this sees no mask, or
    /// the guest sees pending and asks for an unmask.
    pub(crate) fn set_pending(&self) -> u32 {
        self.page.fetch_or32(self.offset, PENDING)
    }

    /// Marks it as on a queue; false if it was already.
    pub(crate) fn set_linked(&self) -> bool {
        self.page.fetch_or32(self.offset, LINKED) & LINKED == 0
    }

    /// Takes pending away.
    pub(crate) fn clear_pending(&self) {
        self.page.fetch_and32(self.offset, !PENDING);
    }

    /// Takes the mask off; returns what the word was.
    pub(crate) fn clear_mask(&self) -> u32 {
        self.page.fetch_and32(self.offset, !MASKED)
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.page.load32(self.offset) & PENDING != 0
    }

    pub(crate) fn is_linked(&self) -> bool {
        self.page.load32(self.offset) & LINKED != 0
    }

    /// Lets `next` follow this one. False if this one is on no queue any more, so that `next` is a
    /// head.
    ///
    /// The guest may change the word meanwhile. If it does so once, `BUSY` is set, which a guest
    /// that keeps to the protocol waits for before it unmasks; if it still wins each time, the link
    /// is given up: `next` is not reachable, which is that guest's loss.
    pub(crate) fn link_to(&self, next: Port) -> bool {
        let mut seen = self.page.load32(self.offset);
        if let Some(linked) = self.try_link(&mut seen, next) {
            return linked;
        }
        seen = self.page.fetch_or32(self.offset, BUSY) | BUSY;
        for _ in 0..LINK_TRIES {
            match self.try_link(&mut seen, next) {
                // The link was written, and BUSY cleared with it.
                Some(true) => return true,
                Some(false) => {
                    self.page.fetch_and32(self.offset, !BUSY);
                    return false;
                }
                None => {}
            }
        }
        self.page.fetch_and32(self.offset, !BUSY);
        true
    }

    /// One attempt; `None` if the word changed, which is then in `seen`.
    fn try_link(&self, seen: &mut u32, next: Port) -> Option<bool> {
        if *seen & LINKED == 0 {
            return Some(false);
        }
        let linked = *seen & !(BUSY | LINK_MASK) | next.0 & LINK_MASK;
        match self.page.compare_exchange32(self.offset, *seen, linked) {
            Ok(_) => Some(true),
            Err(now) => {
                *seen = now;
                None
            }
        }
    }
}
