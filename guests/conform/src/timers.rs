//! The two timers of EL1 (Arm ARM D12.2) and their interrupts.

use core::sync::atomic::Ordering::Relaxed;

use abi::arm;
use support::{
    cpu::{self, IrqHook},
    gic, read_register, timer, write_register,
};

use crate::{answer::attempt, power::drain, say, uart_registers::reads};

const GICR_ISPENDR0: u64 = 0x1_0200;
/// Ticks that are long gone, and that never come.
const FAR: u64 = 1 << 40;
/// Ticks to a deadline that is waited for.
const SOON: u64 = 20_000;

pub(crate) fn print() {
    gic::enable(0);
    cpu::mask_interrupts();
    drain();
    virtual_registers();
    physical_registers();
    virtual_interrupt();
    physical_interrupt();
    access();
}

fn virtual_registers() {
    let control = || read_register!("cntv_ctl_el0");
    write_register!("cntv_ctl_el0", 0);
    write_register!("cntv_cval_el0", 0);
    say!("timer.virtual.stopped", "{:#x}", control());
    write_register!("cntv_ctl_el0", 3);
    say!("timer.virtual.masked_and_due", "{:#x}", control());
    write_register!("cntv_cval_el0", timer::virtual_count() + FAR);
    say!("timer.virtual.masked_and_not_due", "{:#x}", control());
    write_register!("cntv_ctl_el0", u64::MAX);
    say!("timer.virtual.all_ones", "{:#x}", control());
    write_register!("cntv_tval_el0", u64::MAX);
    let behind = read_register!("cntv_cval_el0") < timer::virtual_count();
    say!(
        "timer.virtual.negative_tval_is_due",
        "{behind} {:#x}",
        control()
    );
    write_register!("cntv_ctl_el0", 0);
}

fn physical_registers() {
    let control = || read_register!("cntp_ctl_el0");
    write_register!("cntp_ctl_el0", 0);
    write_register!("cntp_cval_el0", 0);
    say!("timer.physical.stopped", "{:#x}", control());
    say!(
        "timer.physical.cval",
        "{:#x}",
        read_register!("cntp_cval_el0")
    );
    write_register!("cntp_ctl_el0", 3);
    say!("timer.physical.masked_and_due", "{:#x}", control());
    write_register!("cntp_cval_el0", timer::physical_count() + FAR);
    say!("timer.physical.masked_and_not_due", "{:#x}", control());
    write_register!("cntp_ctl_el0", u64::MAX);
    say!("timer.physical.all_ones", "{:#x}", control());
    write_register!("cntp_tval_el0", u64::MAX);
    let tval = read_register!("cntp_tval_el0");
    say!("timer.physical.tval_is_32_bits", "{}", tval >> 32 == 0);
    say!("timer.physical.negative_tval_is_due", "{:#x}", control());
    write_register!("cntp_tval_el0", 0x4000_0000);
    let left = read_register!("cntp_tval_el0");
    say!(
        "timer.physical.tval_counts_down",
        "{}",
        left < 0x4000_0000 && left > 0x3000_0000
    );
    write_register!("cntp_ctl_el0", 0);
}

fn virtual_interrupt() {
    let block = cpu::block(0);
    let pending = || match reads(gic::redistributor(0, GICR_ISPENDR0))[2] {
        crate::answer::Answer::Value(bits) => bits >> arm::VIRTUAL_TIMER.0 & 1,
        crate::answer::Answer::Exception(_) => 2,
    };
    say!("timer.virtual.pending_before", "{}", pending());
    timer::set_virtual(timer::virtual_count() + SOON);
    cpu::wait_for_interrupt();
    say!("timer.virtual.pending_when_due", "{}", pending());
    say!(
        "timer.virtual.control_when_due",
        "{:#x}",
        read_register!("cntv_ctl_el0")
    );
    block.on_irq(IrqHook::VirtualTimer { delay: 0 });
    let seen = block.interrupts();
    drain();
    say!("timer.virtual.delivered", "{}", block.interrupts() - seen);
    say!("timer.virtual.intid", "{}", block.irq_last.load(Relaxed));
    say!(
        "timer.virtual.control_in_handler",
        "{:#x}",
        block.timer_control.load(Relaxed)
    );
    say!("timer.virtual.pending_after", "{}", pending());
    block.on_irq(IrqHook::Count);
    // Stopped before it is taken: the level is gone.
    timer::set_virtual(timer::virtual_count() + SOON);
    cpu::wait_for_interrupt();
    write_register!("cntv_ctl_el0", 0);
    let seen = block.interrupts();
    drain();
    say!(
        "timer.virtual.delivered_when_stopped",
        "{}",
        block.interrupts() - seen
    );
    // Due at once, twice.
    block.on_irq(IrqHook::VirtualTimer { delay: 0 });
    for name in ["first", "second"] {
        let seen = block.interrupts();
        timer::set_virtual(0);
        wait_a_little();
        drain();
        say!(@ format_args!("timer.virtual.in_the_past.{name}"), "{}", block.interrupts() - seen);
    }
    block.on_irq(IrqHook::Count);
}

fn physical_interrupt() {
    let block = cpu::block(0);
    block.on_irq(IrqHook::PhysicalTimer { delay: 0 });
    timer::set_physical(timer::physical_count() + SOON);
    cpu::wait_for_interrupt();
    say!(
        "timer.physical.control_when_due",
        "{:#x}",
        read_register!("cntp_ctl_el0")
    );
    let seen = block.interrupts();
    drain();
    say!("timer.physical.delivered", "{}", block.interrupts() - seen);
    say!("timer.physical.intid", "{}", block.irq_last.load(Relaxed));
    say!(
        "timer.physical.control_in_handler",
        "{:#x}",
        block.timer_control.load(Relaxed)
    );
    let seen = block.interrupts();
    timer::set_physical(timer::physical_count() + SOON);
    cpu::wait_for_interrupt();
    write_register!("cntp_ctl_el0", 0);
    drain();
    say!(
        "timer.physical.delivered_when_stopped",
        "{}",
        block.interrupts() - seen
    );
    let seen = block.interrupts();
    timer::set_physical(0);
    wait_a_little();
    drain();
    say!(
        "timer.physical.in_the_past",
        "{}",
        block.interrupts() - seen
    );
    block.on_irq(IrqHook::Count);
}

fn access() {
    write_register!("cntkctl_el1", 0xffff_ffff);
    say!(
        "timer.cntkctl_all_ones",
        "{:#x}",
        read_register!("cntkctl_el1")
    );
    write_register!("cntkctl_el1", 0);
    let answer = attempt(|| {
        write_register!("cntfrq_el0", 1);
        0
    });
    say!("timer.write_frequency", "{answer}");
}

/// Long enough for an emulated timer that is put off.
fn wait_a_little() {
    let end = timer::virtual_count() + SOON;
    while timer::virtual_count() < end {}
}
