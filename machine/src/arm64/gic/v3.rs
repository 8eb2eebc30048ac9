//! GICv3 (Arm IHI 0069): distributor, redistributors, and the CPU interface as system registers.

use abi::{CpuId, IntId};
use arrayvec::ArrayVec;

use super::super::mmu::Registers;
use super::super::sysreg::{dsb_sy, isb, read, write};
use super::{
    Active, CpuInterface, HCR_ENABLE, HCR_ENDS_SHIFT, KICK, PRIORITY, Trigger, Underflow, bit_of,
    control, private_priorities,
};
use core::sync::atomic::{AtomicU64, Ordering};

const GICD_CTLR: u64 = 0x0;
const GICD_TYPER: u64 = 0x4;
const GICD_IGROUPR: u64 = 0x80;
const GICD_ISENABLER: u64 = 0x100;
const GICD_ICENABLER: u64 = 0x180;
const GICD_ICACTIVER: u64 = 0x380;
const GICD_IPRIORITYR: u64 = 0x400;
const GICD_ICFGR: u64 = 0xc00;
const GICD_IROUTER: u64 = 0x6000;
const CTLR_ENABLE_GROUP1: u32 = 1 << 1;
const CTLR_ARE: u32 = 1 << 4;
const CTLR_WRITE_PENDING: u32 = 1 << 31;

const GICR_TYPER: u64 = 0x8;
const GICR_WAKER: u64 = 0x14;
const GICR_SGI: u64 = 0x1_0000;
const GICR_IGROUPR0: u64 = GICR_SGI + 0x80;
const GICR_ISENABLER0: u64 = GICR_SGI + 0x100;
const GICR_ICENABLER0: u64 = GICR_SGI + 0x180;
const GICR_ISACTIVER0: u64 = GICR_SGI + 0x300;
const GICR_ICACTIVER0: u64 = GICR_SGI + 0x380;
const GICR_IPRIORITYR0: u64 = GICR_SGI + 0x400;
const WAKER_PROCESSOR_SLEEP: u32 = 1 << 1;
const WAKER_CHILDREN_ASLEEP: u32 = 1 << 2;
const TYPER_LAST: u64 = 1 << 4;
const TYPER_VLPIS: u64 = 1 << 1;

/// `ICC_SRE_EL2`: SRE, bypass off; not Enable, so that a guest's `ICC_SRE_EL1` traps.
const SYSTEM_REGISTERS: u64 = 0x7;

/// Bytes of the distributor, and of a redistributor without virtual LPIs.
const DISTRIBUTOR_BYTES: u64 = 0x1_0000;
const REDISTRIBUTOR_BYTES: u64 = 0x2_0000;

const MOST_CPUS: usize = 128;

/// The controller's state: where each CPU's redistributor is.
pub struct GicV3 {
    distributor: Registers,
    redistributors: ArrayVec<Registers, 16>,
    stride: Option<u64>,
    list_registers: u8,
    /// Redistributor of each started CPU, region in the upper 32 bits and offset in the lower, + 1.
    places: [AtomicU64; MOST_CPUS],
    /// Affinity of each started CPU.
    affinities: [AtomicU64; MOST_CPUS],
}

impl GicV3 {
    pub(super) fn new(
        distributor: Registers,
        redistributors: ArrayVec<Registers, 16>,
        stride: Option<u64>,
    ) -> Option<Self> {
        let odd = |stride: u64| {
            stride < REDISTRIBUTOR_BYTES || !stride.is_multiple_of(REDISTRIBUTOR_BYTES)
        };
        if distributor.size() < DISTRIBUTOR_BYTES || stride.is_some_and(odd) {
            return None;
        }
        use_system_registers();
        let list_registers = (read!("S3_4_C12_C11_1") & 0x1f) as u8 + 1; // ICH_VTR_EL2
        let gic = Self {
            distributor,
            redistributors,
            stride,
            list_registers,
            places: [const { AtomicU64::new(0) }; MOST_CPUS],
            affinities: [const { AtomicU64::new(0) }; MOST_CPUS],
        };
        gic.start_distributor();
        Some(gic)
    }

    fn start_distributor(&self) {
        let d = &self.distributor;
        d.write32(GICD_CTLR, 0);
        self.wait_for_writes();
        let words = u64::from(d.read32(GICD_TYPER) & 0x1f) + 1;
        for word in 1..words {
            d.write32(GICD_ICENABLER + 4 * word, u32::MAX);
            d.write32(GICD_ICACTIVER + 4 * word, u32::MAX);
            d.write32(GICD_IGROUPR + 4 * word, u32::MAX);
            for byte in 0..8 {
                d.write32(GICD_IPRIORITYR + 32 * word + 4 * byte, PRIORITY);
            }
        }
        self.wait_for_writes();
        d.write32(GICD_CTLR, CTLR_ARE);
        self.wait_for_writes();
        d.write32(GICD_CTLR, CTLR_ARE | CTLR_ENABLE_GROUP1);
    }

    fn wait_for_writes(&self) {
        while self.distributor.read32(GICD_CTLR) & CTLR_WRITE_PENDING != 0 {
            core::hint::spin_loop();
        }
    }

    /// The redistributor with this CPU's affinity, as region and offset.
    fn find(&self, affinity: u64) -> Option<(usize, u64)> {
        let wanted = (affinity >> 8 & 0xff00_0000) | affinity & 0xff_ffff;
        for (region, registers) in self.redistributors.iter().enumerate() {
            let mut offset = 0u64;
            let last = registers.size().checked_sub(REDISTRIBUTOR_BYTES);
            while last.is_some_and(|last| offset <= last) {
                let typer = registers.read64(offset + GICR_TYPER);
                if typer >> 32 == wanted {
                    return Some((region, offset));
                }
                if typer & TYPER_LAST != 0 {
                    break;
                }
                let own = if typer & TYPER_VLPIS != 0 {
                    0x4_0000
                } else {
                    0x2_0000
                };
                offset = offset.saturating_add(self.stride.unwrap_or(own));
            }
        }
        None
    }

    fn redistributor(&self, cpu: CpuId) -> Option<Registers> {
        let place = self
            .places
            .get(cpu.0 as usize)?
            .load(Ordering::Relaxed)
            .checked_sub(1)?;
        let region = self.redistributors.get((place >> 32) as usize)?;
        Some(region.part(place & 0xffff_ffff, REDISTRIBUTOR_BYTES))
    }

    pub(super) fn serves(&self, affinity: u64) -> bool {
        self.find(affinity).is_some()
    }

    pub(super) fn start_cpu(&self, cpu: CpuId, private: &[IntId]) -> bool {
        let affinity = super::super::cpu::affinity();
        let Some((region, offset)) = self.find(affinity) else {
            return false;
        };
        let Some(place) = self.places.get(cpu.0 as usize) else {
            return false;
        };
        place.store(((region as u64) << 32 | offset) + 1, Ordering::Relaxed);
        self.affinities[cpu.0 as usize].store(affinity, Ordering::Release);
        let Some(r) = self.redistributor(cpu) else {
            return false;
        };
        r.write32(GICR_WAKER, r.read32(GICR_WAKER) & !WAKER_PROCESSOR_SLEEP);
        while r.read32(GICR_WAKER) & WAKER_CHILDREN_ASLEEP != 0 {
            core::hint::spin_loop();
        }
        r.write32(GICR_ICENABLER0, u32::MAX);
        r.write32(GICR_ICACTIVER0, u32::MAX);
        r.write32(GICR_IGROUPR0, u32::MAX);
        for (four, priority) in (0..).zip(private_priorities()) {
            r.write32(GICR_IPRIORITYR0 + 4 * four, priority);
        }
        let enabled = private
            .iter()
            .fold(bit_of(KICK).1, |bits, intid| bits | bit_of(*intid).1);
        r.write32(GICR_ISENABLER0, enabled);
        start_cpu_interface();
        true
    }

    pub(super) fn enable_shared(&self, intid: IntId, trigger: Trigger) {
        let (word, bit) = bit_of(intid);
        let config = GICD_ICFGR + u64::from(intid.0) / 16 * 4;
        let edge = 2u32 << (intid.0 % 16 * 2);
        let old = self.distributor.read32(config) & !edge;
        self.distributor.write32(
            config,
            if trigger == Trigger::Edge {
                old | edge
            } else {
                old
            },
        );
        let affinity = super::super::cpu::affinity();
        self.distributor
            .write64(GICD_IROUTER + 8 * u64::from(intid.0), affinity);
        self.distributor.write32(GICD_ISENABLER + word, bit);
    }

    #[inline]
    pub(super) fn acknowledge(&self) -> u32 {
        let raw = read!("S3_0_C12_C12_0") as u32; // ICC_IAR1_EL1
        // The effects of the acknowledgement are visible to what follows (IHI 0069, 12.1.5).
        dsb_sy();
        raw
    }

    #[inline]
    pub(super) fn drop_priority(&self, raw: u32) {
        write!("S3_0_C12_C12_1", u64::from(raw)); // ICC_EOIR1_EL1
        isb();
    }

    #[inline]
    pub(super) fn deactivate(&self, raw: u32) {
        write!("S3_0_C12_C11_1", u64::from(raw)); // ICC_DIR_EL1
        isb();
    }

    pub(super) fn set_private_active(&self, cpu: CpuId, intid: IntId, active: Active) {
        let register = if active == Active::Yes {
            GICR_ISACTIVER0
        } else {
            GICR_ICACTIVER0
        };
        if let Some(redistributor) = self.redistributor(cpu) {
            redistributor.write32(register, bit_of(intid).1);
            // Read back: the change has taken place when this CPU goes on.
            let _ = redistributor.read32(register);
        }
    }

    #[inline]
    pub(super) fn kick(&self, cpu: CpuId) {
        let Some(affinity) = self.affinities.get(cpu.0 as usize) else {
            return;
        };
        let affinity = affinity.load(Ordering::Relaxed);
        let aff0 = affinity & 0xff;
        let value = (affinity & 0xff_0000_0000) << 16 // Aff3 to 55:48
            | (affinity & 0xff_0000) << 16 // Aff2 to 39:32
            | u64::from(KICK.0) << 24
            | (affinity & 0xff00) << 8 // Aff1 to 23:16
            | (aff0 >> 4) << 44 // range selector
            | 1 << (aff0 & 0xf);
        write!("S3_0_C12_C11_5", value); // ICC_SGI1R_EL1
        isb();
    }

    pub(super) fn shared_interrupts(&self) -> u32 {
        (self.distributor.read32(GICD_TYPER) & 0x1f) * 32
    }

    pub(super) fn list_registers(&self) -> u8 {
        self.list_registers
    }

    #[inline(always)]
    pub(super) fn read_first_list_register(&self) -> u64 {
        read!("S3_4_C12_C12_0") // ICH_LR0_EL2
    }

    #[inline]
    pub(super) fn read_list_register(&self, index: u8) -> u64 {
        read_list_register(index)
    }

    #[inline(always)]
    pub(super) fn write_list_register(&self, index: u8, value: u64) {
        // Mostly it is the first, and known to be.
        if index == 0 {
            write!("S3_4_C12_C12_0", value); // ICH_LR0_EL2
        } else {
            write_list_register(index, value);
        }
    }

    #[inline]
    pub(super) fn set_underflow(&self, underflow: Underflow) {
        let old = read!("S3_4_C12_C11_0") as u32; // ICH_HCR_EL2
        if let Some(wanted) = control(old, underflow) {
            write!("S3_4_C12_C11_0", u64::from(wanted));
        }
    }

    #[inline]
    pub(super) fn take_unlisted_ends(&self) -> u8 {
        let value = read!("S3_4_C12_C11_0") as u32;
        let ends = value >> HCR_ENDS_SHIFT;
        if ends != 0 {
            write!(
                "S3_4_C12_C11_0",
                u64::from(value & !(0x1f << HCR_ENDS_SHIFT))
            );
        }
        ends as u8
    }

    pub(super) fn load(&self, state: &CpuInterface) {
        write!("S3_4_C12_C11_7", state.vmcr); // ICH_VMCR_EL2
        let [a0, a1, a2, a3, b0, b1, b2, b3] = state.active_priorities;
        write!("S3_4_C12_C8_0", a0); // ICH_AP0R<n>_EL2
        write!("S3_4_C12_C9_0", b0); // ICH_AP1R<n>_EL2
        // Mostly 5, so that there is one of each.
        match preemption_bits() {
            0..=5 => return,
            6 => {}
            _ => {
                write!("S3_4_C12_C8_2", a2);
                write!("S3_4_C12_C8_3", a3);
                write!("S3_4_C12_C9_2", b2);
                write!("S3_4_C12_C9_3", b3);
            }
        }
        write!("S3_4_C12_C8_1", a1);
        write!("S3_4_C12_C9_1", b1);
    }

    pub(super) fn save(&self, state: &mut CpuInterface) {
        state.vmcr = read!("S3_4_C12_C11_7");
        let saved = &mut state.active_priorities;
        saved[0] = read!("S3_4_C12_C8_0");
        saved[4] = read!("S3_4_C12_C9_0");
        match preemption_bits() {
            0..=5 => return,
            6 => {}
            _ => {
                saved[2] = read!("S3_4_C12_C8_2");
                saved[3] = read!("S3_4_C12_C8_3");
                saved[6] = read!("S3_4_C12_C9_2");
                saved[7] = read!("S3_4_C12_C9_3");
            }
        }
        saved[1] = read!("S3_4_C12_C8_1");
        saved[5] = read!("S3_4_C12_C9_1");
    }
}

/// ICC_SGI1R_EL1.IRM: to all but this one.
pub(super) fn kick_others() {
    write!("S3_0_C12_C11_5", 1 << 40 | u64::from(KICK.0) << 24);
    isb();
}

fn preemption_bits() -> u64 {
    (read!("S3_4_C12_C11_1") >> 26 & 7) + 1 // ICH_VTR_EL2.PREbits
}

/// Turns the system registers on at EL2 and EL1, for good.
fn use_system_registers() {
    write!("S3_4_C12_C9_5", SYSTEM_REGISTERS); // ICC_SRE_EL2
    isb();
    write!("S3_0_C12_C12_5", SYSTEM_REGISTERS); // ICC_SRE_EL1
    isb();
}

fn start_cpu_interface() {
    use_system_registers();
    write!("S3_0_C4_C6_0", 0xff); // ICC_PMR_EL1: everything
    write!("S3_0_C12_C12_3", 0); // ICC_BPR1_EL1
    write!("S3_0_C12_C12_4", 1 << 1); // ICC_CTLR_EL1: EOImode
    write!("S3_0_C12_C12_7", 1); // ICC_IGRPEN1_EL1
    write!("S3_4_C12_C11_0", u64::from(HCR_ENABLE)); // ICH_HCR_EL2
    for index in 0..(read!("S3_4_C12_C11_1") & 0x1f) as u8 + 1 {
        write_list_register(index, 0);
    }
    isb();
}

macro_rules! list_registers {
    ($($index:literal = $name:literal),* $(,)?) => {
        #[inline]
        fn read_list_register(index: u8) -> u64 {
            match index { $($index => read!($name),)* _ => 0 }
        }

        #[inline(never)]
        fn write_list_register(index: u8, value: u64) {
            match index { $($index => write!($name, value),)* _ => {} }
        }
    };
}

// ICH_LR<n>_EL2.
list_registers! {
    0 = "S3_4_C12_C12_0", 1 = "S3_4_C12_C12_1", 2 = "S3_4_C12_C12_2", 3 = "S3_4_C12_C12_3",
    4 = "S3_4_C12_C12_4", 5 = "S3_4_C12_C12_5", 6 = "S3_4_C12_C12_6", 7 = "S3_4_C12_C12_7",
    8 = "S3_4_C12_C13_0", 9 = "S3_4_C12_C13_1", 10 = "S3_4_C12_C13_2", 11 = "S3_4_C12_C13_3",
    12 = "S3_4_C12_C13_4", 13 = "S3_4_C12_C13_5", 14 = "S3_4_C12_C13_6", 15 = "S3_4_C12_C13_7",
}
