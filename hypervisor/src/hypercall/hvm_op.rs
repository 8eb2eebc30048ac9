//! `hvm_op` (public/hvm/hvm_op.h): parameters. No domain has a xenstore or a console ring, and the
//! upcall's interrupt stands in the device tree: all that there are read 0.

use abi::Errno;
use abi::hvm::{Param, op, param};

use super::{DONE, Result, argument, own_by_id};
use crate::guest_memory;
use crate::run::Cpu;

#[inline(never)]
pub(super) fn call(cpu: &mut Cpu<'_>, command: u64, at: u64) -> Result {
    // The operation is an unsigned long of the ABI.
    match u32::try_from(command) {
        Ok(op::SET_PARAM) => {
            let param = read(cpu, at)?;
            // A toolstack sets them, never the domain itself.
            check(param.index).and(Err(Errno::Perm))
        }
        Ok(op::GET_PARAM) => {
            let mut param = read(cpu, at)?;
            check(param.index)?;
            param.value = 0;
            guest_memory::write(cpu, at, &param.to_bytes())?;
            DONE
        }
        // There is nobody who would hear it.
        Ok(op::GUEST_REQUEST_VM_EVENT) if at == 0 => DONE,
        Ok(op::GUEST_REQUEST_VM_EVENT) => Err(Errno::Inval),
        _ => Err(Errno::NoSys),
    }
}

fn read(cpu: &mut Cpu<'_>, at: u64) -> core::result::Result<Param, Errno> {
    let param = Param::from_bytes(&argument(cpu, at)?);
    if param.index >= param::COUNT {
        return Err(Errno::Inval);
    }
    own_by_id(cpu, param.domid)?;
    Ok(param)
}

fn check(index: u32) -> core::result::Result<(), Errno> {
    match index {
        param::CALLBACK_IRQ
        | param::STORE_PFN
        | param::STORE_EVTCHN
        | param::CONSOLE_PFN
        | param::CONSOLE_EVTCHN => Ok(()),
        param::MONITOR_RING_PFN => Err(Errno::Perm),
        _ => Err(Errno::Inval),
    }
}
