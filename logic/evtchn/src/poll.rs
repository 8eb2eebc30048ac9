//! Waiting for certain ports (`SCHEDOP_poll`, public/sched.h).

use abi::{Errno, Port, VcpuId, VcpuSet};

use crate::events::Events;
use crate::page::SharedPage;

/// How a poll begins.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// An event waits already: do not sleep.
    Ready,
    /// Sleep until [`crate::Notify::wake`] names the vCPU, an upcall or a time-out ends it; for the
    /// latter two call [`Events::end_poll`].
    Waiting,
}

/// What a polling vCPU waits for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PolledFor {
    /// This port.
    One(Port),
    /// Several ports, or none: each event wakes it, and it looks again.
    Any,
}

impl<P: SharedPage> Events<P> {
    /// Begins to wait for an event on one of `ports`, whether they are masked or not.
    ///
    /// # Errors
    /// `Inval`: one of them is not an open port of the guest's.
    pub fn poll(&mut self, vcpu: VcpuId, ports: &[Port]) -> Result<Polled, Errno> {
        let entry = self.vcpus.get_mut(usize::from(vcpu.0));
        entry.ok_or(Errno::Inval)?.polled_for = match ports {
            [port] => PolledFor::One(*port),
            _ => PolledFor::Any,
        };
        for port in ports {
            let channel = self.ports.get(*port);
            channel
                .filter(|channel| channel.is_usable())
                .ok_or(Errno::Inval)?;
            if self.is_pending(*port) {
                return Ok(Polled::Ready);
            }
        }
        self.polling.insert(vcpu);
        Ok(Polled::Waiting)
    }

    /// The vCPU does not poll any more.
    pub fn end_poll(&mut self, vcpu: VcpuId) {
        self.polling.remove(vcpu);
    }

    /// Who polled for an event on `port`; they are taken off.
    pub(crate) fn wake_pollers(&mut self, port: Port) -> VcpuSet {
        let mut wake = VcpuSet::EMPTY;
        if !self.polling.is_empty() {
            for vcpu in self.polling.iter() {
                let polled_for = self.vcpus.get(usize::from(vcpu.0)).map(|v| v.polled_for);
                if polled_for.is_none_or(|p| p == PolledFor::Any || p == PolledFor::One(port)) {
                    wake.insert(vcpu);
                }
            }
            wake.iter().for_each(|vcpu| self.polling.remove(vcpu));
        }
        wake
    }
}
