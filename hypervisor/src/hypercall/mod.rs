//! Hypercalls: `HVC #0xEA1`, number in x16 (public/arch-arm.h). One file a call.

mod xen_version;

use abi::{Errno, hypercall};

use crate::run::{Cpu, Next};

/// Performs the hypercall that the resident guest's registers describe.
pub fn dispatch(cpu: &mut Cpu<'_>) -> Next {
    let read = cpu.with_registers(|registers| {
        let x = |index| registers.cpu.register(index);
        (x(16), [x(0), x(1), x(2), x(3), x(4)])
    });
    let Some((number, arguments)) = read else { return Next::Choose };
    let result = match number {
        hypercall::XEN_VERSION => xen_version::call(arguments[0]),
        _ => Err(Errno::NoSys),
    };
    cpu.answer(match result {
        Ok(value) => value,
        Err(errno) => errno.as_result() as u64,
    })
}
