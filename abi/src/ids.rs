//! Ids as types of their own, so that one is never taken for another.

use core::fmt;

/// A domain's number. Domains of the boot device tree count from 1 in tree order, as on Xen.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomId(pub u16);

impl DomId {
    /// `DOMID_FIRST_RESERVED`: from here on no domain has the number.
    pub const FIRST_RESERVED: Self = Self(0x7ff0);
    /// `DOMID_SELF`: the caller.
    pub const SELF: Self = Self(0x7ff0);
    /// `DOMID_IO`.
    pub const IO: Self = Self(0x7ff1);
    /// `DOMID_XEN`: the hypervisor.
    pub const XEN: Self = Self(0x7ff2);
    /// `DOMID_INVALID`.
    pub const INVALID: Self = Self(0x7ff4);
    /// `DOMID_IDLE`.
    pub const IDLE: Self = Self(0x7fff);
}

/// An event channel port of a domain. Port 0 is never valid.
#[repr(transparent)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port(pub u32);

/// A virtual CPU's number within its domain, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VcpuId(pub u16);

/// A physical CPU's logical number: 0 is the one that booted, the others follow the device tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CpuId(pub u16);

/// A GIC interrupt number (INTID): SGIs 0 to 15, PPIs 16 to 31, SPIs from 32 (Arm IHI 0069, 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IntId(pub u32);

impl IntId {
    /// The first shared peripheral interrupt.
    pub const FIRST_SPI: u32 = 32;

    /// Whether it is private to a CPU (an SGI or a PPI).
    pub const fn is_private(self) -> bool {
        self.0 < Self::FIRST_SPI
    }
}

impl fmt::Display for DomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "d{}", self.0)
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "port {}", self.0)
    }
}

impl fmt::Display for VcpuId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}
