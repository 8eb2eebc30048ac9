//! A set of page numbers, out of which one is found in a bounded time however few there are.
//!
//! A bit for each page, a bit for each word of those that has one, and so on for a third time: what is
//! walked to find one is a word for each GiB.

use alloc::boxed::Box;
use alloc::vec;

/// Levels: a word of the last stands for 2^18 pages.
const LEVELS: usize = 3;

/// Some of the pages of a stretch of RAM.
pub struct PageSet {
    levels: [Box<[u64]>; LEVELS],
    count: u64,
}

impl PageSet {
    /// An empty set of pages below `pages`.
    pub fn new(pages: u64) -> Self {
        let mut bits = pages;
        let levels = core::array::from_fn(|_| {
            let words = bits.div_ceil(64);
            bits = words;
            vec![0; words as usize].into_boxed_slice()
        });
        Self { levels, count: 0 }
    }

    /// How many pages are in it.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Puts a page in; `false` if it was there, or is none of the stretch.
    pub fn insert(&mut self, page: u64) -> bool {
        let mut is_new = false;
        for (level, words) in self.levels.iter_mut().enumerate() {
            let (index, bit) = place(page, level);
            let Some(word) = words.get_mut(index) else {
                return false;
            };
            if level == 0 {
                is_new = *word & bit == 0;
            }
            *word |= bit;
        }
        self.count += u64::from(is_new);
        is_new
    }

    /// Takes a page out, if it is there.
    pub fn remove(&mut self, page: u64) {
        for (level, words) in self.levels.iter_mut().enumerate() {
            let (index, bit) = place(page, level);
            let Some(word) = words.get_mut(index) else {
                return;
            };
            if level == 0 {
                if *word & bit == 0 {
                    return;
                }
                self.count = self.count.saturating_sub(1);
            }
            *word &= !bit;
            // The levels above count words that have any.
            if *word != 0 {
                return;
            }
        }
    }

    /// The lowest page.
    pub fn first(&self) -> Option<u64> {
        let [.., top] = &self.levels;
        let mut index = top.iter().position(|word| *word != 0)? as u64;
        for words in self.levels.iter().rev() {
            let word = words.get(index as usize)?;
            index = index * 64 + u64::from(word.trailing_zeros());
        }
        Some(index)
    }
}

/// Where the bit for `page` is at a level.
fn place(page: u64, level: usize) -> (usize, u64) {
    let number = page >> (6 * level);
    ((number / 64) as usize, 1 << (number % 64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn it_is_a_set_wherever_its_pages_are() {
        const PAGES: u64 = 3 * (1 << 18) + 77;
        let (mut set, mut model) = (PageSet::new(PAGES), BTreeSet::new());
        let mut seed = 7u64;
        for step in 0..20_000 {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1);
            // In a few places, so that words become empty.
            let page = (seed >> 33) % 97 * (PAGES / 97) + (seed >> 60);
            if step % 3 == 0 {
                set.remove(page);
                model.remove(&page);
            } else if page < PAGES {
                assert_eq!(set.insert(page), model.insert(page));
            }
            assert_eq!(set.first(), model.first().copied());
            assert_eq!(set.count(), model.len() as u64);
        }
        for page in [PAGES + 64, u64::MAX] {
            assert!(!set.insert(page));
            set.remove(page);
        }
        while let Some(page) = set.first() {
            assert_eq!(model.pop_first(), Some(page));
            set.remove(page);
        }
        assert!(model.is_empty());
    }

    #[test]
    fn the_last_page_of_much_ram_is_found_at_once() {
        let mut set = PageSet::new(1 << 24);
        assert_eq!(set.first(), None);
        assert!(set.insert((1 << 24) - 1));
        assert_eq!(set.first(), Some((1 << 24) - 1));
        assert_eq!(set.levels[2].len(), 64, "words walked for 64 GiB");
    }
}
