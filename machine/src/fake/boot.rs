//! The start of a boot, as a test arranges it.

use abi::{CpuId, Range};
use std::boxed::Box;
use std::vec::Vec;

use super::firmware::{Conduit, StartError};
use super::host::{Machine, Record, with_state};
use super::uart::Uart;
use crate::arrival::Arrival;
use crate::frames::{Extent, Frames, Module, Occupied, TooFragmented};
use crate::lock::{Token, Unlocked, host_token};

/// Bytes of a CPU's stack.
pub const STACK_BYTES: u64 = 32 << 10;
/// Bytes of the boot CPU's stack.
pub const BOOT_STACK_BYTES: u64 = 96 << 10;
/// Bytes that stand for the hypervisor's image, at the start of RAM.
const IMAGE_BYTES: u64 = 256 << 10;

/// What the boot CPU starts with.
pub struct Boot {
    tree: Vec<u8>,
    place: Range,
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
    /// A boot with this device tree, which lies behind the image. This thread becomes CPU 0.
    pub fn new(machine: &Machine, tree: &[u8]) -> Self {
        machine.enter(CpuId(0));
        let start = machine.ram().start() + IMAGE_BYTES;
        machine.poke(abi::Pa(start), tree);
        let place = Range::new(start, tree.len() as u64).unwrap_or_default();
        Self {
            tree: Vec::from(tree),
            place,
            token: host_token(),
        }
    }

    /// The host's device tree; empty behind [`Self::memory`], which gives it on.
    pub fn device_tree(&self) -> &[u8] {
        &self.tree
    }

    /// Writes `text` to the UART with no driver.
    pub fn early_message(&mut self, text: &str) {
        with_state(|state, _| state.uart.output.extend(text.bytes()));
    }

    /// Finds what is free of `banks`: all but `reserved`, `modules`, the image, the device tree.
    pub fn memory(
        &mut self,
        banks: &[Range],
        reserved: &[Range],
        modules: &[Range],
    ) -> Result<Memory, MemoryError> {
        self.tree.clear();
        let start = super::host::RAM_START.0;
        let image = Range::new(start, IMAGE_BYTES).unwrap_or_default();
        let mut modules = Vec::from(modules);
        modules.push(self.place);
        let occupied = Occupied {
            image,
            reserved,
            modules: &modules,
        };
        let mut frames =
            Frames::new(banks, occupied).map_err(|_: TooFragmented| MemoryError::TooFragmented)?;
        let tree = frames.module(self.place);
        let total_bytes = banks.iter().map(|bank| bank.size()).sum();
        Ok(Memory {
            frames,
            tree,
            image,
            total_bytes,
        })
    }

    /// Goes on in `next`, with `state`, on the stack of the test.
    pub fn onto_stack<T>(self, stack: Extent, state: T, next: fn(Token<Unlocked>, T) -> !) -> ! {
        let _ = stack.into_range();
        next(self.token, state)
    }

    /// The boot CPU's token.
    pub fn token(&mut self) -> &mut Token<Unlocked> {
        &mut self.token
    }
}

/// Records that the CPU with this `mpidr` was started, or gives the error that the test has set. It
/// comes at once, unless the test has it stay away; the test plays it.
pub fn start_cpu(
    conduit: Conduit,
    mpidr: u64,
    place: CpuId,
    stack: Extent,
    token: &mut Token<Unlocked>,
) -> Result<&'static Arrival, StartError> {
    let _ = (conduit, stack.into_range(), token);
    with_state(|state, _| {
        if state.start_result != abi::psci::SUCCESS {
            return Err(StartError(state.start_result));
        }
        state.record(Record::Started { place, mpidr });
        let arrival: &'static Arrival = Box::leak(Box::default());
        state.arrivals.insert(mpidr, arrival);
        if !state.late.contains(&mpidr) {
            arrival.come();
        }
        Ok(arrival)
    })
}

/// Panics are written by the test harness.
pub fn set_panic_uart(uart: &Uart) {
    let _ = uart;
}
