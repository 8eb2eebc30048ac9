//! The root: everything that all CPUs share.

use abi::{CpuId, DomId, IntId};
use alloc::boxed::Box;
use core::fmt;
use machine::atomic::{AtomicBool, AtomicU32, Ordering};

use machine::Conduit;
use machine::frames::Frames;
use machine::gic::Gic;
use machine::lock::{Before, Lock, Output, RunQueue, Table, Token};
use machine::once::Once;

use crate::chores::Chores;
use crate::console::{Console, Source};
use crate::domain::Domain;
use crate::domain::workspace::Workspaces;
use crate::listing::Listing;
use crate::schedule::Queue;
use crate::statistics::Statistics;
use crate::watchdog::Alarm;

/// The one root, set at the end of the boot.
pub static SYSTEM: Once<&'static System> = Once::new();

/// What all CPUs share.
pub struct System {
    /// The host's interrupt controller.
    pub gic: Gic,
    /// The host's own interrupts.
    pub interrupts: HostInterrupts,
    /// How firmware is called, if it can be.
    pub conduit: Option<Conduit>,
    /// The CPUs, by their logical number.
    pub cpus: Box<[Cpu]>,
    /// The domains that were built, in tree order.
    pub domains: Box<[Domain]>,
    /// The console.
    pub console: Lock<Console, Output>,
    /// The free RAM.
    pub frames: Lock<Box<Frames>, Table>,
    /// How much is to be done that is for no guest that runs.
    pub chores: Chores,
    /// What somebody at the console wants to be listed.
    pub listing: Listing,
    /// What kernels are unpacked in, until all domains are filled.
    pub workspaces: Lock<Workspaces, Table>,
    /// When the first watchdog of all domains expires, or earlier.
    pub alarm: Alarm,
    /// Domains of whose RAM some may wait to be zeroed.
    pub unzeroed: AtomicU32,
    /// Domains that have not ended.
    pub alive: AtomicU32,
    /// Whether a guest's WFI and WFE are exits (`vwfi=trap`).
    pub trap_wait: bool,
}

/// The interrupts that the hypervisor itself takes.
#[derive(Clone, Copy, Debug)]
pub struct HostInterrupts {
    /// The guest's virtual timer.
    pub virtual_timer: IntId,
    /// EL2's own timer.
    pub timer: IntId,
    /// The virtual CPU interface's maintenance interrupt.
    pub maintenance: IntId,
    /// The console UART's.
    pub uart: Option<IntId>,
}

/// A physical CPU.
pub struct Cpu {
    /// Its logical number.
    pub id: CpuId,
    /// Who runs and who waits here.
    pub queue: Lock<Queue, RunQueue>,
    /// It has nothing to run.
    pub idle: AtomicBool,
    /// It came up.
    pub online: AtomicBool,
    /// It should choose anew whom it runs; a kick says that it should look.
    pub choose: AtomicBool,
    /// What its guests stopped for.
    pub statistics: Statistics,
}

impl System {
    /// The domain with this number.
    pub fn domain(&self, id: DomId) -> Option<&Domain> {
        // Numbers are in tree order from 1 on; those of domains that were not built are missing.
        match self.domains.get(usize::from(id.0).wrapping_sub(1)) {
            Some(domain) if domain.id == id => Some(domain),
            _ => self.domain_behind_gap(id),
        }
    }

    #[cold]
    fn domain_behind_gap(&self, id: DomId) -> Option<&Domain> {
        self.domains.iter().find(|domain| domain.id == id)
    }

    /// A CPU by its logical number.
    pub fn cpu(&self, id: CpuId) -> Option<&Cpu> {
        self.cpus.get(usize::from(id.0))
    }

    /// Has `cpu` choose anew whom it runs.
    pub fn kick_to_choose(&self, cpu: &Cpu) {
        cpu.choose.store(true, Ordering::Release);
        self.gic.kick(cpu.id);
    }

    /// Prints a message, if its level passes.
    pub fn log<R: Before<Output>>(
        &self,
        token: &mut Token<R>,
        source: Source,
        message: fmt::Arguments<'_>,
    ) {
        self.console.lock(token).print(source, message);
    }
}
