//! `XENMEM_decrease_reservation` and `XENMEM_populate_physmap`: a domain gives pages up, and gets as
//! many back, elsewhere if it likes. It never has more than at its start.
//!
//! These calls give the extents done and no errno: what is wrong ends them early.

use abi::memory::{OP_BITS, Reservation, op};
use abi::{Errno, Gfn};

use super::memory_op::replaced;
use super::{Outcome, Result, argument, own_by_id, ready};
use crate::domain::{Domain, Life};
use crate::run::Cpu;

/// The largest extent, log2 of pages. (Xen's is 9; kernels use 0.)
const MAX_ORDER: u32 = 5;
/// Pages changed in one go, and extents looked at: an extent is never left half done.
const BUDGET: u64 = 32;
/// Pages that an extent counts for at least, as it may split a block: that fills a table of 512 entries.
const LEAST: u64 = 4;

#[inline(never)]
pub(super) fn call(
    cpu: &mut Cpu<'_>,
    operation: u32,
    start: u64,
    arguments: &mut [u64; 5],
) -> Result {
    let [command, at, ..] = arguments;
    let stop = Ok(Outcome::Done(start));
    let Ok(bytes) = argument(cpu, *at) else {
        return stop;
    };
    let wanted = Reservation::from_bytes(&bytes);
    if wanted.nr_extents > u64::from(u32::MAX >> OP_BITS) || start >= wanted.nr_extents {
        return stop;
    }
    let domain = match own_by_id(cpu, wanted.domid) {
        Ok(domain) => domain,
        Err(Errno::Perm) => return Err(Errno::Perm),
        Err(_) => return stop,
    };
    if wanted.extent_order > MAX_ORDER || operation == op::INCREASE_RESERVATION {
        // Pages that are mapped nowhere are of no use to a translated guest.
        return stop;
    }
    let mut left = BUDGET;
    let mut index = start;
    while index < wanted.nr_extents && left != 0 {
        let entry = wanted.extent_start.wrapping_add(index * 8);
        let Ok(gfn) = argument(cpu, entry) else {
            return Ok(Outcome::Done(index));
        };
        let first = Gfn(u64::from_le_bytes(gfn));
        let last = Gfn(first.0.saturating_add((1 << wanted.extent_order) - 1));
        if ready(cpu, domain, first).is_err() || ready(cpu, domain, last).is_err() {
            break;
        }
        if !extent(cpu, domain, operation, first, 1 << wanted.extent_order) {
            return Ok(Outcome::Done(index));
        }
        left = left.saturating_sub((1 << wanted.extent_order).max(LEAST));
        index += 1;
    }
    if index == wanted.nr_extents {
        return Ok(Outcome::Done(index));
    }
    *command = u64::from(operation) | index << OP_BITS;
    Ok(Outcome::Again)
}

/// Changes `pages` pages from `first` on, all or, if something is wrong, those before.
fn extent(cpu: &mut Cpu<'_>, domain: &Domain, operation: u32, first: Gfn, pages: u64) -> bool {
    let mut guard = domain.control.lock(&mut cpu.token);
    let (life, _) = guard.split();
    for offset in 0..pages {
        let Some(gfn) = first.0.checked_add(offset).map(Gfn) else {
            return false;
        };
        let done = match operation {
            op::POPULATE_PHYSMAP => populate(life, gfn),
            _ => give_up(life, gfn),
        };
        if !done {
            return false;
        }
    }
    true
}

fn give_up(life: &mut Life, gfn: Gfn) -> bool {
    life.memory
        .as_mut()
        .is_some_and(|memory| memory.give_up(gfn))
}

fn populate(life: &mut Life, gfn: Gfn) -> bool {
    let Some(memory) = life.memory.as_mut() else {
        return false;
    };
    match memory.populate(gfn) {
        Ok(before) => {
            replaced(life, gfn, before);
            true
        }
        Err(_) => false,
    }
}
