//! The machine: everything that needs `unsafe`, behind safe types.
//!
//! One module an architecture with the same names in it (`arm64` on the bare machine, `fake` on
//! any host), plus what is unsafe but portable: ranked locks, claims on a vCPU's registers, the
//! frame allocator, the heap. The soundness claims are listed in `docs/unsafe.md`.
//!
//! Reading order: [`exit`] (why a guest stopped), [`vcpu`] (running one), [`lock`], [`frames`].
#![no_std]

extern crate alloc;
#[cfg(any(test, not(target_os = "none")))]
extern crate std;

pub mod arrival;
pub mod claim;
pub mod exit;
pub mod frames;
pub mod heap;
pub mod lock;
pub mod once;
pub mod pstate;
mod table_pool;

#[cfg(all(target_arch = "aarch64", target_os = "none"))]
mod arm64;
#[cfg(all(target_arch = "aarch64", target_os = "none"))]
pub use arm64::*;

#[cfg(not(all(target_arch = "aarch64", target_os = "none")))]
mod fake;
#[cfg(not(all(target_arch = "aarch64", target_os = "none")))]
pub use fake::*;
