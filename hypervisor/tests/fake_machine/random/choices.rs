//! Where decisions come from: a seed, or the bytes of a fuzzer.

/// A source of decisions.
pub(crate) enum Choices<'a> {
    /// The same for the same seed, without end (xorshift).
    Seeded(u64),
    /// As the bytes say, until they end.
    Bytes(&'a [u8]),
}

impl Choices<'_> {
    /// From a number that may be small.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self::Seeded(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// Whether nothing is left to decide by.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self, Self::Bytes([]))
    }

    /// Any 64 bits.
    pub(crate) fn any(&mut self) -> u64 {
        match self {
            Self::Seeded(state) => {
                *state ^= *state << 13;
                *state ^= *state >> 7;
                *state ^= *state << 17;
                *state
            }
            Self::Bytes(_) => (0..8).fold(0, |word, _| word << 8 | self.below(256)),
        }
    }

    /// 0 to `limit` - 1.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        match self {
            Self::Seeded(_) => self.any() % limit,
            Self::Bytes(bytes) => {
                let mut value = 0;
                let mut reach = 1;
                while reach < limit {
                    let Some((first, rest)) = bytes.split_first() else {
                        break;
                    };
                    *bytes = rest;
                    value = value << 8 | u64::from(*first);
                    reach = reach.saturating_mul(256);
                }
                value % limit
            }
        }
    }

    /// Once in `times`.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub(crate) fn of<T: Copy>(&mut self, these: &[T]) -> T {
        these[self.below(these.len() as u64) as usize]
    }
}
