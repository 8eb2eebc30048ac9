//! The fake machine: the same names as `arm64`, on any host, for tests.
//!
//! A test makes a [`host::Machine`], enters it as one of its CPUs, and from then on everything that
//! its thread does happens on that machine: RAM is a buffer, the counter stands still until it is
//! moved, the UART's output is collected, interrupts are pended by hand, and guests are scripts.
//! What the architecture demands of EL2 is asserted: a vCPU runs only where it is resident, an
//! interrupt is dropped and ended once, list registers are read from where they were written.

pub mod atomic;
mod boot;
pub mod cpu;
mod device;
mod firmware;
pub mod gic;
pub mod guest;
pub mod host;
pub mod identification;
mod interleaving;
mod interrupts;
pub mod physical;
pub mod stage2;
mod state;
pub mod timer;
mod translation;
pub mod uart;
pub mod vcpu;

#[cfg(test)]
mod tests;

pub use boot::{
    BOOT_STACK_BYTES, Boot, Memory, MemoryError, STACK_BYTES, set_panic_uart, start_cpu,
};
pub use device::{Registers, map_device};
pub use firmware::{Conduit, Power, StartError};
pub use interleaving::Scene;
