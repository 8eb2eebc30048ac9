//! Uses of granted pages, across two domains: no two domains' locks are held at once.

use abi::grant::GrantStatus;
use abi::{DomId, Gfn};
use grant::{Access, Pin};
use machine::atomic::Ordering;

use crate::domain::Page;
use crate::reclaim::Progress;
use crate::run::Cpu;

/// Begins a use of grant `gref` of domain `granter` by `user`.
///
/// # Errors
/// `BadDomain`: no such domain, or it has ended. Otherwise as `Grants::pin`.
pub fn pin(
    cpu: &mut Cpu<'_>,
    granter: DomId,
    gref: u32,
    user: DomId,
    access: Access,
) -> Result<(Pin, Page), GrantStatus> {
    let domain = cpu.system.domain(granter).ok_or(GrantStatus::BadDomain)?;
    let mut guard = domain.control.lock(&mut cpu.token);
    let (life, _) = guard.split();
    if domain.ending.load(Ordering::Acquire) {
        return Err(GrantStatus::BadDomain);
    }
    let memory = life.memory.as_ref().ok_or(GrantStatus::BadDomain)?;
    let acquire = |gfn: Gfn| {
        memory
            .page(gfn)
            .filter(|_| memory.own_page_at(gfn).is_none())
    };
    let pin = life.grants.pin(gref, user, access, acquire)?;
    match life.grants.page(&pin).cloned() {
        Some(page) => Ok((pin, page)),
        // It was pinned just now.
        None => Err(GrantStatus::GeneralError),
    }
}

/// Ends a use.
pub fn unpin(cpu: &mut Cpu<'_>, pin: Pin) {
    let Some(domain) = cpu.system.domain(pin.granter()) else {
        return;
    };
    let page = {
        let mut life = domain.control.lock(&mut cpu.token);
        life.grants.unpin(pin)
    };
    // The page is given up before the domain looks whether it can be taken back.
    drop(page);
    {
        let mut life = domain.control.lock(&mut cpu.token);
        if !matches!(life.reclaim, Progress::Held) || life.grants.pinned() != 0 {
            return;
        }
        life.reclaim = Progress::Zeroing(0);
    }
    cpu.system.reclaims.fetch_add(1, Ordering::Release);
    // Whoever idles can do it, and nobody knows of it yet.
    for other in &cpu.system.cpus {
        if other.online.load(Ordering::Relaxed) {
            cpu.system.kick_to_choose(other);
        }
    }
}
