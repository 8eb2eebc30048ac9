//! Pages that a domain gives up and gets back: its RAM never grows, so they stay with it.
//!
//! A page of RAM that is mapped nowhere is set aside, to be mapped anew; one that another domain has
//! by a grant only once that has ended.

use abi::{Errno, Gfn, PAGE_SIZE, Pa};
use stage2::Attributes;

use super::Page;
use super::lent::Left;
use super::memory::{At, Memory, address_of};

impl Memory {
    /// Takes the RAM at `gfn` from the guest; `false` if none of its own is there.
    pub fn give_up(&mut self, gfn: Gfn) -> bool {
        let Some(At::Ram(address)) = self.at(gfn) else {
            return false;
        };
        if self.remove(gfn).is_err() {
            return false;
        }
        self.set_aside(address);
        self.given_up += 1;
        true
    }

    /// The RAM at `address` is mapped nowhere any more.
    pub fn set_aside(&mut self, address: Pa) {
        let Some((bank, page)) = self.bank_page(address) else {
            return;
        };
        if let Some(bank) = self.banks.get_mut(bank)
            && bank.lent.give_up(page) == Left::None
        {
            bank.unused.insert(page);
        }
    }

    /// The RAM at `gfn`, which another domain is about to use; `None` if none of the domain's own is
    /// there, or its uses cannot be counted.
    pub fn lend(&mut self, gfn: Gfn) -> Option<Page> {
        // Where all is mapped as at first there is RAM.
        let (bank, number) = match self.find_plain(address_of(gfn)?) {
            Some((bank, offset, _)) => (bank, offset / PAGE_SIZE),
            None => self.lendable(gfn)?,
        };
        let bank = self.banks.get_mut(bank)?;
        bank.lent
            .begin(number)
            .then(|| Page::new(&bank.extent, number * PAGE_SIZE))
    }

    /// A bank and the number of the page in it that is mapped at `gfn`.
    #[inline(never)]
    fn lendable(&mut self, gfn: Gfn) -> Option<(usize, u64)> {
        if self.own_page_at(gfn).is_some() {
            return None;
        }
        let page = self.page(gfn)?;
        self.bank_page(page.address())
    }

    /// A use that began with [`Memory::lend`] has ended.
    pub fn take_back(&mut self, page: &Page) {
        if let Some((bank, number)) = self.bank_page(page.address())
            && let Some(bank) = self.banks.get_mut(bank)
            && bank.lent.end(number) == Left::None
        {
            bank.unused.insert(number);
        }
    }

    /// Maps a page that was set aside, zeroed, at `gfn`, and tells what was there.
    ///
    /// # Errors
    /// `NoMem`: no page is set aside, or no room for tables.
    pub fn populate(&mut self, gfn: Gfn) -> Result<Option<At>, Errno> {
        let before = self.at(gfn);
        let (index, page) = self.find_unused().ok_or(Errno::NoMem)?;
        let bank = self.banks.get(index).ok_or(Errno::NoMem)?;
        bank.extent.zero(page * PAGE_SIZE, PAGE_SIZE);
        let address = Pa(bank.extent.range().start() + page * PAGE_SIZE);
        self.place(gfn, address, Attributes::RAM)
            .map_err(|_| Errno::NoMem)?;
        if let Some(bank) = self.banks.get_mut(index) {
            bank.unused.remove(page);
        }
        self.given_up = self.given_up.saturating_sub(1);
        Ok(before)
    }

    /// A bank and the number of a page in it that is set aside.
    fn find_unused(&self) -> Option<(usize, u64)> {
        let index = self.banks.iter().position(|bank| bank.unused.count() != 0);
        let index = index?;
        Some((index, self.banks.get(index)?.unused.first()?))
    }

    /// A bank and the number of the page in it at `address`.
    fn bank_page(&self, address: Pa) -> Option<(usize, u64)> {
        let has = |bank: &super::memory::Bank| bank.extent.range().has(address.0);
        let index = self.banks.iter().position(has)?;
        let start = self.banks.get(index)?.extent.range().start();
        Some((index, (address.0 - start) / PAGE_SIZE))
    }
}
