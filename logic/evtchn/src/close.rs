//! Closing a port.

use abi::{DomId, Errno, Port};

use crate::channel::{Channel, Side, State};
#[cfg(feature = "fifo")]
use crate::events::Abi;
use crate::events::Events;
use crate::page::SharedPage;
use crate::two_level;

/// What a close came to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    /// The port is closed.
    Done,
    /// Nothing happened: the other end belongs to this domain, whose table is needed too. Call
    /// again with it; if the channel then leads somewhere else, Xen says `Inval`.
    NeedsPeer(DomId),
}

impl<P: SharedPage> Events<P> {
    /// Closes a port. If it was connected, the other end waits for this domain again. `peer` is the
    /// other end's table, if the caller holds it (in the order in which two domains are held).
    ///
    /// # Errors
    /// `Inval`: not an open port, or one that the hypervisor owns.
    pub fn close(
        &mut self,
        port: Port,
        side: Side,
        peer: Option<&mut Self>,
    ) -> Result<Closed, Errno> {
        let Channel {
            state,
            vcpu,
            consumer,
            ..
        } = *self.ports.get(port).ok_or(Errno::Inval)?;
        if consumer.is_some() && side == Side::Guest {
            return Err(Errno::Inval);
        }
        match state {
            State::Closed | State::Reserved => return Err(Errno::Inval),
            State::Interdomain { remote, port: end } => {
                let domain = self.domain;
                let other = match peer {
                    _ if remote == domain => &mut *self,
                    Some(peer) if peer.domain == remote => peer,
                    _ => return Ok(Closed::NeedsPeer(remote)),
                };
                other.disconnect(
                    end,
                    State::Interdomain {
                        remote: domain,
                        port,
                    },
                );
            }
            State::Virq { virq } => {
                self.virq_port(virq, vcpu)
                    .into_iter()
                    .for_each(|entry| *entry = Port(0));
            }
            State::Unbound { .. } | State::Ipi => {}
        }
        self.release(port);
        Ok(Closed::Done)
    }

    /// The other end of `connection` closed: `port` waits again.
    fn disconnect(&mut self, port: Port, connection: State) {
        if let State::Interdomain { remote, .. } = connection
            && let Some(channel) = self.ports.get_mut(port)
            && channel.state == connection
        {
            channel.state = State::Unbound { remote };
        }
    }

    /// Makes the port free, or draining.
    fn release(&mut self, port: Port) {
        match &self.abi {
            #[cfg(feature = "fifo")]
            Abi::Fifo(fifo) => fifo.clear_pending(port),
            _ => two_level::clear_pending(&self.shared_info, port),
        }
        self.ports.close(port);
    }
}
