//! The distributor's frame: access checks, and what both versions share.

use crate::access::{Fault, Width};
use crate::bank::each_bit;
use crate::config::Version;
use crate::effect::Effect;
use crate::map::{self, Bits, Register};
use crate::model::{Place, Vgic};
use abi::{VcpuId, VcpuSet};

impl Vgic {
    /// `vcpu` reads the distributor. Reserved offsets read as zero.
    pub fn read_distributor(
        &mut self,
        vcpu: VcpuId,
        offset: u32,
        width: Width,
    ) -> Result<u64, Fault> {
        let register = self.distributor_register(vcpu, offset, width)?;
        Ok(match register {
            Register::Bits(bits, word) => u64::from(self.read_bits(vcpu, bits, word)),
            Register::Priority(first) => self.read_priorities(vcpu, first, width),
            Register::Config(number) => u64::from(self.read_config(vcpu, number)),
            _ => match self.version {
                Version::V2 => self.read_v2(vcpu, register, width),
                Version::V3 => self.read_v3(register, offset, width),
            },
        })
    }

    /// `vcpu` writes the distributor. Writes of reserved offsets are ignored.
    pub fn write_distributor(
        &mut self,
        vcpu: VcpuId,
        offset: u32,
        width: Width,
        value: u64,
    ) -> Result<Effect, Fault> {
        let register = self.distributor_register(vcpu, offset, width)?;
        let word_value = value as u32;
        Ok(match register {
            Register::Bits(bits, word) => self.write_bits(vcpu, bits, word, word_value),
            Register::Priority(first) => self.write_priorities(vcpu, first, width, value),
            Register::Config(number) => self.write_config(vcpu, number, word_value),
            _ => match self.version {
                Version::V2 => self.write_v2(vcpu, register, width, word_value),
                Version::V3 => self.write_v3(vcpu, register, offset, word_value),
            },
        })
    }

    /// The vCPUs other than `reader` whose list registers hold interrupts whose pending or active
    /// state a read at `offset` of the distributor shows. The caller kicks them (exit and `sync`), so
    /// that a guest that polls sees them end. Empty for all other registers.
    pub fn distributor_read_kicks(&self, reader: VcpuId, offset: u32) -> VcpuSet {
        let register = match self.version {
            Version::V2 => map::distributor_v2(offset),
            Version::V3 => map::distributor_v3(offset),
        };
        let Register::Bits(
            Bits::SetPending | Bits::ClearPending | Bits::SetActive | Bits::ClearActive,
            word,
        ) = register
        else {
            return VcpuSet::EMPTY;
        };
        let mut holders = self.holders(reader, word, u32::MAX);
        holders.remove(reader);
        holders
    }

    #[inline(always)]
    fn distributor_register(
        &self,
        vcpu: VcpuId,
        offset: u32,
        width: Width,
    ) -> Result<Register, Fault> {
        let (size, register) = match self.version {
            Version::V2 => (map::DISTRIBUTOR_V2_SIZE, map::distributor_v2(offset)),
            Version::V3 => (map::FRAME_SIZE, map::distributor_v3(offset)),
        };
        if offset >= size || self.vcpu(vcpu).is_none() {
            return Err(Fault::Absent);
        }
        register.widths().check(offset, width)?;
        Ok(register)
    }

    /// Writes the group enables of `GICD_CTLR`, of which `implemented` exist.
    pub(crate) fn write_control(&mut self, value: u32, implemented: u32) -> Effect {
        let before = self.forwards();
        self.control = value & implemented;
        let after = self.forwards();
        if before == after {
            return Effect::NONE;
        }
        let mut effect = Effect::NONE;
        for vcpu in self.all_vcpus().iter() {
            if self.in_use(vcpu) != 0 || self.has_deliverable(vcpu) {
                effect.wake.insert(vcpu);
            }
        }
        effect
    }

    /// Routes an SPI: as written, and the vCPU that this names. If it is in the list registers of
    /// another vCPU, that one gives it back at its next flush, unless it is active there.
    pub(crate) fn set_route(&mut self, at: Place, route: u32, target: Option<VcpuId>) -> Effect {
        let Some(spi) = self.spi_mut(at.word) else {
            return Effect::NONE;
        };
        let before = spi.target(at.bit);
        spi.route[crate::bank::index(at.bit)] = route;
        if before == target {
            return Effect::NONE;
        }
        spi.set_target(at.bit, target);
        if let Some(state) = before.and_then(|vcpu| self.vcpu_mut(vcpu)) {
            state.set_routed(at.word, at.bit, false);
        }
        if let Some(state) = target.and_then(|vcpu| self.vcpu_mut(vcpu)) {
            state.set_routed(at.word, at.bit, true);
        }
        Effect {
            wake: self.announce(at.vcpu, at.word, at.bit),
        }
    }

    /// The lowest vCPU of a GICv2's target byte.
    pub(crate) fn first_target(&self, list: u32) -> Option<VcpuId> {
        each_bit(list & 0xff)
            .map(|bit| VcpuId(crate::bank::index(bit) as u16))
            .find(|vcpu| self.vcpu(*vcpu).is_some())
    }
}
