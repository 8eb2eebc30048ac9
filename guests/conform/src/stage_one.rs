//! The guest's own page tables, as small as they can be: everything at its own address, and some
//! pages with other rights (Arm ARM D8).

use core::arch::asm;

use crate::ask::{fill, page, store64};

/// Tables: level 1, level 2 and level 3 of the pages below.
const LEVEL_1: u64 = page(100);
const LEVEL_2: u64 = page(101);
const LEVEL_3: u64 = page(102);

/// What the pages show: RAM of the guest's.
pub(crate) const TARGET: u64 = page(103);
/// Virtual addresses, two pages each but the last: the second is not mapped.
pub(crate) const WRITABLE: u64 = BASE;
/// For reading alone.
pub(crate) const READ_ONLY: u64 = BASE + 0x2000;
/// No access flag.
pub(crate) const NOT_ACCESSED: u64 = BASE + 0x4000;
/// User space may write it as well.
pub(crate) const USER: u64 = BASE + 0x6000;
/// Maps an address where nothing is.
pub(crate) const NOTHING: u64 = BASE + 0x8000;
/// Maps the emulated UART.
pub(crate) const UART: u64 = BASE + 0xa000;
/// Maps an address beyond what stage 2 can translate.
pub(crate) const FAR: u64 = BASE + 0xc000;
/// Device memory that is RAM.
pub(crate) const DEVICE: u64 = BASE + 0xe000;
/// In the upper half, as [`WRITABLE`].
pub(crate) const UPPER: u64 = 0xffff_ff80_0000_0000 | BASE;
/// In the upper half, not mapped.
pub(crate) const UPPER_UNMAPPED: u64 = 0xffff_ff80_0000_0000;

/// In the third GiB, where no RAM is.
const BASE: u64 = 0x8000_0000;

const TABLE: u64 = 3;
const BLOCK: u64 = 1;
const PAGE: u64 = 3;
const ACCESSED: u64 = 1 << 10;
const INNER_SHAREABLE: u64 = 3 << 8;
const AP_USER: u64 = 1 << 6;
const AP_READ_ONLY: u64 = 1 << 7;
/// Index 0 is normal memory, 1 device memory.
const MAIR: u64 = 0x04ff;
const DEVICE_INDEX: u64 = 1 << 2;
/// 39 bits on either side, 4 KiB pages, cached, inner shareable, 40 bits of physical address.
const TCR: u64 =
    25 | 1 << 8 | 1 << 10 | 3 << 12 | 25 << 16 | 1 << 24 | 1 << 26 | 3 << 28 | 2 << 30 | 2 << 32;

/// Does `what` with the MMU on.
pub(crate) fn with_tables(what: impl FnOnce()) {
    write_tables();
    let before = support::read_register!("sctlr_el1");
    support::write_register!("mair_el1", MAIR);
    support::write_register!("tcr_el1", TCR);
    support::write_register!("ttbr0_el1", LEVEL_1);
    support::write_register!("ttbr1_el1", LEVEL_1);
    // SAFETY: no translation is in use yet.
    unsafe { asm!("dsb sy", "tlbi vmalle1", "dsb sy", "isb") };
    support::write_register!("sctlr_el1", before | 1);
    what();
    support::write_register!("sctlr_el1", before);
}

fn write_tables() {
    for table in [LEVEL_1, LEVEL_2, LEVEL_3] {
        fill(table, 0);
    }
    let normal = ACCESSED | INNER_SHAREABLE;
    let device = ACCESSED | DEVICE_INDEX;
    store64(LEVEL_1, BLOCK | device);
    store64(LEVEL_1 + 8, 0x4000_0000 | BLOCK | normal);
    store64(LEVEL_1 + 16, LEVEL_2 | TABLE);
    store64(LEVEL_2, LEVEL_3 | TABLE);
    let pages = [
        (WRITABLE, TARGET | normal),
        (READ_ONLY, TARGET | normal | AP_READ_ONLY),
        (NOT_ACCESSED, TARGET | INNER_SHAREABLE),
        (USER, TARGET | normal | AP_USER),
        (NOTHING, crate::ask::UNMAPPED | normal),
        (UART, abi::arm::VPL011.start() | device),
        (FAR, 0xff_ffff_f000 | normal),
        (DEVICE, TARGET | device),
    ];
    for (at, descriptor) in pages {
        store64(LEVEL_3 + (at - BASE) / 4096 * 8, descriptor | PAGE);
    }
}
