//! GICv2 with virtualization extensions (Arm IHI 0048): everything is memory mapped.

use abi::{CpuId, IntId};
use core::sync::atomic::{AtomicU8, Ordering};

use super::super::mmu::Registers;
use super::super::sysreg::dmb_ishld;
use super::{
    Active, CpuInterface, HCR_ENABLE, HCR_ENDS_SHIFT, KICK, PRIORITY, Trigger, Underflow, bit_of,
    control, private_priorities,
};

const GICD_CTLR: u64 = 0x0;
const GICD_TYPER: u64 = 0x4;
const GICD_ISENABLER: u64 = 0x100;
const GICD_ICENABLER: u64 = 0x180;
const GICD_ISACTIVER: u64 = 0x300;
const GICD_ICACTIVER: u64 = 0x380;
const GICD_IPRIORITYR: u64 = 0x400;
const GICD_ITARGETSR: u64 = 0x800;
const GICD_ICFGR: u64 = 0xc00;
const GICD_SGIR: u64 = 0xf00;

const GICC_CTLR: u64 = 0x0;
const GICC_PMR: u64 = 0x4;
const GICC_BPR: u64 = 0x8;
const GICC_IAR: u64 = 0xc;
const GICC_EOIR: u64 = 0x10;
const GICC_IIDR: u64 = 0xfc;
const GICC_DIR: u64 = 0x1000;

const GICH_HCR: u64 = 0x0;
const GICH_VTR: u64 = 0x4;
const GICH_VMCR: u64 = 0x8;
const GICH_APR: u64 = 0xf0;
const GICH_LR: u64 = 0x100;

/// Bytes of the distributor, and of the virtual interface's control registers.
const DISTRIBUTOR_BYTES: u64 = 0x1000;
const HYPERVISOR_BYTES: u64 = 0x200;

const BOTH_GROUPS: u32 = 3;
const EOI_MODE: u32 = 1 << 9;

/// The controller's state: which interface belongs to which CPU.
pub struct GicV2 {
    distributor: Registers,
    cpu: Registers,
    hypervisor: Registers,
    list_registers: u8,
    /// Interface mask of each started CPU.
    targets: [AtomicU8; 8],
}

impl GicV2 {
    pub(super) fn new(
        distributor: Registers,
        cpu: Registers,
        hypervisor: Registers,
    ) -> Option<Self> {
        if distributor.size() < DISTRIBUTOR_BYTES
            || cpu.size() < super::CPU_INTERFACE_BYTES
            || hypervisor.size() < HYPERVISOR_BYTES
        {
            return None;
        }
        let list_registers = (hypervisor.read32(GICH_VTR) & 0x3f) as u8 + 1;
        let d = &distributor;
        d.write32(GICD_CTLR, 0);
        let words = u64::from(d.read32(GICD_TYPER) & 0x1f) + 1;
        for word in 1..words {
            d.write32(GICD_ICENABLER + 4 * word, u32::MAX);
            d.write32(GICD_ICACTIVER + 4 * word, u32::MAX);
            for byte in 0..8 {
                d.write32(GICD_IPRIORITYR + 32 * word + 4 * byte, PRIORITY);
            }
        }
        d.write32(GICD_CTLR, BOTH_GROUPS);
        let targets = [const { AtomicU8::new(0) }; 8];
        let list_registers = list_registers.min(super::MOST_LIST_REGISTERS as u8);
        Some(Self {
            distributor,
            cpu,
            hypervisor,
            list_registers,
            targets,
        })
    }

    pub(super) fn serves(&self, cpu: CpuId) -> bool {
        usize::from(cpu.0) < self.targets.len()
    }

    pub(super) fn start_cpu(&self, cpu: CpuId, private: &[IntId]) -> bool {
        let Some(target) = self.targets.get(cpu.0 as usize) else {
            return false;
        };
        let d = &self.distributor;
        // The private interrupts' targets read as the reading CPU's own interface.
        let own = (0..8)
            .map(|word| d.read32(GICD_ITARGETSR + 4 * word))
            .find(|mask| *mask != 0);
        let own = own.map_or(1 << cpu.0, |mask| {
            mask | mask >> 8 | mask >> 16 | mask >> 24
        });
        target.store(own as u8, Ordering::Release);
        d.write32(GICD_ICENABLER, u32::MAX);
        d.write32(GICD_ICACTIVER, u32::MAX);
        for (four, priority) in (0..).zip(private_priorities()) {
            d.write32(GICD_IPRIORITYR + 4 * four, priority);
        }
        let enabled = private
            .iter()
            .fold(bit_of(KICK).1, |bits, intid| bits | bit_of(*intid).1);
        d.write32(GICD_ISENABLER, enabled);
        self.cpu.write32(GICC_PMR, 0xff);
        self.cpu.write32(GICC_BPR, 0);
        self.cpu.write32(GICC_CTLR, BOTH_GROUPS | EOI_MODE);
        self.hypervisor.write32(GICH_HCR, HCR_ENABLE);
        for index in 0..u64::from(self.list_registers) {
            self.hypervisor.write32(GICH_LR + 4 * index, 0);
        }
        true
    }

    pub(super) fn enable_shared(&self, intid: IntId, trigger: Trigger) {
        let (word, bit) = bit_of(intid);
        let d = &self.distributor;
        let config = GICD_ICFGR + u64::from(intid.0) / 16 * 4;
        let edge = 2u32 << (intid.0 % 16 * 2);
        let old = d.read32(config) & !edge;
        d.write32(
            config,
            if trigger == Trigger::Edge {
                old | edge
            } else {
                old
            },
        );
        let target = GICD_ITARGETSR + u64::from(intid.0) / 4 * 4;
        let shift = intid.0 % 4 * 8;
        let own = self.targets.get(super::super::cpu::id().0 as usize);
        let own = own.map_or(1, |mask| mask.load(Ordering::Relaxed));
        d.write32(
            target,
            d.read32(target) & !(0xff << shift) | u32::from(own) << shift,
        );
        d.write32(GICD_ISENABLER + word, bit);
    }

    #[inline]
    pub(super) fn acknowledge(&self) -> u32 {
        let raw = self.cpu.read32(GICC_IAR) & 0x1fff;
        // What the sender of a kick stored before it is read after the register: a branch on the number
        // does not order loads.
        dmb_ishld();
        raw
    }

    #[inline]
    pub(super) fn drop_priority(&self, raw: u32) {
        self.cpu.write32(GICC_EOIR, raw);
    }

    #[inline]
    pub(super) fn deactivate(&self, raw: u32) {
        self.cpu.write32(GICC_DIR, raw);
    }

    pub(super) fn set_private_active(&self, _cpu: CpuId, intid: IntId, active: Active) {
        let register = if active == Active::Yes {
            GICD_ISACTIVER
        } else {
            GICD_ICACTIVER
        };
        self.distributor.write32(register, bit_of(intid).1);
        // Read back: the change has taken place when this CPU goes on.
        let _ = self.distributor.read32(register);
    }

    #[inline]
    pub(super) fn kick(&self, cpu: CpuId) {
        if let Some(target) = self.targets.get(cpu.0 as usize) {
            let mask = u32::from(target.load(Ordering::Relaxed));
            self.distributor.write32(GICD_SGIR, mask << 16 | KICK.0);
        }
    }

    pub(super) fn shared_interrupts(&self) -> u32 {
        (self.distributor.read32(GICD_TYPER) & 0x1f) * 32
    }

    pub(super) fn list_registers(&self) -> u8 {
        self.list_registers
    }

    #[inline(never)]
    pub(super) fn read_first_list_register(&self) -> u64 {
        self.read_list_register(0)
    }

    #[inline]
    pub(super) fn read_list_register(&self, index: u8) -> u64 {
        widen(self.hypervisor.read32(GICH_LR + 4 * u64::from(index)))
    }

    #[inline(never)]
    pub(super) fn write_list_register(&self, index: u8, value: u64) {
        self.hypervisor
            .write32(GICH_LR + 4 * u64::from(index), narrow(value));
    }

    #[inline]
    pub(super) fn set_underflow(&self, underflow: Underflow) {
        if let Some(wanted) = control(self.hypervisor.read32(GICH_HCR), underflow) {
            self.hypervisor.write32(GICH_HCR, wanted);
        }
    }

    #[inline]
    pub(super) fn take_unlisted_ends(&self) -> u8 {
        let value = self.hypervisor.read32(GICH_HCR);
        let ends = value >> HCR_ENDS_SHIFT;
        if ends != 0 {
            self.hypervisor
                .write32(GICH_HCR, value & !(0x1f << HCR_ENDS_SHIFT));
        }
        ends as u8
    }

    pub(super) fn load(&self, state: &CpuInterface) {
        self.hypervisor.write32(GICH_VMCR, state.vmcr as u32);
        self.hypervisor
            .write32(GICH_APR, state.active_priorities[0] as u32);
    }

    pub(super) fn save(&self, state: &mut CpuInterface) {
        state.vmcr = u64::from(self.hypervisor.read32(GICH_VMCR));
        state.active_priorities[0] = u64::from(self.hypervisor.read32(GICH_APR));
    }
}

pub(super) fn identity(cpu: &Registers, page: u64) -> u32 {
    let offset = page.saturating_add(GICC_IIDR);
    if offset.saturating_add(4) > cpu.size() {
        return 0;
    }
    cpu.read32(offset)
}

/// GICD_SGIR with the filter "all but this one".
pub(super) fn kick_others(distributor: u64) {
    // SAFETY: the address of the mapped distributor, kept by `Gic::new`.
    unsafe { ((distributor + GICD_SGIR) as *mut u32).write_volatile(1 << 24 | KICK.0) };
}

const HARDWARE: u32 = 1 << 31;

/// GICv3's list register layout to GICv2's: source CPU or physical number, end notification,
/// upper five priority bits, state, group, hardware.
fn narrow(value: u64) -> u32 {
    let low = (value & 0x3ff) as u32;
    let part = |from: u32, mask: u64, to: u32| ((value >> from & mask) as u32) << to;
    let middle = if value >> 61 & 1 != 0 {
        HARDWARE | part(32, 0x3ff, 10)
    } else {
        part(32, 7, 10) | part(41, 1, 19)
    };
    low | middle | part(51, 0x1f, 23) | part(62, 3, 28) | part(60, 1, 30)
}

fn widen(value: u32) -> u64 {
    let value = u64::from(value);
    let middle = if value & u64::from(HARDWARE) != 0 {
        1 << 61 | (value >> 10 & 0x3ff) << 32
    } else {
        (value >> 10 & 7) << 32 | (value >> 19 & 1) << 41
    };
    (value & 0x3ff)
        | middle
        | (value >> 23 & 0x1f) << 51
        | (value >> 28 & 3) << 62
        | (value >> 30 & 1) << 60
}
