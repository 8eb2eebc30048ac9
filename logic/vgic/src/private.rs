//! The private interrupts of one vCPU of a GICv3 and its list registers: the commonest case of `sync`
//! and `flush`, which touches nothing but that vCPU's own state.
//!
//! Each does exactly what the general way does in the same case.

use crate::bank::index;
use crate::list_register::ListRegister;
use crate::model::TIMER_BIT;
use crate::vcpu::{NOTHING, TimerLink, VcpuState};
use abi::IntId;

/// What a sync of the private interrupts came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Synced {
    /// List registers that hold other interrupts, as bits.
    pub(crate) left: u32,
    /// A flush is due.
    pub(crate) flush: bool,
}

impl Synced {
    /// None of the first `used` list registers was looked at.
    pub(crate) fn all_left(used: u8) -> Self {
        Self {
            left: (1 << (used & 31)) - 1,
            flush: false,
        }
    }

    /// Nothing is left to be done.
    #[inline]
    pub(crate) fn is_quiet(self) -> bool {
        self.left == 0 && !self.flush
    }
}

impl VcpuState {
    /// Takes over what the guest did to the list registers of private interrupts.
    #[inline]
    pub(crate) fn sync_privates(
        &mut self,
        forwards: bool,
        read: &impl Fn(u8) -> ListRegister,
    ) -> Synced {
        let mut synced = Synced::default();
        // Mostly only the first is in use.
        if self.used != 0 {
            self.sync_private(0, forwards, read, &mut synced);
        }
        for slot in 1..self.used {
            self.sync_private(slot, forwards, read, &mut synced);
        }
        synced
    }

    #[inline]
    fn sync_private(
        &mut self,
        slot: u8,
        forwards: bool,
        read: &impl Fn(u8) -> ListRegister,
        synced: &mut Synced,
    ) {
        let Some(loaded) = self.loaded.get_mut(usize::from(slot)) else {
            return;
        };
        if *loaded >= 32 {
            if *loaded != NOTHING {
                synced.left |= 1 << (slot & 31);
            }
            return;
        }
        let bit = 1 << (*loaded & 31);
        let lr = read(slot);
        let bank = &mut self.private;
        if !lr.is_pending() {
            bank.carried &= !bit;
        }
        if bank.overridden & bit == 0 {
            bank.active = bank.active & !bit | if lr.is_active() { bit } else { 0 };
        }
        if lr.is_valid() {
            return;
        }
        *loaded = NOTHING;
        bank.listed &= !bit;
        bank.overridden &= !bit;
        let again = bank.ready() & bit != 0;
        if bit == TIMER_BIT && self.timer.linked {
            // The guest's deactivation went through to the physical interrupt.
            self.timer = TimerLink::default();
        }
        if again {
            self.mark(0);
        }
        // The hardware repeats the maintenance interrupt until the register is rewritten.
        synced.flush |= again && forwards || self.overflow || lr.signals_end();
    }

    /// Puts a ready interrupt that is not listed into list register `slot`. `physical` is that of the
    /// linked timer.
    #[inline]
    pub(crate) fn list_private(
        &mut self,
        bit: u32,
        slot: u8,
        physical: Option<IntId>,
    ) -> ListRegister {
        let bank = &mut self.private;
        bank.listed |= bit;
        bank.carried |= bank.latched & bit;
        bank.latched &= !bit;
        let intid = index(bit);
        let lr = ListRegister::new(intid as u32, bank.priority_of(bit))
            .with(ListRegister::PENDING | ListRegister::GROUP_1);
        // As its end is to be heard of if its line is still high then.
        let mut signals = bank.edge & bit == 0;
        if let Some(loaded) = self.loaded.get_mut(usize::from(slot)) {
            *loaded = intid as u16;
        }
        self.used = self.used.max(slot + 1);
        if bit == TIMER_BIT
            && let Some(physical) = physical
        {
            self.timer.linked = self.timer.held;
            if self.timer.linked {
                return lr.with(ListRegister::HARDWARE).with_physical(physical.0);
            }
            signals = true;
        }
        lr.with(if signals { ListRegister::EOI } else { 0 })
    }

    /// The first of `capacity` list registers that holds nothing.
    #[inline]
    pub(crate) fn free_slot(&self, capacity: u8) -> Option<u8> {
        let loaded = self.loaded.iter().take(usize::from(capacity));
        (0..)
            .zip(loaded)
            .find_map(|(slot, intid)| (*intid == NOTHING).then_some(slot))
    }
}
