//! One channel: what a port is bound to.

use core::num::NonZeroU8;

use abi::{DomId, Port, VcpuId};

/// What a port is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing: it may be allocated.
    Closed,
    /// Nothing, and it never will be: port 0.
    Reserved,
    /// Waiting for `remote` to bind.
    Unbound {
        /// Who may bind.
        remote: DomId,
    },
    /// Connected to `port` of `remote`, which is connected to this one.
    Interdomain {
        /// The other end's domain, which may be this one.
        remote: DomId,
        /// The other end.
        port: Port,
    },
    /// Raised by the hypervisor.
    Virq {
        /// Its number, one of [`abi::evtchn::virq`].
        virq: u8,
    },
    /// Raised by the domain itself.
    Ipi,
}

impl State {
    /// Whether the port is bound to something.
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Closed | Self::Reserved)
    }
}

/// A part of the hypervisor that receives the events of a port instead of the guest. The numbers
/// mean what the caller wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Consumer(pub NonZeroU8);

/// Who asks for an operation on a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The domain: it must leave the hypervisor's own ports alone.
    Guest,
    /// The hypervisor.
    Hypervisor,
}

/// A port's record: 16 bytes, as there may be 131072.
#[derive(Clone, Copy)]
pub(crate) struct Channel {
    pub(crate) state: State,
    /// Whom events of this port interrupt.
    pub(crate) vcpu: VcpuId,
    /// Set if the hypervisor owns this end.
    pub(crate) consumer: Option<Consumer>,
    #[cfg(feature = "fifo")]
    pub(crate) fifo: crate::fifo::ChannelPart,
}

const _: () = assert!(size_of::<Channel>() <= 16);

impl Channel {
    pub(crate) const CLOSED: Self = Self {
        state: State::Closed,
        vcpu: VcpuId(0),
        consumer: None,
        #[cfg(feature = "fifo")]
        fifo: crate::fifo::ChannelPart::NEW,
    };

    /// A port that is bound to `state` and interrupts `vcpu`.
    pub(crate) const fn new(state: State, vcpu: VcpuId) -> Self {
        Self {
            state,
            vcpu,
            ..Self::CLOSED
        }
    }

    /// It, in a record that was `before`: which queue the port was on last stays known, as a queue
    /// of the guest may still lead through it.
    #[cfg_attr(not(feature = "fifo"), allow(unused))]
    pub(crate) fn after(mut self, before: &Self) -> Self {
        #[cfg(feature = "fifo")]
        self.fifo.clone_from(&before.fifo.of_closed());
        self
    }

    /// Whether the guest may use it.
    pub(crate) const fn is_usable(&self) -> bool {
        self.state.is_open() && self.consumer.is_none()
    }
}
