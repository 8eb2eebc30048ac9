//! `memory_op` (public/memory.h): what a domain has, and what is mapped where.
//!
//! Bits above the sub-operation count the extents that are done of a call that is continued. As on
//! Xen the guest could begin there, too: they are checked like any other argument.

use abi::memory::{Domain, OP_BITS, RemoveFromPhysmap, op, space};
use abi::permit::Permit;
use abi::{Errno, Gfn, PAGE_SHIFT, PAGE_SIZE};

use super::add_to_physmap::{self, errno};
use super::{DONE, Outcome, Result, argument, own, own_by_id, permitted, ready, reservation};
use crate::domain::memory::At;
use crate::domain::{Life, Memory};
use crate::run::Cpu;

#[inline(never)]
pub(super) fn call(cpu: &mut Cpu<'_>, arguments: &mut [u64; 5]) -> Result {
    let [command, at, ..] = *arguments;
    let done = command >> OP_BITS;
    let operation = (command & ((1 << OP_BITS) - 1)) as u32;
    match operation {
        op::INCREASE_RESERVATION | op::DECREASE_RESERVATION | op::POPULATE_PHYSMAP => {
            reservation::call(cpu, operation, done, arguments)
        }
        op::ADD_TO_PHYSMAP_BATCH => add_to_physmap::batch(cpu, done, arguments),
        // The others are never continued.
        op::MAXIMUM_RAM_PAGE
        | op::CURRENT_RESERVATION
        | op::MAXIMUM_RESERVATION
        | op::ADD_TO_PHYSMAP
        | op::MAXIMUM_GPFN
        | op::REMOVE_FROM_PHYSMAP
            if done != 0 =>
        {
            Err(Errno::Inval)
        }
        op::MAXIMUM_RAM_PAGE => Ok(Outcome::Done(own(cpu)?.interface.ram_end >> PAGE_SHIFT)),
        op::CURRENT_RESERVATION => of_domain(cpu, at, |memory| {
            (memory.bytes() / PAGE_SIZE).saturating_sub(memory.given_up)
        }),
        op::MAXIMUM_RESERVATION => of_domain(cpu, at, |memory| memory.bytes() / PAGE_SIZE),
        op::MAXIMUM_GPFN => of_domain(cpu, at, highest_frame),
        op::ADD_TO_PHYSMAP => add_to_physmap::one(cpu, at),
        op::REMOVE_FROM_PHYSMAP => remove_from_physmap(cpu, at),
        _ => Err(Errno::NoSys),
    }
}

fn of_domain(cpu: &mut Cpu<'_>, at: u64, count: impl FnOnce(&Memory) -> u64) -> Result {
    let id = Domain::from_bytes(&argument(cpu, at)?).domid;
    let life = own_by_id(cpu, id)?.control.lock(&mut cpu.token);
    let memory = life.memory.as_ref().ok_or(Errno::Srch)?;
    Ok(Outcome::Done(count(memory)))
}

/// The last frame of the RAM. (What the domain mapped beyond is its own business.)
fn highest_frame(memory: &Memory) -> u64 {
    let ends = memory
        .banks
        .iter()
        .map(|bank| bank.ipa.0.saturating_add(bank.extent.range().size()));
    ends.max().unwrap_or(0).saturating_sub(1) >> PAGE_SHIFT
}

fn remove_from_physmap(cpu: &mut Cpu<'_>, at: u64) -> Result {
    let wanted = RemoveFromPhysmap::from_bytes(&argument(cpu, at)?);
    let domain = own_by_id(cpu, wanted.domid)?;
    ready(cpu, domain, Gfn(wanted.gpfn))?;
    let mut guard = domain.control.lock(&mut cpu.token);
    remove(&mut guard, Gfn(wanted.gpfn))?;
    DONE
}

/// Takes away what is mapped at `gfn`, if it is memory of the domain's own; RAM stays the domain's.
pub(super) fn remove(life: &mut Life, gfn: Gfn) -> core::result::Result<(), Errno> {
    let memory = life.memory.as_mut().ok_or(Errno::Srch)?;
    let before = memory.at(gfn).filter(|at| *at != At::Other);
    before.ok_or(Errno::NoEnt)?;
    memory.remove(gfn).map_err(errno)?;
    replaced(life, gfn, before);
    Ok(())
}

/// `before` is not mapped at `gfn` any more.
pub(super) fn replaced(life: &mut Life, gfn: Gfn, before: Option<At>) {
    let Some(memory) = life.memory.as_mut() else {
        return;
    };
    match before {
        None | Some(At::Other) => {}
        Some(At::Ram(address)) => memory.set_aside(address),
        Some(At::SharedInfo) => {
            if memory.shared_info_at == Some(gfn) {
                memory.shared_info_at = None;
            }
        }
        Some(At::GrantFrame(index)) => {
            if life.grants.frame_gfn(index) == Some(gfn) {
                life.grants.set_frame_gfn(index, None);
            }
        }
    }
}

/// Whether there is a space of this kind for the resident guest.
pub(super) fn is_known(cpu: &Cpu<'_>, kind: u32) -> bool {
    match kind {
        space::SHARED_INFO => true,
        space::GRANT_TABLE => permitted(cpu, Permit::GrantTable),
        _ => false,
    }
}
