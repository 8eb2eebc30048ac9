//! arm64: the bare machine at EL2.

pub mod atomic;
mod boot;
mod cache;
pub mod cpu;
mod entry;
mod firmware;
mod fpsimd;
pub mod gic;
pub mod identification;
mod mmu;
pub mod physical;
pub mod stage2;
mod sysreg;
pub mod timer;
pub mod uart;
pub mod vcpu;

pub use boot::{
    BOOT_STACK_BYTES, Boot, Memory, MemoryError, STACK_BYTES, set_panic_uart, start_cpu,
};
pub use firmware::{Conduit, Power, StartError};
pub use mmu::{Registers, map_device};
