//! One guest that measures among many that sleep.

use core::fmt::Write;

use support::{cpu, entry, gic, timer, uart::Uart};

/// Ticks until all guests have started and gone to sleep: half a second.
const SETTLED: u64 = 31_250_000;

/// Says that this guest is done and sleeps for good.
pub(crate) fn sleep() -> ! {
    let _ = writeln!(Uart, "bench: end");
    loop {
        cpu::wait_for_interrupt();
    }
}

/// Puts this guest's other vCPUs to sleep and waits until everybody sleeps.
pub(crate) fn settle(cpus: usize) {
    for number in 1..cpus.min(cpu::MAX_CPUS) {
        entry::start(number, sleeper);
    }
    let seen = cpu::block(0).interrupts();
    cpu::block(0).on_irq(cpu::IrqHook::VirtualTimer { delay: 0 });
    timer::set_virtual(timer::virtual_count() + SETTLED);
    cpu::wait_in_wfi(cpu::block(0), seen);
    cpu::block(0).on_irq(cpu::IrqHook::Count);
}

fn sleeper(number: usize) {
    gic::enable(number);
    cpu::unmask_interrupts();
    loop {
        cpu::wait_for_interrupt();
    }
}
