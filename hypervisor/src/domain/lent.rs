//! Which pages of a stretch of RAM other domains use, by how many grants.
//!
//! A byte for each page, in blocks of 512 that are made when the first page of one is lent: a domain
//! that grants nothing has no more than a word for each, and no domain more than 1/4000 of its RAM. A
//! page that is given up meanwhile is noted here, and given out again once nobody uses it.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Pages of a block.
const BLOCK: usize = 512;
/// In a page's byte: its domain gave it up.
const GIVEN_UP: u8 = 0x80;
/// The most grants of one page that are in use at once.
const MOST_USES: u8 = 0x7f;

/// The uses of the pages of a stretch of RAM.
pub struct Lent {
    blocks: Vec<Option<Box<[u8; BLOCK]>>>,
}

/// What is left of a page's uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// Others use it still, or its domain does.
    Some,
    /// Nobody does, and its domain gave it up.
    None,
}

impl Lent {
    /// No uses, of pages below `pages`.
    pub fn new(pages: u64) -> Self {
        let mut blocks = Vec::new();
        blocks.resize_with(pages.div_ceil(BLOCK as u64) as usize, || None);
        Self { blocks }
    }

    /// When nobody uses them any more: frees what counts the uses, `budget` blocks of 512 pages at most.
    /// How many are left.
    pub fn retire(&mut self, budget: usize) -> usize {
        let left = self.blocks.len().saturating_sub(budget);
        self.blocks.truncate(left);
        left
    }

    /// One use more of `page`; `false` if it has too many, or there is no memory to count it.
    pub fn begin(&mut self, page: u64) -> bool {
        match self.make(page) {
            Some(uses) if *uses & MOST_USES < MOST_USES => {
                *uses += 1;
                true
            }
            _ => false,
        }
    }

    /// One use less.
    pub fn end(&mut self, page: u64) -> Left {
        let Some(uses) = self.get_mut(page) else {
            return Left::Some;
        };
        if *uses & MOST_USES != 0 {
            *uses -= 1;
        }
        match *uses {
            GIVEN_UP => {
                *uses = 0;
                Left::None
            }
            _ => Left::Some,
        }
    }

    /// Its domain gives `page` up.
    pub fn give_up(&mut self, page: u64) -> Left {
        match self.get_mut(page) {
            Some(uses) if *uses != 0 => {
                *uses |= GIVEN_UP;
                Left::Some
            }
            _ => Left::None,
        }
    }

    fn get_mut(&mut self, page: u64) -> Option<&mut u8> {
        let block = self.blocks.get_mut(page as usize / BLOCK)?.as_mut()?;
        block.get_mut(page as usize % BLOCK)
    }

    fn make(&mut self, page: u64) -> Option<&mut u8> {
        let block = self.blocks.get_mut(page as usize / BLOCK)?;
        if block.is_none() {
            let mut bytes = Vec::new();
            bytes.try_reserve_exact(BLOCK).ok()?;
            bytes.resize(BLOCK, 0);
            *block = bytes.into_boxed_slice().try_into().ok();
        }
        block.as_mut()?.get_mut(page as usize % BLOCK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_given_up_while_it_is_lent_comes_back_with_its_last_use() {
        let mut lent = Lent::new(1024);
        assert_eq!(lent.give_up(700), Left::None);
        assert!(lent.begin(700) && lent.begin(700) && lent.begin(701));
        assert_eq!(lent.give_up(700), Left::Some);
        assert_eq!(lent.give_up(5), Left::None, "a page that is not lent");
        assert_eq!(lent.end(700), Left::Some);
        assert_eq!(lent.end(701), Left::Some, "its domain has it");
        assert_eq!(lent.end(700), Left::None);
        assert_eq!(lent.end(700), Left::Some, "no use of it is left");
        assert_eq!(lent.give_up(700), Left::None, "it is as new");
    }

    #[test]
    fn uses_are_counted_to_127() {
        let mut lent = Lent::new(1024);
        for _ in 0..127 {
            assert!(lent.begin(3));
        }
        assert_eq!(lent.give_up(3), Left::Some);
        assert!(!lent.begin(3));
        for _ in 0..126 {
            assert_eq!(lent.end(3), Left::Some);
        }
        assert_eq!(lent.end(3), Left::None);
    }

    #[test]
    fn what_counts_the_uses_is_of_one_size_and_goes_a_bit_at_a_time() {
        let mut lent = Lent::new(3 * 512 + 1);
        assert!(lent.begin(0) && lent.begin(3 * 512));
        assert!(!lent.begin(4 * 512), "behind the last page");
        assert_eq!(lent.blocks.len(), 4, "no more than there were");
        assert_eq!(lent.retire(3), 1);
        assert_eq!(lent.end(3 * 512), Left::Some, "it went");
        assert_eq!(lent.retire(3), 0);
        assert!(!lent.begin(0));
    }
}
