//! The host's interrupt controller: physical interrupts, and the list registers through which a
//! resident guest gets its own.
//!
//! Interrupts are acknowledged, their priority dropped, and deactivated in separate steps (EOImode
//! 1), so that a guest's virtual timer interrupt stays active until the guest itself ends it.

mod v2;
mod v3;

use abi::{CpuId, IntId};
use arrayvec::ArrayVec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::mmu::Registers;
pub use v2::GicV2;
pub use v3::GicV3;

/// The most list registers of any GIC.
pub const MOST_LIST_REGISTERS: usize = 16;

/// The first number that is no interrupt's.
const FIRST_SPECIAL: u32 = 1020;

/// `GICC_IIDR` of a GICv2's CPU interface, in the page at `page`; 0 if it is outside.
pub fn cpu_interface_identity(cpu: &Registers, page: u64) -> u32 {
    v2::identity(cpu, page)
}

/// Bytes of GICv2's CPU interface, whatever the device tree says: `GICC_DIR` is in its second page.
pub const CPU_INTERFACE_BYTES: u64 = 0x2000;

/// The SGI by which one CPU asks another to look at its work.
pub const KICK: IntId = IntId(0);

/// Priorities of four interrupts each, in the distributor's bytes: of all but SGIs, and of SGIs. Guests on
/// other CPUs cause kicks as fast as they like, and a CPU takes one interrupt an exit: were kicks as
/// urgent as the rest, they would go first for their low number, and a storm of them would keep the timer
/// from ending a slice. So they go last.
const PRIORITY: u32 = 0xa0a0_a0a0;
const PRIORITY_OF_SGIS: u32 = 0xc0c0_c0c0;

/// The priorities of private interrupts, four by four.
const fn private_priorities() -> [u32; 8] {
    let (sgis, ppis) = (PRIORITY_OF_SGIS, PRIORITY);
    [sgis, sgis, sgis, sgis, ppis, ppis, ppis, ppis]
}

/// Where the controller's registers are.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one, at boot")]
pub enum Frames {
    /// GICv2: distributor, CPU interface, hypervisor's view of the virtual interface.
    V2 {
        /// GICD.
        distributor: Registers,
        /// GICC.
        cpu: Registers,
        /// GICH.
        hypervisor: Registers,
    },
    /// GICv3: distributor and redistributor regions.
    V3 {
        /// GICD.
        distributor: Registers,
        /// GICR regions.
        redistributors: ArrayVec<Registers, 16>,
        /// Bytes from one redistributor to the next, when the device tree says.
        stride: Option<u64>,
    },
}

/// An acknowledged interrupt, which is to be ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    raw: u32,
}

impl Acknowledged {
    /// Its number.
    pub fn intid(self) -> IntId {
        IntId(if self.raw & 0xff_fc00 == 0 || self.raw & 0x3ff < 16 {
            self.raw & 0x3ff
        } else {
            self.raw
        })
    }
}

/// The controller.
#[expect(clippy::large_enum_variant, reason = "there is one, for good")]
pub enum Gic {
    /// Version 2.
    V2(GicV2),
    /// Version 3 (or 4, used as 3).
    V3(GicV3),
}

/// What of a guest's virtual CPU interface is saved: its control register and active priorities.
#[derive(Default)]
#[repr(C)]
pub(crate) struct CpuInterface {
    vmcr: u64,
    active_priorities: [u64; 8],
}

/// Whether an interrupt is wanted when at most one list register is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Underflow {
    /// Yes: more interrupts wait than there are list registers.
    Notify,
    /// No.
    Quiet,
}

/// `ICH_HCR_EL2` and `GICH_HCR`: the virtual interface is on.
const HCR_ENABLE: u32 = 1;
/// ... UIE and LRENPIE: maintenance interrupts when at most one list register is in use, and when the
/// guest has ended interrupts that are in none.
const HCR_NOTIFY: u32 = 1 << 1 | 1 << 2;
/// ... EOIcount, the number of these ends.
const HCR_ENDS_SHIFT: u32 = 27;

/// What the control register of the virtual interface, now `old`, is to be; `None` if it stays.
#[inline]
const fn control(old: u32, underflow: Underflow) -> Option<u32> {
    let wanted = match underflow {
        Underflow::Notify => HCR_ENABLE | HCR_NOTIFY,
        Underflow::Quiet => HCR_ENABLE,
    };
    if old & (HCR_ENABLE | HCR_NOTIFY) == wanted {
        None
    } else {
        Some(wanted)
    }
}

/// GICv2's distributor, for [`kick_others`]; 0 with GICv3 and before there is a controller.
static DISTRIBUTOR_V2: AtomicU64 = AtomicU64::new(0);
/// Whether there is a controller.
static STARTED: AtomicBool = AtomicBool::new(false);

/// Sends [`KICK`] to all other CPUs, for a panic: it needs no [`Gic`].
pub(crate) fn kick_others() {
    if !STARTED.load(Ordering::Relaxed) {
        return;
    }
    super::sysreg::dsb_ishst();
    match DISTRIBUTOR_V2.load(Ordering::Relaxed) {
        0 => v3::kick_others(),
        distributor => v2::kick_others(distributor),
    }
}

macro_rules! each {
    ($self:ident, $gic:ident => $body:expr) => {
        match $self {
            Gic::V2($gic) => $body,
            Gic::V3($gic) => $body,
        }
    };
}

impl Gic {
    /// Sets the distributor up with every shared interrupt off. On the boot CPU, once. `None` if a
    /// frame is smaller than the registers in it, or the stride cannot be one.
    pub fn new(frames: Frames) -> Option<Self> {
        let gic = match frames {
            Frames::V2 {
                distributor,
                cpu,
                hypervisor,
            } => {
                let place = distributor.start();
                let gic = Gic::V2(GicV2::new(distributor, cpu, hypervisor)?);
                DISTRIBUTOR_V2.store(place, Ordering::Relaxed);
                gic
            }
            Frames::V3 {
                distributor,
                redistributors,
                stride,
            } => Gic::V3(GicV3::new(distributor, redistributors, stride)?),
        };
        STARTED.store(true, Ordering::Relaxed);
        Some(gic)
    }

    /// Whether there is an interface for the CPU with this affinity, as the CPU with the number `cpu`.
    pub fn serves(&self, cpu: CpuId, affinity: u64) -> bool {
        match self {
            Gic::V2(gic) => gic.serves(cpu),
            Gic::V3(gic) => gic.serves(affinity),
        }
    }

    /// Sets this CPU's interface up, with kicks and the `private` interrupts (PPIs) on. `false`
    /// if the controller has no redistributor for it.
    #[must_use]
    pub fn start_cpu(&self, cpu: CpuId, private: &[IntId]) -> bool {
        each!(self, gic => gic.start_cpu(cpu, private))
    }

    /// Routes a shared interrupt to this CPU and turns it on. Nothing if the distributor has none of
    /// that number.
    pub fn enable_shared(&self, intid: IntId, trigger: Trigger) {
        let behind = (self.shared_interrupts() + IntId::FIRST_SPI).min(FIRST_SPECIAL);
        if !(IntId::FIRST_SPI..behind).contains(&intid.0) {
            return;
        }
        each!(self, gic => gic.enable_shared(intid, trigger));
    }

    /// The next pending interrupt.
    #[inline]
    pub fn acknowledge(&self) -> Option<Acknowledged> {
        let raw = each!(self, gic => gic.acknowledge());
        (raw & 0x3ff < 1020 || raw > 1023).then_some(Acknowledged { raw })
    }

    /// Lets interrupts of the same priority in again; this one stays active.
    #[inline]
    pub fn drop_priority(&self, interrupt: Acknowledged) {
        each!(self, gic => gic.drop_priority(interrupt.raw));
    }

    /// Ends the interrupt: it can become pending again.
    #[inline]
    pub fn deactivate(&self, interrupt: Acknowledged) {
        each!(self, gic => gic.deactivate(interrupt.raw));
    }

    /// Sets whether the private interrupt `intid` is active on this CPU.
    pub fn set_private_active(&self, cpu: CpuId, intid: IntId, active: Active) {
        each!(self, gic => gic.set_private_active(cpu, intid, active));
    }

    /// Sends [`KICK`] to `cpu`. Everything stored before is visible to it when it takes the kick.
    #[inline]
    pub fn kick(&self, cpu: CpuId) {
        super::sysreg::dsb_ishst();
        each!(self, gic => gic.kick(cpu));
    }

    /// How many list registers there are.
    pub fn list_registers(&self) -> u8 {
        each!(self, gic => gic.list_registers())
    }

    /// As [`Self::read_list_register`], of the first.
    #[inline(always)]
    pub fn read_first_list_register(&self) -> u64 {
        each!(self, gic => gic.read_first_list_register())
    }

    /// List register `index` of the resident guest, in GICv3's layout.
    #[inline]
    pub fn read_list_register(&self, index: u8) -> u64 {
        each!(self, gic => gic.read_list_register(index))
    }

    /// Sets list register `index` of the resident guest, in GICv3's layout.
    #[inline(always)]
    pub fn write_list_register(&self, index: u8, value: u64) {
        each!(self, gic => gic.write_list_register(index, value));
    }

    /// How many shared interrupts the distributor has.
    pub fn shared_interrupts(&self) -> u32 {
        each!(self, gic => gic.shared_interrupts())
    }

    /// Sets whether this CPU gets the maintenance interrupts that tell of too few list registers:
    /// few are in use, or the guest ended an interrupt that is in none. Ends that were counted stay
    /// counted unless the setting changes, so they are to be taken first.
    #[inline]
    pub fn set_underflow(&self, underflow: Underflow) {
        each!(self, gic => gic.set_underflow(underflow));
    }

    /// How many interrupts the resident guest has ended that are in no list register, since this was
    /// last asked: 0 to 31.
    #[inline]
    pub fn take_unlisted_ends(&self) -> u8 {
        each!(self, gic => gic.take_unlisted_ends())
    }

    pub(crate) fn load(&self, state: &CpuInterface) {
        each!(self, gic => gic.load(state));
    }

    pub(crate) fn save(&self, state: &mut CpuInterface) {
        each!(self, gic => gic.save(state));
    }
}

/// Whether an interrupt is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Active {
    /// It is.
    Yes,
    /// It is not.
    No,
}

/// How a shared interrupt is triggered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// By level.
    Level,
    /// By an edge.
    Edge,
}

/// The range `part` of the address space as registers; for frames that the host tree names.
pub fn frames_v3(
    distributor: Registers,
    redistributors: impl IntoIterator<Item = Registers>,
    stride: Option<u64>,
) -> Frames {
    Frames::V3 {
        distributor,
        redistributors: redistributors.into_iter().take(16).collect(),
        stride,
    }
}

const fn bit_of(intid: IntId) -> (u64, u32) {
    (intid.0 as u64 / 32 * 4, 1 << (intid.0 % 32))
}
