//! The private interrupts of one vCPU of a GICv3 and its list registers: the commonest case of `sync`
//! and `flush`, which touches nothing but that vCPU's own state.
//!
//! Each does exactly what the general way does in the same case.

use crate::bank::index;
use crate::list_register::ListRegister;
use crate::model::TIMER_BIT;
use crate::quick::ListRegisters;
use crate::vcpu::{NOTHING, TimerLink, VcpuState};
use abi::IntId;

/// What a sync of the private interrupts came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Synced {
    /// List registers that hold other interrupts, as bits.
    pub(crate) left: u32,
    /// Private interrupts have ended that are ready again.
    pub(crate) again: bool,
    /// A flush is due, whatever else.
    pub(crate) flush: bool,
}

impl Synced {
    /// None of the first `used` list registers was looked at.
    pub(crate) fn all_left(used: u8) -> Self {
        Self {
            left: (1 << (used & 31)) - 1,
            again: false,
            flush: false,
        }
    }

    /// Nothing is left to be done.
    #[inline]
    pub(crate) fn is_quiet(self) -> bool {
        self.left == 0 && !self.flush && !self.again
    }
}

/// What list registers hold.
#[derive(Default)]
struct Seen {
    /// The private interrupts that are in them, as far as is known, and those that still are.
    read: u32,
    pending: u32,
    active: u32,
    /// The end of one raised a maintenance interrupt.
    signals: bool,
    /// List registers that hold other interrupts, as bits.
    left: u32,
}

impl VcpuState {
    /// Takes over what the guest did to the list registers of private interrupts.
    #[inline]
    pub(crate) fn sync_privates(
        &mut self,
        forwards: bool,
        read: &impl Fn(u8) -> ListRegister,
    ) -> Synced {
        let mut seen = Seen::default();
        if self.lists_none() {
            return Synced::default();
        }
        // Mostly only the first is in use.
        if self.used != 0 {
            self.look_at(0, read, &mut seen);
        }
        for slot in 1..self.used {
            self.look_at(slot, read, &mut seen);
        }
        let ended = seen.read & !(seen.pending | seen.active);
        let bank = &mut self.private;
        bank.carried &= seen.pending | !seen.read;
        let taken = seen.read & !bank.overridden;
        bank.active = bank.active & !taken | seen.active & taken;
        let mut synced = Synced {
            left: seen.left,
            again: false,
            flush: false,
        };
        if ended != 0 {
            bank.listed &= !ended;
            bank.overridden &= !ended;
            let again = bank.ready() & ended != 0;
            if ended & TIMER_BIT != 0 && self.timer.linked {
                // The guest's deactivation went through to the physical interrupt.
                self.timer = TimerLink::default();
            }
            if again {
                self.mark(0);
            }
            synced.again = again && forwards;
            synced.flush = self.overflow || seen.signals;
        }
        synced
    }

    #[inline(always)]
    fn look_at(&mut self, slot: u8, read: &impl Fn(u8) -> ListRegister, seen: &mut Seen) {
        let Some(loaded) = self.loaded.get_mut(usize::from(slot)) else {
            return;
        };
        if *loaded >= 32 {
            if *loaded != NOTHING {
                seen.left |= 1 << (slot & 31);
            }
            return;
        }
        let bit = 1 << (*loaded & 31);
        let lr = read(slot);
        seen.read |= bit;
        if lr.is_valid() {
            seen.pending |= if lr.is_pending() { bit } else { 0 };
            seen.active |= if lr.is_active() { bit } else { 0 };
        } else {
            *loaded = NOTHING;
            // The hardware repeats the maintenance interrupt until the register is rewritten.
            seen.signals |= lr.signals_end();
        }
    }

    /// Puts a ready interrupt that is not listed into list register `slot`. `physical` is that of the
    /// linked timer.
    #[inline(always)]
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

    /// The edge-triggered interrupt of `bit` is pending, and no other list register than the first has
    /// been used, for nothing else, and is free by now: `sync` and listing it in one go. `None`, and
    /// nothing is done, if that is not all there is to do.
    #[inline(always)]
    pub(crate) fn list_alone(
        &mut self,
        bit: u32,
        lrs: &impl ListRegisters,
    ) -> Option<ListRegister> {
        let bank = &mut self.private;
        let intid = index(bit) as u16;
        let no_edge = !bank.edge | TIMER_BIT;
        if self.used > 1 || self.overflow || self.asleep || (no_edge | !bank.enabled) & bit != 0 {
            return None;
        }
        if self.loaded[0] == intid {
            if bank.overridden & bit != 0 || lrs.read_first().is_valid() {
                return None;
            }
            bank.active &= !bit;
        } else if self.loaded[0] != NOTHING || bank.active & bit != 0 {
            return None;
        }
        bank.listed |= bit;
        bank.carried |= bit;
        bank.latched &= !bit;
        self.loaded[0] = intid;
        self.used = 1;
        let lr = ListRegister::new(u32::from(intid), bank.priority_of(bit));
        Some(lr.with(ListRegister::PENDING | ListRegister::GROUP_1))
    }

    /// As [`sync_privates`](Self::sync_privates) where only the first list register has been used, and what
    /// it held has ended and asks for nothing more. Nothing is done elsewhere.
    #[inline(always)]
    pub(crate) fn sync_alone(&mut self, lrs: &impl ListRegisters) {
        let intid = self.loaded[0];
        if self.used != 1 || intid >= 32 {
            return;
        }
        let bit = 1 << (intid & 31);
        let bank = &mut self.private;
        let lr = lrs.read_first();
        let more = bank.overridden | bank.pending() & !bank.carried;
        if lr.is_valid() || lr.signals_end() || more & bit != 0 || self.overflow {
            return;
        }
        self.loaded[0] = NOTHING;
        bank.carried &= !bit;
        bank.active &= !bit;
        bank.listed &= !bit;
        if bit == TIMER_BIT && self.timer.linked {
            self.timer = TimerLink::default();
        }
    }

    /// Whether no list register holds anything, as far as is known. (False where several were used.)
    #[inline(always)]
    pub(crate) fn lists_none(&self) -> bool {
        self.used <= 1 && self.loaded[0] == NOTHING
    }

    /// As [`lists_none`](Self::lists_none), and nothing waits for one.
    #[inline(always)]
    pub(crate) fn lists_nothing(&self) -> bool {
        self.lists_none() && !self.overflow
    }

    /// The first of `capacity` list registers that holds nothing.
    #[inline(always)]
    pub(crate) fn free_slot(&self, capacity: u8) -> Option<u8> {
        // Mostly it is the first.
        if self.loaded[0] == NOTHING && capacity != 0 {
            return Some(0);
        }
        let loaded = self.loaded.iter().take(usize::from(capacity));
        (0..)
            .zip(loaded)
            .find_map(|(slot, intid)| (*intid == NOTHING).then_some(slot))
    }
}
