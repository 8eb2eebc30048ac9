//! `vcpu_op` (public/vcpu.h): where a vCPU's `vcpu_info` and run state are. Nothing else is there on
//! Arm.

use abi::permit::Permit;
use abi::vcpu::{RegisterRunstateArea, RegisterVcpuInfo, RunstateInfo, op, runstate};
use abi::{Errno, Gfn, VcpuId};
use machine::atomic::Ordering;
use machine::timer;

use super::{DONE, Outcome, Result, argument, own, permitted};
use crate::run::Cpu;
use crate::{events, guest_memory};

#[inline(never)]
pub(super) fn call(cpu: &mut Cpu<'_>, command: u64, vcpu: u64, at: u64) -> Result {
    let domain = own(cpu)?;
    // Command and vCPU are an int and an unsigned int of the ABI.
    let vcpu = u16::try_from(vcpu as u32).map_err(|_| Errno::NoEnt)?;
    let slot = domain.slot(VcpuId(vcpu)).ok_or(Errno::NoEnt)?;
    match command as u32 {
        op::REGISTER_VCPU_INFO => register_info(cpu, slot.id, at),
        op::REGISTER_RUNSTATE_MEMORY_AREA if permitted(cpu, Permit::VcpuRunstate) => {
            register_runstate(cpu, slot.id, at)
        }
        _ => Err(Errno::Inval),
    }
}

fn register_info(cpu: &mut Cpu<'_>, vcpu: VcpuId, at: u64) -> Result {
    let domain = own(cpu)?;
    let wanted = RegisterVcpuInfo::from_bytes(&argument(cpu, at)?);
    domain
        .events
        .lock(&mut cpu.token)
        .check_vcpu_info(vcpu.0.into(), wanted.offset)?;
    let page = domain
        .control
        .lock(&mut cpu.token)
        .memory
        .as_mut()
        .and_then(|memory| memory.page(Gfn(wanted.mfn)))
        .ok_or(Errno::Inval)?;
    let notify = domain.events.lock(&mut cpu.token).register_vcpu_info(
        vcpu.0.into(),
        page,
        wanted.offset,
    )?;
    let next = events::notify(cpu, domain, &notify);
    Ok(Outcome::DoneThen(0, next))
}

fn register_runstate(cpu: &mut Cpu<'_>, vcpu: VcpuId, at: u64) -> Result {
    let area = RegisterRunstateArea::from_bytes(&argument(cpu, at)?).address;
    let (domain, own) = cpu.resident().ok_or(Errno::Srch)?;
    if vcpu == own {
        let before = cpu.with_registers(|registers| {
            let now_ns = timer::nanoseconds(timer::now());
            registers.runstate.change(runstate::RUNNING, now_ns);
            core::mem::replace(&mut registers.runstate.area, area)
        });
        let written = write_runstate(cpu);
        if written.is_err() {
            // It stays where it was, also when the call is made anew.
            cpu.with_registers(|registers| registers.runstate.area = before.unwrap_or(0));
        }
        return written.map(|()| Outcome::Done(0));
    }
    // Another one's registers can be had while it is on no CPU.
    let slot = domain.slot(vcpu).ok_or(Errno::NoEnt)?;
    let mut registers = slot.registers.try_claim().ok_or(Errno::Busy)?;
    registers.runstate.area = area;
    DONE
}

/// The resident vCPU comes (`RUNNING`) or goes (`RUNNABLE`, unless it waits): shows its run state, if
/// the guest wants to see it.
pub(crate) fn show_runstate(cpu: &mut Cpu<'_>, state: u32) {
    let shown = cpu.with_registers(|registers| registers.runstate.is_shown());
    let Some((domain, vcpu)) = cpu.resident().filter(|_| shown == Some(true)) else {
        return;
    };
    let waits = domain
        .slot(vcpu)
        .is_some_and(|slot| slot.asleep.load(Ordering::Relaxed));
    if state == runstate::RUNNING || !waits {
        let now_ns = timer::nanoseconds(timer::now());
        cpu.with_registers(|registers| registers.runstate.change(state, now_ns));
    }
    // An area that is not mapped just now is not written.
    let _ = write_runstate(cpu);
}

/// Writes the resident vCPU's run state to its area. With the assist, readers see by a flag that it is
/// being written.
fn write_runstate(cpu: &mut Cpu<'_>) -> core::result::Result<(), Errno> {
    const ENTRY_TIME: usize = 8;
    let shown =
        cpu.with_registers(|registers| (registers.runstate.area, registers.runstate.info()));
    let Some((area, info)) = shown.filter(|(area, _)| *area != 0) else {
        return Ok(());
    };
    let domain = own(cpu)?;
    if !domain.interface.runstate_flag.load(Ordering::Relaxed) {
        return guest_memory::write(cpu, area, &info.to_bytes());
    }
    let entry_time = area.checked_add(ENTRY_TIME as u64).ok_or(Errno::Fault)?;
    let flagged = info.state_entry_time | runstate::UPDATE;
    guest_memory::write(cpu, entry_time, &flagged.to_le_bytes())?;
    // Pairs with the barriers of readers, which look at the flag before and behind the rest.
    machine::atomic::fence(Ordering::SeqCst);
    let flagged = RunstateInfo {
        state_entry_time: flagged,
        ..info
    };
    guest_memory::write(cpu, area, &flagged.to_bytes())?;
    machine::atomic::fence(Ordering::SeqCst);
    guest_memory::write(cpu, entry_time, &info.state_entry_time.to_le_bytes())
}
