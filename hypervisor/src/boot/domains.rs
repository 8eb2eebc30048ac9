//! Building all domains of the boot tree: each that cannot be built is said in one line, and the
//! others are.

use abi::Range;
use alloc::format;
use alloc::vec::Vec;

use ::console::Level;
use domcfg::{DEFAULT_MAX_EVTCHN_PORT, DomainSpec, Enhanced};
use evtchn::Events;
use grant::{Grants, Maptrack};
use machine::frames::{Frames, Module};
use machine::gic::Gic;
use machine::heap::Arena;

use super::{Early, info};
use crate::console::Source;
use crate::domain::build::{Built, Site, build};
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

/// What building gave.
pub(super) struct BuiltAll {
    pub(super) domains: Vec<Domain>,
    pub(super) starts: Vec<lifecycle::Entry>,
    pub(super) modules: Vec<Module>,
}

pub(super) fn build_all(
    early: &mut Early,
    gic: &Gic,
    interrupts: HostInterrupts,
    cpus: usize,
) -> BuiltAll {
    let ranges = early.spec.host.modules.clone();
    let mut modules: Vec<Module> = ranges
        .iter()
        .filter_map(|range| early.frames.module(*range))
        .collect();
    let count = early.spec.accepted().count();
    // All domains' room at once: growing it domain by domain would copy them and leave holes.
    if !grow_heap(&mut early.frames, (size_of::<Domain>() * count) as u64) {
        super::stop(
            &mut early.console,
            format_args!("no memory to describe the domains\n"),
        );
    }
    let mut result = BuiltAll {
        domains: Vec::with_capacity(count),
        starts: Vec::with_capacity(count),
        modules: Vec::new(),
    };
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
        let content = |range: Range| {
            modules
                .iter()
                .find(|module| module.range() == range)
                .map(Module::bytes)
        };
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
        let ramdisk = spec.ramdisk.as_ref().map(|ramdisk| content(ramdisk.range));
        let built = match (content(spec.kernel.range), ramdisk) {
            (Some(kernel), None) => build(&mut site, spec, kernel, None, home),
            (Some(kernel), Some(Some(ramdisk))) => {
                build(&mut site, spec, kernel, Some(ramdisk), home)
            }
            _ => Err(format!("{}: a module is not in free RAM", spec.path)),
        };
        match built {
            Ok(Built { mut domain, entry }) => {
                domain.control.get_mut().heap = Some(heap);
                channels::connect(&mut domain, &spec.channels, &mut result.domains);
                home += usize::from(spec.vcpus);
                early.console.add(domain.id);
                info(
                    &mut early.console,
                    format_args!(
                        "{}: {} vCPUs, {} MiB, entry {:#x}\n",
                        domain.id,
                        spec.vcpus,
                        spec.memory_kib >> 10,
                        entry.address
                    ),
                );
                result.domains.push(domain);
                result.starts.push(entry);
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
    result.modules.append(&mut modules);
    result
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

pub(super) fn give_back_modules(early: &mut Early, modules: &mut Vec<Module>) {
    for module in modules.drain(..) {
        // What cannot be tracked stays out of use.
        let _ = early.frames.release_module(module);
    }
    let Some(tree) = early.tree.take() else {
        return;
    };
    let range = tree.range();
    let _ = early.frames.release_module(tree);
    // Seeds of random numbers are in it.
    if let Some(extent) = early.frames.take(range) {
        extent.zero(0, range.size());
        let _ = early.frames.release(extent);
    }
}
