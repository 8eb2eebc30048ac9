//! What a boot device tree says: the host, the command line, the domains.
//!
//! Plain data. Invariant: every [`DomainSpec`] that is handed out has passed all checks, against
//! the host and against the other domains.

use alloc::string::String;
use alloc::vec::Vec;
use core::num::NonZeroU16;

use abi::permit::Permits;
use abi::{CpuId, DomId, IntId, PAGE_SIZE, Port, Range};

use crate::seed::HostSeed;
use crate::{CommandLine, Finding, Severity};

/// Everything that a boot device tree says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SystemSpec {
    /// The machine.
    pub host: HostSpec,
    /// The hypervisor's options.
    pub command_line: CommandLine,
    /// The domains in tree order, refused ones too.
    pub domains: Vec<DomainEntry>,
    /// All errors and notes, the host's first.
    pub findings: Vec<Finding>,
}

impl SystemSpec {
    /// Whether nothing must be booted: there is an error, and `config=strict` was given.
    pub fn is_refused(&self) -> bool {
        self.command_line.strict && self.errors().next().is_some()
    }

    /// The findings that are errors.
    pub fn errors(&self) -> impl Iterator<Item = &Finding> {
        self.findings
            .iter()
            .filter(|finding| finding.severity == Severity::Error)
    }

    /// The domains that passed all checks.
    pub fn accepted(&self) -> impl Iterator<Item = &DomainSpec> {
        self.domains.iter().filter_map(|entry| entry.spec.as_ref())
    }
}

/// The machine as the tree describes it. Addresses are the CPUs' physical addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostSpec {
    /// RAM: sorted, not empty, neither touching nor overlapping.
    pub memory: Vec<Range>,
    /// What must not be used: the reservation block, `/reserved-memory` and an initial ramdisk
    /// for a dom0. Sorted; ranges may touch and overlap.
    pub reserved: Vec<Range>,
    /// All boot modules in tree order, also those of refused domains; one that several domains
    /// share is listed once.
    pub modules: Vec<Range>,
    /// The CPUs in tree order; those that are not available are left out.
    pub cpus: Vec<CpuNode>,
    /// How firmware is called for PSCI 0.2 or later.
    pub psci: Option<Conduit>,
    /// The interrupt controller.
    pub gic: Gic,
    /// The generic timer.
    pub timer: Timer,
    /// The console's UART.
    pub uart: Option<Uart>,
    /// SPIs that the tree mentions: the highest plus one, rounded up to 32. The distributor's
    /// GICD_TYPER is the authority; see [`DomainSpec::effective_spis`].
    pub host_spis: u32,
    /// What the boot loader gave to make random numbers from.
    pub rng_seed: Option<HostSeed>,
}

/// A CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuNode {
    /// MPIDR_EL1 affinity fields.
    pub mpidr: u64,
    /// How it is turned on.
    pub enable: Enable,
    /// The node's handle.
    pub phandle: Option<u32>,
    /// The first `compatible` string; empty when there is none.
    pub compatible: String,
    /// The whole `compatible` value as guests get it.
    pub compatible_list: Vec<u8>,
    /// `clock-frequency` in Hz.
    pub clock_frequency: Option<u32>,
}

/// A CPU's `enable-method`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enable {
    /// PSCI CPU_ON.
    Psci,
    /// Something else; empty when the property is missing. Such a CPU can only be the boot CPU.
    Other(String),
}

/// The instruction that calls firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduit {
    /// `SMC`.
    Smc,
    /// `HVC`.
    Hvc,
}

/// The interrupt controller (Arm IHI 0048 for version 2, IHI 0069 for version 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gic {
    /// Version 2 with virtualization extensions.
    V2 {
        /// GICD.
        distributor: Range,
        /// GICC.
        cpu: Range,
        /// GICH, the hypervisor's control interface.
        hyp: Range,
        /// GICV, the CPU interface that guests get.
        virt: Range,
        /// The maintenance interrupt.
        maintenance: IntId,
    },
    /// Version 3 or 4.
    V3 {
        /// GICD.
        distributor: Range,
        /// GICR regions, at least one.
        redistributors: Vec<Range>,
        /// Bytes from one redistributor to the next, where the tree overrides the usual.
        stride: Option<u64>,
        /// The maintenance interrupt.
        maintenance: IntId,
    },
}

/// What a GIC-400 looks like whose pages are wired for an operating system with pages of 64 KiB: each
/// page of 4 KiB is there 16 times, so that GICC and GICV have 128 KiB, and their second page, which holds
/// `GICC_DIR`, is not at 0x1000 but from 0x10000 on.
const REPEATED_BYTES: u64 = 0x2_0000;

impl Gic {
    /// Where the last repetition of the first page is: the second page is right behind it.
    pub const LAST_REPETITION: u64 = 0xf000;

    /// Whether GICC has the size that it has when its pages are repeated. Then `GICC_IIDR` in its first page and
    /// in [`Self::LAST_REPETITION`] tells, for [`Self::settle`]: some trees name the size without it.
    pub fn may_repeat_pages(&self) -> bool {
        matches!(self, Self::V2 { cpu, .. } if cpu.size() == REPEATED_BYTES)
    }

    /// With `GICC_IIDR` as read in both places: if the pages are repeated, GICC and GICV are from now on
    /// the two pages that lie together as the architecture has them (Arm IHI 0048, 4.1.2).
    pub fn settle(&mut self, first: u32, last: u32) {
        // Version 2, by Arm.
        let is_gicv2 = first & 0xf_0fff == 0x2_043b;
        if !self.may_repeat_pages() || !is_gicv2 || first != last {
            return;
        }
        if let Self::V2 { cpu, virt, .. } = self {
            *cpu = together(*cpu);
            *virt = together(*virt);
        }
    }

    /// The most vCPUs of a domain: Xen's limits.
    pub fn max_vcpus(&self) -> u16 {
        match self {
            Self::V2 { .. } => abi::arm::MAX_VCPUS_GICV2,
            Self::V3 { .. } => abi::arm::MAX_VCPUS_GICV3,
        }
    }
}

/// The two pages that lie together of what repeats its pages. One page if the tree names less: what seems
/// to be the second there is the first again.
fn together(window: Range) -> Range {
    let pages = Range::new(window.start() + Gic::LAST_REPETITION, 2 * PAGE_SIZE);
    match pages.filter(|pages| window.contains(*pages)) {
        Some(pages) => pages,
        None => Range::new(window.start(), PAGE_SIZE).unwrap_or(window),
    }
}

/// The generic timer's interrupts, all private to a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// EL1 virtual timer.
    pub virt: IntId,
    /// EL1 non-secure physical timer.
    pub phys: IntId,
    /// EL2 physical timer.
    pub hyp: IntId,
    /// In Hz, where firmware does not program CNTFRQ_EL0.
    pub clock_frequency: Option<u32>,
}

/// The console's UART.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uart {
    /// Its registers.
    pub range: Range,
    /// Its interrupt, if it has one.
    pub interrupt: Option<IntId>,
    /// What it is.
    pub kind: UartKind,
    /// The node's full path.
    pub path: String,
}

/// Kinds of UART that can be the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UartKind {
    /// PL011 (Arm DDI 0183).
    Pl011,
    /// The generic UART of Arm's Server Base System Architecture: a subset of the PL011.
    Sbsa,
}

/// A domain node, with what it describes if that passed all checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainEntry {
    /// The node's full path.
    pub path: String,
    /// Counted from 1 in tree order over all domain nodes, so that a refused domain does not
    /// renumber the others.
    pub id: DomId,
    /// `None`: refused, and the findings say why.
    pub spec: Option<DomainSpec>,
}

/// A domain to build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainSpec {
    /// The node's full path.
    pub path: String,
    /// The domain's number.
    pub id: DomId,
    /// vCPUs, 1 to 128.
    pub vcpus: u16,
    /// RAM in KiB, a multiple of 4.
    pub memory_kib: u64,
    /// Whether it has an emulated UART.
    pub vpl011: bool,
    /// SPIs, a multiple of 32 up to 960. Where `nr_spis` is not given this follows
    /// [`HostSpec::host_spis`].
    pub nr_spis: u32,
    /// `nr_spis` as given, not rounded.
    pub nr_spis_given: Option<u32>,
    /// Host ranges that are its RAM, page aligned; empty when RAM comes from the allocator.
    pub static_mem: Vec<Range>,
    /// Whether guest addresses equal host addresses.
    pub direct_map: bool,
    /// The kernel.
    pub kernel: Module,
    /// The initial ramdisk.
    pub ramdisk: Option<Module>,
    /// The kernel's command line; `None` when absent or empty.
    pub bootargs: Option<String>,
    /// For each vCPU, where it may run.
    pub affinity: Vec<VcpuAffinity>,
    /// Whether accesses to unmapped addresses abort; otherwise they read as ones and writes are
    /// ignored.
    pub trap_unmapped: bool,
    /// What of Xen it is told about.
    pub enhanced: Enhanced,
    /// Which parts of the ABI it may use and see.
    pub permits: Permits,
    /// Each vCPU's share of its CPU relative to others', as credit2's weight on Xen.
    pub weight: NonZeroU16,
    /// The highest event channel port that it may open, 1 to 131071.
    pub max_evtchn_port: Port,
    /// Its ends of the event channels that the tree makes.
    pub channels: Vec<Channel>,
}

/// `xen,enhanced`: what a guest's device tree says of the hypervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enhanced {
    /// Nothing.
    No,
    /// There is a hypervisor node, and no xenstore.
    NoXenstore,
}

/// One end of a static event channel (`xen,evtchn-v1`), of a pair that was checked: its peer, unless
/// that domain is refused, names this end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Channel {
    /// This end, 1 to the domain's highest port, at most 4095.
    pub port: Port,
    /// The other end's domain, which may be this one.
    pub peer: DomId,
    /// The other end.
    pub peer_port: Port,
}

impl DomainSpec {
    /// The weight where none is given: Xen's for credit2.
    pub const USUAL_WEIGHT: NonZeroU16 = NonZeroU16::new(256).unwrap();

    /// SPIs when the distributor says that the host has `host_spis`: what `nr_spis` gave, or
    /// the host's number, raised to hold the emulated UART's interrupt `uart_spi` (0-based), a
    /// multiple of 32, at most 960.
    pub fn effective_spis(&self, host_spis: u32, uart_spi: u32) -> u32 {
        let least = if self.vpl011 {
            uart_spi.saturating_add(1)
        } else {
            0
        };
        let wanted = self.nr_spis_given.unwrap_or(host_spis.max(least));
        wanted.min(MAX_ROUNDED_SPIS).next_multiple_of(32)
    }
}

/// The most SPIs of a domain that are a multiple of 32 and within the architecture's 988.
pub const MAX_ROUNDED_SPIS: u32 = abi::arm::MAX_SPIS / 32 * 32;

/// The highest port of a domain that does not say another: what Xen gives every domain of the boot
/// device tree.
pub const DEFAULT_MAX_EVTCHN_PORT: Port = Port(1023);

/// The CPUs that a vCPU may run on; `None`: any.
pub type VcpuAffinity = Option<CpuSet>;

/// A set of physical CPUs by logical number, at most 128.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuSet(pub u128);

impl CpuSet {
    /// The most CPUs.
    pub const MAX: u16 = 128;

    /// Whether `cpu` is in it.
    pub fn contains(self, cpu: CpuId) -> bool {
        cpu.0 < Self::MAX && self.0 >> cpu.0 & 1 != 0
    }

    /// Adds `cpu`; numbers from 128 up are not representable and change nothing.
    pub fn insert(&mut self, cpu: CpuId) {
        if cpu.0 < Self::MAX {
            self.0 |= 1 << cpu.0;
        }
    }
}

/// A boot module: bytes that the boot loader put into memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module {
    /// Where it lies.
    pub range: Range,
    /// The node's full path.
    pub path: String,
}
