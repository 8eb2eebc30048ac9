//! The interrupt controller that one guest domain sees: a GICv3 or a GICv2.
//!
//! [`Vgic`] models the distributor, the redistributors (GICv3) and the generation of SGIs, and decides
//! what goes into each vCPU's list registers. The CPU interface is the hardware's virtual one
//! (`ICV_*` or `GICV`) and is not modelled.
//!
//! Implements Arm IHI 0069 (GICv3) with one security state (`GICD_CTLR.DS` = 1), affinity routing
//! always on and no LPIs, and IHI 0048 (GICv2) without the Security Extensions.
//!
//! # Who calls what
//!
//! The caller holds the domain's lock around each call.
//!
//! - After guest instructions of a vCPU ran and before the model is asked or changed *by that vCPU*
//!   (a trapped access, WFI), the caller gives the vCPU's list registers to [`Vgic::sync`].
//!   Writes outside pending and active state may come first, if `sync` comes before the `flush` that
//!   their effect asks for.
//! - Each operation returns an [`Effect`]: the vCPUs in its `wake` set must be woken if they wait, and
//!   if they are resident on a CPU, that CPU does `sync` and [`Vgic::flush`] before it returns to them.
//! - Before a vCPU becomes resident: `flush`. When it leaves its CPU: `sync`, then [`Vgic::unload`], so
//!   that whatever happens to it meanwhile is exact and its pending SPIs may go elsewhere.
//!
//! - A maintenance interrupt (end signalled by a list register, underflow) is served by `sync` and
//!   `flush`; a nonzero `EOIcount` by [`Vgic::end_unlisted`] between the two.
//! - The physical timer interrupt: the caller keeps it active exactly while [`Vgic::timer_in_flight`]
//!   says so of the resident vCPU. It sets it when the vCPU becomes resident, clears it when it leaves,
//!   and clears it on [`Flushed::retire_timer`]; otherwise the guest's own deactivation does it.
//!
//! # Choices where the architecture leaves some
//!
//! - All interrupts are delivered while group 1 (GICv3) or the only group (GICv2) is enabled; `IGROUPR`
//!   is storage. 32 priority levels. PPIs have programmable triggers.
//! - "Any one" routing means vCPU 0; an affinity of no vCPU keeps the SPI pending; of a GICv2's target
//!   list the lowest vCPU is served.
//! - Redistributors are awake at reset, so that guests which never touch `GICR_WAKER` work.
//! - `SETSPI` and `CLRSPI` registers are not offered (`GICD_TYPER.MBIS` = 0): writes are ignored.
//! - `GICD_CTLR.RWP` is always 0.
//!
//! # Known limit
//!
//! `EOIcount` names no interrupt. If a guest clears the active state of an interrupt and then ends it all
//! the same, while others are active in no list register, one of those ends instead.
//!
//! # Invariants
//!
//! - An interrupt is in at most one list register of one vCPU (`Bank::listed`, `SpiBank::owner`).
//! - A vCPU's `summary` has the bit of each word in which it has a candidate for a list register.
//! - A disabled interrupt or one of a disabled group is never put pending into a list register.
//!
//! # Precision
//!
//! What a list register of a *running* vCPU holds is known as of its last `sync` or `flush`. Reads of
//! pending and active state show that; [`Vgic::distributor_read_kicks`] tells which other vCPUs to
//! have synced for a later read to be exact. Writes change the model at once and put the holder into
//! `wake`; until it has resynced, it may still take an interrupt that was pending in its list
//! registers (as on hardware, where the effect of such a write is not immediate either). A write of an
//! active state wins over what the list register says at the next `sync`.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

extern crate alloc;

mod access;
mod active;
mod bank;
mod choice;
mod config;
mod distributor;
mod distributor_v2;
mod distributor_v3;
mod effect;
mod everyday;
mod flushing;
mod inputs;
mod list_register;
mod loading;
mod map;
mod model;
mod private;
mod quick;
mod redistributor;
mod residency;
mod sgi;
mod spi;
mod state_registers;
mod vcpu;

pub use access::{Fault, Width};
pub use config::{Config, ConfigError, MAX_LIST_REGISTERS, MAX_SPIS, Version};
pub use effect::{Effect, Flushed};
pub use inputs::Level;
pub use list_register::ListRegister;
pub use model::Vgic;
pub use quick::{Cause, ListRegisters, Quick};
pub use sgi::names_nobody;

#[cfg(test)]
mod tests;
