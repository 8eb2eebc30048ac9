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

/// Bytes for which [`Bank`] remembers whether they are mapped as they were at first.
const BLOCK: u64 = 2 << 20;

/// A part of a guest's RAM: where the guest sees it and what lies behind.
pub struct Bank {
    /// Its first guest address.
    pub ipa: Ipa,
    /// The RAM.
    pub extent: Arc<Extent>,
    /// A bit for each block of guest addresses that is not mapped to the RAM behind it any more, or
    /// not all of it: there the tables say what is.
    changed: Box<[u64]>,
    /// Pages of the RAM that are mapped nowhere, so that they may be mapped anew.
    pub(super) unused: PageSet,
    /// Pages that others use.
    pub(super) lent: Lent,
}

impl Bank {
    /// RAM that is to be mapped at `ipa`.
    pub fn new(ipa: Ipa, extent: Extent) -> Self {
        let words = |unit: u64| extent.range().size().div_ceil(unit).div_ceil(64) as usize;
        Self {
            ipa,
            changed: vec![0; words(BLOCK)].into_boxed_slice(),
            unused: PageSet::new(extent.range().size() / PAGE_SIZE),
            lent: Lent::default(),
            extent: Arc::new(extent),
        }
    }

    /// The offset of guest address `address`, if it is one of this bank's.
    #[inline]
    fn offset(&self, address: u64) -> Option<u64> {
        let offset = address.checked_sub(self.ipa.0)?;
        (offset < self.extent.range().size()).then_some(offset)
    }

    /// Whether the block at `offset` is mapped as it was at first.
    #[inline]
    fn is_plain(&self, offset: u64) -> bool {
        let block = offset / BLOCK;
        let word = self.changed.get((block / 64) as usize);
        word.is_some_and(|word| word >> (block % 64) & 1 == 0)
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
    /// Maps all banks as RAM.
    pub fn map_banks(&mut self) -> Result<(), MapError> {
        let Some(stage2) = &mut self.stage2 else {
            return Ok(());
        };
        for bank in &self.banks {
            let range = bank.extent.range();
            stage2.map(
                &mut self.tables,
                bank.ipa,
                Pa(range.start()),
                range.size(),
                Attributes::RAM,
            )?;
        }
        Ok(())
    }

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
    pub fn write(&self, at: Ipa, data: &[u8]) -> bool {
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
        &self,
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

    /// What lies behind a guest address: RAM and the offset in it, and how many bytes follow.
    #[inline]
    fn find(&self, address: u64) -> Option<(&Arc<Extent>, u64, u64)> {
        let plain = self.banks.iter().find_map(|bank| {
            let offset = bank.offset(address)?;
            let in_block = BLOCK - offset % BLOCK;
            let left = in_block.min(bank.extent.range().size() - offset);
            bank.is_plain(offset)
                .then_some((&bank.extent, offset, left))
        });
        plain.or_else(|| self.find_by_tables(address))
    }

    #[cold]
    fn find_by_tables(&self, address: u64) -> Option<(&Arc<Extent>, u64, u64)> {
        let translation = self.translate(Ipa(address))?;
        if translation.attributes.access != Access::ReadWrite {
            return None;
        }
        let (extent, offset) = self.owner(translation.pa)?;
        Some((extent, offset, PAGE_SIZE - address % PAGE_SIZE))
    }

    /// Which of the domain's memory a machine address is.
    fn owner(&self, pa: Pa) -> Option<(&Arc<Extent>, u64)> {
        let banks = self.banks.iter().map(|bank| &bank.extent);
        banks.chain([&self.own]).find_map(|extent| {
            let inside = extent.range().has(pa.0);
            inside.then(|| (extent, pa.0 - extent.range().start()))
        })
    }

    /// What the tables say of a guest address.
    pub fn translate(&self, ipa: Ipa) -> Option<Translation> {
        self.stage2.as_ref()?.translate(&self.tables, ipa)
    }

    /// The page of the domain's own that is mapped at `gfn`, writable.
    pub fn page(&self, gfn: Gfn) -> Option<Page> {
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
    /// The tables are used up, or there is no such address.
    pub fn place(&mut self, gfn: Gfn, pa: Pa, attributes: Attributes) -> Result<(), MapError> {
        let address = address_of(gfn).ok_or(MapError::OutOfRange)?;
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
        let address = address_of(gfn).ok_or(MapError::OutOfRange)?;
        let stage2 = self.stage2.as_mut().ok_or(MapError::OutOfRange)?;
        stage2.unmap_for_a_while(&mut self.tables, Ipa(address), PAGE_SIZE)?;
        self.mark_changed(address);
        Ok(())
    }

    fn mark_changed(&mut self, address: u64) {
        for bank in &mut self.banks {
            if let Some(offset) = bank.offset(address)
                && let Some(word) = bank.changed.get_mut((offset / BLOCK / 64) as usize)
            {
                *word |= 1 << (offset / BLOCK % 64);
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
