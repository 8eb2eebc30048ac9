//! The widths of register accesses, and how a wrong access fails (Arm IHI 0069, 12.1.3).

/// The size of a guest's access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Half,
    /// 32 bits.
    Word,
    /// 64 bits.
    Double,
}

impl Width {
    /// Bytes of an access: 1, 2, 4 or 8.
    pub const fn bytes(self) -> u32 {
        1 << self as u32
    }

    /// The width of an access of 1, 2, 4 or 8 bytes.
    pub const fn from_bytes(bytes: u32) -> Option<Self> {
        match bytes {
            1 => Some(Width::Byte),
            2 => Some(Width::Half),
            4 => Some(Width::Word),
            8 => Some(Width::Double),
            _ => None,
        }
    }
}

/// Why an access fails. The guest gets a synchronous external abort for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The offset is no multiple of the width.
    Misaligned,
    /// The register does not take accesses of this width.
    Width,
    /// There is no such vCPU, or the offset is outside the frame, or this version has no such frame.
    Absent,
}

/// The set of widths that a register takes.
#[derive(Clone, Copy)]
pub(crate) struct Widths(u32);

impl Widths {
    /// Reserved space, which reads as zero in any width.
    pub(crate) const ANY: Self = Self(1 | 2 | 4 | 8);
    /// Most registers.
    pub(crate) const WORD: Self = Self(4);
    /// Registers with a byte for each interrupt.
    pub(crate) const BYTE_OR_WORD: Self = Self(1 | 4);
    /// Message registers of SPIs.
    pub(crate) const HALF_OR_WORD: Self = Self(2 | 4);
    /// 64-bit registers, whole or by halves.
    pub(crate) const WORD_OR_DOUBLE: Self = Self(4 | 8);

    /// Whether an access of `width` at `offset` is one of these, and aligned.
    #[inline(always)]
    pub(crate) const fn check(self, offset: u32, width: Width) -> Result<(), Fault> {
        if offset & (width.bytes() - 1) != 0 {
            Err(Fault::Misaligned)
        } else if self.0 & width.bytes() == 0 {
            Err(Fault::Width)
        } else {
            Ok(())
        }
    }
}

/// The part of a 64-bit register that an access of `width` at `offset` sees.
pub(crate) const fn part_of_double(register: u64, offset: u32, width: Width) -> u64 {
    match width {
        Width::Double => register,
        _ if offset & 4 != 0 => register >> 32,
        _ => register & 0xffff_ffff,
    }
}
