//! Sending and unmasking: the paths that count.

use abi::{DomId, Errno, Port};

use crate::channel::{Consumer, Side, State};
use crate::events::{Change, Events};
use crate::notify::Notify;
use crate::page::SharedPage;

/// Where a sent event went.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is pending in this domain.
    Delivered(Notify),
    /// A part of the hypervisor takes it: call that when the lock is dropped.
    Consumed(Consumer),
    /// It is for another domain: call [`Events::receive`] there.
    Peer {
        /// That domain.
        domain: DomId,
        /// Its end of the channel.
        port: Port,
    },
    /// Nobody is there to hear it, which is no error.
    Dropped,
}

impl<P: SharedPage> Events<P> {
    /// Sends an event through `port`, which is this domain's end.
    ///
    /// # Errors
    /// `Inval`: not a port to send through (closed, a VIRQ), or one that the hypervisor owns.
    pub fn send(&mut self, port: Port, side: Side) -> Result<Sent, Errno> {
        let channel = self.ports.get(port).ok_or(Errno::Inval)?;
        if channel.consumer.is_some() && side == Side::Guest {
            return Err(Errno::Inval);
        }
        match channel.state {
            State::Interdomain { remote, port: end } if remote == self.domain => {
                Ok(self.receive(end, remote, port))
            }
            State::Interdomain { remote, port } => Ok(Sent::Peer {
                domain: remote,
                port,
            }),
            State::Ipi => Ok(Sent::Delivered(self.deliver(port))),
            State::Unbound { .. } => Ok(Sent::Dropped),
            State::Closed | State::Reserved | State::Virq { .. } => Err(Errno::Inval),
        }
    }

    /// Takes an event that `sender` sent through its `sender_port` to `port` of this domain. The
    /// sender's table was let go in between, so the connection is checked from this end: if it is
    /// gone, so is the event.
    pub fn receive(&mut self, port: Port, sender: DomId, sender_port: Port) -> Sent {
        let Some(channel) = self.ports.get(port) else {
            return Sent::Dropped;
        };
        let connection = State::Interdomain {
            remote: sender,
            port: sender_port,
        };
        if channel.state != connection {
            return Sent::Dropped;
        }
        match channel.consumer {
            Some(consumer) => Sent::Consumed(consumer),
            None => Sent::Delivered(self.deliver(port)),
        }
    }

    /// Makes an open port pending from within: both ends of a channel that the boot configuration
    /// made start so.
    pub fn make_pending(&mut self, port: Port) -> Notify {
        if self
            .ports
            .get(port)
            .is_some_and(|channel| channel.is_usable())
        {
            self.deliver(port)
        } else {
            Notify::NONE
        }
    }

    /// Takes the port's mask off; an event that waited behind it is delivered. On a port that the
    /// guest cannot use, nothing happens.
    ///
    /// # Errors
    /// `Inval`: the table does not reach so far.
    pub fn unmask(&mut self, port: Port) -> Result<Notify, Errno> {
        let channel = self.ports.get(port).ok_or(Errno::Inval)?;
        if channel.is_usable() {
            Ok(self.change(port, Change::Unmask))
        } else {
            Ok(Notify::NONE)
        }
    }
}
