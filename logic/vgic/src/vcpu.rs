//! The interrupt state that belongs to one vCPU.

use crate::bank::{Bank, SGIS};
use crate::config::MAX_LIST_REGISTERS;

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
#[cfg_attr(test, derive(PartialEq))]
pub(crate) struct TimerLink {
    pub(crate) held: bool,
    pub(crate) linked: bool,
}

/// Senders of a GICv2's SGIs.
#[derive(Clone, Debug, Default)]
#[cfg_attr(test, derive(PartialEq))]
pub(crate) struct SgiSources {
    /// For each SGI, a bit for each vCPU that has sent it, not counting what a list register carries.
    pub(crate) waiting: [u8; 16],
    /// For each SGI, the sender of the one that is in the list register or active.
    pub(crate) current: [u8; 16],
}

/// One vCPU.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(PartialEq))]
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

    /// Notes that `word` may have a candidate.
    pub(crate) fn mark(&mut self, word: usize) {
        self.summary |= 1 << (word % WORDS);
    }
}
