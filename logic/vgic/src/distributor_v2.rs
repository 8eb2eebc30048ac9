//! What only a GICv2's distributor has (Arm IHI 0048, 4.3): targets, SGIs by sender, one group.

use crate::access::Width;
use crate::bank::index;
use crate::config::Config;
use crate::effect::Effect;
use crate::map::Register;
use crate::model::Vgic;
use abi::{IntId, VcpuId};

/// `GICD_CTLR`: one group is implemented.
const CONTROL_ENABLE: u32 = 1;
/// An implementation by Arm (JEP106 0x43b), as Xen shows it.
const IMPLEMENTER: u64 = 0x43b;
/// `ICPIDR2.ArchRev` = 2.
const PERIPHERAL_ID2: u64 = 0x20;

/// `GICD_TYPER`: how many CPU interfaces, less one, and words of SPIs.
pub(crate) fn type_of(config: &Config) -> u32 {
    ((u32::from(config.vcpus).max(1) - 1) << 5) | (config.spis / 32)
}

impl Vgic {
    pub(crate) fn read_v2(&self, vcpu: VcpuId, register: Register, width: Width) -> u64 {
        match register {
            Register::Control => u64::from(self.control),
            Register::Type => u64::from(self.distributor_type),
            Register::Implementer => IMPLEMENTER,
            Register::PeripheralId2 => PERIPHERAL_ID2,
            Register::Targets(first) => self.bytes(width, |n| self.target_byte(vcpu, first + n)),
            Register::ClearSenders(first) | Register::SetSenders(first) => {
                self.bytes(width, |n| u32::from(self.sgi_senders(vcpu, first + n)))
            }
            _ => 0,
        }
    }

    pub(crate) fn write_v2(
        &mut self,
        vcpu: VcpuId,
        register: Register,
        width: Width,
        value: u32,
    ) -> Effect {
        if register == Register::Control {
            return self.write_control(value, CONTROL_ENABLE);
        }
        if register == Register::Generate {
            return self.send_sgi_v2(vcpu, value);
        }
        let mut effect = Effect::NONE;
        for n in 0..width.bytes().min(4) {
            let byte = value >> (8 * n) & 0xff;
            effect.add(match register {
                Register::Targets(first) => self.set_target_byte(vcpu, first + n, byte),
                Register::ClearSenders(first) => {
                    self.clear_sgi_senders(vcpu, first + n, byte as u8)
                }
                Register::SetSenders(first) => self.set_sgi_senders(vcpu, first + n, byte as u8),
                _ => Effect::NONE,
            });
        }
        effect
    }

    /// `width` bytes of a register, each given by its index.
    fn bytes(&self, width: Width, byte: impl Fn(u32) -> u32) -> u64 {
        (0..width.bytes()).fold(0, |value, n| value | u64::from(byte(n)) << (8 * n))
    }

    /// Private interrupts show the reading vCPU.
    fn target_byte(&self, vcpu: VcpuId, intid: u32) -> u32 {
        match self.place(vcpu, IntId(intid)) {
            Some(at) if at.word == 0 => 1 << (vcpu.0 & 7),
            Some(at) => self.spi(at.word).map_or(0, |spi| spi.route[index(at.bit)]),
            None => 0,
        }
    }

    /// The lowest existing vCPU of the list gets the interrupt; with none it stays pending.
    fn set_target_byte(&mut self, vcpu: VcpuId, intid: u32, list: u32) -> Effect {
        match self.place(vcpu, IntId(intid)) {
            Some(at) if at.word != 0 => {
                let existing = list & ((1 << self.vcpus()) - 1);
                self.set_route(at, existing, self.first_target(existing))
            }
            _ => Effect::NONE,
        }
    }
}
