//! From the first Rust instruction to the hypervisor's own `boot`.

use abi::{CpuId, PAGE_SIZE, Pa, Range};
use alloc::boxed::Box;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicU64, Ordering};

use super::cache;
use super::cpu;
use super::entry::{SecondaryStart, call_on_stack, park, secondary_entry};
use super::firmware::{Conduit, StartError};
use super::mmu::{self, MapError, STACK_WINDOW, Use};
use super::uart::Uart;
use crate::arrival::Arrival;
use crate::frames::{Extent, Frames, Module, Occupied, TooFragmented};
use crate::heap;
use crate::lock::{Token, Unlocked, cpu_token};

unsafe extern "C" {
    static _head: u8;
    static __text_end: u8;
    static __data_start: u8;
    static __boot_guard: u8;
    static __boot_stack_start: u8;
    static _end: u8;
    static __heap_start: u8;
    static __heap_end: u8;
}

unsafe extern "Rust" {
    /// The hypervisor's own start on the boot CPU, given by the binary.
    safe fn euxenite_boot(boot: Boot) -> !;
    /// The hypervisor's start on every other CPU.
    safe fn euxenite_secondary(cpu: CpuId, token: Token<Unlocked>) -> !;
    /// Where the console UART of this device tree is; no memory is allocated.
    safe fn euxenite_find_uart(tree: &[u8]) -> Option<u64>;
}

macro_rules! symbol {
    ($name:ident) => {
        (&raw const $name) as u64
    };
}

/// Bytes of a CPU's stack.
pub const STACK_BYTES: u64 = 32 << 10;
/// Bytes of the boot CPU's stack: building domains is deeper than running them.
pub const BOOT_STACK_BYTES: u64 = 96 << 10;
/// Bytes from one CPU's stack to the next; what is not stack is unmapped.
const STACK_STRIDE: u64 = 256 << 10;

/// The longest device tree that is accepted, as on Xen.
const MOST_TREE_BYTES: u64 = 2 << 20;
/// The longest one in which the UART is looked for, to say that it is too long.
const MOST_SEARCHED_BYTES: u64 = 64 << 20;

const EMPTY_START: SecondaryStart = SecondaryStart {
    mair: 0,
    tcr: 0,
    ttbr0: 0,
    sctlr: 0,
    stack: 0,
    entry: 0,
    argument: 0,
};

/// The image's own addresses.
fn image() -> Range {
    Range::from_bounds(symbol!(_head), symbol!(_end)).unwrap_or_default()
}

/// Where the device tree at `tree` can be read: 2 MiB from its page on, as far as the image is not in
/// the way. Empty if it is in the image.
fn tree_window(tree: u64) -> Range {
    let image = image();
    let start = tree & !(PAGE_SIZE - 1);
    let end = start.saturating_add(MOST_TREE_BYTES);
    let end = if start < image.start() {
        end.min(image.start())
    } else if start < image.end() {
        start
    } else {
        end
    };
    Range::from_bounds(start, end).unwrap_or_default()
}

/// Builds the first tables: the image, less the page below the boot stack, and the device tree. Runs
/// with the MMU off, so nothing in here may use atomics. The caller reads the table registers' values from what is returned.
pub(crate) unsafe extern "C" fn early_map(tree: u64) -> *const SecondaryStart {
    #[repr(transparent)]
    struct Start(core::cell::UnsafeCell<SecondaryStart>);
    // SAFETY: written here, before any other CPU runs, and read only afterwards.
    unsafe impl Sync for Start {}
    static START: Start = Start(core::cell::UnsafeCell::new(EMPTY_START));

    let window = tree_window(tree);
    let second = window.start().saturating_add(PAGE_SIZE);
    let parts = [
        (symbol!(_head), symbol!(__text_end), Use::Code),
        (symbol!(__text_end), symbol!(__data_start), Use::Constants),
        (symbol!(__data_start), symbol!(__boot_guard), Use::Data),
        (symbol!(__boot_stack_start), symbol!(_end), Use::Data),
        // In two parts, so that it is mapped by pages, of which others may change.
        (window.start(), second.min(window.end()), Use::Constants),
        (second, window.end(), Use::Constants),
    ];
    for (start, end, usage) in parts {
        if let Some(range) = Range::from_bounds(start, end) {
            // SAFETY: the MMU is off and this is the only CPU.
            let _ = unsafe { mmu::map_early(range, usage) };
        }
    }
    let start = SecondaryStart {
        mair: mmu::MAIR,
        tcr: mmu::tcr(),
        ttbr0: mmu::root(),
        sctlr: mmu::SCTLR_ON,
        ..EMPTY_START
    };
    // SAFETY: as for `Start`.
    unsafe { START.0.get().write_volatile(start) };
    START.0.get()
}

/// The MMU is on: from here on everything is ordinary Rust.
pub(crate) extern "C" fn boot_entry(tree: u64) -> ! {
    cpu::set_id(CpuId(0));
    cpu::init();
    let (start, end) = (symbol!(__heap_start), symbol!(__heap_end));
    heap::start(start as *mut u8, (end - start) as usize);
    let mut token = cpu_token();
    // The tables are new: there is room for two ranges.
    let _ = mmu::keep_early(image(), &mut token);
    let tree = tree_range(tree);
    let kept = mmu::keep_early(tree, &mut token);
    euxenite_boot(Boot {
        tree: if kept.is_ok() { tree } else { Range::default() },
        token,
    })
}

fn tree_range(tree: u64) -> Range {
    let room = tree_window(tree).end().saturating_sub(tree);
    Range::new(tree, told_bytes(tree).min(room)).unwrap_or_default()
}

/// How long the tree at `tree` says that it is; 0 if it cannot be read.
fn told_bytes(tree: u64) -> u64 {
    if tree_window(tree).end().saturating_sub(tree) < 8 {
        return 0;
    }
    // SAFETY: `early_map` mapped the window, in which these bytes are.
    let header = unsafe { crate::physical::slice(Pa(tree), 8) };
    match header {
        [0xd0, 0x0d, 0xfe, 0xed, a, b, c, d] => u64::from(u32::from_be_bytes([*a, *b, *c, *d])),
        _ => 8,
    }
}

/// Entered at EL1: says so on the console UART, if the device tree has one.
pub(crate) extern "C" fn wrong_level(tree: u64) {
    let range = tree_range(tree);
    // SAFETY: the MMU is off, so that the tree can be read where the boot loader put it.
    let bytes = unsafe { tree_bytes(range) };
    if let Some(uart) = euxenite_find_uart(bytes) {
        let text = "euxenite: entered at EL1, but a hypervisor needs EL2: halted\r\n";
        // SAFETY: nothing else runs, nothing comes behind this, and the address is the device tree's.
        unsafe { write_plainly(uart, text) };
    }
}

/// # Safety
/// The range is mapped RAM that nobody writes for as long as the slice is used, or empty.
unsafe fn tree_bytes<'a>(range: Range) -> &'a [u8] {
    if range.is_empty() {
        return &[];
    }
    // SAFETY: as this function's.
    unsafe { crate::physical::slice(Pa(range.start()), range.size()) }
}

/// # Safety
/// `uart` is the address of a PL011's registers, mapped if the MMU is on.
unsafe fn write_plainly(uart: u64, text: &str) {
    for byte in text.bytes() {
        // SAFETY: as this function's; FR is at 0x18 and DR at 0.
        unsafe {
            while ((uart + 0x18) as *const u32).read_volatile() & 1 << 5 != 0 {}
            (uart as *mut u32).write_volatile(u32::from(byte));
        }
    }
}

/// What the boot CPU starts with.
pub struct Boot {
    tree: Range,
    token: Token<Unlocked>,
}

/// The memory is not usable as described.
#[derive(Debug, PartialEq, Eq)]
pub enum MemoryError {
    /// The hypervisor's own tables are full.
    OutOfTables,
    /// RAM and a device share a page, or there is RAM from 2^47 on.
    Conflict,
    /// More separate ranges than can be tracked.
    TooFragmented,
    /// Not enough for a stack.
    NoStack,
}

/// The memory after [`Boot::memory`].
pub struct Memory {
    /// The free RAM.
    pub frames: Box<Frames>,
    /// The device tree, which can be given back.
    pub tree: Option<Module>,
    /// The image's own addresses.
    pub image: Range,
    /// Bytes of RAM in all banks.
    pub total_bytes: u64,
}

impl Boot {
    /// The host's device tree, as long as its header says, at most 2 MiB; empty behind
    /// [`Self::memory`], which gives it on.
    pub fn device_tree(&self) -> &[u8] {
        // SAFETY: mapped read-only by `early_map`. Nothing writes it until `memory`, which needs
        // `self` alone, so that this borrow has ended.
        unsafe { tree_bytes(self.tree) }
    }

    /// Writes `text` to the UART that the device tree names, with no driver: before there is a
    /// console.
    pub fn early_message(&mut self, text: &str) {
        let tree = self.whole_tree();
        // SAFETY: mapped, by `early_map` or just now, and nothing writes it.
        let Some(uart) = euxenite_find_uart(unsafe { tree_bytes(tree) }) else {
            return;
        };
        let registers = Range::new(uart, PAGE_SIZE);
        if registers
            .and_then(|range| mmu::map_device(range, &mut self.token))
            .is_some()
        {
            // SAFETY: the device tree names it as the console, and it was just mapped.
            unsafe { write_plainly(uart, text) };
        }
    }

    /// The tree as long as its header says. What is behind the part that is accepted is mapped for
    /// it: nothing else is mapped behind that.
    fn whole_tree(&mut self) -> Range {
        let tree = self.tree;
        if tree.is_empty() {
            return tree;
        }
        let told = told_bytes(tree.start()).min(MOST_SEARCHED_BYTES);
        let whole = Range::new(tree.start(), told).unwrap_or(tree);
        let end = whole.end().next_multiple_of(PAGE_SIZE);
        match Range::from_bounds(tree.end(), end) {
            Some(rest) if told > tree.size() && !rest.overlaps(image()) => {
                match mmu::map_ram(rest, &mut self.token) {
                    Ok(()) => whole,
                    Err(_) => tree,
                }
            }
            _ => tree,
        }
    }

    /// Maps all RAM in `banks` and finds what is free: all but `reserved`, `modules`, the image, the
    /// device tree. What is reserved stays so for good.
    pub fn memory(
        &mut self,
        banks: &[Range],
        reserved: &[Range],
        modules: &[Range],
    ) -> Result<Memory, MemoryError> {
        let image = image();
        for part in banks.iter().flat_map(|bank| around(*bank, image)) {
            mmu::map_ram(part, &mut self.token).map_err(|error| match error {
                MapError::OutOfTables => MemoryError::OutOfTables,
                MapError::Conflict => MemoryError::Conflict,
            })?;
        }
        let tree = core::mem::take(&mut self.tree);
        let mut modules = alloc::vec::Vec::from(modules);
        modules.push(tree);
        let occupied = Occupied {
            image,
            reserved,
            modules: &modules,
        };
        let mut frames =
            Frames::new(banks, occupied).map_err(|_: TooFragmented| MemoryError::TooFragmented)?;
        let tree = frames.module(tree);
        let total_bytes = banks.iter().map(|bank| bank.size()).sum();
        Ok(Memory {
            frames,
            tree,
            image,
            total_bytes,
        })
    }

    /// Goes on in `next`, with `state`, on a stack with guard pages, as CPU 0.
    pub fn onto_stack<T>(
        mut self,
        stack: Extent,
        state: T,
        next: fn(Token<Unlocked>, T) -> !,
    ) -> ! {
        extern "C" fn go<T>(argument: u64) -> ! {
            // SAFETY: `argument` is the box leaked below, and this is its one use.
            let call = unsafe { Box::from_raw(argument as *mut Call<T>) };
            let Call { state, next } = *call;
            next(cpu_token(), state)
        }
        struct Call<T> {
            state: T,
            next: fn(Token<Unlocked>, T) -> !,
        }
        let Some(top) = map_stack(CpuId(0), stack, &mut self.token) else {
            panic!("no stack for the boot CPU")
        };
        let call = Box::into_raw(Box::new(Call { state, next }));
        // SAFETY: the old stack is left for good: nothing on it is used again, this CPU's old
        // token included.
        unsafe { call_on_stack(call as u64, top, go::<T> as *const () as u64) }
    }

    /// The boot CPU's token.
    pub fn token(&mut self) -> &mut Token<Unlocked> {
        &mut self.token
    }
}

/// Parts of `bank` outside `hole`, page by page.
fn around(bank: Range, hole: Range) -> impl Iterator<Item = Range> {
    let page = |address: u64| address & !(PAGE_SIZE - 1);
    let (start, end) = (page(bank.start() + PAGE_SIZE - 1), page(bank.end()));
    let (low, high) = (page(hole.start()), page(hole.end() + PAGE_SIZE - 1));
    let parts = [(start, end.min(low)), (start.max(high), end)];
    parts
        .into_iter()
        .filter_map(|(a, b)| Range::from_bounds(a, b))
        .filter(|part| !part.is_empty())
}

fn map_stack(cpu: CpuId, stack: Extent, token: &mut Token<Unlocked>) -> Option<u64> {
    let range = stack.into_range();
    let bottom = STACK_WINDOW + u64::from(cpu.0) * STACK_STRIDE + PAGE_SIZE;
    let bytes = range.size().min(STACK_STRIDE - 2 * PAGE_SIZE);
    mmu::map_stack(bottom, Pa(range.start()), bytes, token).ok()?;
    Some(bottom + bytes)
}

/// The most CPUs that can be started besides the boot CPU.
const MOST_STARTS: usize = 128;

/// Who of those that were started has come, by the order of their starts.
static ARRIVALS: [Arrival; MOST_STARTS] = [const { Arrival::new() }; MOST_STARTS];

/// Has the host's firmware start the CPU with this `mpidr`, on the stack with the number `place` (from 1
/// on, each once). When it has come and is let in it goes on in the binary's `euxenite_secondary`. The
/// stack stays its own, even if it never comes.
pub fn start_cpu(
    conduit: Conduit,
    mpidr: u64,
    place: CpuId,
    stack: Extent,
    token: &mut Token<Unlocked>,
) -> Result<&'static Arrival, StartError> {
    extern "C" fn go(place: u64) -> ! {
        let arrival = ARRIVALS.get(place as usize);
        let Some(cpu) = arrival.and_then(Arrival::arrive) else {
            park()
        };
        cpu::set_id(cpu);
        cpu::init();
        euxenite_secondary(cpu, cpu_token())
    }
    let arrival = ARRIVALS.get(usize::from(place.0));
    let top = map_stack(place, stack, token);
    let (Some(arrival), Some(top)) = (arrival, top) else {
        return Err(StartError(abi::psci::INTERNAL_FAILURE));
    };
    // It stays: the CPU reads it at a time that nothing tells us.
    let start = Box::leak(Box::new(SecondaryStart {
        mair: mmu::MAIR,
        tcr: mmu::tcr(),
        ttbr0: mmu::root(),
        sctlr: mmu::SCTLR_ON,
        stack: top,
        entry: go as *const () as u64,
        argument: u64::from(place.0),
    }));
    let address = core::ptr::from_ref(start) as u64;
    cache::clean_invalidate(address, size_of::<SecondaryStart>() as u64);
    conduit.cpu_on(mpidr, secondary_entry as *const () as u64, address)?;
    Ok(arrival)
}

/// The UART for last words: its address, or 0.
static LAST_WORDS: AtomicU64 = AtomicU64::new(0);

/// Panics are written to this UART.
pub fn set_panic_uart(uart: &Uart) {
    LAST_WORDS.store(uart.start(), Ordering::Relaxed);
}

/// An exception that EL2 itself caused: always a mistake of ours.
pub(crate) extern "C" fn own_exception(kind: u64, esr: u64, elr: u64, far: u64) -> ! {
    let base = symbol!(_head);
    panic!(
        "exception {kind} at EL2: ESR {esr:#x}, ELR {elr:#x} (image + {:#x}), FAR {far:#x}",
        elr.wrapping_sub(base)
    )
}

struct LastWords(u64);

impl core::fmt::Write for LastWords {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        // SAFETY: the registers of the UART that `set_panic_uart` was told; they stay mapped.
        unsafe { write_plainly(self.0, text) };
        Ok(())
    }
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    use core::fmt::Write;
    cpu::stop_all();
    let uart = LAST_WORDS.swap(0, Ordering::Relaxed);
    if uart != 0 {
        let bar = "****************************************";
        let cpu = cpu::id().0;
        let mut words = LastWords(uart);
        let _ = write!(words, "\r\n{bar}\r\nPanic on CPU {cpu}:\r\n");
        match info.location() {
            Some(at) => {
                let _ = write!(
                    words,
                    "{} ({}:{})\r\n",
                    info.message(),
                    at.file(),
                    at.line()
                );
            }
            None => {
                let _ = write!(words, "{}\r\n", info.message());
            }
        }
        let _ = write!(words, "{bar}\r\n");
    }
    park()
}
