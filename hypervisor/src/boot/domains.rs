//! Building all domains of the boot tree: each that cannot be built is said in one line, and the
//! others are.

use abi::Range;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use ::console::Level;
use domcfg::{DEFAULT_MAX_EVTCHN_PORT, DomainSpec, Enhanced};
use evtchn::Events;
use grant::{Grants, Maptrack};
use machine::frames::{Frames, Module};
use machine::gic::Gic;
use machine::heap::Arena;

use super::{Early, info};
use crate::console::{Console, Source};
use crate::domain::build::{Modules, Site, build};
use crate::domain::workspace::{WORKSPACE_BYTES, Workspaces};
use crate::domain::zeroing::Zeroing;
use crate::domain::{Domain, MAX_GRANT_FRAMES, MAX_MAPPINGS, Page, channels};
use crate::schedule::MOST_VCPUS;
use crate::system::HostInterrupts;

/// The size of the heap's growth steps.
const HEAP_STEP: u64 = 64 << 10;
/// What a domain's event channels, its grant table and its mappings take of the heap at most.
const SHARING_BYTES: u64 = 2 << 20;
/// The part of it for event channels: as many ports as a domain has by default, and what goes with
/// their delivery.
const EVENTS_BYTES: u64 = 128 << 10;

// What one domain takes beyond its own room is not there for the others.
const _: () = {
    let granted = Grants::<Page, Page>::most_bytes(MAX_GRANT_FRAMES);
    let mapped = Maptrack::most_bytes(MAX_MAPPINGS);
    assert!(Events::<Page>::most_bytes(DEFAULT_MAX_EVTCHN_PORT) <= EVENTS_BYTES / 2);
    assert!(EVENTS_BYTES + granted + mapped <= SHARING_BYTES);
};

/// Builds all domains, each to be filled before it starts. Modules that none of them is made from are
/// free RAM from then on.
#[inline(never)]
pub(super) fn build_all(
    early: &mut Early,
    gic: &Gic,
    interrupts: HostInterrupts,
    cpus: usize,
) -> Vec<Domain> {
    let ranges = early.spec.host.modules.clone();
    let modules: Vec<Arc<Module>> = ranges
        .iter()
        .filter_map(|range| early.frames.module(*range))
        .map(Arc::new)
        .collect();
    let count = early.spec.accepted().count();
    // All domains' room at once: growing it domain by domain would copy them and leave holes.
    if !grow_heap(&mut early.frames, (size_of::<Domain>() * count) as u64) {
        super::stop(
            &mut early.console,
            format_args!("no memory to describe the domains\n"),
        );
    }
    let mut domains = Vec::with_capacity(count);
    let mut home = 0;
    for entry in &early.spec.domains {
        let Some(spec) = &entry.spec else { continue };
        let heap = match room(&mut early.frames, spec, home) {
            Ok(heap) => heap,
            Err(rule) => {
                early.console.print(
                    Source::Host(Level::Error),
                    format_args!("{}: {rule}: not built\n", spec.path),
                );
                continue;
            }
        };
        info(
            &mut early.console,
            format_args!("*** LOADING DOMU {} ({}) ***\n", spec.id, spec.path),
        );
        let mut site = Site {
            host: &early.spec.host,
            gic,
            frames: &mut early.frames,
            cpus,
            virtual_timer: interrupts.virtual_timer,
            zeroing: match early.spec.command_line.bootscrub {
                domcfg::BootScrub::On => Zeroing::AtBuild,
                domcfg::BootScrub::Idle => Zeroing::OnDemand,
            },
        };
        let built = match modules_of(spec, &modules) {
            Some(modules) => build(&mut site, spec, modules, home),
            None => Err(format!("{}: a module is not in free RAM", spec.path)),
        };
        match built {
            Ok(mut domain) => {
                domain.control.get_mut().heap = Some(heap);
                channels::connect(&mut domain, &spec.channels, &mut domains);
                home += usize::from(spec.vcpus);
                early.console.add(domain.id);
                describe(&mut early.console, spec, &mut domain);
                domains.push(*domain);
            }
            Err(error) => {
                early.console.print(
                    Source::Host(Level::Error),
                    format_args!("{error}: not built\n"),
                );
                drop(error);
                if let Some(free) = machine::heap::shrink(heap) {
                    let _ = early.frames.release(free);
                }
            }
        }
    }
    for module in modules.into_iter().filter_map(Arc::into_inner) {
        // What cannot be tracked stays out of use.
        let _ = early.frames.release_module(module);
    }
    domains
}

fn modules_of(spec: &DomainSpec, modules: &[Arc<Module>]) -> Option<Modules> {
    let at = |range: Range| {
        modules
            .iter()
            .find(|module| module.range() == range)
            .cloned()
    };
    Some(Modules {
        kernel: at(spec.kernel.range)?,
        ramdisk: match &spec.ramdisk {
            Some(ramdisk) => Some(at(ramdisk.range)?),
            None => None,
        },
    })
}

fn describe(console: &mut Console, spec: &DomainSpec, domain: &mut Domain) {
    let entry = domain
        .filling
        .try_claim()
        .and_then(|filling| Some(filling.as_ref()?.entry().address));
    info(
        console,
        format_args!(
            "{}: {} vCPUs, {} MiB, entry {:#x}\n",
            domain.id,
            spec.vcpus,
            spec.memory_kib >> 10,
            entry.unwrap_or(0)
        ),
    );
}

/// What kernels are unpacked in, as many at a time as there are CPUs. Where no RAM is left for it, what
/// the heap has left is used.
pub(super) fn workspaces(frames: &mut Frames, domains: &mut [Domain], cpus: usize) -> Workspaces {
    let packed = domains
        .iter_mut()
        .filter_map(|domain| domain.filling.try_claim())
        .filter(|filling| filling.as_ref().is_some_and(|filling| filling.is_packed()))
        .count();
    let wanted = packed.min(cpus);
    let extent = match wanted {
        0 => None,
        _ => frames.allocate(WORKSPACE_BYTES * wanted as u64, abi::PAGE_SIZE),
    };
    Workspaces::new(wanted, extent.map(machine::heap::grow))
}

/// Makes room on the heap for a domain, beside `vcpus` vCPUs that are there already; or why it cannot
/// be built, in words.
fn room(frames: &mut Frames, spec: &DomainSpec, vcpus: usize) -> Result<Arena, &'static str> {
    if spec.id.0 > u16::from(u8::MAX) {
        return Err("its number is more than a translation identifier holds (255)");
    }
    if vcpus + usize::from(spec.vcpus) > MOST_VCPUS {
        return Err("with it there are more than 256 vCPUs");
    }
    // Its vCPUs; a bit for each page; event channels and grants, a byte for each page of which there
    // may be some: for them only a domain that knows of them finds much room, apart from ports that its node
    // asks for.
    let shared = match spec.enhanced {
        Enhanced::No => 64 << 10,
        Enhanced::NoXenstore => SHARING_BYTES + spec.memory_kib / 4,
    };
    let ports = Events::<Page>::most_bytes(spec.max_evtchn_port)
        .saturating_sub(Events::<Page>::most_bytes(DEFAULT_MAX_EVTCHN_PORT));
    let wanted = u64::from(spec.vcpus) * (4 << 10) + spec.memory_kib / 16 + shared + ports;
    let extent = frames.allocate(wanted.next_multiple_of(HEAP_STEP), abi::PAGE_SIZE);
    extent
        .map(machine::heap::grow)
        .ok_or("no memory is left to describe it")
}

/// Gives the heap so many bytes more for good, which may be none.
pub(super) fn grow_heap(frames: &mut Frames, bytes: u64) -> bool {
    if bytes == 0 {
        return true;
    }
    let extent = frames.allocate(bytes.next_multiple_of(HEAP_STEP), abi::PAGE_SIZE);
    extent.map(machine::heap::grow).is_some()
}

/// Erases the device tree, as seeds of random numbers are in it, and makes it free RAM.
pub(super) fn give_back_tree(early: &mut Early) {
    if let Some(tree) = early.tree.take() {
        // What cannot be tracked stays out of use.
        let _ = early.frames.erase_module(tree);
    }
}
