//! Short ways for what happens all the time: a private interrupt of a GICv3 becomes pending on a vCPU
//! that runs, and nothing else has changed. Only free list registers are written; what is listed
//! stays where it is.
//!
//! Each gives up ([`Quick::Flush`]) where [`Vgic::flush`] would do more than that, so that the two
//! always agree on what the guest sees.

use crate::bank::each_bit;
use crate::config::Version;
use crate::list_register::ListRegister;
use crate::model::{Place, Vgic};
use crate::vcpu::{NOTHING, VcpuState};
use abi::{IntId, VcpuId};

/// What a short way came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Quick {
    /// Nothing is to be written.
    Done,
    /// This list register is to be set.
    Load {
        /// Which.
        slot: u8,
        /// To what.
        register: ListRegister,
    },
    /// The short way does not lead there: [`Vgic::flush`] is due.
    Flush,
}

impl Vgic {
    /// The private interrupt `intid` has just become pending on `vcpu`, whose list registers were
    /// synced: lists it if it can be delivered.
    pub fn list_at_once(&mut self, vcpu: VcpuId, intid: IntId) -> Quick {
        let (v3, forwards) = (self.version == Version::V3, self.forwards());
        let capacity = usize::from(self.list_registers);
        let Some(state) = self.vcpu(vcpu).filter(|_| v3 && intid.is_private()) else {
            return Quick::Flush;
        };
        let bit = 1 << (intid.0 & 31);
        if state.overflow || (state.private.listed | state.private.active) & bit != 0 {
            return Quick::Flush;
        }
        if !forwards || state.asleep || state.private.ready() & bit == 0 {
            return Quick::Done;
        }
        match free_slot(state, capacity) {
            Some(slot) => self.list(vcpu, bit, slot),
            None => Quick::Flush,
        }
    }

    /// Private interrupts may have become pending on `vcpu`, whose list registers were synced, and
    /// nothing else has changed since its last flush: lists them, calling `write` for each list
    /// register. False if a [`flush`](Self::flush) is due.
    pub fn list_private(&mut self, vcpu: VcpuId, mut write: impl FnMut(u8, ListRegister)) -> bool {
        let short = self.version == Version::V3 && self.forwards();
        let capacity = usize::from(self.list_registers);
        let Some(state) = self.vcpu(vcpu) else {
            return true;
        };
        let bank = &state.private;
        let again = bank.latched & bank.listed & bank.enabled;
        if !short || state.asleep || state.overflow || state.summary & !1 != 0 || again != 0 {
            return false;
        }
        for bit in each_bit(bank.ready() & !bank.listed) {
            let slot = self.vcpu(vcpu).and_then(|state| free_slot(state, capacity));
            let listed = slot.map(|slot| self.list(vcpu, bit, slot));
            match listed {
                Some(Quick::Load { slot, register }) => write(slot, register),
                _ => return false,
            }
        }
        true
    }

    fn list(&mut self, vcpu: VcpuId, bit: u32, slot: usize) -> Quick {
        let register = self.load(Place { vcpu, word: 0, bit });
        let Some(state) = self.vcpu_mut(vcpu) else {
            return Quick::Flush;
        };
        if let Some(loaded) = state.loaded.get_mut(slot) {
            *loaded = bit.trailing_zeros() as u16;
        }
        let slot = slot as u8;
        state.used = state.used.max(slot + 1);
        Quick::Load { slot, register }
    }
}

/// The first list register that holds nothing.
fn free_slot(state: &VcpuState, capacity: usize) -> Option<usize> {
    let loaded = state.loaded.get(..capacity)?;
    loaded.iter().position(|intid| *intid == NOTHING)
}
