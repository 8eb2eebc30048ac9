//! The resident guest's list registers and the model of its interrupt controller, kept in step.
//!
//! List registers stay in the CPU across exits. Before the model is asked or changed by the resident
//! vCPU they are read back, and only if that or the change concerns them are they written anew.
//! Writes outside pending and active state read them back only if their effect concerns this vCPU.

use abi::{CpuId, IntId, VcpuId, VcpuSet};
use machine::atomic::{Ordering, fence};

use machine::gic::{Active, Gic, Underflow};
use vgic::{Cause, Effect, Flushed, ListRegister, MAX_LIST_REGISTERS, Quick};

use super::{Cpu, Next};
use crate::domain::{Changed, Domain, Emulated};
use crate::schedule::Choose;
use crate::system::System;

/// The list registers in this CPU.
struct InCpu<'g>(&'g Gic);

impl vgic::ListRegisters for InCpu<'_> {
    #[inline]
    fn read(&self, slot: u8) -> ListRegister {
        ListRegister(self.0.read_list_register(slot))
    }

    #[inline(always)]
    fn read_first(&self) -> ListRegister {
        ListRegister(self.0.read_first_list_register())
    }

    #[inline]
    fn write(&self, slot: u8, register: ListRegister) {
        self.0.write_list_register(slot, register.0);
    }
}

impl Cpu<'_> {
    /// Asks the resident guest's interrupt controller for something that its list registers change, or
    /// changes that: they are read before and written behind, and whom it concerns is woken.
    pub fn with_devices<T>(
        &mut self,
        change: impl FnOnce(&mut Emulated, VcpuId) -> (Effect, T),
    ) -> (Next, Option<T>) {
        let Some(resident) = &self.resident else {
            return (Next::Choose, None);
        };
        let (domain, vcpu) = (resident.domain, resident.slot.id);
        let (others, value) = {
            let mut devices = domain.devices.lock(&mut self.token);
            let mut effect = read_back(self.system, &mut devices, vcpu);
            let (more, value) = change(&mut devices, vcpu);
            effect.add(more);
            if effect.wake.is_empty() {
                return (Next::Run, Some(value));
            }
            let others = write_if_due(self.system, self.shared.id, &mut devices, vcpu, effect);
            (others, value)
        };
        (self.wake(domain, others), Some(value))
    }

    /// Changes something of the resident guest's interrupt controller that its list registers do not
    /// change, as another CPU could. Only if it concerns them are they read and written, behind it.
    #[inline]
    pub fn change_vgic<T>(
        &mut self,
        change: impl FnOnce(&mut Emulated, VcpuId) -> (Effect, T),
    ) -> (Next, Option<T>) {
        let Some(resident) = &self.resident else {
            return (Next::Choose, None);
        };
        let (domain, vcpu) = (resident.domain, resident.slot.id);
        let (others, value) = {
            let mut devices = domain.devices.lock(&mut self.token);
            let (effect, value) = change(&mut devices, vcpu);
            if effect.wake.is_empty() {
                return (Next::Run, Some(value));
            }
            let others = catch_up(self.system, self.shared.id, &mut devices, vcpu, effect);
            (others, value)
        };
        (self.wake(domain, others), Some(value))
    }

    /// Reads something of the resident guest's interrupt controller that its list registers do not
    /// change.
    #[inline]
    pub fn peek_vgic<T>(&mut self, read: impl FnOnce(&mut Emulated, VcpuId) -> T) -> Option<T> {
        let resident = self.resident.as_ref()?;
        let mut devices = resident.domain.devices.lock(&mut self.token);
        Some(read(&mut devices, resident.slot.id))
    }

    /// Makes the private interrupt `intid` of the resident guest pending: the commonest change, which
    /// seldom concerns more than one list register.
    #[inline]
    pub fn make_pending(&mut self, intid: IntId, cause: Cause) -> Next {
        let Some(resident) = &self.resident else {
            return Next::Choose;
        };
        let (domain, vcpu) = (resident.domain, resident.slot.id);
        let others = {
            let mut devices = domain.devices.lock(&mut self.token);
            let lrs = InCpu(&self.system.gic);
            match devices.vgic.pend_own(vcpu, intid, cause, &lrs) {
                Quick::Done => return Next::Run,
                Quick::Flush(effect) => {
                    flush(self.system, self.shared.id, &mut devices, vcpu, effect)
                }
            }
        };
        self.wake(domain, others)
    }

    /// The resident guest writes `value` to `ICC_SGI1R_EL1`.
    #[inline]
    pub fn send_sgi(&mut self, value: u64) -> Next {
        let Some(resident) = &self.resident else {
            return Next::Choose;
        };
        if vgic::names_nobody(value) {
            return Next::Run;
        }
        let (domain, vcpu) = (resident.domain, resident.slot.id);
        let mut devices = domain.devices.lock(&mut self.token);
        match devices.vgic.sole_target(value) {
            Some((target, intid)) if target == vcpu => {
                let lrs = InCpu(&self.system.gic);
                match devices.vgic.pend_own(vcpu, intid, Cause::Edge, &lrs) {
                    Quick::Done => Next::Run,
                    Quick::Flush(effect) => {
                        let others = flush(self.system, self.shared.id, &mut devices, vcpu, effect);
                        drop(devices);
                        self.wake(domain, others)
                    }
                }
            }
            Some((target, intid)) => {
                let tell = devices.vgic.send_one(target, intid);
                drop(devices);
                match domain.slot(target) {
                    Some(slot) if tell => next_after(self.system.wake_slot(
                        domain,
                        slot,
                        Changed::Pending,
                        self.shared.id,
                        &mut self.token,
                    )),
                    _ => Next::Run,
                }
            }
            None => {
                drop(devices);
                self.send_sgis(value)
            }
        }
    }

    /// Sends SGIs to many, or to nobody.
    #[inline(never)]
    fn send_sgis(&mut self, value: u64) -> Next {
        let Some(resident) = &self.resident else {
            return Next::Choose;
        };
        let (domain, vcpu) = (resident.domain, resident.slot.id);
        let (others, mut pending) = {
            let mut devices = domain.devices.lock(&mut self.token);
            let effect = devices.vgic.send_sgi_v3(vcpu, value);
            let own = effect.wake.intersection(VcpuSet::of(vcpu));
            let own = Effect { wake: own };
            let others = catch_up(self.system, self.shared.id, &mut devices, vcpu, own);
            (others, effect.wake)
        };
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
        let choose = self
            .system
            .wake_all(domain, set, changed, self.shared.id, &mut self.token);
        next_after(choose)
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
        let others = {
            let mut devices = domain.devices.lock(&mut self.token);
            let lrs = InCpu(&self.system.gic);
            let effect = if changed == Some(Changed::Pending) {
                match devices.vgic.list_fresh(vcpu, &lrs) {
                    Quick::Done => return Next::Run,
                    Quick::Flush(effect) => effect,
                }
            } else {
                read_back(self.system, &mut devices, vcpu)
            };
            flush(self.system, self.shared.id, &mut devices, vcpu, effect)
        };
        self.wake(domain, others)
    }

    /// A maintenance interrupt: list registers became free, or a level interrupt ended. The model
    /// refills them.
    pub fn refill(&mut self) -> Next {
        let (next, _) = self.with_devices(|_, vcpu| {
            let wake = VcpuSet::of(vcpu);
            (Effect { wake }, ())
        });
        next
    }

    /// The virtual timer of the resident guest fired, and is active until the guest ends it. `None` if
    /// there is no guest whose timer it could be.
    pub fn virtual_timer_fired(&mut self) -> Option<Next> {
        let (domain, vcpu) = self.resident()?;
        let timer = abi::arm::VIRTUAL_TIMER;
        let next = self.make_pending(timer, Cause::Edge);
        let sleeps = domain
            .slot(vcpu)
            .is_some_and(|slot| slot.asleep.load(Ordering::Relaxed));
        if sleeps && self.notify(domain, VcpuSet::of(vcpu), Changed::Pending) == Next::Choose {
            return Some(Next::Choose);
        }
        Some(next)
    }
}

fn next_after(choose: Choose) -> Next {
    match choose {
        Choose::Same => Next::Run,
        Choose::Anew => Next::Choose,
    }
}

/// Fills the empty list registers of a vCPU that was just loaded, if it has one private interrupt or none.
/// Whether that is done.
#[inline]
pub(super) fn load_sole(system: &System, devices: &mut Emulated, vcpu: VcpuId) -> bool {
    devices.vgic.load_sole(vcpu, &InCpu(&system.gic))
}

/// Takes the state of the resident vCPU's list registers into the model.
#[inline]
pub(super) fn read_back(system: &System, devices: &mut Emulated, vcpu: VcpuId) -> Effect {
    let gic = &system.gic;
    let mut effect = devices
        .vgic
        .sync_with(vcpu, |slot| ListRegister(gic.read_list_register(slot)));
    effect.add(end_unlisted(system, devices, vcpu));
    effect
}

/// Ends what the guest has ended that is in no list register.
#[inline]
fn end_unlisted(system: &System, devices: &mut Emulated, vcpu: VcpuId) -> Effect {
    if !devices.vgic.overflowed(vcpu) {
        return Effect::NONE;
    }
    match system.gic.take_unlisted_ends() {
        0 => Effect::NONE,
        ended => devices.vgic.end_unlisted(vcpu, ended),
    }
}

/// Writes the resident vCPU's list registers, which were read back, if `effect` concerns it. Gives the
/// others that are concerned.
#[inline(never)]
fn write_if_due(
    system: &System,
    cpu: CpuId,
    devices: &mut Emulated,
    vcpu: VcpuId,
    effect: Effect,
) -> VcpuSet {
    let mut others = effect.wake;
    if others.contains(vcpu) {
        let stale = devices.vgic.in_use(vcpu);
        others = others.union(write_out(system, cpu, devices, vcpu, stale));
        others.remove(vcpu);
    }
    others
}

/// As [`write_if_due`], and reads them back before.
#[inline(never)]
fn catch_up(
    system: &System,
    cpu: CpuId,
    devices: &mut Emulated,
    vcpu: VcpuId,
    mut effect: Effect,
) -> VcpuSet {
    if effect.wake.contains(vcpu) {
        effect.add(read_back(system, devices, vcpu));
    }
    write_if_due(system, cpu, devices, vcpu, effect)
}

/// What a short way has left to do: it has read the list registers back.
#[inline(never)]
fn flush(
    system: &System,
    cpu: CpuId,
    devices: &mut Emulated,
    vcpu: VcpuId,
    mut effect: Effect,
) -> VcpuSet {
    effect.add(end_unlisted(system, devices, vcpu));
    effect.wake.insert(vcpu);
    write_if_due(system, cpu, devices, vcpu, effect)
}

/// As many as most machines have: clearing room for more costs more than filling those.
const USUAL_LIST_REGISTERS: u8 = 4;

/// Fills as many list registers as are used, and empties the first `stale` of the others.
#[inline]
fn write_flushed(
    system: &System,
    devices: &mut Emulated,
    vcpu: VcpuId,
    stale: u8,
    registers: &mut [ListRegister],
) -> Flushed {
    let flushed = devices.vgic.flush(vcpu, registers);
    for (index, register) in (0..stale.max(flushed.used)).zip(registers) {
        system.gic.write_list_register(index, register.0);
    }
    flushed
}

/// Fills the resident vCPU's list registers from the model; the first `stale` may hold something.
pub(super) fn write_out(
    system: &System,
    cpu: CpuId,
    devices: &mut Emulated,
    vcpu: VcpuId,
    stale: u8,
) -> VcpuSet {
    let flushed = if system.gic.list_registers() <= USUAL_LIST_REGISTERS {
        let mut registers = [ListRegister(0); USUAL_LIST_REGISTERS as usize];
        write_flushed(system, devices, vcpu, stale, &mut registers)
    } else {
        let mut registers = [ListRegister(0); MAX_LIST_REGISTERS as usize];
        write_flushed(system, devices, vcpu, stale, &mut registers)
    };
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
