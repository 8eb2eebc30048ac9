//! A domain's RAM and the tables that map it.

use abi::{Gfn, Ipa, PAGE_SIZE, Pa, Range};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use machine::frames::Extent;
use machine::stage2::{TablePool, invalidate};
use machine::vcpu::Stage2Base;
use stage2::{Access, Attributes, Format, MapError, Stage2, TableMemory, Translation};

use super::lent::Lent;
use super::page::Page;
use super::page_set::PageSet;
use super::zeroing::PART;

/// Bytes for which [`Bank`] remembers whether they are mapped as they were at first; aligned in guest
/// addresses.
pub(super) const BLOCK: u64 = 2 << 20;

/// A part of a guest's RAM: where the guest sees it and what lies behind.
pub struct Bank {
    /// Its first guest address.
    pub ipa: Ipa,
    /// The RAM.
    pub extent: Arc<Extent>,
    /// A bit for each block of guest addresses that is not mapped to the RAM behind it, or not all of
    /// it: there the tables say what is.
    changed: Box<[u64]>,
    /// For each block a bit for each part that is not zeroed yet. While one is set nothing is mapped
    /// in the block.
    pub(super) unzeroed: Box<[u64]>,
    /// Pages of the RAM that are mapped nowhere, so that they may be mapped anew.
    pub(super) unused: PageSet,
    /// Pages that others use.
    pub(crate) lent: Lent,
}

impl Bank {
    /// RAM that is to be mapped at `ipa`.
    pub fn new(ipa: Ipa, extent: Extent) -> Self {
        let bytes = extent.range().size();
        let blocks = (ipa.0 % BLOCK + bytes).div_ceil(BLOCK);
        Self {
            ipa,
            changed: vec![0; blocks.div_ceil(64) as usize].into_boxed_slice(),
            unzeroed: vec![0; blocks as usize].into_boxed_slice(),
            unused: PageSet::new(bytes / PAGE_SIZE),
            lent: Lent::new(bytes / PAGE_SIZE),
            extent: Arc::new(extent),
        }
    }

    /// The offset of guest address `address`, if it is one of this bank's.
    #[inline]
    pub(super) fn offset(&self, address: u64) -> Option<u64> {
        let offset = address.checked_sub(self.ipa.0)?;
        (offset < self.extent.range().size()).then_some(offset)
    }

    /// Which of the bank's blocks `address`, one of its own, lies in.
    #[inline]
    pub(super) fn block_of(&self, address: u64) -> usize {
        (address / BLOCK).wrapping_sub(self.ipa.0 / BLOCK) as usize
    }

    /// Whether the block at `address` is mapped as it was at first.
    #[inline]
    fn is_plain(&self, address: u64) -> bool {
        let block = self.block_of(address);
        let word = self.changed.get(block / 64);
        word.is_some_and(|word| word >> (block % 64) & 1 == 0)
    }

    /// The tables say what is in the block at `address`.
    fn set_changed(&mut self, address: u64) {
        let block = self.block_of(address);
        if let Some(word) = self.changed.get_mut(block / 64) {
            *word |= 1 << (block % 64);
        }
    }

    /// The block at `address` is mapped as it was to be at first.
    pub(super) fn set_plain(&mut self, address: u64) {
        let block = self.block_of(address);
        if let Some(word) = self.changed.get_mut(block / 64) {
            *word &= !(1 << (block % 64));
        }
    }

    /// These parts of the block at `address` are not zeroed.
    pub(super) fn set_waiting(&mut self, address: u64, parts: u64) {
        let block = self.block_of(address);
        if let Some(waiting) = self.unzeroed.get_mut(block) {
            *waiting = parts;
            self.set_changed(address);
        }
    }

    /// Zeroes what is behind the guest addresses `from` to `to`, which are its own.
    pub(super) fn zero(&self, from: u64, to: u64) {
        let bytes = to.saturating_sub(from);
        if bytes != 0 {
            self.extent.zero(from.wrapping_sub(self.ipa.0), bytes);
        }
    }
}

/// A domain's RAM and tables.
pub struct Memory {
    /// Its RAM, in ascending guest addresses.
    pub banks: Vec<Bank>,
    /// What maps it; taken out when the tables are taken apart.
    pub stage2: Option<Stage2>,
    /// The memory of the tables.
    pub tables: Tables,
    /// Pages of the hypervisor's that the guest may map: the shared info page, then the frames of
    /// the grant table.
    pub own: Arc<Extent>,
    /// Where the guest has mapped the shared info page.
    pub shared_info_at: Option<Gfn>,
    /// Pages that the guest gave up of its own will.
    pub given_up: u64,
    /// Blocks that are not zeroed, and not mapped.
    pub(super) unzeroed_blocks: u64,
    /// Where to look for one first: a bank, and a block of it.
    pub(super) unzeroed_hint: (usize, usize),
}

/// What is mapped somewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The shared info page.
    SharedInfo,
    /// This frame of the grant table.
    GrantFrame(u32),
    /// The domain's RAM at this machine address.
    Ram(Pa),
    /// Something else: what another domain granted, or a device.
    Other,
}

/// A domain's table memory, for the planner.
pub struct Tables {
    /// The frames.
    pub pool: TablePool,
    /// What the TLBs know the domain by.
    pub base: Stage2Base,
}

impl TableMemory for Tables {
    fn read(&self, table: Pa, index: usize) -> u64 {
        self.pool.read(table, index)
    }

    fn write(&mut self, table: Pa, index: usize, descriptor: u64) {
        self.pool.write(table, index, descriptor);
    }

    fn allocate(&mut self) -> Option<Pa> {
        self.pool.allocate()
    }

    fn free(&mut self, table: Pa) {
        self.pool.free(table);
    }

    fn invalidate(&mut self, ipa: Range) {
        invalidate(self.base, ipa);
    }
}

impl Memory {
    /// Maps a device of the host's into the guest.
    pub fn map_device(&mut self, ipa: Ipa, pa: Pa, bytes: u64) -> Result<(), MapError> {
        let Some(stage2) = &mut self.stage2 else {
            return Ok(());
        };
        stage2.map(&mut self.tables, ipa, pa, bytes, Attributes::DEVICE)
    }

    /// Copies `data` to guest address `at`; `false` if part of it is outside the RAM (what comes
    /// before that part is written).
    #[must_use]
    pub fn write(&mut self, at: Ipa, data: &[u8]) -> bool {
        self.each_part(at, data.len(), |extent, offset, part| {
            data.get(part)
                .is_some_and(|data| extent.write(offset, data))
        })
    }

    /// What of the domain's memory `copy` finds to be where it copies to or from, which lies in one
    /// page; `false` if that is none of it.
    #[must_use]
    #[inline]
    pub fn copy(&self, mut copy: impl FnMut(&Extent) -> bool) -> bool {
        let mut banks = self.banks.iter();
        banks.any(|bank| copy(&bank.extent)) || copy(&self.own)
    }

    fn each_part(
        &mut self,
        at: Ipa,
        length: usize,
        mut part: impl FnMut(&Extent, u64, core::ops::Range<usize>) -> bool,
    ) -> bool {
        let mut done = 0;
        while done < length {
            let Some(address) = at.0.checked_add(done as u64) else {
                return false;
            };
            let Some((extent, offset, left)) = self.find(address) else {
                return false;
            };
            let here = (left as usize).min(length - done);
            if !part(extent, offset, done..done + here) {
                return false;
            }
            done += here;
        }
        true
    }

    /// What lies behind a guest address: RAM and the offset in it, and how many bytes follow. What was
    /// not zeroed yet is before it is given.
    #[inline]
    fn find(&mut self, address: u64) -> Option<(&Arc<Extent>, u64, u64)> {
        let found = match self.find_plain(address) {
            None => self.find_slowly(address),
            found => found,
        };
        let (index, offset, left) = found?;
        Some((self.extent(index), offset, left))
    }

    /// The RAM of a bank; behind the last one come the hypervisor's own pages.
    #[inline]
    fn extent(&self, index: usize) -> &Arc<Extent> {
        self.banks.get(index).map_or(&self.own, |bank| &bank.extent)
    }

    /// In a block that is mapped as at first: which bank, the offset in it, and how many bytes follow.
    #[inline]
    pub(super) fn find_plain(&self, address: u64) -> Option<(usize, u64, u64)> {
        self.banks.iter().enumerate().find_map(|(index, bank)| {
            let offset = bank.offset(address)?;
            let in_block = BLOCK - address % BLOCK;
            let left = in_block.min(bank.extent.range().size() - offset);
            bank.is_plain(address).then_some((index, offset, left))
        })
    }

    #[cold]
    fn find_slowly(&mut self, address: u64) -> Option<(usize, u64, u64)> {
        if let Some(bank) = self.waiting_bank(address) {
            self.zero_for_use(bank, address);
            let offset = self.banks.get(bank)?.offset(address)?;
            return Some((bank, offset, PART - address % PART));
        }
        let translation = self.translate(Ipa(address))?;
        if translation.attributes.access != Access::ReadWrite {
            return None;
        }
        let (index, offset) = self.owner(translation.pa)?;
        Some((index, offset, PAGE_SIZE - address % PAGE_SIZE))
    }

    /// Which of the domain's memory a machine address is.
    fn owner(&self, pa: Pa) -> Option<(usize, u64)> {
        (0..=self.banks.len()).find_map(|index| {
            let range = self.extent(index).range();
            range.has(pa.0).then(|| (index, pa.0 - range.start()))
        })
    }

    /// What the tables say of a guest address.
    pub fn translate(&self, ipa: Ipa) -> Option<Translation> {
        self.stage2.as_ref()?.translate(&self.tables, ipa)
    }

    /// The page of the domain's own that is mapped at `gfn`, writable.
    pub fn page(&mut self, gfn: Gfn) -> Option<Page> {
        let (extent, offset, _) = self.find(address_of(gfn)?)?;
        Some(Page::new(extent, offset))
    }

    /// Page `index` of those of the hypervisor's that the guest may map.
    pub fn own_page(&self, index: u64) -> Option<Page> {
        let offset = index.checked_mul(PAGE_SIZE)?;
        (offset < self.own.range().size()).then(|| Page::new(&self.own, offset))
    }

    /// What is mapped at `gfn`.
    pub fn at(&self, gfn: Gfn) -> Option<At> {
        let found = self.translate(Ipa(address_of(gfn)?))?;
        let own = self.own.range();
        Some(if own.has(found.pa.0) {
            match (found.pa.0 - own.start()) / PAGE_SIZE {
                0 => At::SharedInfo,
                page => At::GrantFrame((page - 1) as u32),
            }
        } else if found.attributes == Attributes::RAM {
            // What is granted is mapped without execution.
            At::Ram(Pa(found.pa.0 & !(PAGE_SIZE - 1)))
        } else {
            At::Other
        })
    }

    /// Which page of the hypervisor's is mapped at `gfn`, if one is.
    pub fn own_page_at(&self, gfn: Gfn) -> Option<u64> {
        let translation = self.translate(Ipa(address_of(gfn)?))?;
        let offset = translation.pa.0.checked_sub(self.own.range().start())?;
        (offset < self.own.range().size()).then_some(offset / PAGE_SIZE)
    }

    /// Maps one page at `gfn` whatever is there. What was there stays with its owner.
    ///
    /// # Errors
    /// The tables are used up, there is no such address, or its block is not zeroed yet
    /// ([`Memory::waits`]).
    pub fn place(&mut self, gfn: Gfn, pa: Pa, attributes: Attributes) -> Result<(), MapError> {
        let address = self.ready_address(gfn)?;
        let stage2 = self.stage2.as_mut().ok_or(MapError::OutOfRange)?;
        stage2.remap(&mut self.tables, Ipa(address), pa, PAGE_SIZE, attributes)?;
        self.mark_changed(address);
        Ok(())
    }

    /// Takes away what is mapped at `gfn`.
    ///
    /// # Errors
    /// As for [`Memory::place`].
    pub fn remove(&mut self, gfn: Gfn) -> Result<(), MapError> {
        let address = self.ready_address(gfn)?;
        let stage2 = self.stage2.as_mut().ok_or(MapError::OutOfRange)?;
        stage2.unmap_for_a_while(&mut self.tables, Ipa(address), PAGE_SIZE)?;
        self.mark_changed(address);
        Ok(())
    }

    /// The address of `gfn`, where something may be mapped or taken away.
    fn ready_address(&self, gfn: Gfn) -> Result<u64, MapError> {
        let address = address_of(gfn).ok_or(MapError::OutOfRange)?;
        if self.waits(Ipa(address)) {
            return Err(MapError::AlreadyMapped { at: Ipa(address) });
        }
        Ok(address)
    }

    fn mark_changed(&mut self, address: u64) {
        for bank in &mut self.banks {
            if bank.offset(address).is_some() {
                bank.set_changed(address);
            }
        }
    }

    /// Bytes of RAM.
    pub fn bytes(&self) -> u64 {
        self.banks
            .iter()
            .map(|bank| bank.extent.range().size())
            .sum()
    }
}

/// The address of a frame; `None` if it is beyond 64 bits.
pub(super) fn address_of(gfn: Gfn) -> Option<u64> {
    gfn.0.checked_mul(PAGE_SIZE)
}

/// The tables' format for this machine: 40 bits of guest address, or what the CPU has if less.
pub fn format() -> Option<Format> {
    let bits = machine::stage2::physical_address_bits().min(40);
    Format::for_ipa_bits(bits as u8)
}

/// `VTCR_EL2` for `format` (Arm ARM D24.2.203): write-back inner shareable walks, 4 KiB, 8-bit
/// VMIDs.
pub fn control(format: Format) -> u64 {
    let physical_size: u64 = match machine::stage2::physical_address_bits() {
        32 => 0,
        36 => 1,
        40 => 2,
        42 => 3,
        44 => 4,
        _ => 5,
    };
    1 << 31 | physical_size << 16 | 3 << 12 | 1 << 10 | 1 << 8 | format.vtcr_bits()
}
