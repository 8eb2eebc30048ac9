//! The interrupt state that belongs to one vCPU.

use abi::VcpuId;

use crate::bank::{Bank, SGIS};
use crate::config::MAX_LIST_REGISTERS;
use crate::effect::Effect;
use crate::list_register::ListRegister;
use crate::model::TIMER_BIT;

/// Words of 32 interrupts that a domain can have: private ones and 31 of SPIs.
pub(crate) const WORDS: usize = 32;

/// No interrupt is in this list register.
pub(crate) const NOTHING: u16 = u16::MAX;

/// The virtual timer's link to its physical interrupt.
///
/// `held` says that the physical interrupt is active because of this vCPU, from `raise` until the
/// guest's deactivation is seen in the list register or the interrupt is withdrawn. `linked` says that
/// what was last put into a list register is that very occurrence, with the `HW` bit. Only what is held
/// is linked.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TimerLink {
    pub(crate) held: bool,
    pub(crate) linked: bool,
}

/// Senders of a GICv2's SGIs.
#[derive(Clone, Debug, Default)]
pub(crate) struct SgiSources {
    /// For each SGI, a bit for each vCPU that has sent it, not counting what a list register carries.
    pub(crate) waiting: [u8; 16],
    /// For each SGI, the sender of the one that is in the list register or active.
    pub(crate) current: [u8; 16],
}

/// One vCPU.
#[derive(Clone, Debug)]
pub(crate) struct VcpuState {
    /// SGIs and PPIs.
    pub(crate) private: Bank,
    /// Which interrupts are routed to it. All private ones.
    pub(crate) routed: [u32; WORDS],
    /// Which interrupts are in its list registers or are active on it. All private ones.
    pub(crate) owned: [u32; WORDS],
    /// Words that may hold a candidate for its list registers. Never too few.
    pub(crate) summary: u32,
    /// INTIDs in the list registers since the last flush, or [`NOTHING`].
    pub(crate) loaded: [u16; MAX_LIST_REGISTERS as usize],
    /// List registers used at the last flush.
    pub(crate) used: u8,
    /// Not everything found room at the last flush.
    pub(crate) overflow: bool,
    /// `GICR_WAKER.ProcessorSleep`.
    pub(crate) asleep: bool,
    pub(crate) timer: TimerLink,
    pub(crate) sources: SgiSources,
}

impl VcpuState {
    pub(crate) fn new() -> Self {
        let mut none = [0; WORDS];
        none[0] = u32::MAX;
        Self {
            private: Bank::private(),
            routed: none,
            owned: none,
            summary: 0,
            loaded: [NOTHING; MAX_LIST_REGISTERS as usize],
            used: 0,
            overflow: false,
            asleep: false,
            timer: TimerLink::default(),
            sources: SgiSources::default(),
        }
    }

    /// Which interrupts of `word` are routed here.
    pub(crate) fn routed(&self, word: usize) -> u32 {
        self.routed[word % WORDS]
    }

    /// Routes `bit` of `word` here, or no longer.
    pub(crate) fn set_routed(&mut self, word: usize, bit: u32, here: bool) {
        let routed = &mut self.routed[word % WORDS];
        *routed = if here { *routed | bit } else { *routed & !bit };
    }

    /// Which interrupts of `word` are held here.
    pub(crate) fn owned(&self, word: usize) -> u32 {
        self.owned[word % WORDS]
    }

    /// What a list register had of a private interrupt is the model's again.
    pub(crate) fn take_back_private(&mut self, bit: u32, by_sender: bool) {
        let taken = self.private.take_back(bit);
        if by_sender && taken.was_carried && bit & SGIS != 0 {
            self.sources.put_back(bit);
        }
    }

    /// Takes over what the guest did to the list register of a private interrupt: the whole of
    /// `sync` for the commonest case, on a GICv3.
    #[inline]
    pub(crate) fn sync_private(
        &mut self,
        vcpu: VcpuId,
        slot: u8,
        lr: ListRegister,
        forwards: bool,
    ) -> Effect {
        let Some(loaded) = self.loaded.get_mut(usize::from(slot)) else {
            return Effect::NONE;
        };
        let bit = 1 << (*loaded & 31);
        let bank = &mut self.private;
        if !lr.is_pending() {
            bank.carried &= !bit;
        }
        if bank.overridden & bit == 0 {
            bank.active = bank.active & !bit | if lr.is_active() { bit } else { 0 };
        }
        if lr.is_valid() {
            return Effect::NONE;
        }
        *loaded = NOTHING;
        let _ = bank.take_back(bit);
        let again = bank.fresh_or_listed(bit) != 0;
        if bit == TIMER_BIT && self.timer.linked {
            // The guest's deactivation went through to the physical interrupt.
            self.timer = TimerLink::default();
        }
        if again {
            self.mark(0);
        }
        if again && forwards || self.overflow || lr.signals_end() {
            Effect::wake(vcpu)
        } else {
            Effect::NONE
        }
    }

    /// Notes that `word` may have a candidate.
    pub(crate) fn mark(&mut self, word: usize) {
        self.summary |= 1 << (word % WORDS);
    }
}
