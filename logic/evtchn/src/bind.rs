//! Opening ports, and choosing whom they interrupt.

use abi::{DomId, Errno, Port, VcpuId};

use crate::channel::{Channel, Consumer, State};
use crate::events::Events;
use crate::notify::Notify;
use crate::page::SharedPage;
use crate::ports::Vacant;
use crate::virq;

/// Which port to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The lowest that is free: what guests get.
    Lowest,
    /// This one: for channels that the boot configuration numbers.
    Exactly(Port),
}

impl<P: SharedPage> Events<P> {
    /// Opens a port that `remote` (perhaps this domain itself) may bind to.
    ///
    /// # Errors
    /// `Inval`: the domain is dying. `NoSpc`: no number left, or beyond the limit. `Busy`: that
    /// very port is in use. `NoMem`.
    pub fn alloc_unbound(&mut self, wanted: Wanted, remote: DomId) -> Result<Port, Errno> {
        self.open(wanted, Channel::new(State::Unbound { remote }, VcpuId(0)))
    }

    /// Opens a port whose events the hypervisor takes itself. The guest sees its status, and may do
    /// nothing with it.
    ///
    /// # Errors
    /// As [`Events::alloc_unbound`]; `NoEnt`: no such vCPU.
    pub fn alloc_owned(
        &mut self,
        remote: DomId,
        vcpu: VcpuId,
        consumer: Consumer,
    ) -> Result<Port, Errno> {
        self.vcpu(vcpu.0.into()).ok_or(Errno::NoEnt)?;
        let mut channel = Channel::new(State::Unbound { remote }, vcpu);
        channel.consumer = Some(consumer);
        self.open(Wanted::Lowest, channel)
    }

    /// Opens a port and connects it with `remote_port` of `peer`, or of this domain itself if that
    /// is `None`. The new port is pending then: events may have been sent before there was an end
    /// to take them.
    ///
    /// # Errors
    /// As [`Events::alloc_unbound`], first; `Inval`: the remote port does not wait for this domain.
    pub fn bind_interdomain(
        &mut self,
        wanted: Wanted,
        peer: Option<&mut Self>,
        remote_port: Port,
    ) -> Result<(Port, Notify), Errno> {
        let vacant = self.vacant(wanted)?;
        let local = self.domain;
        let remote = peer.map_or(&mut *self, |peer| peer);
        let state = State::Interdomain {
            remote: remote.domain,
            port: remote_port,
        };
        let waits = State::Unbound { remote: local };
        let end = remote
            .ports
            .get_mut(remote_port)
            .filter(|end| end.state == waits);
        end.ok_or(Errno::Inval)?.state = State::Interdomain {
            remote: local,
            port: vacant.port(),
        };
        let port = self.ports.open(vacant, Channel::new(state, VcpuId(0)));
        Ok((port, self.deliver(port)))
    }

    /// Opens a port for interrupts between the domain's own vCPUs.
    ///
    /// # Errors
    /// `NoEnt`: no such vCPU. Then as [`Events::alloc_unbound`].
    pub fn bind_ipi(&mut self, vcpu: u32) -> Result<Port, Errno> {
        let (vcpu, _) = self.vcpu(vcpu).ok_or(Errno::NoEnt)?;
        self.open(Wanted::Lowest, Channel::new(State::Ipi, vcpu))
    }

    /// Lets the port's events interrupt another vCPU from now on. One that is queued already
    /// arrives at the old one (FIFO).
    ///
    /// # Errors
    /// `NoEnt`: no such vCPU. `Inval`: not an open port of the guest's, or one that belongs to its
    /// vCPU (an IPI, a vCPU's VIRQ).
    pub fn bind_vcpu(&mut self, port: Port, vcpu: u32) -> Result<(), Errno> {
        let (vcpu, _) = self.vcpu(vcpu).ok_or(Errno::NoEnt)?;
        let channel = self.ports.get_mut(port).ok_or(Errno::Inval)?;
        match channel.state {
            _ if channel.consumer.is_some() => Err(Errno::Inval),
            State::Closed | State::Reserved | State::Ipi => Err(Errno::Inval),
            State::Virq { virq } if virq::is_per_vcpu(virq) => Err(Errno::Inval),
            State::Unbound { .. } | State::Interdomain { .. } | State::Virq { .. } => {
                channel.vcpu = vcpu;
                Ok(())
            }
        }
    }

    /// Opens a port.
    pub(crate) fn open(&mut self, wanted: Wanted, channel: Channel) -> Result<Port, Errno> {
        let vacant = self.vacant(wanted)?;
        Ok(self.ports.open(vacant, channel))
    }

    /// A free port, not opened yet.
    fn vacant(&mut self, wanted: Wanted) -> Result<Vacant, Errno> {
        if self.is_dying {
            return Err(Errno::Inval);
        }
        let limit = self.port_limit();
        let abi = &self.abi;
        let is_linked = |port| abi.is_linked(port);
        match wanted {
            Wanted::Lowest => self.ports.find(limit, is_linked),
            Wanted::Exactly(port) => self.ports.take(port, limit, is_linked),
        }
    }
}
