//! Tests of the model: registers by table, interrupts by scenario and by random histories.

mod active_state;
mod delivery;
mod everyday;
mod hardware;
mod limits;
mod overflow;
mod promises;
mod random;
mod redistributor;
mod registers_v2;
mod registers_v3;
mod routing;
mod sgis;
mod short_ways;
mod timer;

use crate::{Config, Effect, ListRegister, Vgic, Width};
use abi::{IntId, VcpuId, VcpuSet};

pub(crate) use crate::Version::{self, V2, V3};

/// Distributor offsets, the same in both versions.
pub(crate) mod gicd {
    pub(crate) const CTLR: u32 = 0;
    pub(crate) const ISENABLER: u32 = 0x100;
    pub(crate) const ICENABLER: u32 = 0x180;
    pub(crate) const ISPENDR: u32 = 0x200;
    pub(crate) const ICPENDR: u32 = 0x280;
    pub(crate) const ISACTIVER: u32 = 0x300;
    pub(crate) const ICACTIVER: u32 = 0x380;
    pub(crate) const IPRIORITYR: u32 = 0x400;
    pub(crate) const ITARGETSR: u32 = 0x800;
    pub(crate) const ICFGR: u32 = 0xc00;
    pub(crate) const SGIR: u32 = 0xf00;
    pub(crate) const CPENDSGIR: u32 = 0xf10;
    pub(crate) const SPENDSGIR: u32 = 0xf20;
    pub(crate) const IROUTER: u32 = 0x6000;
}

pub(crate) const GICR_WAKER: u32 = 0x14;
pub(crate) const SGI_FRAME: u32 = 0x1_0000;
pub(crate) const CPU0: VcpuId = VcpuId(0);
pub(crate) const CPU1: VcpuId = VcpuId(1);
pub(crate) const TIMER: IntId = IntId(27);

pub(crate) fn config(version: Version, vcpus: u16, spis: u32) -> Config {
    Config {
        version,
        vcpus,
        spis,
        list_registers: 4,
        hw_timer_pintid: Some(IntId(27)),
    }
}

/// A controller whose group is enabled.
pub(crate) fn started(version: Version, vcpus: u16, spis: u32) -> Vgic {
    let mut vgic = Vgic::new(config(version, vcpus, spis)).unwrap();
    let _ = write(&mut vgic, gicd::CTLR, 3);
    vgic
}

/// vCPU 0 writes a word to the distributor.
pub(crate) fn write(vgic: &mut Vgic, offset: u32, value: u32) -> Effect {
    vgic.write_distributor(CPU0, offset, Width::Word, u64::from(value))
        .unwrap()
}

/// vCPU 0 reads a word of the distributor.
pub(crate) fn read(vgic: &mut Vgic, offset: u32) -> u32 {
    vgic.read_distributor(CPU0, offset, Width::Word).unwrap() as u32
}

/// Writes a register with a bit for each interrupt, wherever `intid` has its bit.
pub(crate) fn write_bit(vgic: &mut Vgic, vcpu: VcpuId, register: u32, intid: IntId) -> Effect {
    let bit = 1 << (intid.0 % 32);
    let offset = register + intid.0 / 32 * 4;
    if intid.is_private() && vgic.version == V3 {
        vgic.write_redistributor(vcpu, SGI_FRAME + offset, Width::Word, bit)
            .unwrap()
    } else {
        vgic.write_distributor(vcpu, offset, Width::Word, bit)
            .unwrap()
    }
}

/// Reads a register with a bit for each interrupt, the bit of `intid`.
pub(crate) fn read_bit(vgic: &mut Vgic, vcpu: VcpuId, register: u32, intid: IntId) -> bool {
    let offset = register + intid.0 / 32 * 4;
    let value = if intid.is_private() && vgic.version == V3 {
        vgic.read_redistributor(vcpu, SGI_FRAME + offset, Width::Word)
    } else {
        vgic.read_distributor(vcpu, offset, Width::Word)
    };
    value.unwrap() >> (intid.0 % 32) & 1 != 0
}

pub(crate) fn enable(vgic: &mut Vgic, vcpu: VcpuId, intid: IntId) -> Effect {
    write_bit(vgic, vcpu, gicd::ISENABLER, intid)
}

/// Makes an interrupt edge-triggered.
pub(crate) fn make_edge(vgic: &mut Vgic, vcpu: VcpuId, intid: IntId) {
    let offset = gicd::ICFGR + intid.0 / 16 * 4;
    let value = 2 << (intid.0 % 16 * 2);
    let _ = if intid.is_private() && vgic.version == V3 {
        vgic.write_redistributor(vcpu, SGI_FRAME + offset, Width::Word, value)
    } else {
        let other = vgic.read_distributor(vcpu, offset, Width::Word).unwrap();
        vgic.write_distributor(vcpu, offset, Width::Word, other | value)
    };
}

/// Sets the priority of an interrupt.
pub(crate) fn prioritise(vgic: &mut Vgic, vcpu: VcpuId, intid: IntId, priority: u8) -> Effect {
    let offset = gicd::IPRIORITYR + intid.0;
    let value = u64::from(priority);
    if intid.is_private() && vgic.version == V3 {
        vgic.write_redistributor(vcpu, SGI_FRAME + offset, Width::Byte, value)
            .unwrap()
    } else {
        vgic.write_distributor(vcpu, offset, Width::Byte, value)
            .unwrap()
    }
}

/// Flushes and gives the list registers in use.
pub(crate) fn flush(vgic: &mut Vgic, vcpu: VcpuId) -> Vec<ListRegister> {
    let mut lrs = [ListRegister(u64::MAX); 16];
    let flushed = vgic.flush(vcpu, &mut lrs);
    assert_eq!(flushed.used, vgic.in_use(vcpu));
    assert!(
        lrs[usize::from(flushed.used)..]
            .iter()
            .all(|lr| *lr == ListRegister::INVALID)
    );
    lrs[..usize::from(flushed.used)].to_vec()
}

/// The guest acknowledges what is pending in `lr`.
pub(crate) fn acknowledge(lr: &mut ListRegister) {
    assert!(lr.is_pending() && !lr.is_active(), "{lr:x?}");
    lr.0 ^= ListRegister::PENDING | ListRegister::ACTIVE;
}

/// The guest ends what is active in `lr`.
pub(crate) fn end(lr: &mut ListRegister) {
    assert!(lr.is_active(), "{lr:x?}");
    lr.0 ^= ListRegister::ACTIVE;
}

pub(crate) fn only(vcpu: VcpuId) -> Effect {
    Effect {
        wake: VcpuSet::of(vcpu),
    }
}
