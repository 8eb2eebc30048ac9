//! Xen's public numbers and structures, and the newtypes for ids and addresses.
//!
//! Nothing in here decides anything: constants come from Xen's public headers (MIT), from the Arm
//! PSCI specification (DEN0022) and from the SMC calling convention (DEN0028), each module says
//! which. Guests of this project's own depend on this crate alone.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

mod addr;
pub mod arm;
mod errno;
pub mod evtchn;
pub mod feature;
pub mod grant;
pub mod hvm;
pub mod hypercall;
mod ids;
pub mod memory;
pub mod permit;
pub mod psci;
pub mod sched;
pub mod shared_info;
pub mod smccc;
pub mod vcpu;
mod vcpu_set;
pub mod version;
mod wire;

pub use addr::{Gfn, Ipa, PAGE_SHIFT, PAGE_SIZE, Pa, Range};
pub use errno::Errno;
pub use ids::{CpuId, DomId, IntId, Port, VcpuId};
pub use vcpu_set::VcpuSet;
