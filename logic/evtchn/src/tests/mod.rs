//! Tests. `bench` has guest pages and domains, `guest` what a guest does, and `interleave`
//! runs both at once.

mod bench;
mod close;
#[cfg(feature = "fifo")]
mod fifo;
#[cfg(feature = "fifo")]
mod guest;
#[cfg(feature = "fifo")]
mod hostile;
mod interdomain;
mod interleave;
#[cfg(feature = "fifo")]
mod interleave_fifo;
mod operations;
mod poll;
#[cfg(feature = "fifo")]
mod random_fifo;
mod sweep;
mod two_level;
