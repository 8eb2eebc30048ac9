//! What guests stop for, how often, and how long each stop takes at EL2: counters of each CPU,
//! behind the feature `exit-statistics`. Without the feature nothing of it is in the image.
//!
//! A stop is measured from where [`Vcpu::run`](machine::vcpu::Vcpu::run) returns to where it is
//! called next, whoever's guest runs then; idling is left out. So the saving and restoring of
//! general registers is not in it.
//!
//! Invariant: only its own CPU writes a CPU's counters, and nobody acts on them, so each is a plain
//! load and store, without a lock, an order, or a read-modify-write.

#[cfg(feature = "exit-statistics")]
mod counted;
#[cfg(feature = "exit-statistics")]
pub use counted::{Mark, Statistics, show};

/// What a CPU was at EL2 for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A physical interrupt.
    Interrupt,
    /// A hypercall.
    Hypercall,
    /// PSCI and SMCCC.
    Firmware,
    /// An access to an emulated device, or to nothing.
    Device,
    /// A trapped system register.
    Sysreg,
    /// `WFI` or `WFE`.
    Wait,
    /// Anything else.
    Other,
    /// The CPU idled and something woke it.
    Woken,
    /// Taking an ended domain's memory back: a part of one of the others.
    Reclaim,
    /// Filling a domain before it starts.
    Filling,
    /// Listing what was asked for at the console.
    Listing,
}

impl Cause {
    /// All, with their names.
    pub const ALL: [(Self, &str); 11] = [
        (Self::Interrupt, "interrupt"),
        (Self::Hypercall, "hypercall"),
        (Self::Firmware, "PSCI and SMCCC"),
        (Self::Device, "device access"),
        (Self::Sysreg, "system register"),
        (Self::Wait, "WFI and WFE"),
        (Self::Other, "other"),
        (Self::Woken, "woken from idling"),
        (Self::Reclaim, "of these, taking memory back"),
        (Self::Filling, "filling a domain"),
        (Self::Listing, "listing for the console"),
    ];
}

/// Whether anything is counted.
pub const ARE_COUNTED: bool = cfg!(feature = "exit-statistics");

#[cfg(not(feature = "exit-statistics"))]
pub use nothing::{Mark, Statistics, show};

/// What is left of it without the feature.
#[cfg(not(feature = "exit-statistics"))]
mod nothing {
    use super::Cause;
    use crate::run::Cpu;

    /// Nothing.
    #[derive(Default)]
    pub struct Statistics;

    /// Nothing.
    pub struct Mark;

    #[allow(missing_docs)]
    impl Statistics {
        #[inline(always)]
        pub fn woken(&self) {}
        #[inline(always)]
        pub fn is_about(&self, _: u64) {}
        #[inline(always)]
        pub fn goes_on(&self) {}
        #[inline(always)]
        pub fn mark(&self) -> Mark {
            Mark
        }
        #[inline(always)]
        pub fn since(&self, _: Mark, _: Cause) {}
    }

    /// There is nothing to show.
    pub fn show(_: &mut Cpu<'_>, _: u32) -> bool {
        false
    }
}
