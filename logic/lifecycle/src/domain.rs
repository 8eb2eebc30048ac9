//! A domain's state, who of it may run, and pausing.

use abi::{VcpuId, VcpuSet};

use crate::vcpu::{Block, Entry, Power, Vcpu};
use crate::{Effects, Reason};

/// Where a domain is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DomainState {
    /// Being put together; nothing of it has run.
    Building,
    /// Alive.
    Running,
    /// About to stop: these vCPUs still have a request in flight.
    Stopping {
        /// The first reason given.
        reason: Reason,
        /// vCPUs whose request has not been answered yet. Never empty.
        waiting: VcpuSet,
    },
    /// Stopped; can be resumed or destroyed.
    Stopped(Reason),
    /// Being destroyed: these vCPUs may still be on a physical CPU. When it is empty the memory is
    /// being reclaimed.
    Dying {
        /// vCPUs not yet known to be off.
        on_cpu: VcpuSet,
    },
    /// Nothing is left but its number.
    Dead,
}

/// Why an operation was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateError {
    /// The domain is in a state in which this cannot be done.
    WrongState,
    /// An unpause without a pause.
    NotPaused,
    /// The pause count is at its limit.
    TooManyPauses,
    /// The domain has no such vCPU.
    NoSuchVcpu,
}

/// Most vCPUs of a domain.
const MAX: usize = VcpuSet::MAX as usize;

/// A domain's state and that of its vCPUs.
#[derive(Clone, Debug)]
pub struct Domain {
    pub(crate) state: DomainState,
    /// Why it will stop, if it said so.
    pub(crate) recorded: Option<Reason>,
    pauses: u16,
    count: u16,
    vcpus: [Vcpu; MAX],
}

impl Domain {
    /// A domain of `vcpu_count` vCPUs (1 to 128), all off, being built. `None` for another count.
    pub const fn new(vcpu_count: u16) -> Option<Self> {
        if vcpu_count == 0 || vcpu_count > VcpuSet::MAX {
            return None;
        }
        let (state, vcpus) = (DomainState::Building, [Vcpu::OFF; MAX]);
        Some(Self {
            state,
            recorded: None,
            pauses: 0,
            count: vcpu_count,
            vcpus,
        })
    }

    /// Where it is in its life.
    pub fn state(&self) -> DomainState {
        self.state
    }

    /// Its vCPUs.
    pub fn vcpu_count(&self) -> u16 {
        self.count
    }

    /// Power state of `vcpu`; `Off` if there is none.
    pub fn power(&self, vcpu: VcpuId) -> Power {
        self.vcpu(vcpu).map_or(Power::Off, |v| v.power)
    }

    /// How many pauses of the domain are in force.
    pub fn pause_count(&self) -> u16 {
        self.pauses
    }

    /// Whether `vcpu` may be on a physical CPU. The one question that a run queue asks.
    pub fn runnable(&self, vcpu: VcpuId) -> bool {
        self.state == DomainState::Running
            && self.pauses == 0
            && self.vcpu(vcpu).is_some_and(Vcpu::ready)
    }

    /// The vCPUs that have a request in flight, for [`shutdown`](Self::shutdown).
    pub fn in_flight(&self) -> VcpuSet {
        self.set_of(|_, vcpu| vcpu.block == Some(Block::Io))
    }

    /// The domain is built: vCPU 0 runs, from `entry` on.
    pub fn start(&mut self, entry: Entry) -> Result<Effects, StateError> {
        if self.state != DomainState::Building {
            return Err(StateError::WrongState);
        }
        Ok(self.change(|domain| {
            domain.state = DomainState::Running;
            if let Some(vcpu) = domain.vcpu_mut(VcpuId(0)) {
                vcpu.power = Power::OnPending(entry);
            }
        }))
    }

    /// Where `vcpu`, about to run for the first time since it was turned on, starts: set its
    /// registers as after a reset. `None` ever after, and for one that may not run.
    pub fn take_entry(&mut self, vcpu: VcpuId) -> Option<Entry> {
        if !self.runnable(vcpu) {
            return None;
        }
        let vcpu = self.vcpu_mut(vcpu)?;
        let Power::OnPending(entry) = vcpu.power else {
            return None;
        };
        vcpu.power = Power::On;
        Some(entry)
    }

    /// `vcpu` waits. Whether it was on a CPU is known to the caller: there is no effect.
    pub fn block(&mut self, vcpu: VcpuId, block: Block) {
        if let Some(vcpu) = self.vcpu_mut(vcpu).filter(|v| v.block != Some(Block::Io)) {
            vcpu.block = Some(block);
        }
    }

    /// An interrupt or event for `vcpu`: ends its wait for one.
    pub fn wake(&mut self, vcpu: VcpuId) -> Effects {
        self.unblock(vcpu, Block::Event)
    }

    /// Keeps all vCPUs off the CPUs until a matching [`unpause`](Self::unpause).
    pub fn pause(&mut self) -> Result<Effects, StateError> {
        let pauses = one_more(self.pauses)?;
        Ok(self.change(|domain| domain.pauses = pauses))
    }

    /// Takes back one pause.
    pub fn unpause(&mut self) -> Result<Effects, StateError> {
        let pauses = one_less(self.pauses)?;
        Ok(self.change(|domain| domain.pauses = pauses))
    }

    /// Keeps `vcpu` off the CPUs until a matching [`unpause_vcpu`](Self::unpause_vcpu).
    pub fn pause_vcpu(&mut self, vcpu: VcpuId) -> Result<Effects, StateError> {
        self.set_vcpu_pauses(vcpu, one_more)
    }

    /// Takes back one pause of `vcpu`.
    pub fn unpause_vcpu(&mut self, vcpu: VcpuId) -> Result<Effects, StateError> {
        self.set_vcpu_pauses(vcpu, one_less)
    }

    fn set_vcpu_pauses(
        &mut self,
        vcpu: VcpuId,
        next: fn(u16) -> Result<u16, StateError>,
    ) -> Result<Effects, StateError> {
        let pauses = next(self.vcpu(vcpu).ok_or(StateError::NoSuchVcpu)?.pauses)?;
        Ok(self.change(|domain| {
            if let Some(vcpu) = domain.vcpu_mut(vcpu) {
                vcpu.pauses = pauses;
            }
        }))
    }

    /// Ends `vcpu`'s wait if it waits for `block`.
    pub(crate) fn unblock(&mut self, vcpu: VcpuId, block: Block) -> Effects {
        let Some(blocked) = self.vcpu_mut(vcpu).filter(|v| v.block == Some(block)) else {
            return Effects::NONE;
        };
        blocked.block = None;
        let wake = if self.runnable(vcpu) {
            VcpuSet::of(vcpu)
        } else {
            VcpuSet::EMPTY
        };
        Effects {
            wake,
            ..Effects::NONE
        }
    }

    /// Makes a change; its effects are who may run now and who may no longer.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut Self)) -> Effects {
        let before = self.runnable_set();
        change(self);
        let after = self.runnable_set();
        let only_in = |these: VcpuSet, those: VcpuSet| {
            self.set_of(|vcpu, _| these.contains(vcpu) && !those.contains(vcpu))
        };
        let (deschedule, wake) = (only_in(before, after), only_in(after, before));
        Effects {
            deschedule,
            wake,
            ..Effects::NONE
        }
    }

    fn runnable_set(&self) -> VcpuSet {
        if self.state != DomainState::Running || self.pauses != 0 {
            return VcpuSet::EMPTY;
        }
        self.set_of(|_, vcpu| vcpu.ready())
    }

    pub(crate) fn vcpu(&self, vcpu: VcpuId) -> Option<&Vcpu> {
        self.vcpus
            .get(..usize::from(self.count))?
            .get(usize::from(vcpu.0))
    }

    pub(crate) fn vcpu_mut(&mut self, vcpu: VcpuId) -> Option<&mut Vcpu> {
        self.vcpus
            .get_mut(..usize::from(self.count))?
            .get_mut(usize::from(vcpu.0))
    }

    pub(crate) fn all(&self) -> VcpuSet {
        VcpuSet::first(self.count)
    }

    pub(crate) fn set_of(&self, wanted: impl Fn(VcpuId, &Vcpu) -> bool) -> VcpuSet {
        let mut set = VcpuSet::EMPTY;
        for (id, vcpu) in (0..self.count).zip(&self.vcpus) {
            if wanted(VcpuId(id), vcpu) {
                set.insert(VcpuId(id));
            }
        }
        set
    }
}

fn one_more(pauses: u16) -> Result<u16, StateError> {
    pauses.checked_add(1).ok_or(StateError::TooManyPauses)
}

fn one_less(pauses: u16) -> Result<u16, StateError> {
    pauses.checked_sub(1).ok_or(StateError::NotPaused)
}
