//! Numbers by chance, the same for the same seed (xorshift64*, Vigna 2016), and numbers that are
//! likely to be mistaken for something.

/// Where the numbers come from.
pub(crate) struct Chance(u64);

impl Chance {
    /// Any seed does.
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15 | 1)
    }

    /// 64 bits.
    pub(crate) fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        (self.bits() >> 32) % end.max(1)
    }

    /// One of a list.
    pub(crate) fn of<T: Copy, const N: usize>(&mut self, list: [T; N]) -> T {
        list[self.below(N as u64) as usize % N]
    }

    /// A number as a guest could give it: mostly small, else at some limit, else anything.
    pub(crate) fn number(&mut self) -> u64 {
        let limits = [
            0,
            1,
            2,
            63,
            64,
            1023,
            1024,
            4095,
            4096,
            0x1_ffff,
            0x2_0000,
            0x7ff0,
            0x7ff4,
            0x7fff_ffff,
            0x8000_0000,
            0xffff_ffff,
            1 << 32,
            1 << 40,
            1 << 47,
            1 << 63,
            u64::MAX - 1,
            u64::MAX,
        ];
        match self.below(8) {
            0..4 => self.below(16),
            4 => self.below(1024),
            5 | 6 => self.of(limits),
            _ => self.bits(),
        }
    }
}
