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

impl<P: SharedPage> Events<P> {
    /// Begins a reset: all ports of the guest's are closed, then it is back to 2-level.
    ///
    /// # Errors
    /// `Busy`: another one is running, or the domain is dying.
    pub fn begin_reset(&mut self) -> Result<(), Errno> {
        if self.sweeping.is_some() {
            return Err(Errno::Busy);
        }
        self.sweeping = Some(Port(0));
        Ok(())
    }

    /// Begins the end: no port is opened any more, and all are closed, the hypervisor's included. A
    /// reset that was running ends here.
    pub fn begin_destroy(&mut self) {
        self.is_dying = true;
        self.sweeping = Some(Port(0));
    }

    /// Goes on closing ports. `budget` counts ports closed and stretches of 64 ports passed over.
    pub fn sweep(&mut self, budget: u32) -> Sweep {
        for _ in 0..budget.max(1) {
            let next = self.sweeping.and_then(|next| self.ports.next_open(next));
            let Some(port) = next else { return Sweep::Done };
            if let Some(domain) = self.sweep_port(port) {
                return Sweep::Peer { port, domain };
            }
            self.sweeping = Some(Port(port.0 + 1));
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
    /// `Again`: ports were opened behind the sweep; the ABI stays.
    pub fn finish_reset(&mut self) -> Result<Retired<P>, Errno> {
        self.sweeping = None;
        if self.ports.open > self.ports.owned {
            return Err(Errno::Again);
        }
        Ok(Retired(self.retire_abi(), Vec::new()))
    }

    /// Ends the end: hands out all pages of the guest's. Only [`Events::status`] and the like make
    /// sense from now on.
    pub fn finish_destroy(&mut self) -> Retired<P> {
        Retired(self.retire_abi(), core::mem::take(&mut self.vcpus))
    }

    fn retire_abi(&mut self) -> Abi<P> {
        core::mem::replace(&mut self.abi, Abi::TwoLevel(PhantomData))
    }
}
