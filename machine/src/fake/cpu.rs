//! This CPU: which one a thread plays, and how it waits.

use abi::CpuId;
use std::boxed::Box;

use super::host::{Halted, Record, here, with_state};
use super::interleaving::{Passed, pass};

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
pub fn set_trap_wait(trap: TrapWait) {
    with_state(|state, cpu| state.cpu(cpu).trap_wait = trap);
}

/// Makes a virtual SError pending for the guest on this CPU.
pub(crate) fn pend_serror() {
    with_state(|state, cpu| state.cpu(cpu).serror_pending = true);
}

pub(crate) use super::interleaving::{point, wait_for};

/// This CPU's logical number.
pub fn id() -> CpuId {
    here().1
}

/// `MPIDR_EL1`'s affinity fields of this CPU: its number.
pub fn affinity() -> u64 {
    u64::from(id().0)
}

/// Returns at once: a test sees from the record whether something was pending, and gives the turn
/// to another CPU.
pub fn wait_for_interrupt() {
    let halts = with_state(|state, cpu| {
        let waits = state.next_pending(cpu).is_none();
        if waits {
            state.cpu(cpu).waits = true;
            state.record(Record::Waited(cpu));
        }
        waits && state.halt_when_idle
    });
    if halts {
        halt()
    }
}

/// Lets another thread go on, which may call [`send_event`].
///
/// # Panics
/// If the other CPU of a scene will not call it any more.
pub fn wait_for_event() {
    match pass() {
        Passed::Yes => {}
        Passed::Alone => panic!("a CPU waits for an event that never comes"),
        Passed::NoScene => std::thread::yield_now(),
    }
}

/// Lets the other CPU of a scene go on. When nobody can, the counter reaches the deadline.
pub(crate) fn wait_for_event_until(deadline: u64) {
    if pass() != Passed::Yes {
        with_state(|state, _| state.counter = state.counter.max(deadline));
    }
}

/// Ends the [`wait_for_event`] of all CPUs: they never wait long here.
pub fn send_event() {}

/// No other CPU can have panicked: a panic fails the test.
pub fn stop_if_panicked() {}

/// Stops this CPU for good: unwinds with [`Halted`], past the panic hook.
pub fn halt() -> ! {
    std::panic::resume_unwind(Box::new(Halted))
}
