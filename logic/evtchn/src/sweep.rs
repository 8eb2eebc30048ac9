//! Closing all ports, a bit at a time: `EVTCHNOP_reset` and the end of a domain (XSA-344).
//!
//! Begin, then call [`Events::sweep`] until it is done, with the lock dropped in between as one
//! likes, then finish. Where the work stands is kept here, not in the guest's memory.

use alloc::vec::Vec;
use core::marker::PhantomData;

use abi::{DomId, Errno, Port};

use crate::channel::{Side, State};
use crate::events::{Abi, Events, Retired};
use crate::page::SharedPage;
use crate::ports::Ports;

/// How far a sweep came.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sweep {
    /// The budget is used up; go on.
    More,
    /// This port's other end is in another domain: close it with that domain's table held too
    /// ([`Events::close`], as [`Side::Hypervisor`]), then go on.
    Peer {
        /// This domain's end.
        port: Port,
        /// The other end's domain.
        domain: DomId,
    },
    /// Every port was visited: finish.
    Done,
}

/// A reset that was begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reset(u32);

/// How far the work stands.
pub(crate) struct Sweeping {
    /// The first port that was not visited.
    next: Port,
    /// Where it stood when a reset that was begun beside it was refused last.
    refused_at: Option<Port>,
}

impl From<Port> for Sweeping {
    fn from(next: Port) -> Self {
        Self {
            next,
            refused_at: None,
        }
    }
}

impl<P: SharedPage> Events<P> {
    /// Begins a reset: all ports of the guest's are closed, then it is back to 2-level.
    ///
    /// One that nobody goes on with is taken over: it stands where it stood when the last one that was
    /// begun beside it was refused.
    ///
    /// # Errors
    /// `Busy`: another one is running, or the domain is dying.
    pub fn begin_reset(&mut self) -> Result<Reset, Errno> {
        if let Some(sweeping) = &mut self.sweeping {
            let stands_still = sweeping.refused_at == Some(sweeping.next);
            if self.is_dying || !stands_still {
                sweeping.refused_at = Some(sweeping.next);
                return Err(Errno::Busy);
            }
        }
        self.resets = self.resets.wrapping_add(1);
        let next = self.sweeping.as_ref().map_or(Port(0), |old| old.next);
        self.sweeping = Some(Sweeping::from(next));
        Ok(Reset(self.resets))
    }

    /// Whether `reset` is still the one that is running.
    pub fn is_running(&self, reset: Reset) -> bool {
        self.sweeping.is_some() && !self.is_dying && self.resets == reset.0
    }

    /// Begins the end: no port is opened any more, and all are closed, the hypervisor's included. A
    /// reset that was running ends here.
    pub fn begin_destroy(&mut self) {
        self.is_dying = true;
        self.sweeping = Some(Sweeping::from(Port(0)));
    }

    /// Goes on closing ports. `budget` counts ports closed and stretches of 64 ports passed over.
    pub fn sweep(&mut self, budget: u32) -> Sweep {
        for _ in 0..budget.max(1) {
            let next = self.sweeping.as_ref().map(|sweeping| sweeping.next);
            let next = next.and_then(|next| self.ports.next_open(next));
            let Some(port) = next else { return Sweep::Done };
            if let Some(domain) = self.sweep_port(port) {
                return Sweep::Peer { port, domain };
            }
            if let Some(sweeping) = &mut self.sweeping {
                sweeping.next = Port(port.0 + 1);
            }
        }
        Sweep::More
    }

    /// Closes the port if it is to be, or says whose table that takes.
    fn sweep_port(&mut self, port: Port) -> Option<DomId> {
        let channel = self.ports.get(port)?;
        if channel.consumer.is_some() && !self.is_dying {
            return None;
        }
        match channel.state {
            State::Interdomain { remote, .. } if remote != self.domain => Some(remote),
            _ => {
                let _ = self.close(port, Side::Hypervisor, None);
                None
            }
        }
    }

    /// Ends a reset. The pending and mask bits in the shared info page stay as they are.
    ///
    /// # Errors
    /// `Busy`: another one took over. `Again`: ports were opened behind the sweep; the ABI stays.
    pub fn finish_reset(&mut self, reset: Reset) -> Result<Retired<P>, Errno> {
        if !self.is_running(reset) {
            return Err(Errno::Busy);
        }
        self.sweeping = None;
        if self.ports.open > self.ports.owned {
            return Err(Errno::Again);
        }
        Ok(Retired(self.retire_abi(), Vec::new()))
    }

    /// Ends the end: hands out all that it has, the shared info page included, for which `nowhere`
    /// stands from now on. No port has a record any more.
    pub fn finish_destroy(&mut self, nowhere: P) -> (Retired<P>, P) {
        self.ports = Ports::default();
        let vcpus = core::mem::take(&mut self.vcpus);
        let shared_info = core::mem::replace(&mut self.shared_info, nowhere);
        (Retired(self.retire_abi(), vcpus), shared_info)
    }

    fn retire_abi(&mut self) -> Abi<P> {
        core::mem::replace(&mut self.abi, Abi::TwoLevel(PhantomData))
    }
}
