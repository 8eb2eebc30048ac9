//! The register map (PL011 TRM, DDI 0183, chapter 3): which register an access means, and how
//! much of it.
//!
//! Invariant: a register answers at its own offset only. An access that starts inside a register
//! is one to an unknown offset, as on Xen: it reads as zero and is ignored when written.

/// How many bytes the guest's instruction transfers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Width {
    /// 8 bits.
    Byte,
    /// 16 bits.
    Half,
    /// 32 bits.
    Word,
    /// 64 bits: refused, as by Xen.
    Double,
}

/// The access is refused: the guest gets a synchronous external abort.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault;

impl Width {
    /// The register bits that an access of this width covers.
    pub(crate) const fn lane(self) -> Result<u32, Fault> {
        match self {
            Width::Byte => Ok(0xff),
            Width::Half => Ok(0xffff),
            Width::Word => Ok(u32::MAX),
            Width::Double => Err(Fault),
        }
    }
}

/// The offset of FR.
pub(crate) const FLAGS: u32 = 0x18;

/// Bits of FR, the flag register (DDI 0183, 3.3.3).
pub(crate) mod flag {
    pub(crate) const BUSY: u32 = 1 << 3;
    pub(crate) const RX_EMPTY: u32 = 1 << 4;
    pub(crate) const TX_FULL: u32 = 1 << 5;
    pub(crate) const RX_FULL: u32 = 1 << 6;
    pub(crate) const TX_EMPTY: u32 = 1 << 7;
}

/// Bits of IMSC, RIS, MIS and ICR (DDI 0183, 3.3.10).
pub(crate) mod interrupt {
    pub(crate) const RECEIVE: u32 = 1 << 4;
    pub(crate) const TRANSMIT: u32 = 1 << 5;
    pub(crate) const RECEIVE_TIMEOUT: u32 = 1 << 6;
    pub(crate) const OVERRUN: u32 = 1 << 10;
}

/// The overrun bit of DR (DDI 0183, 3.3.1).
pub(crate) const DATA_OVERRUN: u32 = 1 << 11;
/// The overrun bit of RSR (DDI 0183, 3.3.2).
pub(crate) const STATUS_OVERRUN: u32 = 1 << 3;

/// How many registers keep what is written and do nothing: baud rate, line control, DMA.
pub(crate) const SETTINGS: usize = 7;

/// Those registers after reset: ILPR, IBRD, FBRD, LCR_H, CR, IFLS, DMACR (DDI 0183, table 3-1).
pub(crate) const SETTINGS_AT_RESET: [u32; SETTINGS] = [0, 0, 0, 0, 0x300, 0x12, 0];

/// The identification registers, from 0xfe0 on. Part 0x011 designed by Arm (0x41); revision 3
/// (r1p5) is the first with 32-byte FIFOs, and drivers size their bursts by it.
const ID: [u8; 8] = [0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

/// What an offset means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Register {
    Data,
    ReceiveStatus,
    Flags,
    /// Slot `.0` of the settings, of which the real part implements the bits `.1`.
    Setting(usize, u32),
    Mask,
    RawStatus,
    MaskedStatus,
    Clear,
    /// An identification register and its value.
    Id(u8),
}

impl Register {
    /// The register at `offset` bytes into the frame, if the model has one there.
    pub(crate) const fn at(offset: u32) -> Option<Self> {
        Some(match offset {
            0x00 => Register::Data,
            0x04 => Register::ReceiveStatus,
            FLAGS => Register::Flags,
            0x20 => Register::Setting(0, 0xff),
            0x24 => Register::Setting(1, 0xffff),
            0x28 => Register::Setting(2, 0x3f),
            0x2c => Register::Setting(3, 0xff),
            0x30 => Register::Setting(4, 0xff87),
            0x34 => Register::Setting(5, 0x3f),
            0x38 => Register::Mask,
            0x3c => Register::RawStatus,
            0x40 => Register::MaskedStatus,
            0x44 => Register::Clear,
            0x48 => Register::Setting(6, 0x7),
            0xfe0..=0xffc if offset & 3 == 0 => Register::Id(ID[(offset as usize >> 2) & 7]),
            _ => return None,
        })
    }

    /// Whether writes have no effect, whatever their width.
    pub(crate) const fn is_read_only(self) -> bool {
        matches!(
            self,
            Register::Flags | Register::RawStatus | Register::MaskedStatus | Register::Id(_)
        )
    }
}
