//! `XENMEM_add_to_physmap` and its batch: the guest maps the shared info page and the frames of its
//! grant table where it likes.
//!
//! What was mapped there before is gone from the guest's view; RAM stays the domain's. Each of these
//! pages is mapped once at most, so that nobody forgets about the first place.

use abi::grant::GrantStatus;
use abi::memory::{AddToPhysmap, AddToPhysmapBatch, op, space};
use abi::{Errno, Gfn};
use stage2::{Attributes, Execute, MapError};

use super::memory_op::{is_known, replaced};
use super::{DONE, Outcome, Result, argument, own_by_id, ready};
use crate::domain::{Domain, Life};
use crate::guest_memory;
use crate::run::Cpu;

/// Entries of a batch done in one go.
const BUDGET: u64 = 16;
/// Frames that the grant table grows by in one go.
const GROWTH: u32 = 4;

pub(super) fn one(cpu: &mut Cpu<'_>, at: u64) -> Result {
    let wanted = AddToPhysmap::from_bytes(&argument(cpu, at)?);
    if !is_known(cpu, wanted.space) {
        return Err(Errno::NoSys);
    }
    let domain = own_by_id(cpu, wanted.domid)?;
    add(cpu, domain, wanted.space, wanted.idx, Gfn(wanted.gpfn))?;
    DONE
}

pub(super) fn batch(cpu: &mut Cpu<'_>, done: u64, arguments: &mut [u64; 5]) -> Result {
    let [command, at, ..] = arguments;
    let wanted = AddToPhysmapBatch::from_bytes(&argument(cpu, *at)?);
    let size = u64::from(wanted.size);
    let domain = own_by_id(cpu, wanted.domid)?;
    let kind = u32::from(wanted.space);
    match kind {
        // Mapping another domain's frames is for those that control it.
        space::GMFN_FOREIGN => return Err(Errno::Perm),
        _ if !is_known(cpu, kind) => return Err(Errno::OpNotSupp),
        _ if done > size => return Err(Errno::Inval),
        _ => {}
    }
    let mut again = |next: u64| {
        *command = u64::from(op::ADD_TO_PHYSMAP_BATCH) | next << abi::memory::OP_BITS;
        Ok(Outcome::Again)
    };
    let end = size.min(done.saturating_add(BUDGET));
    for index in done..end {
        let entry = |list: u64, bytes: u64| list.wrapping_add(index * bytes);
        let idx = u64::from_le_bytes(argument(cpu, entry(wanted.idxs, 8))?);
        let gfn = u64::from_le_bytes(argument(cpu, entry(wanted.gpfns, 8))?);
        let result = match add(cpu, domain, kind, idx, Gfn(gfn)) {
            Ok(()) => 0,
            Err(Errno::Restart) => return again(index),
            Err(errno) => errno.as_result() as i32,
        };
        guest_memory::write(cpu, entry(wanted.errs, 4), &result.to_le_bytes())?;
    }
    if end == size {
        return DONE;
    }
    again(end)
}

fn add(
    cpu: &mut Cpu<'_>,
    domain: &Domain,
    kind: u32,
    index: u64,
    gfn: Gfn,
) -> core::result::Result<(), Errno> {
    let is_grant = kind == space::GRANT_TABLE;
    ready(cpu, domain, gfn)?;
    let mut guard = domain.control.lock(&mut cpu.token);
    let (life, _) = guard.split();
    let own_index = if is_grant {
        let frame = u32::try_from(index).map_err(|_| Errno::Inval)?;
        grow(life, frame)?;
        if life.grants.frame_gfn(frame).is_some() {
            return Err(Errno::Busy);
        }
        u64::from(frame) + 1
    } else if index != 0 {
        return Err(Errno::Inval);
    } else {
        0
    };
    map_own(life, own_index, gfn)?;
    if is_grant {
        life.grants.set_frame_gfn((own_index - 1) as u32, Some(gfn));
    }
    Ok(())
}

/// Lets the grant table reach to `frame`.
fn grow(life: &mut Life, frame: u32) -> core::result::Result<(), Errno> {
    let wanted = frame.checked_add(1).ok_or(Errno::Inval)?;
    grow_to(life, wanted)?.map_err(|_| Errno::Inval)
}

/// Lets the grant table have `frames` frames: they are the hypervisor's pages behind the shared info
/// page.
///
/// # Errors
/// `Restart`: some were added, and there are more to add. Each takes 16 KiB that are filled.
pub(super) fn grow_to(
    life: &mut Life,
    frames: u32,
) -> core::result::Result<core::result::Result<(), GrantStatus>, Errno> {
    let Some(memory) = life.memory.as_ref() else {
        return Ok(Err(GrantStatus::GeneralError));
    };
    let size = life.grants.size();
    let most = size.frames.saturating_add(GROWTH);
    let is_part = frames > most && frames <= size.max_frames;
    let mut next = u64::from(size.frames);
    let grown = life.grants.grow(if is_part { most } else { frames }, || {
        next += 1;
        memory.own_page(next)
    });
    match grown {
        Ok(()) if is_part => Err(Errno::Restart),
        grown => Ok(grown),
    }
}

/// Maps the hypervisor's page `index` at `gfn`.
fn map_own(life: &mut Life, index: u64, gfn: Gfn) -> core::result::Result<(), Errno> {
    const SHARED: Attributes = Attributes {
        execute: Execute::No,
        ..Attributes::RAM
    };
    let memory = life.memory.as_mut().ok_or(Errno::Srch)?;
    if index == 0 && memory.shared_info_at.is_some() {
        return Err(Errno::Busy);
    }
    let page = memory.own_page(index).ok_or(Errno::Inval)?;
    let before = memory.at(gfn);
    memory.place(gfn, page.address(), SHARED).map_err(errno)?;
    replaced(life, gfn, before);
    if index == 0
        && let Some(memory) = life.memory.as_mut()
    {
        memory.shared_info_at = Some(gfn);
    }
    Ok(())
}

/// What a refused change of the tables is to a guest.
pub(super) fn errno(error: MapError) -> Errno {
    match error {
        MapError::OutOfTables => Errno::NoMem,
        _ => Errno::Inval,
    }
}
