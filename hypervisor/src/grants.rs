//! Uses of granted pages, across two domains: no two domains' locks are held at once.

use abi::DomId;
use abi::grant::GrantStatus;
use grant::{Access, Pin};
use machine::atomic::Ordering;

use crate::chores::Chore;
use crate::domain::Page;
use crate::reclaim::Progress;
use crate::run::Cpu;

/// Begins a use of grant `gref` of domain `granter` by `user`, and tells what `look` finds of the page.
/// A handle to it is worth keeping only as long as the pin is: taking the granter's memory back waits
/// for the last pin, and looks for nothing else.
///
/// # Errors
/// `BadDomain`: no such domain, or it has ended. Otherwise as `Grants::pin`.
pub fn pin<T>(
    cpu: &mut Cpu<'_>,
    granter: DomId,
    gref: u32,
    user: DomId,
    access: Access,
    look: impl FnOnce(&Page) -> T,
) -> Result<(Pin, T), GrantStatus> {
    let domain = cpu.system.domain(granter).ok_or(GrantStatus::BadDomain)?;
    let mut guard = domain.control.lock(&mut cpu.token);
    let (life, _) = guard.split();
    if domain.ending.load(Ordering::Acquire) {
        return Err(GrantStatus::BadDomain);
    }
    // Of a domain that is filled still there is no memory here; it has granted nothing either.
    let memory = &mut life.memory;
    let pin = life
        .grants
        .pin(gref, user, access, |gfn| memory.as_mut()?.lend(gfn))?;
    match life.grants.page(&pin).map(look) {
        Some(found) => Ok((pin, found)),
        // It was pinned just now.
        None => Err(GrantStatus::GeneralError),
    }
}

/// Ends a use.
pub fn unpin(cpu: &mut Cpu<'_>, pin: Pin) {
    let Some(domain) = cpu.system.domain(pin.granter()) else {
        return;
    };
    {
        let mut guard = domain.control.lock(&mut cpu.token);
        let life = &mut *guard;
        // The page is given up before the lock is, with which the domain looks whether it can be taken
        // back. That it is of a bank, which is there as long, keeps this from being the RAM's end.
        if let (Some(page), Some(memory)) =
            (life.grants.unpin(pin).ok().flatten(), &mut life.memory)
        {
            memory.take_back(&page);
        }
        if !matches!(life.reclaim, Progress::Held) || life.grants.pinned() != 0 {
            return;
        }
        life.reclaim = Progress::Zeroing(0);
    }
    cpu.system.chores.begin(Chore::Reclaim);
    // Whoever idles can do it, and nobody knows of it yet.
    for other in &cpu.system.cpus {
        if other.online.load(Ordering::Relaxed) {
            cpu.system.kick_to_choose(other);
        }
    }
}
