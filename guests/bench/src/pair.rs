//! Two vCPUs on CPUs of their own.
//!
//! The helper answers SGIs from its interrupt handler; what it does meanwhile is its mode.

use core::sync::atomic::{AtomicU32, Ordering::SeqCst};

use abi::arm;
use support::{
    call,
    cpu::{self, Block, IrqHook},
    entry, gic, timer,
};

use crate::event_pair;
use crate::operation::{Operation, whole};

/// The helper's number.
pub(crate) const HELPER: usize = 1;
/// The SGI that asks.
const QUESTION: u64 = gic::sgi_to(HELPER, 1);
/// The SGI that answers.
const ANSWER: u64 = gic::sgi_to(0, 2);

/// What the helper does while no interrupt comes.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Mode {
    /// It has not started.
    None = 0,
    /// Spins.
    Spin,
    /// Waits in WFI.
    Wait,
    /// Turns itself off.
    Off,
    /// Asks the scheduler for others to run.
    Yield,
    /// Spins for events, and answers them.
    EventSpin,
    /// Waits for events in WFI, and answers them.
    EventWait,
}

static WANTED: AtomicU32 = AtomicU32::new(Mode::Spin as u32);
static ENTERED: AtomicU32 = AtomicU32::new(Mode::None as u32);

pub(crate) const OPERATIONS: &[Operation] = &[
    whole("SGI round trip, both spinning", 256, |count| {
        round_trips(count, Mode::Spin, cpu::wait_spinning)
    })
    .with_exceptions(2),
    whole("SGI round trip, other idle", 256, |count| {
        round_trips(count, Mode::Wait, cpu::wait_spinning)
    })
    .with_exceptions(2),
    whole("SGI round trip, both in WFI", 256, |count| {
        round_trips(count, Mode::Wait, cpu::wait_in_wfi)
    })
    .with_exceptions(2),
    whole("CPU off and on", 32, off_and_on),
];

/// Turns the helper on and waits for it.
pub(crate) fn start_helper() {
    entry::start(HELPER, help);
    wait_for(Mode::Spin);
}

/// Gives the helper another mode and waits until it is in it.
pub(crate) fn enter_mode(mode: Mode) {
    WANTED.store(mode as u32, SeqCst);
    let block = cpu::block(0);
    let seen = block.interrupts();
    gic::send_sgi(QUESTION);
    // The answer, so that none is left for a measurement.
    cpu::wait_in_wfi(block, seen);
    wait_for(mode);
}

/// Gets the helper out of a mode in which it answers events; `tell` sends it one.
pub(crate) fn leave_mode(tell: impl FnOnce()) {
    WANTED.store(Mode::Spin as u32, SeqCst);
    tell();
    wait_for(Mode::Spin);
}

/// Ticks of `count` questions and answers, waited for by `wait`.
pub(crate) fn round_trips(count: u32, mode: Mode, wait: fn(&Block, u64)) -> (u64, u64) {
    enter_mode(mode);
    let block = cpu::block(0);
    let start = timer::virtual_count();
    for _ in 0..count {
        let seen = block.interrupts();
        gic::send_sgi(QUESTION);
        wait(block, seen);
    }
    let ticks = timer::virtual_count() - start;
    (ticks, block.interrupts())
}

fn off_and_on(count: u32) -> (u64, u64) {
    enter_mode(Mode::Off);
    let mut refused = 0;
    let start = timer::virtual_count();
    for _ in 0..count {
        ENTERED.store(Mode::None as u32, SeqCst);
        while entry::start(HELPER, help) != 0 {
            refused += 1;
            cpu::yield_cpu();
        }
        wait_for(Mode::Off);
    }
    let ticks = timer::virtual_count() - start;
    // Back to what the others expect.
    while call::affinity_info(arm::vcpu_affinity(HELPER as u16)) != 1 {
        cpu::yield_cpu();
    }
    WANTED.store(Mode::Spin as u32, SeqCst);
    start_helper();
    (ticks, refused)
}

fn wait_for(mode: Mode) {
    while ENTERED.load(SeqCst) != mode as u32 {
        cpu::yield_cpu();
    }
}

/// How the helper waits for events in this mode, if it does.
fn wait_for_events(mode: u32) -> Option<fn(&Block, u64)> {
    const SPIN: u32 = Mode::EventSpin as u32;
    const WAIT: u32 = Mode::EventWait as u32;
    match mode {
        SPIN => Some(cpu::wait_spinning),
        WAIT => Some(cpu::wait_in_wfi),
        _ => None,
    }
}

fn help(number: usize) {
    let off = Mode::Off as u32;
    if WANTED.load(SeqCst) != off {
        gic::enable(number);
        cpu::block(number).on_irq(IrqHook::Reply(ANSWER));
        cpu::unmask_interrupts();
    }
    loop {
        let wanted = WANTED.load(SeqCst);
        if let Some(wait) = wait_for_events(wanted) {
            let block = cpu::block(number);
            block.on_irq(IrqHook::Count);
            event_pair::prepare();
            let seen = block.interrupts();
            ENTERED.store(wanted, SeqCst);
            event_pair::answer(seen, wait, || WANTED.load(SeqCst) == wanted);
            block.on_irq(IrqHook::Reply(ANSWER));
            continue;
        }
        ENTERED.store(wanted, SeqCst);
        if wanted == off {
            return;
        }
        while WANTED.load(SeqCst) == wanted {
            if wanted == Mode::Wait as u32 {
                cpu::wait_for_interrupt();
            } else if wanted == Mode::Yield as u32 {
                call::hypercall(29, [0; 4]);
            } else {
                cpu::yield_cpu();
            }
        }
    }
}
