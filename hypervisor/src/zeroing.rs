//! Zeroing of RAM that guests have not had yet: on demand, in slices, and by idle CPUs.
//!
//! A guest that touches a block which waits (see `domain::zeroing`) is stopped by stage 2. A slice of
//! the block is zeroed and the guest's instruction executed again, so that interrupts and its
//! neighbours get their turn between two slices, until the block is mapped. Several CPUs that need
//! one block share the work; who finds the lock taken by another does not wait for its next part but
//! tries the instruction again.

use abi::Ipa;
use machine::atomic::Ordering;

use crate::domain::Domain;
use crate::domain::zeroing::Block;
use crate::reclaim::Progress;
use crate::run::Cpu;

/// Parts zeroed in one exit: 256 KiB.
const PARTS_PER_EXIT: u32 = 8;

/// Zeroes a slice of the block of `domain` at `address`. Whether there was one that waits: then the
/// access that met it is to be made anew. One part is zeroed at least, whoever else wants the lock, so
/// that it is not made anew for ever.
pub fn slice_at(cpu: &mut Cpu<'_>, domain: &Domain, address: Ipa) -> bool {
    if !domain.unzeroed.load(Ordering::Relaxed) {
        return false;
    }
    {
        let mut life = domain.control.lock(&mut cpu.token);
        let memory = life.memory.as_mut();
        match memory.and_then(|memory| memory.zero_part(address)) {
            None => return false,
            Some(Block::Mapped) => return true,
            Some(Block::Waits) => {}
        }
    }
    slice(cpu, domain, address, PARTS_PER_EXIT - 1);
    true
}

/// Whether pages can be mapped at `address`, or taken away. If not, part of the block there is zeroed,
/// and the caller is to start anew.
#[cold]
pub fn is_ready(cpu: &mut Cpu<'_>, domain: &Domain, address: Ipa) -> bool {
    // Even if that was all: a call that names many blocks has one slice zeroed in an exit.
    !slice_at(cpu, domain, address)
}

/// Zeroes up to `parts` parts of the block at `address`, as long as nobody else has the lock.
fn slice(cpu: &mut Cpu<'_>, domain: &Domain, address: Ipa, parts: u32) {
    for _ in 0..parts {
        let Some(mut life) = domain.control.try_lock(&mut cpu.token) else {
            return;
        };
        let memory = life.memory.as_mut();
        if memory.and_then(|memory| memory.zero_part(address)) != Some(Block::Waits) {
            return;
        }
    }
}

/// Has a CPU that idles zero a part of some domain's RAM; `false` if there is nothing to do, or others
/// are at it.
pub fn idle(cpu: &mut Cpu<'_>) -> bool {
    let system = cpu.system;
    if system.unzeroed.load(Ordering::Relaxed) == 0 {
        return false;
    }
    // Each CPU begins with another domain.
    let first = usize::from(cpu.shared.id.0) % system.domains.len().max(1);
    let (before, behind) = system.domains.split_at_checked(first).unwrap_or_default();
    for domain in behind.iter().chain(before) {
        if !domain.unzeroed.load(Ordering::Relaxed) {
            continue;
        }
        let Some(mut life) = domain.control.try_lock(&mut cpu.token) else {
            continue;
        };
        let ended = !matches!(life.reclaim, Progress::Idle);
        let memory = life.memory.as_mut().filter(|_| !ended);
        if memory.is_some_and(|memory| memory.zero_next()) {
            return true;
        }
        // Another CPU that idles may have found the same, and been here first.
        if domain.unzeroed.swap(false, Ordering::Relaxed) {
            system.unzeroed.fetch_sub(1, Ordering::Relaxed);
        }
    }
    false
}
