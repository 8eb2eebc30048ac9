//! The hypervisor: a library that any host can build and test, and a thin binary.
//!
//! Reading order: [`boot`] (from the device tree to running domains), [`run`] (the loop: a guest
//! runs, stops, and what it wanted is done), [`mmio`], [`domain`], [`console`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod arch;
pub mod boot;
pub mod chores;
pub mod console;
pub mod domain;
pub mod events;
pub mod filling;
pub mod grants;
pub mod guest_memory;
pub mod hypercall;
pub mod interrupts;
pub mod keys;
pub mod listing;
pub mod mmio;
pub mod reclaim;
pub mod run;
pub mod schedule;
pub mod statistics;
pub mod system;
pub mod timeline;
pub mod watchdog;
pub mod zeroing;
