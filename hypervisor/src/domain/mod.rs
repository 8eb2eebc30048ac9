//! A domain: its partition, its devices, its vCPUs.

pub mod balloon;
pub mod build;
pub mod channels;
pub mod filling;
pub mod image;
pub mod lent;
pub mod memory;
pub mod page;
pub mod page_set;
pub mod runstate;
pub mod workspace;
pub mod zeroing;

use abi::permit::Permits;
use abi::{CpuId, DomId, Ipa, Range, VcpuId};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use machine::atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering};

use evtchn::Events;
use grant::{Grants, Maptrack};
use machine::claim::Claim;
use machine::frames::Extent;
use machine::heap::Arena;
use machine::lock::{self, Control, Devices, Lock};
use machine::vcpu::{Stage2Base, Vcpu};
use sched::{CpuMask, SleeperId, Weight};
use vgic::Vgic;
use vuart::Vuart;

use crate::watchdog::Alarm;

use filling::Filling;

pub use memory::Memory;
pub use page::Page;

/// Frames that a domain's grant table may have.
pub const MAX_GRANT_FRAMES: u32 = 64;
/// Mappings of others' pages that a domain may have: what its part of the heap has room for.
pub const MAX_MAPPINGS: u32 = 32 * 1024;

/// A partition of the machine with a guest in it.
pub struct Domain {
    /// Its number.
    pub id: DomId,
    /// The path of its node.
    pub path: String,
    /// What its CPUs translate with.
    pub stage2: Stage2Base,
    /// What is to be put into its RAM before it starts; `None` from then on. Whoever does a piece of that
    /// claims it.
    pub filling: Claim<Option<Box<Filling>>>,
    /// Its life and its memory.
    pub control: Lock<Life, Control>,
    /// What it sees as devices.
    pub devices: Lock<Emulated, Devices>,
    /// Its event channels.
    pub events: Lock<Events<Page>, lock::Events>,
    /// What it sees of the hypervisor.
    pub interface: Interface,
    /// Where it sees its devices.
    pub map: Map,
    /// Its vCPUs.
    pub vcpus: Box<[Slot]>,
    /// Which vCPU ran last on each CPU, plus 1; 0 for none. Only that CPU uses its entry.
    pub last_ran: Box<[AtomicU16]>,
    /// It has ended: its memory is being taken back, or was. None of its vCPUs runs again.
    pub ending: AtomicBool,
    /// When its first watchdog expires.
    pub alarm: Alarm,
    /// Some of its RAM may wait to be zeroed.
    pub unzeroed: AtomicBool,
}

/// A domain's life, under its control lock.
pub struct Life {
    /// State of the domain and its vCPUs.
    pub state: lifecycle::Domain,
    /// Its RAM and tables, from when it is filled until they are taken back.
    pub memory: Option<Memory>,
    /// How far taking them back has come.
    pub reclaim: crate::reclaim::Progress,
    /// Its watchdogs, in counter ticks.
    pub watchdogs: lifecycle::Watchdogs,
    /// The part of the heap that it was given for what it needs there.
    pub heap: Option<Arena>,
    /// No memory: what stands for its pages once they are given back.
    pub nowhere: Arc<Extent>,
    /// What it grants to others.
    pub grants: Grants<Page, Page>,
    /// What it has mapped of others.
    pub maptrack: Maptrack,
}

/// What a domain sees of the hypervisor, and what it has chosen there.
pub struct Interface {
    /// The parts of the ABI that it may use and see.
    pub permits: Permits,
    /// Whether its addresses are the host's.
    pub is_direct_mapped: bool,
    /// The first byte behind the host's RAM.
    pub ram_end: u64,
    /// `VMASST_TYPE_runstate_update_flag`.
    pub runstate_flag: AtomicBool,
}

/// A domain's emulated devices, under their lock.
pub struct Emulated {
    /// The interrupt controller.
    pub vgic: Vgic,
    /// The UART.
    pub uart: Option<Vuart>,
}

/// Where a guest finds its emulated devices.
#[derive(Clone, Debug)]
pub struct Map {
    /// The interrupt controller's distributor.
    pub distributor: Range,
    /// Redistributor regions, vCPU 0 first; none with GICv2.
    pub redistributors: Box<[Range]>,
    /// The UART, and its interrupt.
    pub uart: Option<(Range, abi::IntId)>,
    /// What an access to nothing does.
    pub unmapped: Unmapped,
}

/// What an access to an address where nothing is does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmapped {
    /// An external abort.
    Aborts,
    /// It reads as ones; writes are ignored.
    ReadsOnes,
}

/// One vCPU, as all CPUs see it. What each exit looks at comes first.
#[repr(C)]
pub struct Slot {
    /// Its interrupts changed: it must look at them before it runs on.
    pub attention: Attention,
    /// Its number.
    pub id: VcpuId,
    /// Its number among the vCPUs of all domains.
    pub number: SleeperId,
    /// Its registers, held by the CPU on which it is resident.
    pub registers: Claim<Registers>,
    /// It is among the sleepers of its home CPU.
    pub asleep: AtomicBool,
    /// It is resident on its home CPU and was chosen to run there.
    pub runs: AtomicBool,
    /// It was turned on and must start from its entry point.
    pub starting: AtomicBool,
    /// It may be in a queue. Changed with its domain's `control` held, before the queues follow; looked
    /// at with the queue's lock held by who puts it there.
    pub on: AtomicBool,
    /// Where it may run.
    pub affinity: CpuMask,
    /// Its share of a CPU relative to others.
    pub weight: Weight,
    home: AtomicU16,
}

/// What of a vCPU's interrupts has changed since it last looked.
#[derive(Default)]
pub struct Attention(AtomicU8);

/// How much has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Private interrupts became pending, and that is all.
    Pending = 1,
    /// Anything.
    Anything = 3,
}

impl Attention {
    /// Something has changed. What was stored before is seen by who takes it.
    pub fn raise(&self, changed: Changed) {
        self.0.fetch_or(changed as u8, Ordering::Release);
    }

    /// Whether something has changed.
    #[inline]
    pub fn is_raised(&self) -> bool {
        // Acquire: pairs with the release in `raise`.
        self.0.load(Ordering::Acquire) != 0
    }

    /// What has changed, if anything; from now on nothing has.
    pub fn take(&self) -> Option<Changed> {
        match self.0.swap(0, Ordering::AcqRel) {
            0 => None,
            1 => Some(Changed::Pending),
            _ => Some(Changed::Anything),
        }
    }
}

/// A vCPU's registers and what else belongs to whoever runs it.
pub struct Registers {
    /// The CPU's.
    pub cpu: Vcpu,
    /// The emulated physical timer.
    pub physical_timer: crate::arch::arm64::timer::PhysicalTimer,
    /// How it spent its time.
    pub runstate: runstate::Runstate,
    /// When a wait for certain ports ends, in counter ticks.
    pub poll_deadline: Option<u64>,
    /// What is done of a hypercall that is continued.
    pub unfinished: Option<crate::hypercall::Unfinished>,
    /// It is closing all of the domain's event channels.
    pub reset: Option<evtchn::Reset>,
}

impl Registers {
    /// When the emulated timer, or the end of a wait, is due next.
    pub fn deadline(&self) -> Option<u64> {
        match (self.physical_timer.deadline(), self.poll_deadline) {
            (Some(timer), Some(poll)) => Some(timer.min(poll)),
            (timer, poll) => timer.or(poll),
        }
    }
}

impl Slot {
    /// A vCPU that is off.
    pub fn new(
        id: VcpuId,
        number: SleeperId,
        cpu: Vcpu,
        affinity: CpuMask,
        weight: Weight,
        home: CpuId,
    ) -> Self {
        Self {
            id,
            number,
            registers: Claim::new(Registers {
                cpu,
                physical_timer: Default::default(),
                runstate: Default::default(),
                poll_deadline: None,
                unfinished: None,
                reset: None,
            }),
            attention: Attention::default(),
            asleep: AtomicBool::new(false),
            runs: AtomicBool::new(false),
            starting: AtomicBool::new(false),
            on: AtomicBool::new(false),
            affinity,
            weight,
            home: AtomicU16::new(home.0),
        }
    }

    /// The CPU in whose queue it is, or was last.
    pub fn home(&self) -> CpuId {
        CpuId(self.home.load(Ordering::Relaxed))
    }

    /// Moves it to another CPU's queue.
    pub fn set_home(&self, cpu: CpuId) {
        self.home.store(cpu.0, Ordering::Relaxed);
    }
}

impl Domain {
    /// One of its vCPUs.
    #[inline]
    pub fn slot(&self, vcpu: VcpuId) -> Option<&Slot> {
        self.vcpus.get(usize::from(vcpu.0))
    }

    /// Notes that `vcpu` runs on `cpu`, the caller's, from now on. Whether another one did before.
    pub fn ran_another(&self, cpu: CpuId, vcpu: VcpuId) -> bool {
        let Some(last) = self.last_ran.get(usize::from(cpu.0)) else {
            return true;
        };
        let own = vcpu.0.wrapping_add(1);
        let before = last.load(Ordering::Relaxed);
        if before != own {
            last.store(own, Ordering::Relaxed);
        }
        before != own && before != 0
    }
}

impl Map {
    /// Which vCPU's redistributor is at `address`, and the offset in it, if that is in the first region.
    #[inline]
    pub fn redistributor_of_first(&self, address: Ipa) -> Option<(VcpuId, u32)> {
        redistributor_at(0, self.redistributors.first()?.offset(address.0)?)
    }

    /// The same, of all regions.
    #[inline(never)]
    pub fn redistributor(&self, address: Ipa) -> Option<(VcpuId, u32)> {
        let mut first: u64 = 0;
        for region in &self.redistributors {
            if let Some(offset) = region.offset(address.0) {
                return redistributor_at(first, offset);
            }
            first += region.size() / abi::arm::GICV3_REDISTRIBUTOR_STRIDE;
        }
        None
    }
}

/// The redistributor `offset` bytes into a region whose first is that of vCPU `first`.
#[inline]
fn redistributor_at(first: u64, offset: u64) -> Option<(VcpuId, u32)> {
    let vcpu = first + offset / abi::arm::GICV3_REDISTRIBUTOR_STRIDE;
    let within = offset % abi::arm::GICV3_REDISTRIBUTOR_STRIDE;
    Some((VcpuId(u16::try_from(vcpu).ok()?), within as u32))
}
