//! Filling the list registers of a vCPU.
//!
//! Usually everything finds room, and nothing has to be ranked. Otherwise see [`crate::choice`].

use crate::bank::{each_bit, index};
use crate::choice::{Choice, Ranked};
use crate::effect::Flushed;
use crate::list_register::ListRegister;
use crate::model::{Place, TIMER_BIT, Vgic};
use crate::residency::place_of;
use crate::vcpu::{TimerLink, VcpuState};
use abi::VcpuId;

/// The interrupts of a word that belong into list registers of a vCPU.
#[derive(Clone, Copy, Default)]
struct Candidates {
    active: u32,
    pending: u32,
    /// Pending, but the group is disabled or the redistributor sleeps.
    held_back: u32,
}

impl Vgic {
    /// Fills the list registers of `vcpu` from the model. As many as the shorter of `lrs` and the
    /// configured number are used; the rest of `lrs` is made invalid.
    ///
    /// If the vCPU has run since its list registers were last looked at, `sync` comes first.
    pub fn flush(&mut self, vcpu: VcpuId, lrs: &mut [ListRegister]) -> Flushed {
        let wake = self.take_all_out(vcpu);
        let capacity = lrs.len().min(usize::from(self.list_registers));
        let mut used = 0;
        let mut more = false;
        if self.vcpu(vcpu).is_some_and(|state| state.summary != 0) {
            more = !self.fill_with_all(vcpu, lrs, capacity);
            if more {
                self.fill_with_best(vcpu, lrs, capacity);
            }
            used = self.in_use(vcpu);
        }
        for lr in lrs.iter_mut().skip(usize::from(used)) {
            *lr = ListRegister::INVALID;
        }
        let Some(state) = self.vcpu_mut(vcpu) else {
            return Flushed::default();
        };
        state.overflow = more;
        let retire_timer = retire_timer(state);
        Flushed {
            used,
            more,
            wake,
            retire_timer,
        }
    }

    /// Loads all candidates of `vcpu`, on which nothing is listed, and brings its summary up to date.
    /// False if there are more than `capacity`; what is loaded then is to be taken out again.
    fn fill_with_all(&mut self, vcpu: VcpuId, lrs: &mut [ListRegister], capacity: usize) -> bool {
        let summary = self.vcpu(vcpu).map_or(0, |state| state.summary);
        for word_bit in each_bit(summary) {
            let word = index(word_bit);
            let candidates = self.candidates(vcpu, word);
            let listable = candidates.active | candidates.pending;
            if listable.count_ones() as usize + usize::from(self.in_use(vcpu)) > capacity {
                return false;
            }
            if listable | candidates.held_back == 0
                && let Some(state) = self.vcpu_mut(vcpu)
            {
                state.summary &= !word_bit;
            }
            for bit in each_bit(listable) {
                self.put(Place { vcpu, word, bit }, lrs);
            }
        }
        true
    }

    fn candidates(&self, vcpu: VcpuId, word: usize) -> Candidates {
        let (Some(state), Some(bank)) = (self.vcpu(vcpu), self.bank(vcpu, word)) else {
            return Candidates::default();
        };
        let active = bank.active & state.owned(word);
        let ready = bank.ready() & state.routed(word) & !bank.listed;
        if self.forwards() && !state.asleep {
            Candidates {
                active,
                pending: ready,
                held_back: 0,
            }
        } else {
            Candidates {
                active,
                pending: 0,
                held_back: ready,
            }
        }
    }

    /// Loads those that [`crate::choice`] prefers.
    #[inline(never)]
    fn fill_with_best(&mut self, vcpu: VcpuId, lrs: &mut [ListRegister], capacity: usize) {
        // What was loaded so far was this vCPU's own to take, so nobody else is concerned.
        let _ = self.take_all_out(vcpu);
        let (mut active, mut pending) = (Ranked::new(capacity), Ranked::new(capacity));
        let summary = self.vcpu(vcpu).map_or(0, |state| state.summary);
        for word in each_bit(summary).map(index) {
            let candidates = self.candidates(vcpu, word);
            let Some(bank) = self.bank(vcpu, word) else {
                continue;
            };
            let intid = |bit| (word * 32 + index(bit)) as u16;
            for bit in each_bit(candidates.active) {
                active.offer(bank.priority_of(bit), intid(bit));
            }
            for bit in each_bit(candidates.pending) {
                pending.offer(bank.priority_of(bit), intid(bit));
            }
        }
        let choice = Choice::new(active, pending, capacity);
        for intid in choice.intids() {
            self.put(place_of(vcpu, intid), lrs);
        }
    }

    /// Loads an interrupt into the next list register.
    fn put(&mut self, at: Place, lrs: &mut [ListRegister]) {
        let slot = usize::from(self.in_use(at.vcpu));
        let Some(lr) = lrs.get_mut(slot) else {
            return;
        };
        *lr = self.load(at);
        if let Some(state) = self.vcpu_mut(at.vcpu)
            && let Some(loaded) = state.loaded.get_mut(slot)
        {
            *loaded = (at.word * 32 + index(at.bit)) as u16;
            state.used += 1;
        }
    }
}

/// If the physical interrupt is held for nothing, lets it go.
fn retire_timer(state: &mut VcpuState) -> bool {
    let bank = &state.private;
    let over = state.timer.held && (bank.pending() | bank.active) & TIMER_BIT == 0;
    if over {
        state.timer = TimerLink::default();
    }
    over
}
