//! A small machine around a domain: a scheduler that is late, and a device model that answers when
//! it likes. It applies the effects and checks after each step what must always hold.

use std::collections::BTreeSet;

use abi::{VcpuId, VcpuSet};

use super::ENTRY;
use crate::{Block, Domain, DomainState, Effects, Power, PsciError, Reason};

/// One access of a vCPU to a device model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Access {
    NotMade,
    Sent,
    Completed,
}

/// One step of one party.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Start,
    Shutdown(Reason),
    Crash,
    Resume,
    Destroy,
    Reclaimed,
    Pause,
    Unpause,
    PauseVcpu(u16),
    UnpauseVcpu(u16),
    /// The scheduler puts a vCPU from its queue on a CPU.
    RunVcpu(u16),
    /// A vCPU leaves its CPU: preempted, or because it had to.
    Leave(u16),
    /// The vCPU on a CPU reaches its access.
    Send(u16),
    /// The device model answers.
    Answer(u16),
    Wfi(u16),
    Event(u16),
    CpuOn(u16, u16),
    CpuOff(u16),
    SystemOff(u16),
    SystemSuspend(u16),
}

/// What the rest of the system knows of the domain.
#[derive(Clone)]
pub(super) struct World {
    pub(super) domain: Domain,
    queued: BTreeSet<u16>,
    on_cpu: BTreeSet<u16>,
    /// Told to leave and not confirmed.
    leaving: BTreeSet<u16>,
    pub(super) access: Vec<Access>,
    reclaiming: bool,
}

impl World {
    pub(super) fn new(vcpus: u16) -> Self {
        Self {
            domain: Domain::new(vcpus).unwrap(),
            queued: BTreeSet::new(),
            on_cpu: BTreeSet::new(),
            leaving: BTreeSet::new(),
            access: vec![Access::NotMade; vcpus.into()],
            reclaiming: false,
        }
    }

    /// Two worlds with the same key behave the same.
    pub(super) fn key(&self) -> String {
        let count = self.domain.vcpu_count();
        let vcpus: Vec<_> = (0..count).map(|v| self.domain.vcpu(VcpuId(v))).collect();
        format!(
            "{:?} {} {vcpus:?} {:?} {:?} {:?} {}",
            self.domain.state(),
            self.domain.pause_count(),
            self.on_cpu,
            self.leaving,
            self.access,
            self.reclaiming,
        )
    }

    /// Makes one step; `false`, with nothing changed, if it is not possible now.
    pub(super) fn step(&mut self, action: Action) -> bool {
        let before = self.domain.state();
        let Some(effects) = self.perform(action) else {
            return false;
        };
        self.apply(effects);
        self.check(before, effects);
        true
    }

    fn perform(&mut self, action: Action) -> Option<Effects> {
        let domain = &mut self.domain;
        match action {
            Action::Start => domain.start(ENTRY).ok(),
            Action::Shutdown(reason) => Some(domain.shutdown(reason, domain.in_flight())),
            Action::Crash => Some(domain.crash(Reason::Crash)),
            Action::Resume => domain.resume().ok(),
            Action::Destroy => domain.destroy().ok(),
            Action::Reclaimed => {
                if domain.reclaimed().is_ok() {
                    assert!(self.reclaiming, "dead before it was asked to reclaim");
                    return Some(Effects::NONE);
                }
                None
            }
            Action::Pause if domain.pause_count() == 0 => domain.pause().ok(),
            Action::Pause => None,
            Action::Unpause => domain.unpause().ok(),
            Action::PauseVcpu(v) if domain.vcpu(VcpuId(v))?.pauses == 0 => {
                domain.pause_vcpu(VcpuId(v)).ok()
            }
            Action::PauseVcpu(_) => None,
            Action::UnpauseVcpu(v) => domain.unpause_vcpu(VcpuId(v)).ok(),
            Action::RunVcpu(v) => self.run_vcpu(v),
            Action::Leave(v) => self.on_cpu.remove(&v).then(|| self.left(v)),
            Action::Event(v) => Some(domain.wake(VcpuId(v))),
            Action::Answer(v) => self.answer(v),
            _ => self.guest_does(action),
        }
    }

    fn run_vcpu(&mut self, v: u16) -> Option<Effects> {
        // It may still be on another CPU on its way out.
        if !self.queued.contains(&v) || !self.on_cpu.insert(v) {
            return None;
        }
        assert!(self.domain.runnable(VcpuId(v)));
        let pending = matches!(self.domain.power(VcpuId(v)), Power::OnPending(_));
        assert_eq!(self.domain.take_entry(VcpuId(v)).is_some(), pending);
        Some(Effects::NONE)
    }

    /// A vCPU is off its CPU: confirmed, if somebody waits for that.
    fn left(&mut self, v: u16) -> Effects {
        self.leaving.remove(&v);
        self.domain.vcpu_descheduled(VcpuId(v))
    }

    fn answer(&mut self, v: u16) -> Option<Effects> {
        let access = &mut self.access[usize::from(v)];
        if *access != Access::Sent {
            return None;
        }
        *access = Access::Completed;
        Some(self.domain.io_completed(VcpuId(v)))
    }

    /// What a vCPU does by itself; only on a CPU.
    fn guest_does(&mut self, action: Action) -> Option<Effects> {
        let (Action::Send(v)
        | Action::Wfi(v)
        | Action::CpuOn(v, _)
        | Action::CpuOff(v)
        | Action::SystemOff(v)
        | Action::SystemSuspend(v)) = action
        else {
            return None;
        };
        if !self.on_cpu.contains(&v) {
            return None;
        }
        let (vcpu, in_flight) = (VcpuId(v), self.domain.in_flight());
        let result = match action {
            Action::Send(_) => return self.send(v),
            Action::Wfi(_) => {
                self.domain.block(vcpu, Block::Event);
                return Some(self.leave_by_itself(v));
            }
            Action::CpuOn(_, target) => self.domain.cpu_on(vcpu, target.into(), 0x1000, 0),
            Action::CpuOff(_) => self.domain.cpu_off(vcpu),
            Action::SystemOff(_) => self.domain.system_off(vcpu, in_flight),
            _ => self.domain.system_suspend(vcpu, 0x1000, 0),
        };
        let running = self.domain.state() == DomainState::Running;
        match result {
            Ok(effects) => {
                // A call that takes the caller off its CPU does not return to it.
                if !self.domain.runnable(vcpu) {
                    let _ = self.leave_by_itself(v);
                }
                Some(effects)
            }
            Err(PsciError::NotRunning) => {
                assert!(!running);
                None
            }
            Err(_) => None,
        }
    }

    fn send(&mut self, v: u16) -> Option<Effects> {
        if self.access[usize::from(v)] != Access::NotMade {
            return None;
        }
        if !self.domain.may_send_io(VcpuId(v)) {
            // Refused: the vCPU leaves, its access not made.
            assert_ne!(self.domain.state(), DomainState::Running);
            return Some(self.leave_by_itself(v));
        }
        self.access[usize::from(v)] = Access::Sent;
        self.domain.block(VcpuId(v), Block::Io);
        Some(self.leave_by_itself(v))
    }

    fn leave_by_itself(&mut self, v: u16) -> Effects {
        self.queued.remove(&v);
        self.on_cpu.remove(&v);
        self.left(v)
    }

    fn apply(&mut self, effects: Effects) {
        let mut reclaim = effects.reclaim;
        for vcpu in effects.deschedule.iter() {
            self.queued.remove(&vcpu.0);
            if self.on_cpu.contains(&vcpu.0) {
                self.leaving.insert(vcpu.0);
            } else {
                reclaim |= self.left(vcpu.0).reclaim;
            }
        }
        for vcpu in effects.wake.iter() {
            assert!(self.queued.insert(vcpu.0), "woken twice");
        }
        if reclaim {
            assert!(!self.reclaiming, "reclaim asked for twice");
            self.reclaiming = true;
        }
    }

    fn check(&self, before: DomainState, effects: Effects) {
        let now = self.domain.state();
        for v in 0..self.domain.vcpu_count() {
            let runnable = self.domain.runnable(VcpuId(v));
            assert_eq!(
                runnable,
                self.queued.contains(&v),
                "v{v}: an effect was lost"
            );
            let known = runnable || self.leaving.contains(&v) || !self.on_cpu.contains(&v);
            assert!(known, "v{v} may not run but nobody told it to leave");
        }
        let stopped = |state| matches!(state, DomainState::Stopped(_));
        assert_eq!(
            effects.report,
            stopped(now) && !stopped(before),
            "reported once for each stop"
        );
        if let (Some(was), Some(is)) = (reason(before), reason(now)) {
            assert_eq!(was, is, "the first reason stays");
        }
        if let DomainState::Stopping { reason, waiting } = now {
            assert!(!waiting.is_empty());
            assert_ne!(reason, Reason::Crash);
            assert_eq!(
                waiting,
                self.sent(),
                "exactly those in flight are waited for"
            );
        }
        if self.reclaiming {
            assert!(
                self.on_cpu.is_empty(),
                "memory reclaimed under a running vCPU"
            );
            assert!(matches!(now, DomainState::Dying { .. } | DomainState::Dead));
        }
        assert_eq!(self.domain.in_flight(), self.sent());
    }

    fn sent(&self) -> VcpuSet {
        let mut sent = VcpuSet::EMPTY;
        for (v, access) in (0..).zip(&self.access) {
            if *access == Access::Sent {
                sent.insert(VcpuId(v));
            }
        }
        sent
    }
}

fn reason(state: DomainState) -> Option<Reason> {
    match state {
        DomainState::Stopping { reason, .. } | DomainState::Stopped(reason) => Some(reason),
        _ => None,
    }
}
