//! Hypercalls: `HVC #0xEA1`, number in x16, arguments in x0 to x4, result in x0
//! (public/arch-arm.h). One file a call.
//!
//! What a domain is not permitted is answered here, before any argument is read. A structure of the
//! guest's is copied once, checked, and the copy is used.

mod add_to_physmap;
mod console_io;
mod event_channel_op;
#[cfg(feature = "fifo-evtchn")]
mod fifo_op;
mod grant_table_op;
mod hvm_op;
mod memory_op;
mod multicall;
mod reservation;
mod sched_op;
mod vcpu_op;
mod vm_assist;
mod xen_version;

use abi::permit::Permit;
use abi::{DomId, Errno, Gfn, Ipa, PAGE_SIZE, hypercall};

use crate::domain::Domain;
use crate::run::{Cpu, Next};
use crate::{guest_memory, zeroing};

pub use multicall::Unfinished;
pub(crate) use vcpu_op::show_runstate;

/// A hypercall: its number and arguments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    number: u64,
    arguments: [u64; 5],
}

/// What a call comes to.
pub(crate) enum Outcome {
    /// It is done, with this result.
    Done(u64),
    /// The same; and the CPU may have to choose anew whom it runs.
    DoneThen(u64, Next),
    /// Part of it is done, and its arguments say now what is left: the instruction is executed again.
    Again,
}

type Result = core::result::Result<Outcome, Errno>;

/// A call that gives 0.
const DONE: Result = Ok(Outcome::Done(0));

/// Performs the hypercall that the resident guest's registers describe.
pub fn dispatch(cpu: &mut Cpu<'_>) -> Next {
    let made = cpu.with_registers(|registers| {
        let x = |index| registers.cpu.register(index);
        Call {
            number: x(16),
            arguments: [x(0), x(1), x(2), x(3), x(4)],
        }
    });
    let Some(mut call) = made else {
        return Next::Choose;
    };
    if call.number == hypercall::MULTICALL {
        return many(cpu, &mut call);
    }
    let result = perform(cpu, &mut call);
    finish(cpu, &call, result)
}

/// Performs a multicall, of whose calls one may have the CPU choose anew.
#[inline(never)]
fn many(cpu: &mut Cpu<'_>, call: &mut Call) -> Next {
    let (result, demanded) = multicall::call(cpu, call);
    match (finish(cpu, call, result), demanded) {
        (Next::Run, Next::Run) => Next::Run,
        _ => Next::Choose,
    }
}

/// Gives the guest what its call came to.
#[inline]
fn finish(cpu: &mut Cpu<'_>, call: &Call, result: Result) -> Next {
    match result {
        Ok(Outcome::Done(value)) => cpu.answer(value),
        Ok(Outcome::DoneThen(value, next)) => {
            let _ = cpu.answer(value);
            next
        }
        Ok(Outcome::Again) => {
            cpu.with_registers(|registers| {
                for (index, value) in (0..).zip(call.arguments) {
                    registers.cpu.set_register(index, value);
                }
                registers.cpu.rewind_instruction();
            });
            Next::Run
        }
        Err(Errno::Restart) => {
            cpu.with_registers(|registers| registers.cpu.rewind_instruction());
            Next::Run
        }
        Err(errno) => cpu.answer(errno.as_result() as u64),
    }
}

/// Performs one call that is not a multicall; if it is to be continued, `call` is what is left. The calls themselves are functions of their own, as what
/// the largest of them needs of the stack and registers is not for all to pay.
#[inline]
fn perform(cpu: &mut Cpu<'_>, call: &mut Call) -> Result {
    let [first, second, third, ..] = call.arguments;
    match call.number {
        hypercall::EVENT_CHANNEL_OP => event_channel_op::call(cpu, first, second),
        hypercall::XEN_VERSION => xen_version::call(cpu, first, second),
        hypercall::SCHED_OP => sched_op::call(cpu, first, second),
        hypercall::MEMORY_OP => memory_op::call(cpu, &mut call.arguments),
        hypercall::CONSOLE_IO if permitted(cpu, Permit::ConsoleIo) => {
            console_io::call(cpu, &mut call.arguments)
        }
        hypercall::GRANT_TABLE_OP if permitted(cpu, Permit::GrantTable) => {
            grant_table_op::call(cpu, &mut call.arguments)
        }
        hypercall::HVM_OP => hvm_op::call(cpu, first, second),
        hypercall::VCPU_OP => vcpu_op::call(cpu, first, second, third),
        hypercall::VM_ASSIST => vm_assist::call(cpu, first, second),
        _ => Err(Errno::NoSys),
    }
}

/// Whether the resident guest's domain may use a part of the ABI.
fn permitted(cpu: &Cpu<'_>, permit: Permit) -> bool {
    cpu.resident()
        .is_some_and(|(domain, _)| domain.interface.permits.has(permit))
}

/// Copies a structure of `N` bytes from the guest.
fn argument<const N: usize>(cpu: &mut Cpu<'_>, at: u64) -> core::result::Result<[u8; N], Errno> {
    let mut bytes = [0; N];
    guest_memory::read(cpu, at, &mut bytes)?;
    Ok(bytes)
}

/// Refuses a call that maps something at `gfn` or takes it away until the RAM there is zeroed.
fn ready(cpu: &mut Cpu<'_>, domain: &Domain, gfn: Gfn) -> core::result::Result<(), Errno> {
    let address = gfn.0.checked_mul(PAGE_SIZE);
    match address.is_none_or(|address| zeroing::is_ready(cpu, domain, Ipa(address))) {
        true => Ok(()),
        false => Err(Errno::Restart),
    }
}

/// The resident guest's domain.
fn own<'s>(cpu: &Cpu<'s>) -> core::result::Result<&'s Domain, Errno> {
    cpu.resident().map(|(domain, _)| domain).ok_or(Errno::Srch)
}

/// The resident guest's domain, if `id` names it: a guest has no say in others.
fn own_by_id<'s>(cpu: &Cpu<'s>, id: DomId) -> core::result::Result<&'s Domain, Errno> {
    let domain = own(cpu)?;
    if id == DomId::SELF || id == domain.id {
        return Ok(domain);
    }
    match cpu.system.domain(id) {
        Some(_) => Err(Errno::Perm),
        None => Err(Errno::Srch),
    }
}
