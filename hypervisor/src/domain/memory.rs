//! A domain's RAM and the tables that map it.

use abi::{Ipa, Pa, Range};
use alloc::vec::Vec;

use machine::frames::Extent;
use machine::stage2::{TablePool, invalidate};
use machine::vcpu::Stage2Base;
use stage2::{Attributes, Format, MapError, Stage2, TableMemory};

/// A part of a guest's RAM: where the guest sees it and what lies behind.
pub struct Bank {
    /// Its first guest address.
    pub ipa: Ipa,
    /// The RAM.
    pub extent: Extent,
}

/// A domain's RAM and tables.
pub struct Memory {
    /// Its RAM, in ascending guest addresses.
    pub banks: Vec<Bank>,
    /// What maps it; taken out when the tables are taken apart.
    pub stage2: Option<Stage2>,
    /// The memory of the tables.
    pub tables: Tables,
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

    /// Copies from guest address `at`; `false` if part of it is outside the RAM.
    #[must_use]
    pub fn read(&self, at: Ipa, data: &mut [u8]) -> bool {
        let length = data.len();
        self.each_part(at, length, |extent, offset, part| {
            data.get_mut(part)
                .is_some_and(|data| extent.read(offset, data))
        })
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
            let Some((bank, offset)) = self.find(address) else {
                return false;
            };
            let here = ((bank.extent.range().size() - offset) as usize).min(length - done);
            if !part(&bank.extent, offset, done..done + here) {
                return false;
            }
            done += here;
        }
        true
    }

    fn find(&self, address: u64) -> Option<(&Bank, u64)> {
        self.banks.iter().find_map(|bank| {
            let offset = address.checked_sub(bank.ipa.0)?;
            (offset < bank.extent.range().size()).then_some((bank, offset))
        })
    }

    /// Bytes of RAM.
    pub fn bytes(&self) -> u64 {
        self.banks
            .iter()
            .map(|bank| bank.extent.range().size())
            .sum()
    }
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
