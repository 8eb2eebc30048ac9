//! Interrupts coming in from devices: levels and edges.

use crate::effect::Effect;
use crate::model::{Place, TIMER_BIT, Vgic};
use abi::{IntId, VcpuId};

/// The level of an interrupt input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Asserted.
    High,
    /// Not asserted.
    Low,
}

impl Vgic {
    /// The input of `intid` is at `level` now. `vcpu` matters for private interrupts alone, but must
    /// exist.
    ///
    /// A level-sensitive interrupt is pending while its line is high; when the line falls before the
    /// guest has taken it, it is withdrawn. An edge-triggered one is latched when the line rises. For
    /// the hardware-linked timer, `High` is [`Self::raise`], and `Low` withdraws it if the guest has
    /// not taken it. Interrupts that do not exist are ignored.
    pub fn set_level(&mut self, vcpu: VcpuId, intid: IntId, level: Level) -> Effect {
        let Some(at) = self.place(vcpu, intid) else {
            return Effect::NONE;
        };
        if self.is_linked_timer(at) {
            return match level {
                Level::High => self.raise(vcpu, intid),
                Level::Low => self.withdraw_latch(vcpu, 0, TIMER_BIT),
            };
        }
        let Some(bank) = self.bank_mut(vcpu, at.word) else {
            return Effect::NONE;
        };
        match level {
            Level::High if bank.line & at.bit == 0 => {
                bank.line |= at.bit;
                bank.latched |= at.bit & bank.edge;
                Effect {
                    wake: self.announce(vcpu, at.word, at.bit),
                }
            }
            Level::Low if bank.line & at.bit != 0 => {
                bank.line &= !at.bit;
                let withdrawn = at.bit & !bank.pending() & !bank.edge & !bank.active;
                Effect {
                    wake: self.holders(vcpu, at.word, withdrawn),
                }
            }
            _ => Effect::NONE,
        }
    }

    /// An edge on the input of `intid`, or the physical interrupt of the linked timer fired (it is
    /// active now, and stays so until the guest deactivates it or [`crate::Flushed::retire_timer`]).
    pub fn raise(&mut self, vcpu: VcpuId, intid: IntId) -> Effect {
        let Some(at) = self.place(vcpu, intid) else {
            return Effect::NONE;
        };
        if self.is_linked_timer(at)
            && let Some(state) = self.vcpu_mut(vcpu)
        {
            // It can only fire again once the guest has deactivated it, so whatever the list
            // register still shows of the last occurrence is over.
            state.timer.held = true;
            state.timer.linked = false;
        }
        if let Some(bank) = self.bank_mut(vcpu, at.word) {
            bank.latched |= at.bit;
        }
        Effect {
            wake: self.announce(vcpu, at.word, at.bit),
        }
    }

    /// The private interrupt `intid` is only ever raised by edges ([`Self::raise`]), so that its end
    /// need not be heard of. The guest may program another trigger, and reads it back.
    pub fn only_edges(&mut self, intid: IntId) {
        let bit = match intid.0 {
            number @ 0..32 => 1 << number,
            _ => return,
        };
        for bank in self.vcpus.iter_mut().map(|state| &mut state.private) {
            bank.only_edges |= bit;
            bank.shown_level |= bit & !bank.edge;
            bank.edge |= bit;
        }
    }

    pub(crate) fn is_linked_timer(&self, at: Place) -> bool {
        at.word == 0 && at.bit == TIMER_BIT && self.timer_pintid.is_some()
    }

    /// Clears the latched pending state of `bits`.
    pub(crate) fn withdraw_latch(&mut self, vcpu: VcpuId, word: usize, bits: u32) -> Effect {
        let Some(bank) = self.bank_mut(vcpu, word) else {
            return Effect::NONE;
        };
        let cleared = bits & (bank.latched | bank.carried);
        bank.latched &= !bits;
        bank.carried &= !bits;
        let mut wake = self.holders(vcpu, word, cleared);
        wake = wake.union(self.timer_may_retire(vcpu, word, cleared));
        Effect { wake }
    }

    /// The vCPU has to flush for the physical timer interrupt to be retired, if `bits` has it.
    pub(crate) fn timer_may_retire(&self, vcpu: VcpuId, word: usize, bits: u32) -> abi::VcpuSet {
        let held = self.vcpu(vcpu).is_some_and(|state| state.timer.held);
        if word == 0 && bits & TIMER_BIT != 0 && held {
            abi::VcpuSet::of(vcpu)
        } else {
            abi::VcpuSet::EMPTY
        }
    }
}
