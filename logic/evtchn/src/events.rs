//! One domain's event channels.

use alloc::vec::Vec;
use core::marker::PhantomData;

use abi::evtchn::{fifo, two_level, virq};
use abi::{DomId, Errno, Port, VcpuId, VcpuSet};

use crate::channel::State;
#[cfg(feature = "fifo")]
use crate::fifo::Fifo;
use crate::notify::Notify;
use crate::page::SharedPage;
use crate::poll::PolledFor;
use crate::ports::Ports;
use crate::sweep::Sweeping;
use crate::try_vec;
use crate::two_level as two;
use crate::upcall::Info;

/// What a domain starts with.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The domain's own number.
    pub domain: DomId,
    /// Its vCPUs, at most [`VcpuSet::MAX`].
    pub vcpus: u16,
    /// The highest port that it may use, `max_evtchn_port`. What the ABI has is the limit, too.
    pub max_port: Port,
}

/// One domain's event channels.
pub struct Events<P> {
    pub(crate) domain: DomId,
    pub(crate) max_port: Port,
    pub(crate) ports: Ports,
    pub(crate) abi: Abi<P>,
    pub(crate) shared_info: P,
    pub(crate) vcpus: Vec<VcpuEvents<P>>,
    /// vCPUs that poll.
    pub(crate) polling: VcpuSet,
    /// No port may be opened any more.
    pub(crate) is_dying: bool,
    /// A reset or the end is closing all ports.
    pub(crate) sweeping: Option<Sweeping>,
    /// Resets that were begun.
    pub(crate) resets: u32,
}

/// How events are delivered, with what that needs: one value, so that no operation sees half of a
/// change (XSA-343, 358, 359, 505).
pub(crate) enum Abi<P> {
    TwoLevel(PhantomData<P>),
    #[cfg(feature = "fifo")]
    Fifo(Fifo<P>),
}

impl<P: SharedPage> Abi<P> {
    /// Whether a queue of the guest leads through the port.
    #[cfg_attr(not(feature = "fifo"), allow(unused))]
    pub(crate) fn is_linked(&self, port: Port) -> bool {
        #[cfg(feature = "fifo")]
        if let Self::Fifo(fifo) = self {
            return fifo.is_linked(port);
        }
        false
    }
}

/// A vCPU's part.
pub(crate) struct VcpuEvents<P> {
    pub(crate) info: Info<P>,
    /// The port of each VIRQ, 0 for none. VIRQs that are not one of a vCPU stand with vCPU 0.
    pub(crate) virqs: [Port; virq::COUNT as usize],
    pub(crate) polled_for: PolledFor,
}

impl<P> VcpuEvents<P> {
    fn new() -> Self {
        Self {
            info: Info::Nowhere,
            virqs: Default::default(),
            polled_for: PolledFor::Any,
        }
    }
}

/// What making an event pending came to: nothing, by default.
#[derive(Clone, Copy, Default)]
pub(crate) struct Raised {
    /// It was not pending before.
    pub(crate) new: bool,
    /// There is something new for the vCPU to look at.
    pub(crate) upcall: bool,
}

/// A change of a port's bits.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    SetPending,
    Unmask,
}

/// Answer of [`Events::status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortStatus {
    /// What the port is bound to; port 0 is said to be closed.
    pub state: State,
    /// Whom its events interrupt.
    pub vcpu: VcpuId,
}

/// Pages that are not used any more. Drop it after the lock is dropped.
#[must_use]
#[allow(dead_code)]
pub struct Retired<P>(pub(crate) Abi<P>, pub(crate) Vec<VcpuEvents<P>>);

impl<P: SharedPage> Events<P> {
    /// What a domain takes of the heap at most when it opens all its ports up to `max_port`, with
    /// FIFO's pages. What goes with its vCPUs is not in it.
    pub const fn most_bytes(max_port: Port) -> u64 {
        let ports = max_port.0.saturating_add(1);
        // The list of pages is copied when it grows.
        let pages = ports.div_ceil(fifo::WORDS_PER_PAGE) as u64 * 2 * size_of::<P>() as u64;
        Ports::most_bytes(ports) + pages
    }

    /// No open ports, 2-level. `shared_info` is the domain's shared info page, all zero.
    ///
    /// # Errors
    /// `NoMem`; `Inval` for a number of vCPUs that no domain has.
    pub fn new(config: Config, shared_info: P) -> Result<Self, Errno> {
        if config.vcpus == 0 || config.vcpus > VcpuSet::MAX {
            return Err(Errno::Inval);
        }
        let mut vcpus = try_vec(config.vcpus.into(), VcpuEvents::new)?;
        vcpus[0].info = Info::Shared;
        Ok(Self {
            domain: config.domain,
            max_port: config.max_port,
            ports: Ports::new()?,
            abi: Abi::TwoLevel(PhantomData),
            shared_info,
            vcpus,
            polling: VcpuSet::EMPTY,
            is_dying: false,
            sweeping: None,
            resets: 0,
        })
    }

    /// The domain's number.
    pub fn domain(&self) -> DomId {
        self.domain
    }

    /// What `port` is bound to.
    ///
    /// # Errors
    /// `Inval`: the table does not reach so far.
    pub fn status(&self, port: Port) -> Result<PortStatus, Errno> {
        let channel = self.ports.get(port).ok_or(Errno::Inval)?;
        let state = if channel.state.is_open() {
            channel.state
        } else {
            State::Closed
        };
        Ok(PortStatus {
            state,
            vcpu: channel.vcpu,
        })
    }

    /// How many port numbers have a status; grows by 64.
    pub fn port_count(&self) -> u32 {
        self.ports.len()
    }

    /// Whether FIFO delivers the events.
    pub fn uses_fifo(&self) -> bool {
        !matches!(self.abi, Abi::TwoLevel(_))
    }

    /// The first port number beyond what the domain may use. It depends on the ABI, so it is
    /// worked out whenever it is needed.
    pub(crate) fn port_limit(&self) -> u32 {
        let most = match self.abi {
            #[cfg(feature = "fifo")]
            Abi::Fifo(_) => fifo::PORTS,
            _ => two_level::PORTS,
        };
        self.max_port.0.saturating_add(1).min(most)
    }

    /// The vCPU that a guest means by `number`.
    pub(crate) fn vcpu(&self, number: u32) -> Option<(VcpuId, &VcpuEvents<P>)> {
        let id = u16::try_from(number).ok()?;
        self.vcpus
            .get(usize::from(id))
            .map(|vcpu| (VcpuId(id), vcpu))
    }

    /// Makes an event pending on an open port of the guest's.
    pub(crate) fn deliver(&mut self, port: Port) -> Notify {
        self.change(port, Change::SetPending)
    }

    /// Changes the port's pending or mask bit, and tells the guest what that brings.
    pub(crate) fn change(&mut self, port: Port, change: Change) -> Notify {
        let Some(channel) = self.ports.get_mut(port) else {
            return Notify::NONE;
        };
        let vcpu = channel.vcpu;
        let Some(entry) = self.vcpus.get(usize::from(vcpu.0)) else {
            return Notify::NONE;
        };
        let info = &entry.info;
        let raised = match (&mut self.abi, change) {
            #[cfg(feature = "fifo")]
            (Abi::Fifo(fifo), Change::SetPending) => fifo.set_pending(channel, port),
            #[cfg(feature = "fifo")]
            (Abi::Fifo(fifo), Change::Unmask) => fifo.unmask(channel, port),
            (_, Change::SetPending) => two::set_pending(&self.shared_info, info, port),
            (_, Change::Unmask) => two::unmask(&self.shared_info, info, port),
        };
        let upcall = raised.upcall && info.raise(&self.shared_info);
        let wake = if raised.new {
            self.wake_pollers(port)
        } else {
            VcpuSet::EMPTY
        };
        Notify {
            upcall: upcall.then_some(vcpu),
            wake,
        }
    }

    /// Whether an event waits on the port.
    pub fn is_pending(&self, port: Port) -> bool {
        match &self.abi {
            #[cfg(feature = "fifo")]
            Abi::Fifo(fifo) => fifo.is_pending(port),
            _ => two::is_pending(&self.shared_info, port),
        }
    }
}
