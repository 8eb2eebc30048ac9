//! From a timer's deadline to the interrupt's handler.
//!
//! The counter ticks every sixteenth instruction. Each handler reads it with another delay of 0 to
//! 15 instructions; the floors of sixteen such reads add up to the exact figure (Hermite's
//! identity), without the delays.

use core::sync::atomic::Ordering::Relaxed;

use support::{
    cpu::{self, Block, IrqHook},
    timer,
};

use crate::operation::{Operation, whole};

/// Ticks from setting a timer to its deadline, 96 us: longer than setting takes anywhere, and than
/// the 50 us by which Xen puts off a timer that is nearer (`timer_slop`).
const AHEAD: u64 = 6000;
/// Ticks of rest before a wait is measured, 160 ms: a hypervisor that has something left to do while its
/// guests wait has done it by then, such as zeroing their RAM.
const REST: u64 = 10_000_000;
/// Instructions of the guest's from the vector to the reading of the counter.
const OWN_INSTRUCTIONS: u64 = 8;
/// Instructions in a tick of QEMU's counter.
const TICK: u64 = 16;

pub(crate) const OPERATIONS: &[Operation] = &[
    whole("virtual timer to handler, spinning", 64, |count| {
        deadlines(count, virtual_hook, virtual_deadline, spin)
    })
    .with_own(own),
    whole("virtual timer to handler, WFI", 64, |count| {
        rest();
        deadlines(count, virtual_hook, virtual_deadline, cpu::wait_in_wfi)
    })
    .with_own(own),
    whole("physical timer to handler, spinning", 64, |count| {
        deadlines(count, physical_hook, physical_deadline, spin)
    })
    .with_own(own),
    whole("physical timer to handler, WFI", 64, |count| {
        rest();
        deadlines(count, physical_hook, physical_deadline, cpu::wait_in_wfi)
    })
    .with_own(own),
];

fn own(count: u32) -> u64 {
    u64::from(count) * OWN_INSTRUCTIONS / TICK
}

fn virtual_hook(delay: u64) -> IrqHook {
    IrqHook::VirtualTimer { delay }
}

fn physical_hook(delay: u64) -> IrqHook {
    IrqHook::PhysicalTimer { delay }
}

fn virtual_deadline() -> u64 {
    let deadline = timer::virtual_count() + AHEAD;
    timer::set_virtual(deadline);
    deadline
}

fn physical_deadline() -> u64 {
    let deadline = timer::physical_count() + AHEAD;
    timer::set_physical(deadline);
    deadline
}

/// Waits for long.
fn rest() {
    let block = cpu::block(0);
    block.on_irq(virtual_hook(0));
    let seen = block.interrupts();
    timer::set_virtual(timer::virtual_count() + REST);
    cpu::wait_in_wfi(block, seen);
}

fn spin(block: &Block, seen: u64) {
    while block.interrupts() == seen {}
}

/// The sum of `count` lateness in ticks, and the timer's control register as the last handler
/// found it.
fn deadlines(
    count: u32,
    hook: fn(u64) -> IrqHook,
    set: fn() -> u64,
    wait: fn(&Block, u64),
) -> (u64, u64) {
    let block = cpu::block(0);
    let mut late = 0;
    for index in 0..count {
        block.on_irq(hook(u64::from(index)));
        let seen = block.interrupts();
        let deadline = set();
        wait(block, seen);
        late += block.irq_time.load(Relaxed).saturating_sub(deadline);
    }
    block.on_irq(IrqHook::Count);
    (late, block.timer_control.load(Relaxed))
}
