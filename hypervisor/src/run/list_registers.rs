//! The resident guest's list registers and the model of its interrupt controller, kept in step.
//!
//! List registers stay in the CPU across exits. Before the model is asked or changed by the resident
//! vCPU they are read back, and only if that or the change concerns them are they written anew.

use abi::{CpuId, IntId, VcpuId, VcpuSet};
use machine::atomic::{Ordering, fence};

use machine::gic::{Active, Underflow};
use vgic::{Effect, ListRegister, MAX_LIST_REGISTERS, Quick};

use super::{Cpu, Next};
use crate::domain::{Changed, Domain, Emulated};
use crate::schedule::Choose;
use crate::system::System;

impl Cpu<'_> {
    /// Does something with the resident guest's interrupt controller, its list registers read
    /// before and written behind, and wakes whom that concerns.
    pub fn with_vgic(&mut self, change: impl FnOnce(&mut Emulated, VcpuId) -> Effect) -> Next {
        self.with_devices(|devices, vcpu| (change(devices, vcpu), ()))
            .0
    }

    /// As [`Self::with_vgic`], with a value to be returned.
    pub fn with_devices<T>(
        &mut self,
        change: impl FnOnce(&mut Emulated, VcpuId) -> (Effect, T),
    ) -> (Next, Option<T>) {
        let Some(resident) = &self.resident else {
            return (Next::Choose, None);
        };
        let (domain, vcpu) = (resident.domain, resident.slot.id);
        let (mut wake, value) = {
            let mut devices = domain.devices.lock(&mut self.token);
            let used = devices.vgic.in_use(vcpu);
            let mut effect = read_back(self.system, &mut devices, vcpu);
            let (more, value) = change(&mut devices, vcpu);
            effect.add(more);
            if effect.wake.contains(vcpu) {
                effect.wake = effect.wake.union(write_out(
                    self.system,
                    self.shared.id,
                    &mut devices,
                    vcpu,
                    used,
                ));
            }
            (effect.wake, value)
        };
        wake.remove(vcpu);
        (self.wake(domain, wake), Some(value))
    }

    /// Reads something of the resident guest's interrupt controller that its list registers do not
    /// change.
    #[inline]
    pub fn peek_vgic<T>(&mut self, read: impl FnOnce(&mut Emulated, VcpuId) -> T) -> Option<T> {
        let resident = self.resident.as_ref()?;
        let mut devices = resident.domain.devices.lock(&mut self.token);
        Some(read(&mut devices, resident.slot.id))
    }

    /// Makes the private interrupt `intid` pending by `change`, for the resident guest or other vCPUs
    /// of its domain: the commonest change, which seldom concerns more than one list register.
    #[inline]
    pub fn make_pending(
        &mut self,
        intid: IntId,
        change: impl FnOnce(&mut Emulated, VcpuId) -> Effect,
    ) -> Next {
        let Some(resident) = &self.resident else {
            return Next::Choose;
        };
        let (domain, vcpu) = (resident.domain, resident.slot.id);
        let (wake, mut others) = {
            let mut devices = domain.devices.lock(&mut self.token);
            let used = devices.vgic.in_use(vcpu);
            let synced = read_back(self.system, &mut devices, vcpu).wake;
            let wake = change(&mut devices, vcpu).wake;
            let quick = match (synced.is_empty(), wake.contains(vcpu)) {
                (true, true) => devices.vgic.list_at_once(vcpu, intid),
                (true, false) => Quick::Done,
                (false, _) => Quick::Flush,
            };
            let mut others = synced;
            match quick {
                Quick::Done => {}
                Quick::Load { slot, register } => {
                    self.system.gic.write_list_register(slot, register.0);
                }
                Quick::Flush => {
                    let more = write_out(self.system, self.shared.id, &mut devices, vcpu, used);
                    others = others.union(more);
                }
            }
            (wake, others)
        };
        others.remove(vcpu);
        let mut pending = wake;
        pending.remove(vcpu);
        let next = self.wake(domain, others);
        match self.notify(domain, pending, Changed::Pending) {
            Next::Run => next,
            Next::Choose => Next::Choose,
        }
    }

    /// Has `set` of `domain` look at all their interrupts.
    #[inline]
    pub fn wake(&mut self, domain: &Domain, set: VcpuSet) -> Next {
        self.notify(domain, set, Changed::Anything)
    }

    /// Has `set` of `domain` look at their interrupts, of which `changed` has changed.
    #[inline]
    pub fn notify(&mut self, domain: &Domain, set: VcpuSet, changed: Changed) -> Next {
        if set.is_empty() {
            return Next::Run;
        }
        match self
            .system
            .wake_all(domain, set, changed, self.shared.id, &mut self.token)
        {
            Choose::Same => Next::Run,
            Choose::Anew => Next::Choose,
        }
    }

    /// The resident guest's interrupts changed: brings its list registers up to date.
    pub(super) fn refresh(&mut self) -> Next {
        let Some(resident) = &self.resident else {
            return Next::Choose;
        };
        // What was stored before the flag was raised is seen below; what comes now raises it again.
        let changed = resident.slot.attention.take();
        fence(Ordering::SeqCst);
        let (domain, vcpu) = (resident.domain, resident.slot.id);
        if changed == Some(Changed::Pending) {
            let gic = &self.system.gic;
            let mut devices = domain.devices.lock(&mut self.token);
            let synced = read_back(self.system, &mut devices, vcpu).wake;
            let write = |slot, register: ListRegister| gic.write_list_register(slot, register.0);
            if synced.is_empty() && devices.vgic.list_private(vcpu, write) {
                return Next::Run;
            }
        }
        self.with_vgic(|_, _| Effect {
            wake: VcpuSet::of(vcpu),
        })
    }

    /// The virtual timer of the resident guest fired, and is active until the guest ends it. `None` if
    /// there is no guest whose timer it could be.
    pub fn virtual_timer_fired(&mut self) -> Option<Next> {
        let (domain, vcpu) = self.resident()?;
        let timer = abi::arm::VIRTUAL_TIMER;
        let next = self.make_pending(timer, |devices, vcpu| devices.vgic.raise(vcpu, timer));
        let sleeps = domain
            .slot(vcpu)
            .is_some_and(|slot| slot.asleep.load(Ordering::Relaxed));
        if sleeps && self.notify(domain, VcpuSet::of(vcpu), Changed::Pending) == Next::Choose {
            return Some(Next::Choose);
        }
        Some(next)
    }
}

/// Takes the state of the resident vCPU's list registers into the model.
#[inline]
pub(super) fn read_back(system: &System, devices: &mut Emulated, vcpu: VcpuId) -> Effect {
    let gic = &system.gic;
    let mut effect = devices
        .vgic
        .sync_with(vcpu, |slot| ListRegister(gic.read_list_register(slot)));
    if devices.vgic.overflowed(vcpu) {
        let ended = gic.take_unlisted_ends();
        if ended != 0 {
            effect.add(devices.vgic.end_unlisted(vcpu, ended));
        }
    }
    effect
}

/// Fills the resident vCPU's list registers from the model; the first `stale` may hold something.
pub(super) fn write_out(
    system: &System,
    cpu: CpuId,
    devices: &mut Emulated,
    vcpu: VcpuId,
    stale: u8,
) -> VcpuSet {
    let mut registers = [ListRegister(0); MAX_LIST_REGISTERS as usize];
    let flushed = devices.vgic.flush(vcpu, &mut registers);
    for (index, register) in (0..stale.max(flushed.used)).zip(&registers) {
        system.gic.write_list_register(index, register.0);
    }
    system.gic.set_underflow(if flushed.more {
        Underflow::Notify
    } else {
        Underflow::Quiet
    });
    if flushed.retire_timer {
        system
            .gic
            .set_private_active(cpu, system.interrupts.virtual_timer, Active::No);
    }
    flushed.wake
}
