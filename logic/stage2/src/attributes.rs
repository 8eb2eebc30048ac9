//! What a mapping allows, and its bits in a stage-2 leaf descriptor.
//!
//! Arm DDI 0487 D8.3 (stage 2 block and page descriptors), D8.6 (memory attributes): MemAttr in
//! bits 5:2, S2AP in 7:6, SH in 9:8, AF in 10, XN in 54:53.

/// Memory type of a mapping; stage 1 of the guest can only make it stricter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Memory {
    /// Normal, inner and outer write-back cacheable, inner shareable.
    Normal,
    /// Device-nGnRE.
    Device,
}

/// Which data accesses a mapping allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Loads and stores.
    ReadWrite,
    /// Loads only; a store faults to EL2.
    ReadOnly,
}

/// Whether a guest may fetch instructions from a mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Execute {
    /// It may, at EL1 and EL0.
    Yes,
    /// A fetch faults to EL2.
    No,
}

/// What a mapping allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// Memory type.
    pub memory: Memory,
    /// Data accesses.
    pub access: Access,
    /// Instruction fetches.
    pub execute: Execute,
}

const MEMORY_NORMAL: u64 = 0b1111 << 2;
const MEMORY_DEVICE_NGNRE: u64 = 0b0001 << 2;
const MEMORY_MASK: u64 = 0b1111 << 2;
const READ: u64 = 1 << 6;
const WRITE: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 0b11 << 8;
const ACCESS_FLAG: u64 = 1 << 10;
const EXECUTE_NEVER: u64 = 1 << 54;

impl Attributes {
    /// A guest's RAM: normal memory, everything allowed.
    pub const RAM: Self = Self {
        memory: Memory::Normal,
        access: Access::ReadWrite,
        execute: Execute::Yes,
    };
    /// A device's registers: read and write, no fetches.
    pub const DEVICE: Self = Self {
        memory: Memory::Device,
        access: Access::ReadWrite,
        execute: Execute::No,
    };

    /// Their bits in a leaf descriptor, the access flag set.
    pub(crate) const fn bits(self) -> u64 {
        let memory = match self.memory {
            Memory::Normal => MEMORY_NORMAL | INNER_SHAREABLE,
            // Shareability of device memory is ignored: it is always outer shareable.
            Memory::Device => MEMORY_DEVICE_NGNRE,
        };
        let access = match self.access {
            Access::ReadWrite => READ | WRITE,
            Access::ReadOnly => READ,
        };
        let execute = match self.execute {
            Execute::Yes => 0,
            Execute::No => EXECUTE_NEVER,
        };
        memory | access | execute | ACCESS_FLAG
    }

    /// The attributes of a leaf descriptor that [`bits`](Self::bits) made.
    pub(crate) const fn from_bits(descriptor: u64) -> Self {
        Self {
            memory: if descriptor & MEMORY_MASK == MEMORY_NORMAL {
                Memory::Normal
            } else {
                Memory::Device
            },
            access: if descriptor & WRITE != 0 {
                Access::ReadWrite
            } else {
                Access::ReadOnly
            },
            execute: if descriptor & EXECUTE_NEVER == 0 {
                Execute::Yes
            } else {
                Execute::No
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_those_of_the_architecture() {
        assert_eq!(Attributes::RAM.bits(), 0x7fc);
        assert_eq!(Attributes::DEVICE.bits(), 0x0040_0000_0000_04c4);
        let rom = Attributes {
            access: Access::ReadOnly,
            ..Attributes::RAM
        };
        assert_eq!(rom.bits(), 0x77c);
    }

    #[test]
    fn bits_round_trip() {
        for memory in [Memory::Normal, Memory::Device] {
            for access in [Access::ReadWrite, Access::ReadOnly] {
                for execute in [Execute::Yes, Execute::No] {
                    let attributes = Attributes {
                        memory,
                        access,
                        execute,
                    };
                    assert_eq!(Attributes::from_bits(attributes.bits()), attributes);
                }
            }
        }
    }
}
