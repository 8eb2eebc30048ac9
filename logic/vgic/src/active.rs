//! Writes of the active state.

use crate::bank::each_bit;
use crate::effect::Effect;
use crate::model::{Place, Vgic};
use crate::vcpu::WORDS;
use abi::VcpuId;

impl Vgic {
    /// Makes `bits` of a word active. An SPI becomes active on the vCPU that it is routed to, else
    /// on the writing one, so that its end there is seen.
    pub(crate) fn activate(&mut self, vcpu: VcpuId, word: usize, bits: u32) -> Effect {
        let Some(bank) = self.bank_mut(vcpu, word) else {
            return Effect::NONE;
        };
        let fresh = bits & !bank.active;
        bank.active |= fresh;
        bank.overridden |= fresh & bank.listed;
        let unlisted = fresh & !bank.listed;
        let mut wake = self.holders(vcpu, word, fresh);
        for bit in each_bit(unlisted) {
            let owner = self.target(Place { vcpu, word, bit }).unwrap_or(vcpu);
            if let Some(spi) = self.spi_mut(word) {
                spi.set_owner(bit, owner);
            }
            if let Some(state) = self.vcpu_mut(owner) {
                state.owned[word % WORDS] |= bit;
                state.mark(word);
            }
            wake.insert(owner);
        }
        Effect { wake }
    }

    /// Makes `bits` of a word inactive. What is pending meanwhile becomes deliverable.
    pub(crate) fn deactivate(&mut self, vcpu: VcpuId, word: usize, bits: u32) -> Effect {
        let Some(bank) = self.bank_mut(vcpu, word) else {
            return Effect::NONE;
        };
        let gone = bits & bank.active;
        if gone == 0 {
            return Effect::NONE;
        }
        bank.active &= !gone;
        bank.overridden |= gone & bank.listed;
        let unlisted = gone & !bank.listed;
        let mut wake = self.holders(vcpu, word, gone);
        for bit in each_bit(if word == 0 { 0 } else { unlisted }) {
            if let Some(owner) = self.owner(Place { vcpu, word, bit })
                && let Some(state) = self.vcpu_mut(owner)
            {
                state.owned[word % WORDS] &= !bit;
            }
        }
        wake = wake.union(self.timer_may_retire(vcpu, word, gone));
        Effect {
            wake: wake.union(self.announce(vcpu, word, gone)),
        }
    }
}
