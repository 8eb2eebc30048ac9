//! `vm_assist` (public/xen.h): Arm has one assist, the flag in a run state that is being written.

use abi::Errno;
use abi::hypercall::vm_assist::{DISABLE, ENABLE, TYPE_RUNSTATE_UPDATE_FLAG};
use abi::permit::Permit;
use machine::atomic::Ordering;

use super::{DONE, Result, own};
use crate::run::Cpu;

#[inline(never)]
pub(super) fn call(cpu: &mut Cpu<'_>, command: u64, kind: u64) -> Result {
    let interface = &own(cpu)?.interface;
    // Both are unsigned ints of the ABI.
    if kind as u32 != TYPE_RUNSTATE_UPDATE_FLAG || !interface.permits.has(Permit::VcpuRunstate) {
        return Err(Errno::Inval);
    }
    let on = match command as u32 {
        ENABLE => true,
        DISABLE => false,
        _ => return Err(Errno::NoSys),
    };
    interface.runstate_flag.store(on, Ordering::Relaxed);
    DONE
}
