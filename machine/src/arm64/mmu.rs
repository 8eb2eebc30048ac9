//! EL2's own stage-1 tables (Arm ARM D8): the image W^X, RAM at its own address, devices on demand,
//! and a stack window in which every stack stands between two unmapped pages.
//!
//! 4 KiB granule, 48-bit addresses, one translation base. Changes follow break-before-make.

use core::cell::UnsafeCell;

use abi::{PAGE_SIZE, Pa, Range};
use arrayvec::ArrayVec;

use super::sysreg::{dsb_ish, dsb_ishst, isb, read};
use crate::frames::outer_pages;
use crate::lock::{Before, Lock, Table, Token, Unlocked};

/// `SCTLR_EL2` with everything off: the RES1 bits.
pub(crate) const SCTLR_OFF: u64 = 0x30c5_0830;
/// ... with the MMU (bit 0), alignment checks of SP (3), both caches (2, 12) and WXN (19).
pub(crate) const SCTLR_ON: u64 = SCTLR_OFF | 1 | 1 << 2 | 1 << 3 | 1 << 12 | 1 << 19;
/// Attribute 0: Device-nGnRE; 1: Normal write-back.
pub(crate) const MAIR: u64 = 0x04 | 0xff << 8;

const VALID: u64 = 1;
const TABLE_OR_PAGE: u64 = 1 << 1;
const ATTRIBUTE_NORMAL: u64 = 1 << 2;
const RES1_AP1: u64 = 1 << 6;
const READ_ONLY: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 3 << 8;
const ACCESS_FLAG: u64 = 1 << 10;
const EXECUTE_NEVER: u64 = 1 << 54;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// Where the stacks are mapped: above any RAM of a 47-bit machine.
pub(crate) const STACK_WINDOW: u64 = 0x8000_0000_0000;

/// What a mapping allows.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// Code: read and execute.
    Code,
    /// Constants: read only.
    Constants,
    /// Data: read and write.
    Data,
    /// Device registers: read and write, not cached.
    Device,
}

impl Use {
    const fn bits(self) -> u64 {
        let base = VALID | RES1_AP1 | ACCESS_FLAG;
        match self {
            Self::Code => base | ATTRIBUTE_NORMAL | INNER_SHAREABLE | READ_ONLY,
            Self::Constants => {
                base | ATTRIBUTE_NORMAL | INNER_SHAREABLE | READ_ONLY | EXECUTE_NEVER
            }
            Self::Data => base | ATTRIBUTE_NORMAL | INNER_SHAREABLE | EXECUTE_NEVER,
            Self::Device => base | EXECUTE_NEVER,
        }
    }
}

const POOL_TABLES: usize = 40;

#[repr(C, align(4096))]
struct Pool(UnsafeCell<[[u64; 512]; POOL_TABLES]>);

// SAFETY: the pool is reached only through `Tables`, which is built once on the boot CPU and then
// lives in a lock.
unsafe impl Sync for Pool {}

static POOL: Pool = Pool(UnsafeCell::new([[0; 512]; POOL_TABLES]));

/// The most separate ranges of memory that are mapped: banks in parts, the image, the device tree.
const MOST_MEMORY: usize = 80;
/// The most devices that are mapped.
const MOST_DEVICES: usize = 48;

/// The tables; the pool's first table is the root. No page is mapped as memory and as a device.
struct Tables {
    /// Tables in use besides the root.
    used: usize,
    memory: ArrayVec<Range, MOST_MEMORY>,
    devices: ArrayVec<Range, MOST_DEVICES>,
}

/// Why something is not mapped.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum MapError {
    /// The pool has no table left, or there are too many ranges.
    OutOfTables,
    /// It would be memory and device at once, or lie where the stacks are.
    Conflict,
}

static TABLES: Lock<Tables, Table> = Lock::new(Tables {
    used: 0,
    memory: ArrayVec::new_const(),
    devices: ArrayVec::new_const(),
});

/// Physical address of the root table.
pub(crate) fn root() -> u64 {
    POOL.0.get() as u64
}

/// `TCR_EL2`: 48-bit, 4 KiB, write-back inner shareable walks, the machine's physical size.
pub(crate) fn tcr() -> u64 {
    let physical_size = (read!("id_aa64mmfr0_el1") & 0xf).min(5);
    1 << 31 | 1 << 23 | physical_size << 16 | 3 << 12 | 1 << 10 | 1 << 8 | 16
}

impl Tables {
    /// Notes that `pages` are mapped as memory.
    fn note_memory(&mut self, pages: Range) -> Result<(), MapError> {
        note(&mut self.memory, &self.devices, pages)
    }

    /// Notes that `pages` are mapped as a device.
    fn note_device(&mut self, pages: Range) -> Result<(), MapError> {
        note(&mut self.devices, &self.memory, pages)
    }

    fn word(&mut self, table: u64, index: usize) -> *mut u64 {
        debug_assert!(index < 512);
        (table as *mut u64).wrapping_add(index & 511)
    }

    fn next_table(&mut self, table: u64, index: usize) -> Result<u64, MapError> {
        let word = self.word(table, index);
        // SAFETY: `table` is one of the pool's tables, and the lock (or, before the MMU is on, the
        // single CPU) makes this the only access by software.
        let entry = unsafe { word.read_volatile() };
        if entry & (VALID | TABLE_OR_PAGE) == VALID | TABLE_OR_PAGE {
            return Ok(entry & ADDRESS);
        }
        if self.used + 1 >= POOL_TABLES {
            return Err(MapError::OutOfTables);
        }
        self.used += 1;
        let next = root() + self.used as u64 * PAGE_SIZE;
        // SAFETY: as above. A block that stood here is never split while in use: callers map each
        // region once, at boot.
        unsafe { word.write_volatile(next | VALID | TABLE_OR_PAGE) };
        Ok(next)
    }

    /// Maps `bytes` at `va` to `pa`, with the largest blocks that fit. All page aligned.
    fn map(&mut self, va: u64, pa: u64, bytes: u64, usage: Use) -> Result<(), MapError> {
        let mut done = 0;
        while done < bytes {
            done += self.map_one(va + done, pa + done, bytes - done, usage)?;
        }
        Ok(())
    }

    fn map_one(&mut self, va: u64, pa: u64, left: u64, usage: Use) -> Result<u64, MapError> {
        let mut table = self.next_table(root(), (va >> 39) as usize & 511)?;
        for level in 1..=3 {
            let shift = 39 - 9 * level;
            let index = (va >> shift) as usize & 511;
            let size = 1u64 << shift;
            let word = self.word(table, index);
            // SAFETY: as in `next_table`.
            let old = unsafe { word.read_volatile() };
            let is_table = level < 3 && old & 3 == 3;
            if level == 3 || (!is_table && (va | pa).is_multiple_of(size) && left >= size) {
                let page = if level == 3 { TABLE_OR_PAGE } else { 0 };
                // SAFETY: as in `next_table`; the old entry is taken out first when it was valid.
                unsafe { replace(word, old, pa | usage.bits() | page, va) };
                return Ok(size);
            }
            table = self.next_table(table, index)?;
        }
        Ok(PAGE_SIZE)
    }
}

fn note<const N: usize>(
    own: &mut ArrayVec<Range, N>,
    others: &[Range],
    pages: Range,
) -> Result<(), MapError> {
    if pages.end() > STACK_WINDOW || others.iter().any(|other| other.overlaps(pages)) {
        return Err(MapError::Conflict);
    }
    if own.iter().any(|range| range.contains(pages)) {
        return Ok(());
    }
    own.try_push(pages).map_err(|_| MapError::OutOfTables)
}

/// Break-before-make of one entry.
///
/// # Safety
/// `word` is an entry of the live tables, and nothing that is in use now is translated by it.
unsafe fn replace(word: *mut u64, old: u64, new: u64, va: u64) {
    if old == new {
        return;
    }
    // SAFETY: as this function's.
    unsafe {
        if old & VALID != 0 {
            word.write_volatile(0);
            invalidate(va);
        }
        word.write_volatile(new);
    }
    dsb_ishst();
    isb();
}

fn invalidate(va: u64) {
    dsb_ishst();
    // SAFETY: dropping a translation only costs a table walk.
    unsafe { core::arch::asm!("tlbi vae2is, {}", in(reg) va >> 12, options(nostack)) };
    dsb_ish();
    isb();
}

/// Maps before the MMU is on, when only the boot CPU runs: no lock, as atomics need the MMU.
///
/// # Safety
/// Called on the boot CPU with the MMU off.
pub(crate) unsafe fn map_early(range: Range, usage: Use) -> Result<(), MapError> {
    // SAFETY: no other CPU runs, and this CPU holds no guard.
    let tables = unsafe { TABLES.unshared() };
    tables.map(range.start(), range.start(), range.size(), usage)
}

/// Notes what was mapped before the MMU was on, and is in use: no device is mapped over it.
pub(crate) fn keep_early(range: Range, token: &mut Token<Unlocked>) -> Result<(), MapError> {
    TABLES.lock(token).note_memory(outer_pages(range))
}

/// Maps `range` of RAM at its own address.
pub(crate) fn map_ram(range: Range, token: &mut Token<Unlocked>) -> Result<(), MapError> {
    let mut tables = TABLES.lock(token);
    tables.note_memory(range)?;
    tables.map(range.start(), range.start(), range.size(), Use::Data)
}

/// Maps stack pages at `va` in the stack window.
pub(crate) fn map_stack(
    va: u64,
    pa: Pa,
    bytes: u64,
    token: &mut Token<Unlocked>,
) -> Result<(), MapError> {
    TABLES.lock(token).map(va, pa.0, bytes, Use::Data)
}

/// A device's registers, mapped at their own address (widened to whole pages).
///
/// `None` when the tables are full, or the range is not below 2^47, not aligned to 8 bytes, or shares a
/// page with memory that is mapped: the image, the device tree, RAM.
pub fn map_device<R: Before<Table>>(range: Range, token: &mut Token<R>) -> Option<Registers> {
    let start = range.start() & !(PAGE_SIZE - 1);
    let end = range.end().checked_next_multiple_of(PAGE_SIZE)?;
    if !range.start().is_multiple_of(8) {
        return None;
    }
    let mut tables = TABLES.lock(token);
    tables.note_device(Range::from_bounds(start, end)?).ok()?;
    tables.map(start, start, end - start, Use::Device).ok()?;
    Some(Registers { range })
}

/// Mapped device registers. They stay mapped for good.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    range: Range,
}

impl Registers {
    #[inline]
    fn address(&self, offset: u64, bytes: u64) -> u64 {
        assert!(
            offset + bytes <= self.range.size(),
            "a register outside its device"
        );
        self.range.start() + offset
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.range.size()
    }

    /// Where they are.
    pub(crate) fn start(&self) -> u64 {
        self.range.start()
    }

    /// A part of the registers, as a device of its own.
    pub(crate) fn part(&self, offset: u64, bytes: u64) -> Self {
        let start = self.address(offset, bytes);
        Self {
            range: Range::new(start, bytes).unwrap_or_default(),
        }
    }

    /// Reads 32 bits. As `ldr w, [x]`, the one form that every hypervisor below can emulate.
    #[inline]
    pub(crate) fn read32(&self, offset: u64) -> u32 {
        let address = self.address(offset, 4);
        let value: u32;
        // SAFETY: mapped device memory of the device that this value stands for.
        unsafe {
            core::arch::asm!("ldr {0:w}, [{1}]", out(reg) value, in(reg) address, options(nostack));
        }
        value
    }

    /// Writes 32 bits.
    #[inline]
    pub(crate) fn write32(&self, offset: u64, value: u32) {
        let address = self.address(offset, 4);
        // SAFETY: as for `read32`; drivers in this crate write what the device's manual allows.
        unsafe {
            core::arch::asm!("str {0:w}, [{1}]", in(reg) value, in(reg) address, options(nostack));
        }
    }

    /// Reads 64 bits.
    pub(crate) fn read64(&self, offset: u64) -> u64 {
        let address = self.address(offset, 8);
        let value: u64;
        // SAFETY: as for `read32`.
        unsafe {
            core::arch::asm!("ldr {0}, [{1}]", out(reg) value, in(reg) address, options(nostack))
        };
        value
    }

    /// Writes 64 bits.
    pub(crate) fn write64(&self, offset: u64, value: u64) {
        let address = self.address(offset, 8);
        // SAFETY: as for `write32`.
        unsafe {
            core::arch::asm!("str {0}, [{1}]", in(reg) value, in(reg) address, options(nostack))
        };
    }
}
