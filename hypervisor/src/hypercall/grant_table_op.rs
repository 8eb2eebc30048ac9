//! `grant_table_op` (public/grant_table.h), version 1: pages that domains share.
//!
//! Each entry of a batch has its own status; the call fails only where the guest's array cannot be read
//! or written. After some entries the instruction is executed again with the rest of the array in its
//! arguments.

use core::mem::offset_of;

use ::grant::{
    Access, CopyPlace, CopyRequest, Handle, MapRequest, Mapping, Pin, UnmapRequest, VERSION,
    set_version,
};
use abi::grant::{
    self, Copy, GetVersion, GrantStatus, Map, QuerySize, SetVersion, SetupTable, Unmap, op,
};
use abi::{DomId, Errno, Gfn, PAGE_SHIFT, Pa};
use stage2::{Attributes, Execute};

use super::add_to_physmap::grow_to;
use super::memory_op::replaced;
use super::{DONE, Outcome, Result, argument, own, own_by_id, ready};
use crate::domain::memory::At;
use crate::domain::{Domain, Life, Page};
use crate::run::Cpu;
use crate::{grants, guest_memory};

/// Entries done in one go.
const BUDGET: u64 = 8;

#[inline(never)]
pub(super) fn call(cpu: &mut Cpu<'_>, arguments: &mut [u64; 5]) -> Result {
    let [command, at, count, ..] = *arguments;
    // The count is an unsigned int of the ABI; one below zero as an int is none of a batch.
    if count as u32 > i32::MAX as u32 {
        return Err(Errno::Inval);
    }
    let count = u64::from(count as u32);
    match command as u32 {
        op::MAP_GRANT_REF => batch(cpu, arguments, count, Map::SIZE, map),
        op::UNMAP_GRANT_REF => batch(cpu, arguments, count, Unmap::SIZE, unmap),
        op::COPY => batch(cpu, arguments, count, Copy::SIZE, copy),
        op::SETUP_TABLE if count == 1 => setup_table(cpu, at),
        op::QUERY_SIZE if count == 1 => query_size(cpu, at),
        op::SETUP_TABLE | op::QUERY_SIZE => Err(Errno::Inval),
        op::SET_VERSION => {
            let mut wanted = SetVersion::from_bytes(&argument(cpu, at)?);
            let result = set_version(wanted.version);
            // Refused or not, the guest learns the version in effect.
            wanted.version = VERSION;
            guest_memory::write(cpu, at, &wanted.to_bytes())?;
            result.and(DONE)
        }
        op::GET_VERSION => {
            let mut wanted = GetVersion::from_bytes(&argument(cpu, at)?);
            own_by_id(cpu, wanted.dom)?;
            wanted.version = VERSION;
            guest_memory::write(cpu, at, &wanted.to_bytes())?;
            DONE
        }
        _ => Err(Errno::NoSys),
    }
}

/// Does some entries of an array.
fn batch(
    cpu: &mut Cpu<'_>,
    arguments: &mut [u64; 5],
    count: u64,
    size: usize,
    one: fn(&mut Cpu<'_>, u64) -> core::result::Result<(), Errno>,
) -> Result {
    let [_, at, left, ..] = arguments;
    let now = count.min(BUDGET);
    let mut done = 0;
    while done < now {
        match one(cpu, (*at).wrapping_add(done * size as u64)) {
            Err(Errno::Restart) => break,
            result => result?,
        }
        done += 1;
    }
    if done == count {
        return DONE;
    }
    *at = at.wrapping_add(done * size as u64);
    *left = count - done;
    Ok(Outcome::Again)
}

fn status_of<T>(result: &core::result::Result<T, GrantStatus>) -> i16 {
    match result {
        Ok(_) => GrantStatus::Okay as i16,
        Err(status) => *status as i16,
    }
}

fn map(cpu: &mut Cpu<'_>, at: u64) -> core::result::Result<(), Errno> {
    let mut entry = Map::from_bytes(&argument(cpu, at)?);
    let request = MapRequest::parse(&entry);
    if let Ok(request) = &request {
        let domain = own(cpu)?;
        ready(cpu, domain, request.gfn)?;
    }
    let result = request.and_then(|request| map_one(cpu, request));
    entry.status = status_of(&result);
    if let Ok((handle, address)) = result {
        entry.handle = handle;
        entry.dev_bus_addr = address;
    }
    guest_memory::write(cpu, at, &entry.to_bytes())
}

fn map_one(
    cpu: &mut Cpu<'_>,
    request: MapRequest,
) -> core::result::Result<(u32, u64), GrantStatus> {
    let domain = own(cpu).map_err(|_| GrantStatus::GeneralError)?;
    let handle = domain.control.lock(&mut cpu.token).maptrack.reserve()?;
    let pinned = grants::pin(
        cpu,
        request.granter,
        request.gref,
        domain.id,
        request.access,
        Page::address,
    );
    let (pin, address) = match pinned {
        Ok(pinned) => pinned,
        Err(status) => {
            domain.control.lock(&mut cpu.token).maptrack.cancel(handle);
            return Err(status);
        }
    };
    let attributes = Attributes {
        access: match request.access {
            Access::Read => stage2::Access::ReadOnly,
            Access::Write => stage2::Access::ReadWrite,
        },
        execute: Execute::No,
        ..Attributes::RAM
    };
    let mapping = Mapping {
        pin,
        gfn: request.gfn,
    };
    let refused = {
        let mut life = domain.control.lock(&mut cpu.token);
        place(&mut life, handle, mapping, address, attributes)
    };
    match refused {
        Ok(()) => Ok((handle.0, address.0)),
        Err(mapping) => {
            grants::unpin(cpu, mapping.pin);
            Err(GrantStatus::GeneralError)
        }
    }
}

/// Maps a page that is pinned. The error is the mapping that was not made.
fn place(
    life: &mut Life,
    handle: Handle,
    mapping: Mapping,
    address: Pa,
    attributes: Attributes,
) -> core::result::Result<(), Mapping> {
    let gfn = mapping.gfn;
    // Filled first: a page that is mapped is never without its mapping.
    life.maptrack.fill(handle, mapping)?;
    let placed = life.memory.as_mut().and_then(|memory| {
        let before = memory.at(gfn);
        let is_own = matches!(before, Some(At::SharedInfo | At::GrantFrame(_)));
        let placed = !is_own && memory.place(gfn, address, attributes).is_ok();
        placed.then_some(before)
    });
    match placed {
        Some(before) => {
            replaced(life, gfn, before);
            Ok(())
        }
        None => life.maptrack.take(handle, gfn).map_or(Ok(()), Err),
    }
}

fn unmap(cpu: &mut Cpu<'_>, at: u64) -> core::result::Result<(), Errno> {
    let entry = Unmap::from_bytes(&argument(cpu, at)?);
    let result = unmap_one(cpu, UnmapRequest::parse(&entry));
    tell(cpu, at, offset_of!(Unmap, status), &result)
}

/// Tells the guest how an entry went, and writes no more of it: its status is at `offset`.
fn tell<T>(
    cpu: &mut Cpu<'_>,
    entry: u64,
    offset: usize,
    result: &core::result::Result<T, GrantStatus>,
) -> core::result::Result<(), Errno> {
    let at = entry.checked_add(offset as u64).ok_or(Errno::Fault)?;
    guest_memory::write(cpu, at, &status_of(result).to_le_bytes())
}

fn unmap_one(cpu: &mut Cpu<'_>, request: UnmapRequest) -> core::result::Result<(), GrantStatus> {
    let domain = own(cpu).map_err(|_| GrantStatus::GeneralError)?;
    let mapping = {
        let mut life = domain.control.lock(&mut cpu.token);
        let life = &mut *life;
        let Some(gfn) = request.gfn else {
            return match life.maptrack.has(request.handle) {
                true => Ok(()),
                false => Err(GrantStatus::BadHandle),
            };
        };
        life.maptrack.check(request.handle, gfn)?;
        take_out(life, gfn)?;
        life.maptrack.take(request.handle, gfn)?
    };
    grants::unpin(cpu, mapping.pin);
    Ok(())
}

/// Takes what was granted out of the tables at `gfn`, before it is given up. The guest may have mapped
/// something else of its own there meanwhile: RAM goes as well, the hypervisor's pages stay.
fn take_out(life: &mut Life, gfn: Gfn) -> core::result::Result<(), GrantStatus> {
    let memory = life.memory.as_mut().ok_or(GrantStatus::GeneralError)?;
    let before = memory.at(gfn);
    if let Some(At::Ram(_) | At::Other) = before {
        memory.remove(gfn).map_err(|_| GrantStatus::GeneralError)?;
        replaced(life, gfn, before);
    }
    Ok(())
}

fn copy(cpu: &mut Cpu<'_>, at: u64) -> core::result::Result<(), Errno> {
    let entry = Copy::from_bytes(&argument(cpu, at)?);
    let result = match &CopyRequest::parse(&entry) {
        Ok(Some(request)) => copy_one(cpu, request),
        Ok(None) => Ok(()),
        Err(status) => Err(*status),
    };
    tell(cpu, at, offset_of!(Copy, status), &result)
}

fn copy_one(cpu: &mut Cpu<'_>, request: &CopyRequest) -> core::result::Result<(), GrantStatus> {
    let domain = own(cpu).map_err(|_| GrantStatus::GeneralError)?;
    let (source, source_pin) = hold(cpu, domain, request.source, Access::Read)?;
    let dest = hold(cpu, domain, request.dest, Access::Write);
    let result = dest.and_then(|(dest, dest_pin)| {
        let copied = move_bytes(&source, &dest, request);
        drop(dest);
        dest_pin.into_iter().for_each(|pin| grants::unpin(cpu, pin));
        copied
    });
    drop(source);
    source_pin
        .into_iter()
        .for_each(|pin| grants::unpin(cpu, pin));
    result
}

/// The page of one side, held while it is copied.
#[inline]
fn hold(
    cpu: &mut Cpu<'_>,
    domain: &Domain,
    place: CopyPlace,
    access: Access,
) -> core::result::Result<(Page, Option<Pin>), GrantStatus> {
    match place {
        CopyPlace::Own(gfn) => {
            let page = hold_own(cpu, domain, gfn).ok_or(GrantStatus::BadPage)?;
            Ok((page, None))
        }
        CopyPlace::Granted { granter, gref } => {
            // As on Xen, a copy takes `DOMID_SELF` for the caller, a mapping does not.
            let granter = if granter == DomId::SELF {
                domain.id
            } else {
                granter
            };
            let (page, pin) = hold_granted(cpu, granter, gref, domain.id, access)?;
            Ok((page, Some(pin)))
        }
    }
}

#[inline(never)]
fn hold_granted(
    cpu: &mut Cpu<'_>,
    granter: DomId,
    gref: u32,
    user: DomId,
    access: Access,
) -> core::result::Result<(Page, Pin), GrantStatus> {
    let (pin, page) = grants::pin(cpu, granter, gref, user, access, Page::clone)?;
    Ok((page, pin))
}

#[inline(never)]
fn hold_own(cpu: &mut Cpu<'_>, domain: &Domain, gfn: Gfn) -> Option<Page> {
    let mut life = domain.control.lock(&mut cpu.token);
    life.memory.as_mut()?.page(gfn)
}

fn move_bytes(
    source: &Page,
    dest: &Page,
    request: &CopyRequest,
) -> core::result::Result<(), GrantStatus> {
    // Both ends were checked to be within their pages.
    let (from, to) = (request.source_offset, request.dest_offset);
    match source.copy_to(from, dest, to, request.len) {
        true => Ok(()),
        false => Err(GrantStatus::GeneralError),
    }
}

fn setup_table(cpu: &mut Cpu<'_>, at: u64) -> Result {
    let mut wanted = SetupTable::from_bytes(&argument(cpu, at)?);
    let mut result = match own_by_id(cpu, wanted.dom) {
        Ok(domain) => grow_to(&mut domain.control.lock(&mut cpu.token), wanted.nr_frames)?,
        Err(Errno::Perm) => Err(GrantStatus::PermissionDenied),
        Err(_) => Err(GrantStatus::BadDomain),
    };
    if result.is_ok() {
        for index in 0..wanted.nr_frames {
            let gfn = own(cpu)?
                .control
                .lock(&mut cpu.token)
                .grants
                .frame_gfn(index);
            // A frame that is mapped nowhere has no number.
            let number = gfn.map_or(u64::MAX, |gfn| gfn.0);
            let place = wanted.frame_list.wrapping_add(u64::from(index) * 8);
            if guest_memory::write(cpu, place, &number.to_le_bytes()).is_err() {
                result = Err(GrantStatus::BadVirtAddr);
                break;
            }
        }
    }
    wanted.status = status_of(&result);
    guest_memory::write(cpu, at, &wanted.to_bytes())?;
    DONE
}

fn query_size(cpu: &mut Cpu<'_>, at: u64) -> Result {
    let mut wanted = QuerySize::from_bytes(&argument(cpu, at)?);
    let result = match own_by_id(cpu, wanted.dom) {
        Ok(domain) => Ok(domain.control.lock(&mut cpu.token).grants.size()),
        Err(Errno::Perm) => Err(GrantStatus::PermissionDenied),
        Err(_) => Err(GrantStatus::BadDomain),
    };
    wanted.status = status_of(&result);
    if let Ok(size) = result {
        wanted.nr_frames = size.frames;
        wanted.max_nr_frames = size.max_frames;
    }
    guest_memory::write(cpu, at, &wanted.to_bytes())?;
    DONE
}

const _: () = assert!(grant::entry::PER_FRAME * grant::entry::SIZE == 1 << PAGE_SHIFT);
