//! The FIFO ABI (public/event_channel.h): an event word for each port in pages of the guest, and
//! for each vCPU and priority a queue of words linked by port number.
//!
//! The guest takes ports off a queue's head, the hypervisor adds them at its tail. What ties the
//! two is in guest memory and proves nothing; tails, priorities and the queue that a port was last
//! put on are the hypervisor's own record.

mod control;
mod queue;
mod word;

pub(crate) use control::Fifo;
pub(crate) use queue::ChannelPart;
