//! Changes of a domain's life, and what follows from them for the queues.

use abi::VcpuId;
use lifecycle::Effects;
use machine::atomic::Ordering;
use sched::VcpuKey;

use super::{Cpu, Next};
use crate::domain::{Domain, Life};
use crate::reclaim;
use crate::schedule::{Choose, NEW};

impl Cpu<'_> {
    /// Changes the life of the resident guest's domain, and does what that demands.
    pub fn change_life<E>(
        &mut self,
        change: impl FnOnce(&mut Life, VcpuId) -> Result<Effects, E>,
    ) -> Option<Result<Next, E>> {
        let (domain, vcpu) = self.resident()?;
        let mut refused = None;
        let next = self.change_life_of(domain, |life| match change(life, vcpu) {
            Ok(effects) => effects,
            Err(error) => {
                refused = Some(error);
                Effects::NONE
            }
        });
        Some(refused.map_or(Ok(next), Err))
    }

    /// Changes the life of `domain`, and does what that demands. The queues follow under the same lock,
    /// so that they see changes in the order in which they were made.
    pub fn change_life_of(
        &mut self,
        domain: &Domain,
        change: impl FnOnce(&mut Life) -> Effects,
    ) -> Next {
        let mut next = Next::Run;
        let effects = {
            let mut guard = domain.control.lock(&mut self.token);
            let (life, token) = guard.split();
            let effects = change(life);
            for slot in effects.wake.iter().filter_map(|vcpu| domain.slot(vcpu)) {
                slot.starting.store(true, Ordering::Release);
                slot.on.store(true, Ordering::Relaxed);
                let key = VcpuKey {
                    domain: domain.id,
                    vcpu: slot.id,
                };
                if self.system.admit(key, slot, NEW, self.shared.id, token) == Choose::Anew {
                    // Perhaps not to run it at once, but to give the running one's slice an end.
                    next = Next::Choose;
                }
            }
            self.system
                .deschedule(domain, effects.deschedule, self.shared.id, token);
            effects
        };
        if effects.report {
            reclaim::ended(self, domain);
        }
        if effects.deschedule.is_empty() {
            next
        } else {
            Next::Choose
        }
    }
}
