//! What only a GICv3's distributor has (Arm IHI 0069, 12.9): affinity routing, one security state.

use crate::access::{Width, part_of_double};
use crate::bank::index;
use crate::config::Config;
use crate::effect::Effect;
use crate::map::Register;
use crate::model::Vgic;
use abi::{IntId, VcpuId};

/// `GICD_CTLR.EnableGrp0` and `EnableGrp1`.
const CONTROL_ENABLES: u32 = 0b11;
/// `GICD_CTLR.ARE`, read as one: affinity routing is always on.
const CONTROL_AFFINITY: u32 = 1 << 4;
/// `GICD_CTLR.DS`, read as one: there is one security state.
const CONTROL_ONE_STATE: u32 = 1 << 6;
/// `GICD_TYPER.IDbits`: 10 bits of INTID.
const TYPE_ID_BITS: u32 = 9 << 19;
/// `GICD_IIDR` and `GICR_IIDR`, as Xen shows it.
pub(crate) const IMPLEMENTER: u64 = 0x34c;
/// `PIDR2.ArchRev` = 3.
pub(crate) const PERIPHERAL_ID2: u64 = 0x30;
/// `GICD_IROUTER.Interrupt_Routing_Mode`: any one vCPU.
const ROUTE_ANY: u32 = 1 << 31;
/// What of `GICD_IROUTER` is kept: the mode and three affinity levels (`GICD_TYPER.A3V` = 0).
const ROUTE_MASK: u32 = ROUTE_ANY | 0x00ff_ffff;

/// `GICD_TYPER`: bits of INTIDs, how many CPUs without affinity routing, less one, and words of SPIs.
pub(crate) fn type_of(config: &Config) -> u32 {
    let cpus = u32::from(config.vcpus).clamp(1, 8) - 1;
    TYPE_ID_BITS | (cpus << 5) | (config.spis / 32)
}

impl Vgic {
    pub(crate) fn read_v3(&self, register: Register, offset: u32, width: Width) -> u64 {
        match register {
            Register::Control => u64::from(self.control | CONTROL_AFFINITY | CONTROL_ONE_STATE),
            Register::Type => u64::from(self.distributor_type),
            Register::Implementer => IMPLEMENTER,
            Register::PeripheralId2 => PERIPHERAL_ID2,
            Register::Route(intid) => {
                let route = self.place(VcpuId(0), IntId(intid)).map_or(0, |at| {
                    self.spi(at.word).map_or(0, |spi| spi.route[index(at.bit)])
                });
                part_of_double(u64::from(route), offset, width)
            }
            _ => 0,
        }
    }

    pub(crate) fn write_v3(
        &mut self,
        vcpu: VcpuId,
        register: Register,
        offset: u32,
        value: u32,
    ) -> Effect {
        match register {
            Register::Control => self.write_control(value, CONTROL_ENABLES),
            // The upper half only has Aff3, which does not exist.
            Register::Route(intid) if offset & 4 == 0 => {
                let route = value & ROUTE_MASK;
                match self.place(vcpu, IntId(intid)) {
                    Some(at) => self.set_route(at, route, self.routed_to(route)),
                    None => Effect::NONE,
                }
            }
            _ => Effect::NONE,
        }
    }

    /// The vCPU that a route names. "Any one" is vCPU 0. An affinity that no vCPU has names none: the
    /// interrupt stays pending in the distributor.
    fn routed_to(&self, route: u32) -> Option<VcpuId> {
        if route & ROUTE_ANY != 0 {
            return Some(VcpuId(0));
        }
        let number = (route & 0xff_ff00) >> 4 | route & 0xf;
        let exists = route & 0xf0 == 0 && number < u32::from(self.vcpus());
        exists.then_some(VcpuId(number as u16))
    }
}
