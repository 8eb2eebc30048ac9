//! Hypercalls: `HVC #0xEA1`, number in x16, arguments in x0 to x4, result in x0
//! (public/arch-arm.h). One file a call.

mod console_io;
mod xen_version;

use abi::{Errno, hypercall};

use crate::run::{Cpu, Next};

/// What a call comes to.
pub(crate) enum Outcome {
    /// It is done, with this result.
    Done(u64),
    /// Part of it is done and the arguments say what is left: the instruction is executed again.
    Again,
}

type Result = core::result::Result<Outcome, Errno>;

/// Performs the hypercall that the resident guest's registers describe.
pub fn dispatch(cpu: &mut Cpu<'_>) -> Next {
    let read = cpu.with_registers(|registers| {
        let x = |index| registers.cpu.register(index);
        (x(16), [x(0), x(1), x(2), x(3), x(4)])
    });
    let Some((number, [first, second, third, ..])) = read else {
        return Next::Choose;
    };
    let result = match number {
        hypercall::XEN_VERSION => xen_version::call(cpu, first, second),
        hypercall::CONSOLE_IO => console_io::call(cpu, first, second, third),
        _ => Err(Errno::NoSys),
    };
    match result {
        Ok(Outcome::Done(value)) => cpu.answer(value),
        Ok(Outcome::Again) => {
            cpu.with_registers(|registers| registers.cpu.rewind_instruction());
            Next::Run
        }
        Err(errno) => cpu.answer(errno.as_result() as u64),
    }
}
