//! Building a domain from its specification, but for what its RAM is filled with: that takes long, and
//! is left to [`filling`](super::filling).
//!
//! Everything that can be refused is checked before RAM is taken; what fails later gives all it
//! took back.

use abi::{CpuId, IntId, Ipa, PAGE_SIZE, Pa, VcpuId};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use machine::atomic::{AtomicBool, AtomicU16};

use domcfg::layout::{GuestGic, Layout};
use domcfg::{CpuSet, DomainSpec, Enhanced, HostSpec, VcpuAffinity, guest_tree, layout};
use evtchn::Events;
use grant::{Grants, Maptrack};
use machine::claim::Claim;
use machine::frames::{Extent, Frames, Module};
use machine::gic::Gic;
use machine::lock::Lock;
use machine::stage2::TablePool;
use machine::timer;
use machine::vcpu::{Stage2Base, Vcpu};
use sched::{CpuMask, SleeperId};
use stage2::{Format, Stage2};
use vgic::{Config, Version, Vgic};
use vuart::Vuart;

use super::filling::{Contents, Filling};
use super::image;
use super::memory::{Bank, Tables, control, format};
use super::page::Page;
use super::zeroing::Zeroing;
use super::{Domain, Emulated, Interface, Life, Map, Memory, Slot, Unmapped};
use crate::reclaim::Progress;

/// What building needs of the machine.
pub struct Site<'a> {
    /// The host.
    pub host: &'a HostSpec,
    /// Its interrupt controller.
    pub gic: &'a Gic,
    /// Its free RAM.
    pub frames: &'a mut Frames,
    /// How many CPUs are used.
    pub cpus: usize,
    /// The virtual timer's physical interrupt.
    pub virtual_timer: abi::IntId,
    /// When RAM is zeroed.
    pub zeroing: Zeroing,
}

/// RAM is given to guests in blocks of this size where it can.
const BLOCK: u64 = 2 << 20;
/// Tables beyond those for the first map: for RAM that is split later.
const SPARE_TABLES: u64 = 16;
/// The shared info page, and the frames that a grant table may have.
const OWN_PAGES: u64 = 1 + super::MAX_GRANT_FRAMES as u64;

/// The modules that a domain is made from.
pub struct Modules {
    /// Its kernel.
    pub kernel: Arc<Module>,
    /// Its ramdisk.
    pub ramdisk: Option<Arc<Module>>,
}

/// Builds the domain, which is to be filled before it starts. `home` is the number of its first vCPU
/// among those of all domains, which also says on which CPU it starts. The error is one line. (In a box, as
/// it is too large to be moved over the stack.)
pub fn build(
    site: &mut Site<'_>,
    spec: &DomainSpec,
    modules: Modules,
    home: usize,
) -> Result<Box<Domain>, String> {
    let layout = layout::layout(spec, site.host).map_err(|finding| format!("{finding}"))?;
    let image =
        image::open(modules.kernel).map_err(|error| format!("{}: {error}", spec.kernel.path))?;
    let placement =
        layout::place(spec, &layout, &image.kernel).map_err(|finding| format!("{finding}"))?;
    let tree = guest_tree::write(spec, site.host, &layout, placement.initrd)
        .map_err(|finding| format!("{finding}"))?;
    let devices = devices(site, spec, &layout)?;
    let state = lifecycle::Domain::new(spec.vcpus)
        .ok_or_else(|| format!("{}: cpus = {}: must be 1 to 128", spec.path, spec.vcpus))?;
    let contents = Contents {
        image,
        tree,
        ramdisk: modules.ramdisk,
    };
    let mut memory = memory(site, spec, &layout)?;
    let base = memory.tables.base;
    let mut places = contents.places(&placement);
    let prepared = memory.prepare(&mut places, site.zeroing);
    let (to_zero, events) = match (prepared, events(spec, &memory)) {
        (Ok(to_zero), Some(events)) => (to_zero, events),
        (prepared, events) => {
            // A page of the memory is in it.
            drop(events);
            give_back(site.frames, memory);
            return Err(match prepared {
                Err(error) => format!("{}: its RAM cannot be mapped: {error:?}", spec.path),
                Ok(_) => format!("{}: no memory for its event channels", spec.path),
            });
        }
    };
    let filling = Filling::new(memory, &placement, contents, to_zero);
    let life = Life {
        state,
        // It is where it is filled.
        memory: None,
        reclaim: Progress::Idle,
        watchdogs: Default::default(),
        heap: None,
        nowhere: Arc::new(Extent::none()),
        grants: Grants::new(grant::Config {
            domain: spec.id,
            max_frames: super::MAX_GRANT_FRAMES,
        }),
        maptrack: Maptrack::new(super::MAX_MAPPINGS),
    };
    Ok(Box::new(Domain {
        id: spec.id,
        path: spec.path.clone(),
        stage2: base,
        filling: Claim::new(Some(Box::new(filling))),
        control: Lock::new(life),
        devices: Lock::new(devices),
        events: Lock::new(events),
        interface: Interface {
            permits: spec.permits,
            is_direct_mapped: spec.direct_map,
            ram_end: ram_end(site.host),
            runstate_flag: AtomicBool::new(false),
        },
        map: map(spec, &layout),
        vcpus: slots(site, spec, base, home),
        last_ran: (0..site.cpus).map(|_| AtomicU16::new(0)).collect(),
        ending: AtomicBool::new(false),
        alarm: Default::default(),
        unzeroed: AtomicBool::new(false),
    }))
}

fn events(spec: &DomainSpec, memory: &Memory) -> Option<Events<Page>> {
    let config = evtchn::Config {
        domain: spec.id,
        vcpus: spec.vcpus,
        max_port: spec.max_evtchn_port,
    };
    Events::new(config, memory.own_page(0)?).ok()
}

/// The first byte behind the host's RAM.
fn ram_end(host: &HostSpec) -> u64 {
    host.memory.last().map_or(0, |bank| bank.end())
}

fn devices(site: &Site<'_>, spec: &DomainSpec, layout: &Layout) -> Result<Emulated, String> {
    let uart_spi = layout
        .uart
        .map_or(0, |uart| uart.interrupt.0.saturating_sub(IntId::FIRST_SPI));
    let version = match site.gic {
        Gic::V2(_) => Version::V2,
        Gic::V3(_) => Version::V3,
    };
    let config = Config {
        version,
        vcpus: spec.vcpus,
        spis: spec.effective_spis(site.gic.shared_interrupts(), uart_spi),
        list_registers: site.gic.list_registers().min(vgic::MAX_LIST_REGISTERS),
        hw_timer_pintid: Some(site.virtual_timer),
    };
    let mut vgic = Vgic::new(config)
        .map_err(|error| format!("{}: its interrupt controller: {error:?}", spec.path))?;
    vgic.only_edges(abi::arm::EVENT_UPCALL);
    Ok(Emulated {
        vgic,
        uart: spec.vpl011.then(Vuart::new),
    })
}

fn map(spec: &DomainSpec, layout: &Layout) -> Map {
    let (distributor, redistributors) = match &layout.gic {
        GuestGic::V2 { distributor, .. } => (*distributor, Vec::new()),
        GuestGic::V3 {
            distributor,
            redistributors,
        } => (*distributor, redistributors.clone()),
    };
    Map {
        distributor,
        redistributors: redistributors.into_boxed_slice(),
        uart: layout.uart.map(|uart| (uart.range, uart.interrupt)),
        unmapped: if spec.trap_unmapped {
            Unmapped::Aborts
        } else {
            Unmapped::ReadsOnes
        },
    }
}

fn slots(site: &Site<'_>, spec: &DomainSpec, base: Stage2Base, home: usize) -> Box<[Slot]> {
    let offset = timer::now();
    let affinities = spec
        .affinity
        .iter()
        .copied()
        .chain(core::iter::repeat(None));
    (0..spec.vcpus)
        .zip(affinities)
        .map(|(number, affinity)| {
            let allowed = allowed(affinity, site.cpus);
            let cpu = Vcpu::new(abi::arm::vcpu_affinity(number), base, offset);
            // Fewer than 257, as the caller has seen to.
            let among_all = home + usize::from(number);
            let home = nth(allowed, among_all % site.cpus.max(1));
            Slot::new(
                VcpuId(number),
                SleeperId(among_all as u16),
                cpu,
                allowed,
                spec.weight.into(),
                home,
            )
        })
        .collect()
}

fn allowed(affinity: VcpuAffinity, cpus: usize) -> CpuMask {
    let all = crate::schedule::all_cpus(cpus);
    let Some(CpuSet(bits)) = affinity else {
        return all;
    };
    let mut mask = CpuMask::EMPTY;
    for cpu in all.iter().filter(|cpu| bits >> cpu.0 & 1 != 0) {
        mask.insert(cpu);
    }
    if mask.is_empty() { all } else { mask }
}

fn nth(mask: CpuMask, wanted: usize) -> CpuId {
    let count = (mask.len() as usize).max(1);
    mask.iter().nth(wanted % count).unwrap_or(CpuId(0))
}

fn memory(site: &mut Site<'_>, spec: &DomainSpec, layout: &Layout) -> Result<Memory, String> {
    let format = format().ok_or("this CPU's stage 2 is not supported")?;
    let banks = banks(site.frames, spec, layout)?;
    match map_all(site, spec, layout, format, banks) {
        Ok(memory) => Ok(memory),
        Err((error, banks)) => {
            for bank in banks {
                release(site.frames, bank.extent);
            }
            Err(format!("{}: {error}", spec.path))
        }
    }
}

fn banks(frames: &mut Frames, spec: &DomainSpec, layout: &Layout) -> Result<Vec<Bank>, String> {
    let mut banks = Vec::new();
    let result = if layout.backing.is_empty() {
        allocate(frames, layout, &mut banks)
    } else {
        layout.backing.iter().try_for_each(|backing| {
            let extent = frames.take(backing.host).ok_or(backing.host.size())?;
            banks.push(Bank::new(backing.ipa, extent));
            Ok(())
        })
    };
    result.map_err(|missing: u64| {
        for bank in banks.drain(..) {
            release(frames, bank.extent);
        }
        let wanted = spec.memory_kib;
        format!(
            "{}: memory = {wanted} KiB: {} KiB of it are not free",
            spec.path,
            missing >> 10
        )
    })?;
    Ok(banks)
}

/// Takes RAM for every bank, in as few pieces as there are. The error is how many bytes are missing.
fn allocate(frames: &mut Frames, layout: &Layout, banks: &mut Vec<Bank>) -> Result<(), u64> {
    for bank in &layout.banks {
        let mut ipa = bank.start();
        while ipa < bank.end() {
            let left = bank.end() - ipa;
            let extent = whole(frames, left)
                .or_else(|| frames.allocate_largest(left, BLOCK))
                .or_else(|| frames.allocate_largest(left, PAGE_SIZE))
                .ok_or(left)?;
            let size = extent.range().size();
            banks.push(Bank::new(Ipa(ipa), extent));
            ipa += size;
        }
    }
    Ok(())
}

fn whole(frames: &mut Frames, bytes: u64) -> Option<Extent> {
    if bytes >= 1 << 30
        && let Some(extent) = frames.allocate(bytes, 1 << 30)
    {
        return Some(extent);
    }
    frames.allocate(bytes, BLOCK)
}

type Failed = (String, Vec<Bank>);

fn map_all(
    site: &mut Site<'_>,
    spec: &DomainSpec,
    layout: &Layout,
    format: Format,
    banks: Vec<Bank>,
) -> Result<Memory, Failed> {
    let ranges = banks.iter().map(|bank| {
        let range = bank.extent.range();
        (bank.ipa, Pa(range.start()), range.size())
    });
    // A domain that knows the hypervisor may have any of its blocks split.
    let splits = match spec.enhanced {
        Enhanced::No => 0,
        Enhanced::NoXenstore => spec.memory_kib.div_ceil(BLOCK >> 10),
    };
    let more: u64 = banks
        .iter()
        .map(|bank| site.zeroing.more_tables(bank))
        .sum();
    let tables = match Stage2::tables_needed(format, ranges) {
        Ok(tables) => tables + more + format.root_pages() as u64 + SPARE_TABLES + splits,
        Err(error) => return Err((format!("its RAM cannot be mapped: {error:?}"), banks)),
    };
    let extent = site.frames.allocate(tables * PAGE_SIZE, format.root_size());
    let Some(extent) = extent else {
        return Err((String::from("no memory for its tables"), banks));
    };
    let mut pool = TablePool::new(extent);
    let root = pool.allocate_root(format.root_pages() as u64);
    let stage2 = root.and_then(|root| Stage2::new(root, format));
    let (Some(root), Some(stage2)) = (root, stage2) else {
        let _ = site.frames.release(pool.into_extent());
        return Err((String::from("no root for its tables"), banks));
    };
    let base = Stage2Base {
        root,
        vmid: spec.id.0 as u8,
        control: control(format),
    };
    let Some(own) = site.frames.allocate(OWN_PAGES * PAGE_SIZE, PAGE_SIZE) else {
        let _ = site.frames.release(pool.into_extent());
        return Err((String::from("no memory for its shared pages"), banks));
    };
    own.zero(0, own.range().size());
    // The wall clock was never set: read once, as on Xen, it says 1970.
    own.store32(u64::from(abi::shared_info::WC_VERSION_OFFSET), 2);
    let mut memory = Memory {
        banks,
        stage2: Some(stage2),
        tables: Tables { pool, base },
        own: Arc::new(own),
        shared_info_at: None,
        given_up: 0,
        unzeroed_blocks: 0,
        unzeroed_hint: (0, 0),
    };
    match map_devices(site, layout, &mut memory) {
        Ok(()) => Ok(memory),
        Err(error) => {
            let _ = site.frames.release(memory.tables.pool.into_extent());
            release(site.frames, memory.own);
            Err((error, memory.banks))
        }
    }
}

/// Gives RAM back that nobody else holds.
fn release(frames: &mut Frames, extent: Arc<Extent>) {
    if let Some(extent) = Arc::into_inner(extent) {
        let _ = frames.release(extent);
    }
}

fn map_devices(site: &Site<'_>, layout: &Layout, memory: &mut Memory) -> Result<(), String> {
    if let (GuestGic::V2 { cpu, .. }, domcfg::Gic::V2 { virt, .. }) = (&layout.gic, &site.host.gic)
    {
        // The hardware's virtual CPU interface is the guest's CPU interface.
        let bytes = cpu.size().min(virt.size());
        memory
            .map_device(Ipa(cpu.start()), Pa(virt.start()), bytes)
            .map_err(|error| format!("its CPU interface cannot be mapped: {error:?}"))?;
    }
    Ok(())
}

fn give_back(frames: &mut Frames, memory: Memory) {
    for bank in memory.banks {
        release(frames, bank.extent);
    }
    release(frames, memory.own);
    let _ = frames.release(memory.tables.pool.into_extent());
}
