//! What the guest started with.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use crate::{call, cpu, tree::Tree, uart};

/// Registers as the first instruction found them.
#[derive(Debug)]
#[repr(C)]
pub struct EntryRecord {
    /// x0 to x30.
    pub x: [u64; 31],
    /// `CNTPCT_EL0`: ticks since power-on, unless the hypervisor hides them.
    pub physical_count: u64,
    /// `DAIF`.
    pub daif: u64,
    /// `CurrentEL`.
    pub current_el: u64,
    /// `SPSel`.
    pub stack_select: u64,
    /// `VBAR_EL1`.
    pub vectors: u64,
}

unsafe extern "C" {
    static entry_record: EntryRecord;
    fn guest_main(tree: usize) -> !;
    fn secondary_start();
}

/// What the first vCPU started with.
pub fn record() -> &'static EntryRecord {
    // SAFETY: written by the entry code before any Rust runs, never again.
    unsafe { &entry_record }
}

#[unsafe(no_mangle)]
extern "C" fn support_start(tree: usize) -> ! {
    cpu::enter(0);
    // SAFETY: the boot protocol passes the address of a device tree in memory that is ours.
    uart::find(&unsafe { Tree::at(tree) });
    // SAFETY: every guest defines it, as the crate's head says.
    unsafe { guest_main(tree) }
}

/// What a started vCPU does; a `fn(usize)`.
static SECONDARY: AtomicUsize = AtomicUsize::new(0);

/// What a started vCPU found: all of x1 to x30 combined, `SPSel`, `DAIF`.
#[derive(Debug)]
pub struct SecondaryRecord {
    /// x1 to x30, combined by OR.
    pub others: AtomicU64,
    /// `SPSel`.
    pub stack_select: AtomicU64,
    /// `DAIF`.
    pub daif: AtomicU64,
}

static SECONDARY_RECORD: SecondaryRecord = SecondaryRecord {
    others: AtomicU64::new(0),
    stack_select: AtomicU64::new(0),
    daif: AtomicU64::new(0),
};

/// What the vCPU that was started last found.
pub fn secondary_record() -> &'static SecondaryRecord {
    &SECONDARY_RECORD
}

#[unsafe(no_mangle)]
extern "C" fn support_secondary(number: usize, others: u64, stack_select: u64, daif: u64) -> ! {
    cpu::enter(number);
    SECONDARY_RECORD.others.store(others, Relaxed);
    SECONDARY_RECORD.stack_select.store(stack_select, Relaxed);
    SECONDARY_RECORD.daif.store(daif, Relaxed);
    let main = SECONDARY.load(Relaxed);
    if main != 0 {
        // SAFETY: only `start` stores here, and it stores such a function.
        let main: fn(usize) = unsafe { core::mem::transmute(main) };
        main(number);
    }
    loop {
        call::cpu_off();
    }
}

/// Turns vCPU `number` on, to run `main` and to turn itself off when that returns. Gives what
/// `CPU_ON` returned.
pub fn start(number: usize, main: fn(usize)) -> i32 {
    SECONDARY.store(main as usize, Relaxed);
    let entry = secondary_start as *const () as u64;
    call::cpu_on(abi::arm::vcpu_affinity(number as u16), entry, number as u64)
}
