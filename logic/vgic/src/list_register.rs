//! The layout of a list register: `ICH_LR<n>_EL2` (Arm IHI 0069, 12.4).

use abi::IntId;

/// A list register in GICv3 layout. With a GICv2, the sender of an SGI is in bits 34:32 and the caller
/// converts it all to `GICH_LR` layout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListRegister(pub u64);

impl ListRegister {
    /// Holds no interrupt.
    pub const INVALID: Self = Self(0);
    /// Pending.
    pub const PENDING: u64 = 1 << 62;
    /// Active.
    pub const ACTIVE: u64 = 1 << 63;
    /// The guest's deactivation also deactivates the physical interrupt.
    pub const HARDWARE: u64 = 1 << 61;
    /// Group 1.
    pub const GROUP_1: u64 = 1 << 60;
    /// Maintenance interrupt when the guest ends it. Only without [`Self::HARDWARE`].
    pub const EOI: u64 = 1 << 41;

    const PRIORITY_SHIFT: u32 = 48;
    const PHYSICAL_SHIFT: u32 = 32;

    /// An invalid list register with number, priority and flags filled in; a state is to be or-ed in.
    pub(crate) const fn new(intid: u32, priority: u8) -> Self {
        Self(intid as u64 | (priority as u64) << Self::PRIORITY_SHIFT)
    }

    /// With `flags` set.
    #[must_use]
    pub const fn with(self, flags: u64) -> Self {
        Self(self.0 | flags)
    }

    /// With the physical INTID, or a GICv2 SGI's sender.
    pub(crate) const fn with_physical(self, id: u32) -> Self {
        Self(self.0 | (id as u64) << Self::PHYSICAL_SHIFT)
    }

    /// Whether its state is pending, or pending and active.
    pub const fn is_pending(self) -> bool {
        self.0 & Self::PENDING != 0
    }

    /// Whether its state is active, or pending and active.
    pub const fn is_active(self) -> bool {
        self.0 & Self::ACTIVE != 0
    }

    /// Whether it holds an interrupt.
    pub const fn is_valid(self) -> bool {
        self.0 & (Self::PENDING | Self::ACTIVE) != 0
    }

    /// Whether it is linked to a physical interrupt.
    pub const fn is_hardware(self) -> bool {
        self.0 & Self::HARDWARE != 0
    }

    /// Whether its end raises a maintenance interrupt.
    pub const fn signals_end(self) -> bool {
        !self.is_hardware() && self.0 & Self::EOI != 0
    }

    /// The guest's interrupt number.
    pub const fn intid(self) -> IntId {
        IntId(self.0 as u32)
    }

    /// The priority; 0 is the highest.
    pub const fn priority(self) -> u8 {
        (self.0 >> Self::PRIORITY_SHIFT) as u8
    }

    /// The physical interrupt that it is linked to.
    pub const fn physical(self) -> Option<IntId> {
        if self.is_hardware() {
            Some(IntId((self.0 >> Self::PHYSICAL_SHIFT) as u32 & 0x1fff))
        } else {
            None
        }
    }

    /// The sender of a GICv2's SGI.
    pub const fn source(self) -> u8 {
        (self.0 >> Self::PHYSICAL_SHIFT) as u8 & 7
    }
}
