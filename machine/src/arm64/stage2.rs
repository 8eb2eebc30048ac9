//! Stage-2 tables: the TLB, and what the CPU can address.

use abi::Range;

use super::sysreg::{dsb_ish, dsb_ishst, dsb_nsh, isb, read};
use super::vcpu::Stage2Base;

pub use crate::table_pool::TablePool;

/// Drops what the TLBs hold of `base`'s VMID for `_range` (all of the VMID: ranges of this size are
/// rare), on all CPUs.
pub fn invalidate(base: Stage2Base, _range: Range) {
    let (before, wanted) = (read!("vttbr_el2"), u64::from(base.vmid) << 48 | base.root.0);
    // Mostly a guest changes its own tables.
    if before != wanted {
        super::sysreg::write!("vttbr_el2", wanted);
        isb();
    }
    dsb_ishst();
    // SAFETY: dropping translations only costs table walks.
    unsafe { core::arch::asm!("tlbi vmalls12e1is", options(nostack)) };
    dsb_ish();
    isb();
    if before != wanted {
        super::sysreg::write!("vttbr_el2", before);
        isb();
    }
}

/// Drops what this CPU's TLB holds of the loaded vCPU's VMID. To be called behind the load of a vCPU
/// when another one of its domain was the last to run here: what one vCPU's tables say is not for
/// the other, with the same ASID or without (Arm ARM D8.16, VMID-tagged entries).
pub fn flush_local() {
    // SAFETY: dropping translations only costs table walks.
    unsafe { core::arch::asm!("tlbi vmalle1", options(nostack)) };
    dsb_nsh();
    isb();
}

/// Bits of the physical addresses that this machine has.
pub fn physical_address_bits() -> u32 {
    match read!("id_aa64mmfr0_el1") & 0xf {
        0 => 32,
        1 => 36,
        2 => 40,
        3 => 42,
        4 => 44,
        _ => 48,
    }
}

/// Makes instructions that were written to guest memory visible to instruction fetches.
pub fn synchronise_instructions() {
    super::cache::invalidate_instructions();
}
