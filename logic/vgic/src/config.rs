//! What a domain's interrupt controller is made of.

use abi::IntId;

/// The most list registers that the architecture has (Arm IHI 0069, `ICH_VTR_EL2.ListRegs`); a GICv2
/// may have more, of which 16 are used.
pub const MAX_LIST_REGISTERS: u8 = 16;

/// The most SPIs: 988 (INTIDs 32 to 1019), rounded up to a multiple of 32.
pub const MAX_SPIS: u32 = 992;

/// Which interrupt controller the guest sees. It is that of the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// GICv2, at most 8 vCPUs.
    V2,
    /// GICv3, at most 128 vCPUs.
    V3,
}

impl Version {
    /// The most vCPUs of a domain.
    pub const fn max_vcpus(self) -> u16 {
        match self {
            Version::V2 => abi::arm::MAX_VCPUS_GICV2,
            Version::V3 => abi::arm::MAX_VCPUS_GICV3,
        }
    }
}

/// The size of a domain's interrupt controller.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Which controller.
    pub version: Version,
    /// How many vCPUs: 1 to [`Version::max_vcpus`].
    pub vcpus: u16,
    /// How many SPIs: a multiple of 32, at most [`MAX_SPIS`].
    pub spis: u32,
    /// How many list registers the hardware has: 2 to [`MAX_LIST_REGISTERS`]. (With a single one the
    /// underflow maintenance interrupt would be asserted at all times.)
    pub list_registers: u8,
    /// The physical PPI of the virtual timer, to which the guest's PPI 27 is linked (`HW` bit).
    pub hw_timer_pintid: Option<IntId>,
}

/// What is wrong with a [`Config`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// No vCPU, or too many for the version.
    Vcpus,
    /// Not a multiple of 32, or too many.
    Spis,
    /// Fewer than two list registers, or more than 16.
    ListRegisters,
    /// The timer's physical interrupt is not a PPI (16 to 31).
    TimerInterrupt,
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        if self.vcpus == 0 || self.vcpus > self.version.max_vcpus() {
            Err(ConfigError::Vcpus)
        } else if self.spis > MAX_SPIS || !self.spis.is_multiple_of(32) {
            Err(ConfigError::Spis)
        } else if self.list_registers < 2 || self.list_registers > MAX_LIST_REGISTERS {
            Err(ConfigError::ListRegisters)
        } else if self
            .hw_timer_pintid
            .is_some_and(|id| id.0 < 16 || !id.is_private())
        {
            Err(ConfigError::TimerInterrupt)
        } else {
            Ok(())
        }
    }
}
