//! A GICv3 redistributor: one for each vCPU, two frames of 64 KiB (Arm IHI 0069, 12.10 and 12.11).

use crate::access::{Fault, Width, part_of_double};
use crate::config::Version;
use crate::distributor_v3::{IMPLEMENTER, PERIPHERAL_ID2};
use crate::effect::Effect;
use crate::map::{self, Bits, Register};
use crate::model::Vgic;
use abi::{VcpuId, VcpuSet};

/// `GICR_WAKER.ProcessorSleep`.
const WAKER_SLEEP: u32 = 1 << 1;
/// `GICR_WAKER.ChildrenAsleep`: follows at once.
const WAKER_CHILDREN: u32 = 1 << 2;
/// `GICR_TYPER.Last`.
const TYPE_LAST: u64 = 1 << 4;

impl Vgic {
    /// A read of `target`'s redistributor, at an offset into its 128 KiB. Reserved offsets read as
    /// zero.
    pub fn read_redistributor(
        &mut self,
        target: VcpuId,
        offset: u32,
        width: Width,
    ) -> Result<u64, Fault> {
        let register = self.redistributor_register(target, offset, width)?;
        Ok(match register {
            Register::Implementer => IMPLEMENTER,
            Register::PeripheralId2 => PERIPHERAL_ID2,
            Register::RedistributorType => {
                part_of_double(self.redistributor_type(target), offset, width)
            }
            Register::Waker => match self.vcpu(target) {
                Some(state) if state.asleep => u64::from(WAKER_SLEEP | WAKER_CHILDREN),
                _ => 0,
            },
            Register::Bits(bits, word) => u64::from(self.read_bits(target, bits, word)),
            Register::Priority(first) => self.read_priorities(target, first, width),
            Register::Config(number) => u64::from(self.read_config(target, number)),
            _ => 0,
        })
    }

    /// A write of `target`'s redistributor, at an offset into its 128 KiB. Writes of reserved offsets
    /// are ignored.
    pub fn write_redistributor(
        &mut self,
        target: VcpuId,
        offset: u32,
        width: Width,
        value: u64,
    ) -> Result<Effect, Fault> {
        let register = self.redistributor_register(target, offset, width)?;
        let word_value = value as u32;
        Ok(match register {
            Register::Waker => self.write_waker(target, word_value),
            Register::Bits(bits, word) => self.write_bits(target, bits, word, word_value),
            Register::Priority(first) => self.write_priorities(target, first, width, value),
            Register::Config(number) => self.write_config(target, number, word_value),
            _ => Effect::NONE,
        })
    }

    /// Like [`Self::distributor_read_kicks`], for a read of `target`'s redistributor by `reader`.
    pub fn redistributor_read_kicks(&self, reader: VcpuId, target: VcpuId, offset: u32) -> VcpuSet {
        let volatile = matches!(
            map::redistributor(offset),
            Register::Bits(
                Bits::SetPending | Bits::ClearPending | Bits::SetActive | Bits::ClearActive,
                _
            )
        );
        if volatile && reader != target {
            self.holders(target, 0, u32::MAX)
        } else {
            VcpuSet::EMPTY
        }
    }

    #[inline(always)]
    fn redistributor_register(
        &self,
        target: VcpuId,
        offset: u32,
        width: Width,
    ) -> Result<Register, Fault> {
        let exists = self.version == Version::V3 && self.vcpu(target).is_some();
        if !exists || offset >= 2 * map::FRAME_SIZE {
            return Err(Fault::Absent);
        }
        let register = map::redistributor(offset);
        register.widths().check(offset, width)?;
        Ok(register)
    }

    /// `GICR_TYPER` of `target`.
    #[inline]
    pub(crate) fn redistributor_type(&self, target: VcpuId) -> u64 {
        let last = if target.0 + 1 == self.vcpus() {
            TYPE_LAST
        } else {
            0
        };
        abi::arm::vcpu_affinity(target.0) << 32 | u64::from(target.0) << 8 | last
    }

    /// A sleeping redistributor forwards nothing that is not taken yet.
    fn write_waker(&mut self, target: VcpuId, value: u32) -> Effect {
        let Some(state) = self.vcpu_mut(target) else {
            return Effect::NONE;
        };
        let asleep = value & WAKER_SLEEP != 0;
        if state.asleep == asleep {
            return Effect::NONE;
        }
        state.asleep = asleep;
        Effect::wake(target)
    }
}
