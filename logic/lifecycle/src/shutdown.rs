//! Stopping, resuming and destroying a domain.
//!
//! `Running -> Stopping{reason, waiting} -> Stopped(reason) -> Running | Dying -> Dead`. A request
//! that is with a device model is completed exactly once, whatever happens to the domain meanwhile;
//! one that is attempted while the domain is not running is not sent: the vCPU leaves its CPU with
//! the program counter at the instruction, which is executed after a resume.

use abi::{VcpuId, VcpuSet};

use crate::vcpu::{Block, Power};
use crate::{Domain, DomainState, Effects, Reason, StateError};

impl Domain {
    /// Stops the domain for `reason`. `in_flight` are the vCPUs with a request at a device model
    /// ([`Domain::in_flight`]): they are waited for.
    ///
    /// The first reason wins: one that the domain recorded goes before this, and there is no effect
    /// unless the domain is running.
    pub fn shutdown(&mut self, reason: Reason, in_flight: VcpuSet) -> Effects {
        if self.state != DomainState::Running {
            return Effects::NONE;
        }
        let reason = self.recorded.unwrap_or(reason);
        let waiting = in_flight.intersection(self.all());
        let stopped = waiting.is_empty();
        let effects = self.change(|domain| {
            domain.state = if stopped {
                DomainState::Stopped(reason)
            } else {
                DomainState::Stopping { reason, waiting }
            };
        });
        Effects {
            report: stopped,
            ..effects
        }
    }

    /// Records why the domain will stop, whatever it is stopped by (`SCHEDOP_shutdown_code`). The first
    /// record stays, until a resume.
    pub fn record_reason(&mut self, reason: Reason) {
        self.recorded.get_or_insert(reason);
    }

    /// Stops the domain by the hypervisor's decision, as crashed or for an expired watchdog. Nobody is
    /// waited for; answers that still come are taken by [`io_completed`](Self::io_completed). Like any other reason it does not replace an earlier
    /// one: when a device model breaks the protocol while the domain is stopping, call
    /// `io_completed` for the request that is given up.
    pub fn crash(&mut self, reason: Reason) -> Effects {
        self.shutdown(reason, VcpuSet::EMPTY)
    }

    /// Whether a request of `vcpu` may be sent to a device model now; then follow it with
    /// [`block`](Self::block)`(vcpu, Block::Io)` under the same lock. If not, nothing is sent and
    /// the instruction is executed anew when `vcpu` runs again.
    pub fn may_send_io(&self, vcpu: VcpuId) -> bool {
        self.state == DomainState::Running
            && self
                .vcpu(vcpu)
                .is_some_and(|v| v.power == Power::On && v.block != Some(Block::Io))
    }

    /// The request of `vcpu` was answered (or given up): it goes on, or, if the domain is stopping,
    /// is no longer waited for.
    pub fn io_completed(&mut self, vcpu: VcpuId) -> Effects {
        let effects = self.unblock(vcpu, Block::Io);
        let DomainState::Stopping {
            reason,
            mut waiting,
        } = self.state
        else {
            return effects;
        };
        waiting.remove(vcpu);
        let stopped = waiting.is_empty();
        self.state = if stopped {
            DomainState::Stopped(reason)
        } else {
            DomainState::Stopping { reason, waiting }
        };
        Effects {
            report: stopped,
            ..effects
        }
    }

    /// Lets a stopped domain run on, whatever the reason was.
    pub fn resume(&mut self) -> Result<Effects, StateError> {
        match self.state {
            DomainState::Stopped(_) => {
                self.recorded = None;
                Ok(self.change(|domain| domain.state = DomainState::Running))
            }
            _ => Err(StateError::WrongState),
        }
    }

    /// Starts destroying the domain, from any state but dying and dead.
    ///
    /// All its vCPUs are to be descheduled and each confirmed by
    /// [`vcpu_descheduled`](Self::vcpu_descheduled), running or not; `reclaim` follows the last.
    pub fn destroy(&mut self) -> Result<Effects, StateError> {
        let on_cpu = match self.state {
            DomainState::Dying { .. } | DomainState::Dead => return Err(StateError::WrongState),
            // Nothing of it has run.
            DomainState::Building => VcpuSet::EMPTY,
            _ => self.all(),
        };
        self.state = DomainState::Dying { on_cpu };
        Ok(Effects {
            deschedule: on_cpu,
            reclaim: on_cpu.is_empty(),
            ..Effects::NONE
        })
    }

    /// `vcpu` is on no physical CPU and in no run queue. Only a dying domain waits for that.
    pub fn vcpu_descheduled(&mut self, vcpu: VcpuId) -> Effects {
        let DomainState::Dying { mut on_cpu } = self.state else {
            return Effects::NONE;
        };
        if !on_cpu.contains(vcpu) {
            return Effects::NONE;
        }
        on_cpu.remove(vcpu);
        self.state = DomainState::Dying { on_cpu };
        Effects {
            reclaim: on_cpu.is_empty(),
            ..Effects::NONE
        }
    }

    /// All memory of the dying domain is given back.
    pub fn reclaimed(&mut self) -> Result<(), StateError> {
        match self.state {
            DomainState::Dying { on_cpu } if on_cpu.is_empty() => {
                self.state = DomainState::Dead;
                Ok(())
            }
            _ => Err(StateError::WrongState),
        }
    }
}
