//! Planning of stage-2 translation tables over a table-memory trait.
//!
//! Stage 2 maps a guest's physical addresses ([`abi::Ipa`]) to the machine's ([`abi::Pa`]) and is
//! what keeps a guest in its partition. This crate decides which descriptors change and in which
//! order; reading and writing tables, barriers and TLB maintenance are the business of whoever
//! implements [`TableMemory`], so all of it runs on the host as well.
//!
//! Invariants:
//! - an operation that returns an error has changed no translation: the tables that it needs are
//!   counted and allocated before the first descriptor changes;
//! - a valid descriptor never becomes a different valid one without being invalid, and invalidated,
//!   in between (break-before-make);
//! - a table is given back only when no translation can reach it, in a TLB or a walk cache either.
//!
//! Specification: Arm DDI 0487, chapter D8 (VMSAv8-64), stage 2, 4 KiB granule, 48-bit output.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod attributes;
mod chain;
mod change;
mod descriptor;
mod format;
mod memory;
mod plan;
mod stage2;
mod teardown;

pub use attributes::{Access, Attributes, Execute, Memory};
pub use format::{Format, StartLevel};
pub use memory::TableMemory;
pub use stage2::{MapError, Mapped, Stage2, Translation};
pub use teardown::{Progress, Teardown};

#[cfg(test)]
mod tests;
