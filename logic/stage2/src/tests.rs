//! Tests of the planner over a table memory that checks the architecture's rules.

mod cases;
mod fake;
mod model;
mod splits;
mod teardown;

use abi::{Ipa, Pa};

use self::fake::FakeMemory;
use crate::{Access, Attributes, Execute, Format, MapError, Stage2};

const KIB4: u64 = 1 << 12;
const MIB2: u64 = 1 << 21;
const GIB: u64 = 1 << 30;

const ROM: Attributes = Attributes {
    access: Access::ReadOnly,
    execute: Execute::No,
    ..Attributes::RAM
};

/// Empty tables of `format` with a pool of `tables`.
fn tables_of(format: Format, tables: usize) -> (FakeMemory, Stage2) {
    let mem = FakeMemory::new(format, tables);
    let stage2 = Stage2::new(mem.root(), format).unwrap();
    (mem, stage2)
}

/// Empty tables of the default format with a large pool.
fn tables() -> (FakeMemory, Stage2) {
    tables_of(Format::default(), 64)
}

impl Stage2 {
    /// Maps as RAM.
    fn map_ram(
        &mut self,
        mem: &mut FakeMemory,
        ipa: u64,
        pa: u64,
        size: u64,
    ) -> Result<(), MapError> {
        self.map(mem, Ipa(ipa), Pa(pa), size, Attributes::RAM)
    }

    /// Blocks of 1 GiB and 2 MiB, pages, tables.
    fn counts(&self) -> [u64; 4] {
        let mapped = self.mapped();
        [
            mapped.blocks_1g,
            mapped.blocks_2m,
            mapped.pages_4k,
            mapped.tables,
        ]
    }

    /// Where `ipa` leads.
    fn pa(&self, mem: &FakeMemory, ipa: u64) -> Option<u64> {
        self.translate(mem, Ipa(ipa))
            .map(|translation| translation.pa.0)
    }
}
