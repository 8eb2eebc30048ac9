//! A byte queue of fixed size.
//!
//! Invariant: `produced - consumed` (both free-running, modulo 2^32) is the number of bytes queued
//! and never exceeds `N`, a power of two.

pub(crate) struct Fifo<const N: usize> {
    bytes: [u8; N],
    produced: u32,
    consumed: u32,
}

impl<const N: usize> Fifo<N> {
    const MASK: usize = {
        assert!(N.is_power_of_two() && N <= 1 << 31);
        N - 1
    };

    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; N],
            produced: 0,
            consumed: 0,
        }
    }

    pub(crate) const fn len(&self) -> usize {
        self.produced.wrapping_sub(self.consumed) as usize
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.produced == self.consumed
    }

    /// Queues `byte`; `false` if there is no room.
    pub(crate) fn push(&mut self, byte: u8) -> bool {
        if self.len() >= N {
            return false;
        }
        self.bytes[self.produced as usize & Self::MASK] = byte;
        self.produced = self.produced.wrapping_add(1);
        true
    }

    /// Takes the oldest byte.
    pub(crate) fn pop(&mut self) -> Option<u8> {
        if self.is_empty() {
            return None;
        }
        let byte = self.bytes[self.consumed as usize & Self::MASK];
        self.consumed = self.consumed.wrapping_add(1);
        Some(byte)
    }

    pub(crate) fn clear(&mut self) {
        self.consumed = self.produced;
    }
}

#[cfg(test)]
mod tests {
    use super::Fifo;

    #[test]
    fn keeps_order_across_the_wrap_of_its_indices() {
        let mut fifo = Fifo::<4>::new();
        fifo.produced = u32::MAX - 1;
        fifo.consumed = u32::MAX - 1;
        for byte in 0..4 {
            assert!(fifo.push(byte));
        }
        assert!(fifo.len() == 4 && !fifo.push(9));
        for byte in 0..4 {
            assert_eq!(fifo.pop(), Some(byte));
        }
        assert!(fifo.is_empty() && fifo.pop().is_none());
    }
}
