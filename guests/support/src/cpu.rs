//! A vCPU's own block, which the exception vectors work on, and the instructions that Rust has no
//! words for.

use core::{
    arch::asm,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// The most vCPUs that a guest of ours uses.
pub const MAX_CPUS: usize = 8;

/// What exceptions do, and what they leave; `vectors.s` knows the offsets.
#[derive(Debug)]
#[repr(C, align(128))]
pub struct Block {
    irq_hook: AtomicU64,
    sync_hook: AtomicU64,
    /// Interrupts taken.
    pub irq_count: AtomicU64,
    /// The INTID of the last one.
    pub irq_last: AtomicU64,
    /// The counter when the last timer interrupt was taken.
    pub irq_time: AtomicU64,
    slide: AtomicU64,
    /// Synchronous exceptions taken.
    pub sync_count: AtomicU64,
    /// `ESR_EL1` of the last.
    pub syndrome: AtomicU64,
    /// `FAR_EL1` of the last.
    pub fault_address: AtomicU64,
    /// `ELR_EL1` of the last.
    pub return_address: AtomicU64,
    reply: AtomicU64,
    /// The timer's control register when its last interrupt was taken.
    pub timer_control: AtomicU64,
}

/// What an interrupt does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IrqHook {
    /// Counts.
    Count,
    /// Counts and writes this to `ICC_SGI1R_EL1`.
    Reply(u64),
    /// Notes the virtual counter, `delay` (0 to 15) instructions late, and stops that timer.
    VirtualTimer {
        /// Instructions to be late by.
        delay: u64,
    },
    /// The same for the physical timer.
    PhysicalTimer {
        /// Instructions to be late by.
        delay: u64,
    },
}

/// What a synchronous exception does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncHook {
    /// Counts and goes on behind the instruction.
    Skip,
    /// Notes what it was as well.
    Record,
}

unsafe extern "C" {
    fn irq_count();
    fn irq_reply();
    fn irq_virtual_timer();
    fn irq_virtual_timer_slide_end();
    fn irq_physical_timer();
    fn irq_physical_timer_slide_end();
    fn sync_skip();
    fn sync_record();
}

static BLOCKS: [Block; MAX_CPUS] = [const { Block::new() }; MAX_CPUS];

impl Block {
    const fn new() -> Self {
        Self {
            irq_hook: AtomicU64::new(0),
            sync_hook: AtomicU64::new(0),
            irq_count: AtomicU64::new(0),
            irq_last: AtomicU64::new(0),
            irq_time: AtomicU64::new(0),
            slide: AtomicU64::new(0),
            sync_count: AtomicU64::new(0),
            syndrome: AtomicU64::new(0),
            fault_address: AtomicU64::new(0),
            return_address: AtomicU64::new(0),
            reply: AtomicU64::new(0),
            timer_control: AtomicU64::new(0),
        }
    }

    /// What interrupts do from now on.
    pub fn on_irq(&self, hook: IrqHook) {
        let address = |function: unsafe extern "C" fn()| function as *const () as u64;
        let hook = match hook {
            IrqHook::Count => address(irq_count),
            IrqHook::Reply(sgi) => {
                self.reply.store(sgi, Relaxed);
                address(irq_reply)
            }
            IrqHook::VirtualTimer { delay } => {
                let end = address(irq_virtual_timer_slide_end);
                self.slide.store(end - 4 * (delay & 15), Relaxed);
                address(irq_virtual_timer)
            }
            IrqHook::PhysicalTimer { delay } => {
                let end = address(irq_physical_timer_slide_end);
                self.slide.store(end - 4 * (delay & 15), Relaxed);
                address(irq_physical_timer)
            }
        };
        self.irq_hook.store(hook, Relaxed);
    }

    /// What synchronous exceptions do from now on.
    pub fn on_sync(&self, hook: SyncHook) {
        let hook: unsafe extern "C" fn() = match hook {
            SyncHook::Skip => sync_skip,
            SyncHook::Record => sync_record,
        };
        self.sync_hook.store(hook as *const () as u64, Relaxed);
    }

    /// Interrupts taken so far.
    #[inline(always)]
    pub fn interrupts(&self) -> u64 {
        self.irq_count.load(Relaxed)
    }
}

/// The block of vCPU `number`; the last one's where there is none.
pub fn block(number: usize) -> &'static Block {
    &BLOCKS[number.min(MAX_CPUS - 1)]
}

/// Makes this vCPU number `number`.
pub(crate) fn enter(number: usize) {
    let block = block(number);
    block.on_irq(IrqHook::Count);
    block.on_sync(SyncHook::Record);
    // SAFETY: only the vectors read it.
    unsafe { asm!("msr tpidr_el1, {}", "isb", in(reg) block) };
}

/// Takes interrupts from now on.
#[inline(always)]
pub fn unmask_interrupts() {
    // SAFETY: the vectors are in place.
    unsafe { asm!("msr daifclr, #2", "isb") };
}

/// Takes no interrupts from now on.
#[inline(always)]
pub fn mask_interrupts() {
    // SAFETY: nothing relies on them.
    unsafe { asm!("msr daifset, #2") };
}

/// Waits for an interrupt, with interrupts masked or not.
#[inline(always)]
pub fn wait_for_interrupt() {
    // SAFETY: waits.
    unsafe { asm!("wfi") };
}

/// Lets another CPU of the emulator run: under `-icount` QEMU stays with one CPU until it does.
#[inline(always)]
pub fn yield_cpu() {
    // SAFETY: a hint.
    unsafe { asm!("yield") };
}

/// Waits in WFI until this vCPU's count of interrupts is another than `seen`. Interrupts are to be
/// unmasked.
#[inline(always)]
pub fn wait_in_wfi(block: &Block, seen: u64) {
    mask_interrupts();
    while block.interrupts() == seen {
        wait_for_interrupt();
        unmask_interrupts();
        mask_interrupts();
    }
    unmask_interrupts();
}

/// Spins until this vCPU's count of interrupts is another than `seen`.
#[inline(always)]
pub fn wait_spinning(block: &Block, seen: u64) {
    while block.interrupts() == seen {
        yield_cpu();
    }
}

/// Reads a system register by its name in assembly.
#[macro_export]
macro_rules! read_register {
    ($name:expr) => {{
        let value: u64;
        // SAFETY: reads; a register that is not there is an exception, which is skipped.
        unsafe { core::arch::asm!(concat!("mrs {}, ", $name), inout(reg) 0_u64 => value) };
        value
    }};
}

/// Writes a system register by its name in assembly.
#[macro_export]
macro_rules! write_register {
    ($name:expr, $value:expr) => {{
        let value: u64 = $value;
        // SAFETY: the caller writes what its own code can stand.
        unsafe { core::arch::asm!(concat!("msr ", $name, ", {}"), "isb", in(reg) value) };
    }};
}
