//! Taking interrupts back from the list registers of a vCPU.
//!
//! `sync` follows what the guest did to the list registers; `flush` (see [`crate::flushing`]) takes back
//! what was listed, chooses anew and loads. What the list registers hold is remembered by number, so
//! that nothing depends on what the hardware leaves in an invalid one.

use crate::bank::{SGIS, each_bit, index};
use crate::choice::Ranked;
use crate::config::Version;
use crate::effect::Effect;
use crate::list_register::ListRegister;
use crate::model::{Place, TIMER_BIT, Vgic};
use crate::private::Synced;
use crate::vcpu::{NOTHING, SgiSources, TimerLink, WORDS};
use abi::{VcpuId, VcpuSet};

/// The most that `ICH_HCR_EL2.EOIcount` counts.
const EOI_COUNT_MAX: u8 = 31;

impl Vgic {
    /// The state of `vcpu`'s list registers as the hardware has them, at least those of the last
    /// flush. They may stay loaded: `sync` can be repeated without a `flush` between.
    ///
    /// The effect names `vcpu` itself if a flush is due: the end of one raised a maintenance interrupt,
    /// something is left to deliver, or something found no room before.
    pub fn sync(&mut self, vcpu: VcpuId, lrs: &[ListRegister]) -> Effect {
        self.sync_with(vcpu, |slot| {
            lrs.get(usize::from(slot))
                .copied()
                .unwrap_or(ListRegister::INVALID)
        })
    }

    /// As [`sync`](Self::sync), with `read` giving the list register of a number. Only those that
    /// hold something are read.
    #[inline]
    pub fn sync_with(&mut self, vcpu: VcpuId, read: impl Fn(u8) -> ListRegister) -> Effect {
        let (by_sender, forwards) = (self.version == Version::V2, self.forwards());
        let Some(state) = self.vcpu_mut(vcpu) else {
            return Effect::NONE;
        };
        let synced = if by_sender {
            Synced::all_left(state.used)
        } else {
            state.sync_privates(forwards, &read)
        };
        if synced.is_quiet() {
            return Effect::NONE;
        }
        self.sync_rest(vcpu, synced, &read)
    }

    /// The list registers that [`VcpuState::sync_privates`] has left, and what the others came to.
    #[inline(never)]
    pub(crate) fn sync_rest(
        &mut self,
        vcpu: VcpuId,
        synced: Synced,
        read: &impl Fn(u8) -> ListRegister,
    ) -> Effect {
        let mut effect = if synced.flush || synced.again {
            Effect::wake(vcpu)
        } else {
            Effect::NONE
        };
        for slot in each_bit(synced.left).map(|bit| index(bit) as u8) {
            effect.add(self.sync_slot(vcpu, slot, read(slot)));
        }
        effect
    }

    fn sync_slot(&mut self, vcpu: VcpuId, slot: u8, lr: ListRegister) -> Effect {
        let Some(state) = self.vcpu_mut(vcpu) else {
            return Effect::NONE;
        };
        let intid = state
            .loaded
            .get(usize::from(slot))
            .copied()
            .unwrap_or(NOTHING);
        if intid == NOTHING {
            return Effect::NONE;
        }
        let overflow = state.overflow;
        let mut effect = Effect::NONE;
        if self.follow(vcpu, intid, lr) {
            effect.wake = effect.wake.union(self.take_out(vcpu, usize::from(slot)));
            // The hardware repeats the maintenance interrupt until the register is rewritten.
            if overflow || lr.signals_end() {
                effect.wake.insert(vcpu);
            }
        }
        effect
    }

    /// Takes over what the guest did to one list register; whether it is free now.
    fn follow(&mut self, vcpu: VcpuId, intid: u16, lr: ListRegister) -> bool {
        let at = place_of(vcpu, intid);
        let Some(bank) = self.bank_mut(vcpu, at.word) else {
            return false;
        };
        if !lr.is_pending() {
            bank.carried &= !at.bit;
        }
        if bank.overridden & at.bit == 0 {
            bank.active = bank.active & !at.bit | if lr.is_active() { at.bit } else { 0 };
        }
        let ended = !lr.is_valid();
        if ended
            && at.bit == TIMER_BIT
            && at.word == 0
            && let Some(state) = self.vcpu_mut(vcpu)
            && state.timer.linked
        {
            // The guest's deactivation went through to the physical interrupt.
            state.timer = TimerLink::default();
        }
        ended
    }

    /// Takes everything out of `vcpu`'s list registers, as it leaves its CPU (after `sync`): nothing
    /// is listed any more, and its SPIs may go to other vCPUs, which are woken. The caller drops
    /// the contents of the list registers.
    pub fn unload(&mut self, vcpu: VcpuId) -> Effect {
        Effect {
            wake: self.take_all_out(vcpu),
        }
    }

    pub(crate) fn take_all_out(&mut self, vcpu: VcpuId) -> VcpuSet {
        let mut wake = VcpuSet::EMPTY;
        let used = match self.vcpu_mut(vcpu) {
            Some(state) if !state.lists_none() => state.used,
            Some(state) => {
                state.used = 0;
                return wake;
            }
            None => return wake,
        };
        for slot in 0..usize::from(used) {
            wake = wake.union(self.take_out(vcpu, slot));
        }
        if let Some(state) = self.vcpu_mut(vcpu) {
            state.used = 0;
        }
        wake.remove(vcpu);
        wake
    }

    /// Takes the interrupt of one list register back into the model. Gives the vCPU that it is
    /// deliverable to, if it is.
    fn take_out(&mut self, vcpu: VcpuId, slot: usize) -> VcpuSet {
        let by_sender = self.version == Version::V2;
        let Some(state) = self.vcpu_mut(vcpu) else {
            return VcpuSet::EMPTY;
        };
        let Some(intid) = state
            .loaded
            .get_mut(slot)
            .map(|id| core::mem::replace(id, NOTHING))
        else {
            return VcpuSet::EMPTY;
        };
        if intid == NOTHING {
            return VcpuSet::EMPTY;
        }
        let at = place_of(vcpu, intid);
        if at.word == 0 {
            state.take_back_private(at.bit, by_sender);
        } else if let Some(bank) = self.bank_mut(vcpu, at.word)
            && bank.take_back(at.bit).is_idle
            && let Some(state) = self.vcpu_mut(vcpu)
        {
            state.owned[at.word % WORDS] &= !at.bit;
        }
        self.announce(vcpu, at.word, at.bit)
    }

    /// Whether the last flush of `vcpu` found too little room: only then may it end an interrupt that
    /// is in no list register (see [`end_unlisted`](Self::end_unlisted)).
    #[inline]
    pub fn overflowed(&self, vcpu: VcpuId) -> bool {
        self.vcpu(vcpu).is_some_and(|state| state.overflow)
    }

    /// Ends `count` active interrupts of `vcpu` that are in no list register, highest priority
    /// first: what `ICH_HCR_EL2.EOIcount` has counted (Arm IHI 0069). After `sync`.
    pub fn end_unlisted(&mut self, vcpu: VcpuId, count: u8) -> Effect {
        let mut effect = Effect::wake(vcpu);
        for _ in 0..count.min(EOI_COUNT_MAX) {
            let Some(at) = self.first_unlisted(vcpu) else {
                break;
            };
            effect.add(self.deactivate(vcpu, at.word, at.bit));
        }
        effect
    }

    /// The active interrupt of the highest priority that is in no list register.
    fn first_unlisted(&self, vcpu: VcpuId) -> Option<Place> {
        let mut first = Ranked::new(1);
        let state = self.vcpu(vcpu)?;
        for word_bit in each_bit(state.summary) {
            let word = index(word_bit);
            let bank = self.bank(vcpu, word)?;
            for bit in each_bit(bank.active & !bank.listed & state.owned(word)) {
                first.offer(bank.priority_of(bit), (word * 32 + index(bit)) as u16);
            }
        }
        first.intids().next().map(|intid| place_of(vcpu, intid))
    }

    /// Whether the physical interrupt of the timer must be active while `vcpu` is resident: the
    /// linked interrupt is pending or active. To be asked after `flush`.
    pub fn timer_in_flight(&self, vcpu: VcpuId) -> bool {
        self.vcpu(vcpu).is_some_and(|state| state.timer.held)
    }

    /// Whether a WFI of `vcpu` ends at once: something is pending, enabled and not active, in a list
    /// register or not. Priority masks of the CPU interface are not looked at, and a sleeping
    /// redistributor does not matter (it would ask for the CPU to be woken).
    pub fn has_deliverable(&self, vcpu: VcpuId) -> bool {
        let Some(state) = self.vcpu(vcpu) else {
            return false;
        };
        // Mostly it has nothing to do with shared ones.
        let shared = state.summary & !1;
        let some = state.private.ready() != 0
            || (shared != 0 && each_bit(shared).any(|bit| self.has_of_word(vcpu, index(bit))));
        some && self.forwards()
    }

    #[inline(never)]
    fn has_of_word(&self, vcpu: VcpuId, word: usize) -> bool {
        let (Some(state), Some(bank)) = (self.vcpu(vcpu), self.bank(vcpu, word)) else {
            return false;
        };
        let elsewhere = bank.listed & !state.owned(word);
        bank.ready() & state.routed(word) & !elsewhere != 0
    }

    /// `vcpu` is turned on (PSCI `CPU_ON`): its private interrupts lose their pending and active
    /// state, the linked timer included, and its list registers are empty. Enables, priorities and
    /// input levels stay, and so do SPIs, which are the distributor's. It is not resident, so no physical
    /// interrupt is to be retired.
    pub fn reset_vcpu(&mut self, vcpu: VcpuId) -> Effect {
        let wake = self.take_all_out(vcpu);
        if let Some(state) = self.vcpu_mut(vcpu) {
            state.private.latched = 0;
            state.private.active = 0;
            state.sources = SgiSources::default();
            state.timer = TimerLink::default();
            state.mark(0);
        }
        Effect { wake }
    }

    /// How many list registers the last flush of `vcpu` used.
    pub fn in_use(&self, vcpu: VcpuId) -> u8 {
        self.vcpu(vcpu).map_or(0, |state| state.used)
    }

    /// Whether each sender of this interrupt counts by itself: an SGI of a GICv2.
    pub(crate) fn is_by_sender(&self, at: Place) -> bool {
        self.version == Version::V2 && at.word == 0 && at.bit & SGIS != 0
    }
}

pub(crate) fn place_of(vcpu: VcpuId, intid: u16) -> Place {
    Place {
        vcpu,
        word: usize::from(intid / 32),
        bit: 1 << (intid % 32),
    }
}
