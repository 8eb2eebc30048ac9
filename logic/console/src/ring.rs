//! The queue between all writers and the serial port.
//!
//! Invariants: bytes leave in the order in which they were queued; what was pushed together is
//! queued together or not at all; the guests together leave room for the hypervisor's messages.
//!
//! Fairness: a domain is admitted while what it has queued is no more than what is still free
//! (dynamic thresholds, Choudhury and Hahne, 1998). One that floods alone gets half of the ring, two
//! get a third each, and another's line always finds room at once.

use abi::DomId;

use crate::screen::Origin;
use crate::text::Sink;

/// Domains are counted apart up to this many; those whose numbers are equal modulo it share.
const SHARES: u8 = 64;
/// What became of bytes that were pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    /// They are queued.
    Taken,
    /// They did not fit: none is queued.
    Full,
}

/// A queue of at most `N` bytes, a power of two from 64 on.
pub struct OutputRing<const N: usize> {
    bytes: [u8; N],
    owners: [u8; N],
    /// Free-running, as is `popped`; their difference, modulo 2^32, is what is queued.
    pushed: u32,
    popped: u32,
    /// Bytes queued of each share.
    queued: [u32; SHARES as usize + 1],
    dropped: u32,
}

impl<const N: usize> OutputRing<N> {
    const MASK: usize = {
        assert!(N.is_power_of_two() && N >= 64 && N <= 1 << 31);
        N - 1
    };

    /// Room that no domain is admitted to: for messages of the hypervisor, and for bytes that were
    /// on their way when the ring filled.
    pub const RESERVE: usize = N / 8;

    /// Empty.
    pub const fn new() -> Self {
        Self {
            bytes: [0; N],
            owners: [0; N],
            pushed: 0,
            popped: 0,
            queued: [0; SHARES as usize + 1],
            dropped: 0,
        }
    }

    /// Bytes that still fit.
    pub const fn free(&self) -> usize {
        N.saturating_sub(self.len())
    }

    /// Bytes queued.
    pub const fn len(&self) -> usize {
        self.pushed.wrapping_sub(self.popped) as usize
    }

    /// Whether nothing is queued.
    pub const fn is_empty(&self) -> bool {
        self.pushed == self.popped
    }

    /// Whether `domain` may queue `length` more bytes now. If not, hold its transmitter until it
    /// may; bytes that are out of it already can still be pushed.
    pub fn admit(&self, domain: DomId, length: usize) -> bool {
        let share = usize::from(share(Origin::Domain(domain)));
        let queued = self.queued.get(share).copied().unwrap_or(0);
        let free = self.free().saturating_sub(Self::RESERVE);
        (queued as usize).saturating_add(length) <= free
    }

    /// Queues all of `bytes`, or none. A refused message of the hypervisor is counted.
    pub fn push(&mut self, origin: Origin, bytes: &[u8]) -> Pushed {
        if bytes.len() > self.free() {
            if origin == Origin::Hypervisor {
                self.dropped = self.dropped.saturating_add(1);
            }
            return Pushed::Full;
        }
        // What fits in the ring fits in 32 bits.
        let length = bytes.len() as u32;
        let owner = share(origin);
        if let Some(queued) = self.queued.get_mut(usize::from(owner)) {
            *queued = queued.saturating_add(length);
        }
        for byte in bytes {
            let place = self.pushed as usize & Self::MASK;
            self.bytes[place] = *byte;
            self.owners[place] = owner;
            self.pushed = self.pushed.wrapping_add(1);
        }
        Pushed::Taken
    }

    /// Takes the oldest byte, for the serial port.
    pub fn pop(&mut self) -> Option<u8> {
        if self.is_empty() {
            return None;
        }
        let place = self.popped as usize & Self::MASK;
        self.popped = self.popped.wrapping_add(1);
        if let Some(queued) = self.queued.get_mut(usize::from(self.owners[place])) {
            *queued = queued.saturating_sub(1);
        }
        Some(self.bytes[place])
    }

    /// How many messages were lost since this was last asked.
    pub fn take_dropped(&mut self) -> u32 {
        core::mem::take(&mut self.dropped)
    }

    /// The ring as `origin` writes to it.
    pub fn sink(&mut self, origin: Origin) -> RingSink<'_, N> {
        RingSink { ring: self, origin }
    }
}

/// An [`OutputRing`] for one writer. What is refused is gone, and counted whoever wrote it.
pub struct RingSink<'a, const N: usize> {
    ring: &'a mut OutputRing<N>,
    origin: Origin,
}

impl<const N: usize> Sink for RingSink<'_, N> {
    fn put(&mut self, bytes: &[u8]) {
        let pushed = self.ring.push(self.origin, bytes);
        if pushed == Pushed::Full && self.origin != Origin::Hypervisor {
            self.ring.dropped = self.ring.dropped.saturating_add(1);
        }
    }
}

/// Whose account `origin` writes on; the hypervisor's comes behind those of the domains.
const fn share(origin: Origin) -> u8 {
    match origin {
        Origin::Domain(domain) => domain.0 as u8 % SHARES,
        Origin::Hypervisor => SHARES,
    }
}

#[cfg(test)]
mod tests;
