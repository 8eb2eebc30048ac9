//! Pages that a domain gives up and gets back: its RAM never grows, so they stay with it.

use abi::{Gfn, Ipa, PAGE_SIZE, Pa};
use stage2::Attributes;

use super::memory::{Memory, address_of};

/// Words looked at for one page: 1 GiB of RAM.
const MOST_WORDS: usize = 4096;

impl Memory {
    /// Takes the RAM at `gfn` from the guest; `false` if none of its own is there. With `Others::MayUse`
    /// it is not handed out again, as it may be one that another domain still has.
    pub fn give_up(&mut self, gfn: Gfn, others: Others) -> bool {
        let Some(found) = address_of(gfn).and_then(|at| self.translate(Ipa(at))) else {
            return false;
        };
        let place = self.banks.iter().position(|bank| {
            let range = bank.extent.range();
            range.has(found.pa.0)
        });
        let Some(index) = place else { return false };
        if self.remove(gfn).is_err() {
            return false;
        }
        if others == Others::MayUse {
            return true;
        }
        let Some(bank) = self.banks.get_mut(index) else {
            return false;
        };
        let page = (found.pa.0 - bank.extent.range().start()) / PAGE_SIZE;
        let word = (page / 64) as usize;
        if let Some(bits) = bank.unused.get_mut(word) {
            *bits |= 1 << (page % 64);
            self.unused_pages += 1;
            self.unused_hint = (index, word);
        }
        true
    }

    /// Maps a page that was given up, zeroed, at `gfn`; `false` if there is none, or no room for tables.
    pub fn populate(&mut self, gfn: Gfn) -> bool {
        let Some((index, page)) = self.find_unused() else {
            return false;
        };
        let Some(bank) = self.banks.get(index) else {
            return false;
        };
        bank.extent.zero(page * PAGE_SIZE, PAGE_SIZE);
        let address = Pa(bank.extent.range().start() + page * PAGE_SIZE);
        if self.place(gfn, address, Attributes::RAM).is_err() {
            return false;
        }
        let bank = self.banks.get_mut(index);
        if let Some(bits) = bank.and_then(|bank| bank.unused.get_mut((page / 64) as usize)) {
            *bits &= !(1 << (page % 64));
            self.unused_pages = self.unused_pages.saturating_sub(1);
        }
        true
    }

    /// A bank and the number of a page in it. Looks a bounded way ahead and goes on there next time.
    fn find_unused(&mut self) -> Option<(usize, u64)> {
        if self.unused_pages == 0 {
            return None;
        }
        let (mut index, mut word) = self.unused_hint;
        for _ in 0..MOST_WORDS {
            match self.banks.get(index).map(|bank| bank.unused.get(word)) {
                Some(Some(0)) => word += 1,
                Some(Some(bits)) => {
                    self.unused_hint = (index, word);
                    return Some((index, word as u64 * 64 + u64::from(bits.trailing_zeros())));
                }
                Some(None) => (index, word) = (index + 1, 0),
                None => (index, word) = (0, 0),
            }
        }
        self.unused_hint = (index, word);
        None
    }
}

/// Whether others may have a page mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Others {
    /// They have none.
    HaveNone,
    /// They may have this one.
    MayUse,
}
