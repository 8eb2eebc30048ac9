//! State machines of a domain and its vCPUs, and the calls by which a guest drives them.
//!
//! [`Domain`] says who may run, who must leave its physical CPU and when the domain's memory may be
//! taken back; it touches neither. Every operation returns its [`Effects`], to be performed by the
//! caller after the lock around the domain is dropped. [`psci`] decodes a guest's PSCI and SMCCC
//! calls.
//!
//! Invariants:
//! - the first reason to stop stays; it is reported once;
//! - a vCPU with a request at a device model is waited for (unless the domain crashed), and one that
//!   had none when the domain began to stop gets none in;
//! - memory is reclaimed only when no vCPU can be on a physical CPU;
//! - pause counts nest and never wrap.
//!
//! Specification: the shutdown protocol of Xen's `SCHEDOP_shutdown` (public/sched.h) and Arm DEN0022
//! (PSCI) 5 and 6.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod domain;
mod effects;
mod power;
pub mod psci;
mod reason;
mod shutdown;
pub mod smccc;
mod vcpu;
mod watchdog;

pub use domain::{Domain, DomainState, StateError};
pub use effects::Effects;
pub use power::{Affinity, PsciError};
pub use reason::Reason;
pub use vcpu::{Block, Entry, Power};
pub use watchdog::{Timeout, WATCHDOGS, WatchdogError, Watchdogs};

#[cfg(test)]
mod tests;
