//! Work that is for no guest that runs, done a piece at a time by whichever CPU comes by. How much of
//! each kind there is, in one word, as every choice of a CPU asks whether there is any.

use machine::atomic::{AtomicU32, Ordering};

/// A kind of such work. The value is the first bit of its count in the word: there are 255 domains at
/// most, and [`MOST_ASKED`](crate::listing::MOST_ASKED) lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chore {
    /// Filling a domain that does not run yet.
    Fill = 0,
    /// Taking an ended domain's memory back.
    Reclaim = 10,
    /// Listing what somebody at the console asked for.
    List = 20,
}

/// Bits that the count of a kind has.
const COUNT: u32 = (1 << 10) - 1;

/// How much there is to do.
#[derive(Default)]
pub struct Chores(AtomicU32);

impl Chores {
    /// So many domains to fill.
    pub fn filling(domains: u32) -> Self {
        Self(AtomicU32::new(domains & COUNT))
    }

    /// There is one more. What was stored before is seen by who finds it elsewhere.
    pub fn begin(&self, chore: Chore) {
        self.0.fetch_add(1 << chore as u32, Ordering::Release);
    }

    /// One is done, or waits for something else. How many of its kind are left.
    pub fn end(&self, chore: Chore) -> u32 {
        let before = self.0.fetch_sub(1 << chore as u32, Ordering::AcqRel);
        count(before, chore).saturating_sub(1)
    }

    /// Whether there is any.
    #[inline]
    pub fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }

    /// Whether there is one of this kind.
    #[inline]
    pub fn has(&self, chore: Chore) -> bool {
        count(self.0.load(Ordering::Relaxed), chore) != 0
    }
}

fn count(word: u32, chore: Chore) -> u32 {
    (word >> chore as u32) & COUNT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_counted_for_itself() {
        let chores = Chores::filling(255);
        chores.begin(Chore::Reclaim);
        chores.begin(Chore::List);
        chores.begin(Chore::List);
        assert_eq!(chores.end(Chore::Fill), 254);
        assert_eq!(chores.end(Chore::List), 1);
        assert_eq!(chores.end(Chore::Reclaim), 0);
        assert!(!chores.has(Chore::Reclaim) && chores.has(Chore::List) && chores.is_any());
        assert_eq!(chores.end(Chore::List), 0);
        for left in (0..254).rev() {
            assert_eq!(chores.end(Chore::Fill), left);
        }
        assert!(!chores.is_any());
    }
}
