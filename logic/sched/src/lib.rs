//! Run queues and the scheduling policy; time is an argument.
//!
//! One [`RunQueue`] for each physical CPU shares it among the vCPUs that want to run, in proportion
//! to their weights; [`place`] chooses the CPU for a vCPU that wakes. Nothing in here knows what a
//! vCPU is, reads a clock or switches anything: the caller does what a [`Pick`] says.
//!
//! Invariants:
//! - a vCPU that is not in a queue (blocked, paused) is never picked;
//! - whoever waits is overtaken only as long as its weighted run time is ahead of the others': the
//!   wait is bounded by the slices that the others' weights entitle them to;
//! - sleeping earns a credit of one slice at the most.
//!
//! The policy is weighted fair queueing by virtual run time (Stoica and Abdel-Wahab 1995, the idea
//! behind Linux's CFS); the names of the parameters are those of that literature.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod mask;
mod place;
mod queue;
mod sleepers;
mod timing;
mod virtual_time;
mod weight;

pub use mask::CpuMask;
pub use place::{CpuLoad, place};
pub use queue::{EnqueueError, Kick, Pick, RunQueue, Stolen, VcpuKey};
pub use sleepers::{SleeperId, Sleepers};
pub use timing::Timing;
pub use virtual_time::VirtualTime;
pub use weight::Weight;

#[cfg(test)]
mod tests;
