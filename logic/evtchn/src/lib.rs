//! Event channels: the port table of a domain and the delivery of events to it.
//!
//! Implements what Xen's public/event_channel.h promises to guests: the port operations, the
//! 2-level ABI (4096 ports, bits in the shared info page) and the FIFO ABI (131072 ports, linked
//! event words in pages of the guest).
//!
//! [`Events`] is one domain's part. It has no lock: the caller holds one around each call, and both
//! domains' for [`Events::bind_interdomain`] and [`Events::close`]. Each operation returns what is
//! to be done after the lock is dropped ([`Notify`]: interrupt this vCPU, wake those).
//!
//! Words that the guest shares are reached through [`SharedPage`] alone. The invariant behind
//! everything here: what such a word holds is never trusted. It can decide which of the domain's
//! own events are seen and in which order, and nothing else; the hypervisor's own record (state,
//! notified vCPU, priority, queue tails) lives in [`Events`].
//!
//! Sending, unmasking and asking never allocate. Binding a port may, by 64 ports, and says `NoMem`.
//! Closing everything is resumable: [`Events::sweep`].
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::vec::Vec;

use abi::Errno;

mod bind;
mod channel;
mod close;
mod events;
#[cfg(feature = "fifo")]
mod fifo;
mod notify;
mod page;
mod poll;
mod ports;
mod send;
mod summary;
mod sweep;
mod two_level;
mod upcall;
mod virq;

#[cfg(test)]
mod tests;

/// What an allocation takes of the heap beside its own bytes, rounding included.
const ALLOCATION_BYTES: usize = 64;

pub use bind::Wanted;
pub use channel::{Consumer, Side, State};
pub use close::Closed;
pub use events::{Config, Events, PortStatus, Retired};
pub use notify::{Notify, NotifyMany};
pub use page::SharedPage;
pub use poll::Polled;
pub use send::Sent;
pub use sweep::{Reset, Sweep};
pub use virq::GlobalVirqs;

/// `count` of what `make` makes.
fn try_vec<T>(count: usize, make: impl FnMut() -> T) -> Result<Vec<T>, Errno> {
    let mut vec = Vec::new();
    vec.try_reserve_exact(count).map_err(|_| Errno::NoMem)?;
    vec.resize_with(count, make);
    Ok(vec)
}
