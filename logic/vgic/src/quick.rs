//! Short ways for what happens all the time: a private interrupt of a GICv3 becomes pending on a vCPU
//! that runs, and nothing else has changed. Only free list registers are written; what is listed
//! stays where it is.
//!
//! Each gives up ([`Quick::Flush`]) where [`Vgic::flush`] would do more than that, so that the two
//! always agree on what the guest sees.

use crate::bank::each_bit;
use crate::config::Version;
use crate::effect::Effect;
use crate::inputs::Level;
use crate::list_register::ListRegister;
use crate::model::Vgic;
use crate::vcpu::VcpuState;
use abi::{IntId, VcpuId};

/// The list registers of a resident vCPU.
pub trait ListRegisters {
    /// The one of this number, as the hardware has it.
    fn read(&self, slot: u8) -> ListRegister;
    /// The first, as [`read`](Self::read) gives it: mostly it is the only one in use.
    #[inline(always)]
    fn read_first(&self) -> ListRegister {
        self.read(0)
    }
    /// Sets the one of this number.
    fn write(&self, slot: u8, register: ListRegister);
}

/// What a short way came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Quick {
    /// All is done.
    Done,
    /// The short way does not lead there: [`Vgic::flush`] is due, and this is to be done for others.
    Flush(Effect),
}

/// Why an interrupt becomes pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// As by [`Vgic::raise`]; an SGI, too.
    Edge,
    /// Its line rises, as by [`Vgic::set_level`]. Not for the linked timer.
    Line,
}

impl Vgic {
    /// The private interrupt `intid` becomes pending on `vcpu`, which is resident: `sync`, the change,
    /// and as much of `flush` as it needs, in one go.
    #[inline]
    pub fn pend_own(
        &mut self,
        vcpu: VcpuId,
        intid: IntId,
        cause: Cause,
        lrs: &impl ListRegisters,
    ) -> Quick {
        let short = self.version == Version::V3 && self.forwards();
        let physical = self.timer_pintid;
        if short
            && intid.is_private()
            && let Some(state) = self.vcpu_mut(vcpu)
        {
            let bit = 1 << (intid.0 & 31);
            if cause == Cause::Edge
                && let Some(register) = state.list_alone(bit, lrs)
            {
                state.mark(0);
                lrs.write(0, register);
                return Quick::Done;
            }
            state.sync_alone(lrs);
            if state.lists_nothing() && state.private.active & bit == 0 && !state.asleep {
                state.pend(bit, cause, physical.is_some());
                if state.private.ready() & bit != 0 {
                    lrs.write(0, state.list_private(bit, 0, physical));
                }
                return Quick::Done;
            }
        }
        self.pend_among_others(vcpu, intid, cause, lrs)
    }

    #[inline(never)]
    fn pend_among_others(
        &mut self,
        vcpu: VcpuId,
        intid: IntId,
        cause: Cause,
        lrs: &impl ListRegisters,
    ) -> Quick {
        let synced = self.sync_with(vcpu, |slot| lrs.read(slot));
        if self.version == Version::V2 || !intid.is_private() {
            return self.pend_any(vcpu, intid, cause, synced);
        }
        let forwards = self.forwards();
        let (capacity, physical) = (self.list_registers, self.timer_pintid);
        let Some(state) = self.vcpu_mut(vcpu) else {
            return Quick::Done;
        };
        let bit = 1 << (intid.0 & 31);
        state.pend(bit, cause, physical.is_some());
        if !synced.wake.is_empty() {
            return Quick::Flush(synced);
        }
        let bank = &state.private;
        if state.overflow || (bank.listed | bank.active) & bit != 0 {
            return Quick::Flush(Effect::NONE);
        }
        if !forwards || state.asleep || bank.ready() & bit == 0 {
            return Quick::Done;
        }
        match state.free_slot(capacity) {
            Some(slot) => {
                lrs.write(slot, state.list_private(bit, slot, physical));
                Quick::Done
            }
            None => Quick::Flush(Effect::NONE),
        }
    }

    #[inline(never)]
    fn pend_any(&mut self, vcpu: VcpuId, intid: IntId, cause: Cause, synced: Effect) -> Quick {
        let mut effect = match cause {
            Cause::Edge => self.raise(vcpu, intid),
            Cause::Line => self.set_level(vcpu, intid, Level::High),
        };
        effect.add(synced);
        if effect.wake.is_empty() {
            Quick::Done
        } else {
            Quick::Flush(effect)
        }
    }

    /// Fills the list registers of `vcpu`, which comes to a CPU where all of them are empty, if it has one
    /// private interrupt for them or nothing: as [`flush`](Self::flush). Whether it is done; if not,
    /// nothing is.
    #[inline]
    #[must_use]
    pub fn load_sole(&mut self, vcpu: VcpuId, lrs: &impl ListRegisters) -> bool {
        let short = self.version == Version::V3 && self.forwards();
        let Some(state) = self.vcpu_mut(vcpu).filter(|_| short) else {
            return false;
        };
        let bank = &state.private;
        let (ready, others) = (bank.ready(), state.summary & !1);
        if others | bank.active != 0 || state.overflow || state.asleep || state.timer.held {
            return false;
        }
        if !ready.is_power_of_two() {
            return ready == 0;
        }
        match state.list_alone(ready, lrs) {
            Some(register) => {
                lrs.write(0, register);
                true
            }
            None => false,
        }
    }

    /// Private interrupts may have become pending on `vcpu`, which is resident, and nothing else has
    /// changed since its last flush: `sync`, and lists them.
    #[inline]
    pub fn list_fresh(&mut self, vcpu: VcpuId, lrs: &impl ListRegisters) -> Quick {
        let read = |slot| lrs.read(slot);
        if self.version == Version::V2 || !self.forwards() {
            return Quick::Flush(self.sync_with(vcpu, read));
        }
        let Some(state) = self.vcpu_mut(vcpu) else {
            return Quick::Done;
        };
        state.sync_alone(lrs);
        let bank = &state.private;
        let sole = bank.latched;
        let levels = bank.line & !bank.edge & bank.enabled;
        if state.summary & !1 == 0
            && sole.is_power_of_two()
            && levels == 0
            && let Some(register) = state.list_alone(sole, lrs)
        {
            lrs.write(0, register);
            return Quick::Done;
        }
        self.list_among_others(vcpu, lrs)
    }

    #[inline(never)]
    fn list_among_others(&mut self, vcpu: VcpuId, lrs: &impl ListRegisters) -> Quick {
        let (capacity, physical) = (self.list_registers, self.timer_pintid);
        let Some(state) = self.vcpu_mut(vcpu) else {
            return Quick::Done;
        };
        let read = |slot| lrs.read(slot);
        let synced = state.sync_privates(true, &read);
        if synced.left != 0 || synced.flush {
            return Quick::Flush(self.sync_rest(vcpu, synced, &read));
        }
        let bank = &state.private;
        // What is listed and latched again needs the end of the first.
        let again = bank.latched & bank.listed & bank.enabled;
        if state.asleep || state.overflow || state.summary & !1 != 0 || again != 0 {
            return Quick::Flush(Effect::NONE);
        }
        for bit in each_bit(bank.ready() & !bank.listed) {
            match state.free_slot(capacity) {
                Some(slot) => lrs.write(slot, state.list_private(bit, slot, physical)),
                None => return Quick::Flush(Effect::NONE),
            }
        }
        Quick::Done
    }
}

impl VcpuState {
    #[inline]
    fn pend(&mut self, bit: u32, cause: Cause, timer_is_linked: bool) {
        let bank = &mut self.private;
        match cause {
            Cause::Edge => {
                bank.latched |= bit;
                if timer_is_linked && bit == crate::model::TIMER_BIT {
                    self.timer.held = true;
                    self.timer.linked = false;
                }
            }
            Cause::Line => {
                bank.latched |= bit & bank.edge & !bank.line;
                bank.line |= bit;
            }
        }
        self.mark(0);
    }
}
