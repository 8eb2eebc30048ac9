//! The registers with state of interrupts, which distributor and redistributors share.

use crate::access::Width;
use crate::bank::{SGIS, each_bit};
use crate::config::Version;
use crate::effect::Effect;
use crate::map::Bits;
use crate::model::{Place, Vgic, implemented};
use abi::VcpuId;

impl Vgic {
    /// Reads a bit for each interrupt of a word.
    pub(crate) fn read_bits(&self, vcpu: VcpuId, bits: Bits, word: usize) -> u32 {
        self.bank(vcpu, word).map_or(0, |bank| match bits {
            Bits::Group => bank.group,
            Bits::SetEnable | Bits::ClearEnable => bank.enabled,
            Bits::SetPending | Bits::ClearPending => bank.pending(),
            Bits::SetActive | Bits::ClearActive => bank.active,
        })
    }

    /// Writes a bit for each interrupt of a word.
    pub(crate) fn write_bits(
        &mut self,
        vcpu: VcpuId,
        bits: Bits,
        word: usize,
        value: u32,
    ) -> Effect {
        let value = value & implemented(word);
        // With a GICv2, the pending state of SGIs is read only here.
        let sgis = Place {
            vcpu,
            word,
            bit: SGIS,
        };
        let pendable = if self.is_by_sender(sgis) {
            value & !SGIS
        } else {
            value
        };
        match bits {
            Bits::Group => {
                if self.version == Version::V3
                    && let Some(bank) = self.bank_mut(vcpu, word)
                {
                    bank.group = value;
                }
                Effect::NONE
            }
            Bits::SetEnable => self.enable(vcpu, word, value),
            Bits::ClearEnable => self.disable(vcpu, word, value),
            Bits::SetPending => self.latch(vcpu, word, pendable),
            Bits::ClearPending => self.withdraw_latch(vcpu, word, pendable),
            Bits::SetActive => self.activate(vcpu, word, value),
            Bits::ClearActive => self.deactivate(vcpu, word, value),
        }
    }

    fn enable(&mut self, vcpu: VcpuId, word: usize, value: u32) -> Effect {
        let Some(bank) = self.bank_mut(vcpu, word) else {
            return Effect::NONE;
        };
        let fresh = value & !bank.enabled;
        bank.enabled |= fresh;
        let pending = fresh & bank.pending();
        Effect {
            wake: self.announce(vcpu, word, pending),
        }
    }

    /// Those pending in list registers have to leave them; active ones stay.
    fn disable(&mut self, vcpu: VcpuId, word: usize, value: u32) -> Effect {
        let Some(bank) = self.bank_mut(vcpu, word) else {
            return Effect::NONE;
        };
        let gone = value & bank.enabled;
        bank.enabled &= !gone;
        let in_register = gone & (!bank.active | bank.carried);
        Effect {
            wake: self.holders(vcpu, word, in_register),
        }
    }

    fn latch(&mut self, vcpu: VcpuId, word: usize, value: u32) -> Effect {
        let Some(bank) = self.bank_mut(vcpu, word) else {
            return Effect::NONE;
        };
        let fresh = value & !bank.latched;
        bank.latched |= fresh;
        Effect {
            wake: self.announce(vcpu, word, fresh),
        }
    }

    /// Reads priorities of one or four interrupts, aligned.
    pub(crate) fn read_priorities(&self, vcpu: VcpuId, first: u32, width: Width) -> u64 {
        // Those of one access are in one word, and those that do not exist stay 0.
        let bank = self.bank(vcpu, (first / 32) as usize);
        let first = (first % 32) as usize;
        match (bank, width) {
            (None, _) => 0,
            (Some(bank), Width::Word) => {
                let four = bank
                    .priority
                    .get(first..)
                    .and_then(|rest| rest.first_chunk());
                four.map_or(0, |four| u64::from(u32::from_le_bytes(*four)))
            }
            (Some(bank), _) => bank.priority.get(first).map_or(0, |one| u64::from(*one)),
        }
    }

    /// Writes priorities of one or four interrupts, aligned.
    pub(crate) fn write_priorities(
        &mut self,
        vcpu: VcpuId,
        first: u32,
        width: Width,
        value: u64,
    ) -> Effect {
        let word = (first / 32) as usize;
        let exist = implemented(word);
        let Some(bank) = self.bank_mut(vcpu, word) else {
            return Effect::NONE;
        };
        let mut changed = 0;
        for n in 0..width.bytes() {
            let bit = 1 << ((first + n) & 31);
            if bit & exist != 0 && bank.set_priority(bit, (value >> (8 * n)) as u8) {
                changed |= bit;
            }
        }
        let reordered = changed & bank.ready();
        if reordered == 0 {
            return Effect::NONE;
        }
        Effect {
            wake: self.announce(vcpu, word, reordered),
        }
    }

    /// Reads `ICFGR<number>`: bit 1 of each pair is set for edge-triggered ones.
    pub(crate) fn read_config(&self, vcpu: VcpuId, number: usize) -> u32 {
        let edge = self
            .bank(vcpu, number / 2)
            .map_or(0, |bank| bank.edge & !bank.shown_level);
        let half = edge >> (16 * (number % 2)) & 0xffff;
        each_bit(half).fold(0, |value, bit| value | (bit * bit) << 1)
    }

    /// Writes `ICFGR<number>`. SGIs stay edge-triggered.
    pub(crate) fn write_config(&mut self, vcpu: VcpuId, number: usize, value: u32) -> Effect {
        let word = number / 2;
        let shift = 16 * (number % 2);
        let mut half = 0;
        for n in 0..16 {
            half |= (value >> (2 * n + 1) & 1) << n;
        }
        let fixed = if word == 0 { SGIS } else { 0 };
        let written = (0xffff << shift) & implemented(word) & !fixed;
        let Some(bank) = self.bank_mut(vcpu, word) else {
            return Effect::NONE;
        };
        let edge = bank.edge & !written | (half << shift) & written;
        let fixed = bank.only_edges & written;
        bank.shown_level = bank.shown_level & !fixed | !edge & fixed;
        let edge = edge | fixed;
        let changed = edge ^ bank.edge;
        bank.edge = edge;
        // A list register was loaded by the old rule, and a high line now counts or no longer.
        let wake = self.holders(vcpu, word, changed);
        Effect {
            wake: wake.union(self.announce(vcpu, word, changed)),
        }
    }
}
