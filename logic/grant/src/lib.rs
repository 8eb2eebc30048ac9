//! Grant tables, version 1: pages that one domain lets another map or copy.
//!
//! Implements Xen's public/grant_table.h for translated guests. A domain has two sides, each behind
//! a lock of its own and never both at once: [`Grants`], what it grants to others, and [`Maptrack`],
//! what it has mapped of others.
//!
//! To map: [`MapRequest`] from the guest's entry, [`Maptrack::reserve`] on the mapper's side,
//! [`Grants::pin`] on the granter's, then the mapping itself in stage 2, then [`Maptrack::fill`].
//! To unmap: [`Maptrack::check`], stage 2, [`Maptrack::take`], [`Grants::unpin`]. To copy: [`CopyRequest`], pin what is
//! granted, copy, unpin. [`Batch`] counts through a guest's array with a budget.
//!
//! Invariants: a granted page is held ([`Grants`]' `F`) exactly while a [`Pin`] on it exists; a
//! `Pin` cannot be copied and is given up only to [`Grants::unpin`]; the status bits that the guest
//! sees follow from the pins and from nothing else. What the guest writes in an entry is read once
//! for each use, checked, and compared with what was pinned before.
//!
//! Version 2, transitive and sub-page grants and transfers are not there; with them went XSA-226,
//! 255, 268, 284, 382, 384, 411, 486 and 501.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod batch;
mod entry;
mod maptrack;
mod pins;
mod request;
mod table;
mod version;

#[cfg(test)]
mod tests;

/// What an allocation takes of the heap beside its own bytes, rounding included.
const ALLOCATION_BYTES: usize = 64;

pub use batch::Batch;
pub use entry::SharedFrame;
pub use maptrack::{Handle, Mapping, Maptrack};
pub use pins::{Access, Pin};
pub use request::{CopyPlace, CopyRequest, MapRequest, UnmapRequest};
pub use table::{Config, Grants, Size};
pub use version::{VERSION, set_version};
