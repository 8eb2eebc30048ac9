//! This CPU: its traps, its idle instruction, its identity.

use abi::CpuId;
use core::arch::asm;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::sysreg::{dsb_nsh, dsb_sy, isb, read, write};

/// `HCR_EL2` for guests on every processor: 64-bit EL1, stage 2 on, interrupts taken to EL2, and traps for what is
/// emulated (Arm ARM D24.2.48).
const HCR: u64 = 1 << 31 // RW: EL1 is 64-bit
    | 1 << 0  // VM
    | 1 << 1  // SWIO
    | 1 << 2  // PTW: no table walks through device memory
    | 1 << 3  // FMO
    | 1 << 4  // IMO
    | 1 << 5  // AMO
    | 1 << 9  // FB: broadcast maintenance
    | 1 << 10 // BSU: inner shareable
    | 1 << 18 // TID3: identification registers
    | 1 << 19 // TSC: SMC
    | 1 << 20 // TIDCP: implementation defined registers
    | 1 << 21 // TACR: ACTLR_EL1
    | 1 << 22; // TSW: cache maintenance by set and way

/// `HCR_EL2.TWE`.
const HCR_TRAP_WFE: u64 = 1 << 14;

/// `HCR_EL2.TWI`.
const HCR_TRAP_WFI: u64 = 1 << 13;

/// Which of a guest's waiting instructions are exits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrapWait {
    /// `WFI` and `WFE`: somebody else waits for the CPU.
    Both,
    /// `WFI`.
    Interrupt,
    /// Neither: the guest has the CPU to itself (`vwfi=native`).
    None,
}

/// Sets what `WFI` and `WFE` do for the guest that runs next on this CPU.
#[inline]
pub fn set_trap_wait(trap: TrapWait) {
    let bits = match trap {
        TrapWait::Both => HCR_TRAP_WFI | HCR_TRAP_WFE,
        TrapWait::Interrupt => HCR_TRAP_WFI,
        TrapWait::None => 0,
    };
    write!(
        "hcr_el2",
        read!("hcr_el2") & !(HCR_TRAP_WFI | HCR_TRAP_WFE) | bits
    );
}

/// `HCR_EL2.VSE`: a virtual SError is pending for the guest. Hardware clears it when the guest takes
/// it.
const HCR_VIRTUAL_SERROR: u64 = 1 << 8;

/// Makes a virtual SError pending for the guest on this CPU.
pub(crate) fn pend_serror() {
    write!("hcr_el2", read!("hcr_el2") | HCR_VIRTUAL_SERROR);
}

/// Takes the virtual SError that the guest on this CPU has not taken yet out of it; whether there is
/// one.
#[inline]
pub(crate) fn take_serror() -> bool {
    let hcr = read!("hcr_el2");
    let pending = hcr & HCR_VIRTUAL_SERROR != 0;
    if pending {
        write!("hcr_el2", hcr & !HCR_VIRTUAL_SERROR);
    }
    pending
}

/// A field of four bits of an identification register.
macro_rules! feature {
    ($register:literal, $low:literal) => {
        read!($register) >> $low & 0xf
    };
}

/// Whether there are RAS registers (FEAT_RAS).
pub(crate) fn has_ras() -> bool {
    feature!("id_aa64pfr0_el1", 28) != 0
}

/// Traps of `HCR_EL2` for what only some processors have.
fn optional_traps() -> u64 {
    let ordering_regions = if feature!("id_aa64mmfr1_el1", 16) != 0 {
        1 << 35
    } else {
        0
    }; // TLOR
    let error_records = if has_ras() { 1 << 36 } else { 0 }; // TERR
    ordering_regions | error_records
}

/// Sets registers that firmware may have left in any state, on processors that have them: no extended
/// or fine-grained controls, no memory partitions for guests.
fn init_optional() {
    if has_ras() {
        write!("S3_4_C5_C2_3", 0); // VSESR_EL2: the syndrome of virtual SErrors
    }
    if feature!("id_aa64mmfr1_el1", 40) != 0 {
        write!("S3_4_C1_C2_2", 0); // HCRX_EL2
    }
    if feature!("id_aa64mmfr0_el1", 56) != 0 {
        write!("S3_4_C1_C1_4", 0); // HFGRTR_EL2
        write!("S3_4_C1_C1_5", 0); // HFGWTR_EL2
        write!("S3_4_C1_C1_6", 0); // HFGITR_EL2
        write!("S3_4_C3_C1_4", 0); // HDFGRTR_EL2
        write!("S3_4_C3_C1_5", 0); // HDFGWTR_EL2
    }
    if feature!("id_aa64pfr0_el1", 40) != 0 {
        write!("S3_4_C10_C5_0", 1 << 48 | 1 << 49); // MPAM2_EL2: TRAPMPAM1EL1, TRAPMPAM0EL1
    }
    isb();
}

/// How many counters `MDCR_EL2.HPMN` leaves to guests: all, as the register demands. They trap.
fn counters() -> u64 {
    match feature!("id_aa64dfr0_el1", 8) {
        // No architected monitors, so that PMCR_EL0 is undefined.
        0 | 0xf => 0,
        _ => read!("pmcr_el0") >> 11 & 0x1f,
    }
}

/// Sets the traps that stay the same for all guests, whatever firmware left.
pub(crate) fn init() {
    write!("hcr_el2", HCR | optional_traps() | HCR_TRAP_WFI);
    init_optional();
    // No translation of a guest's that a boot loader left.
    // SAFETY: dropping translations only costs table walks.
    unsafe { core::arch::asm!("tlbi alle1", options(nostack)) };
    dsb_nsh();
    isb();
    write!("mdscr_el1", 0);
    // CPTR_EL2: RES1 bits, TZ (SVE), TSM (SME), TTA (trace) and TAM (activity monitors, where
    // implemented) trap; FP does not.
    write!(
        "cptr_el2",
        0x33ff & !(1 << 10) | 1 << 8 | 1 << 12 | 1 << 20 | 1 << 30
    );
    // MDCR_EL2: no performance monitors, no debug registers, no profiling, no trace.
    write!(
        "mdcr_el2",
        counters() | 1 << 5 | 1 << 6 | 1 << 9 | 1 << 10 | 1 << 11 | 1 << 14 | 1 << 19
    );
    write!("hstr_el2", 0);
    write!("vpidr_el2", read!("midr_el1"));
    super::timer::init();
    isb();
}

/// Where CPUs meet: a point at which tests on the fake machine switch between them.
#[inline(always)]
pub(crate) fn point() {}

/// Waits until another CPU stores `value` to `word`; what it stored before is seen then. The CPU sleeps
/// meanwhile: the exclusive load has its monitor watch the word, and a store by another CPU takes that
/// away, which is an event (Arm ARM B2.12.1, D1.7.2).
#[cold]
pub(crate) fn wait_for(word: &AtomicU32, value: u32) {
    // SAFETY: it reads a word that is borrowed; an exclusive load that no exclusive store follows changes
    // nothing but this CPU's monitor.
    unsafe {
        asm!(
            // The first time round, the word is looked at without waiting.
            "sevl",
            "2:",
            "wfe",
            "ldaxr {now:w}, [{word}]",
            "cmp {now:w}, {value:w}",
            "b.ne 2b",
            now = out(reg) _,
            word = in(reg) word.as_ptr(),
            value = in(reg) value,
            options(nostack),
        );
    }
}

/// This CPU's logical number, as it was told when it started.
pub fn id() -> CpuId {
    CpuId(read!("tpidr_el2") as u16)
}

pub(crate) fn set_id(id: CpuId) {
    write!("tpidr_el2", u64::from(id.0));
}

/// `MPIDR_EL1`'s affinity fields of this CPU.
pub fn affinity() -> u64 {
    read!("mpidr_el1") & 0xff_00ff_ffff
}

/// Waits until an interrupt is pending for this CPU. Interrupts are masked and stay pending.
pub fn wait_for_interrupt() {
    dsb_sy();
    // SAFETY: waits only.
    unsafe { core::arch::asm!("wfi", options(nostack)) };
}

/// Waits until another CPU calls [`send_event`], or for less.
pub fn wait_for_event() {
    // SAFETY: waits only.
    unsafe { core::arch::asm!("wfe", options(nostack)) };
}

/// Waits until another CPU calls [`send_event`], or for less: not long after the counter has reached
/// the deadline. For EL2's own waiting: guests have their counters' events off.
pub(crate) fn wait_for_event_until(_deadline: u64) {
    super::timer::with_event_stream(wait_for_event);
}

/// Ends the [`wait_for_event`] of all CPUs.
pub fn send_event() {
    super::sysreg::dsb_ishst();
    // SAFETY: a hint only.
    unsafe { core::arch::asm!("sev", options(nostack)) };
}

/// A CPU has panicked: all stop.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// Has all other CPUs stop when they next take a kick.
pub(crate) fn stop_all() {
    STOPPED.store(true, Ordering::Relaxed);
    super::gic::kick_others();
}

/// Stops this CPU for good if another has panicked. To be called for each kick.
#[inline]
pub fn stop_if_panicked() {
    if STOPPED.load(Ordering::Relaxed) {
        halt()
    }
}

/// Stops this CPU for good.
pub fn halt() -> ! {
    super::entry::park()
}
