//! Which register is where (Arm IHI 0069, 12.8, 12.10 and 12.11; IHI 0048, 4.1.2).
//!
//! The blocks of interrupt state from 0x080 to 0xcff are the same in the distributor and in the SGI
//! frame of a redistributor, and in both versions.

use crate::access::Widths;

/// What a bit for each interrupt means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bits {
    Group,
    SetEnable,
    ClearEnable,
    SetPending,
    ClearPending,
    SetActive,
    ClearActive,
}

/// A register, or the part of one that an offset names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Register {
    Control,
    Type,
    Implementer,
    Status,
    /// Message registers of SPIs, which are not offered (`GICD_TYPER.MBIS` = 0).
    Message,
    /// 32 interrupts of a word.
    Bits(Bits, usize),
    /// Priorities from this INTID.
    Priority(u32),
    /// Target bytes from this INTID.
    Targets(u32),
    /// Configuration of 16 interrupts: the number of the register.
    Config(usize),
    /// `GICD_SGIR`.
    Generate,
    /// `GICD_CPENDSGIR` from this SGI.
    ClearSenders(u32),
    /// `GICD_SPENDSGIR` from this SGI.
    SetSenders(u32),
    /// `GICD_IROUTER` of this INTID.
    Route(u32),
    /// `GICR_WAKER`.
    Waker,
    /// `GICR_TYPER`.
    RedistributorType,
    PeripheralId2,
    Reserved,
}

impl Register {
    /// The accesses that it takes.
    #[inline(always)]
    pub(crate) const fn widths(self) -> Widths {
        match self {
            Register::Reserved => Widths::ANY,
            Register::Priority(_)
            | Register::Targets(_)
            | Register::ClearSenders(_)
            | Register::SetSenders(_) => Widths::BYTE_OR_WORD,
            Register::Message => Widths::HALF_OR_WORD,
            Register::Route(_) | Register::RedistributorType => Widths::WORD_OR_DOUBLE,
            _ => Widths::WORD,
        }
    }
}

/// Bytes of a GICv2 distributor.
pub(crate) const DISTRIBUTOR_V2_SIZE: u32 = 0x1000;
/// Bytes of a GICv3 distributor, and of each of the two frames of a redistributor.
pub(crate) const FRAME_SIZE: u32 = 0x1_0000;

/// The blocks with interrupt state.
#[inline(always)]
const fn state(offset: u32) -> Register {
    let word = (offset as usize >> 2) & 0x1f;
    match offset {
        0x080..=0x0ff => Register::Bits(Bits::Group, word),
        0x100..=0x17f => Register::Bits(Bits::SetEnable, word),
        0x180..=0x1ff => Register::Bits(Bits::ClearEnable, word),
        0x200..=0x27f => Register::Bits(Bits::SetPending, word),
        0x280..=0x2ff => Register::Bits(Bits::ClearPending, word),
        0x300..=0x37f => Register::Bits(Bits::SetActive, word),
        0x380..=0x3ff => Register::Bits(Bits::ClearActive, word),
        0x400..=0x7ff => Register::Priority(offset - 0x400),
        0xc00..=0xcff => Register::Config((offset as usize - 0xc00) >> 2),
        _ => Register::Reserved,
    }
}

/// The GICv2 distributor.
pub(crate) const fn distributor_v2(offset: u32) -> Register {
    match offset & !3 {
        0x000 => Register::Control,
        0x004 => Register::Type,
        0x008 => Register::Implementer,
        0xf00 => Register::Generate,
        0xf10..=0xf1c => Register::ClearSenders(offset - 0xf10),
        0xf20..=0xf2c => Register::SetSenders(offset - 0xf20),
        0xfe8 => Register::PeripheralId2,
        0x800..=0xbfc => Register::Targets(offset - 0x800),
        _ => state(offset),
    }
}

/// The GICv3 distributor. Affinity routing is always on, so the registers of private interrupts,
/// targets and SGIs are reserved in it.
#[inline(always)]
pub(crate) const fn distributor_v3(offset: u32) -> Register {
    match offset & !3 {
        0x0000 => Register::Control,
        0x0004 => Register::Type,
        0x0008 => Register::Implementer,
        0x0010 => Register::Status,
        0x0040 | 0x0048 => Register::Message,
        0x6100..=0x7fdf => Register::Route((offset - 0x6000) >> 3),
        0xffe8 => Register::PeripheralId2,
        _ => match state(offset) {
            Register::Bits(_, 0) | Register::Config(0 | 1) => Register::Reserved,
            Register::Priority(0..32) => Register::Reserved,
            register => register,
        },
    }
}

/// A redistributor: the control frame, then the frame of SGIs and PPIs.
#[inline(always)]
pub(crate) const fn redistributor(offset: u32) -> Register {
    match offset & !3 {
        0x0000 => Register::Control,
        0x0004 => Register::Implementer,
        0x0008 | 0x000c => Register::RedistributorType,
        0x0010 => Register::Status,
        0x0014 => Register::Waker,
        0xffe8 => Register::PeripheralId2,
        0x1_0000.. => match state(offset - FRAME_SIZE) {
            Register::Bits(bits, 0) => Register::Bits(bits, 0),
            Register::Config(number @ (0 | 1)) => Register::Config(number),
            Register::Priority(intid @ 0..32) => Register::Priority(intid),
            _ => Register::Reserved,
        },
        _ => Register::Reserved,
    }
}
