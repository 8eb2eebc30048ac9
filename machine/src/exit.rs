//! Why a guest stopped: the syndrome registers decoded into an [`Exit`].
//!
//! Pure, so that every host tests it. Layouts: Arm ARM (DDI 0487) D24.2, `ESR_EL2` and `HPFAR_EL2`.

use abi::{Ipa, hypercall};

/// What a guest did that needs the hypervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// A physical interrupt is pending.
    Interrupt,
    /// `HVC` with this immediate; the PC is behind the instruction.
    Hvc(u16),
    /// `SMC` with this immediate; the PC is at the instruction.
    Smc(u16),
    /// A data access outside the guest's map, or one that its map refuses.
    DataAbort(DataAbort),
    /// An instruction fetch outside the guest's map.
    FetchAbort(FetchAbort),
    /// A trapped system register access; the PC is at the instruction.
    Sysreg(SysregAccess),
    /// `WFI`; the PC is at the instruction.
    WaitForInterrupt,
    /// `WFE`; the PC is at the instruction.
    WaitForEvent,
    /// An asynchronous external abort came in.
    SError {
        /// `ESR_EL2`.
        syndrome: u64,
    },
    /// Anything else that was trapped: the instruction is undefined for a guest.
    Undefined {
        /// `ESR_EL2`.
        syndrome: u64,
    },
}

/// The size of a memory access.
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
    /// Bytes.
    pub const fn bytes(self) -> u32 {
        1 << self as u32
    }

    const fn from_log2(log2: u64) -> Self {
        match log2 & 3 {
            0 => Self::Byte,
            1 => Self::Half,
            2 => Self::Word,
            _ => Self::Double,
        }
    }
}

/// Which way the data goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the device or register to the guest.
    Read,
    /// From the guest to the device or register.
    Write,
}

/// How a guest's load or store moves its data; what emulating it needs. Laid out as the syndrome's
/// bits 24:0 (Arm ARM D24.2.39, ISS encoding of a Data Abort).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer(u32);

impl Transfer {
    const WIDTH: u32 = 22;
    const SIGN_EXTEND: u32 = 1 << 21;
    const REGISTER: u32 = 16;
    const TO_64_BITS: u32 = 1 << 15;
    const WRITE: u32 = 1 << 6;

    /// A store of `width` from `register`, 31 being the zero register.
    pub const fn store(width: Width, register: u8) -> Self {
        let moved = ((width as u32) << Self::WIDTH) | ((register as u32 & 31) << Self::REGISTER);
        Self(moved | Self::WRITE)
    }

    /// A load of `width` to `register`, 31 being the zero register.
    pub const fn load(width: Width, register: u8, extend: Extend) -> Self {
        let extension = match extend {
            Extend::Zero => match width {
                Width::Double => Self::TO_64_BITS,
                _ => 0,
            },
            Extend::SignTo32 => Self::SIGN_EXTEND,
            Extend::SignTo64 => Self::SIGN_EXTEND | Self::TO_64_BITS,
        };
        let moved = ((width as u32) << Self::WIDTH) | ((register as u32 & 31) << Self::REGISTER);
        Self(moved | extension)
    }

    /// Load or store.
    #[inline]
    pub const fn direction(self) -> Direction {
        if self.0 & Self::WRITE != 0 {
            Direction::Write
        } else {
            Direction::Read
        }
    }

    /// Bytes moved.
    #[inline]
    pub const fn width(self) -> Width {
        Width::from_log2((self.0 >> Self::WIDTH) as u64)
    }

    /// The general register, 31 being the zero register.
    #[inline]
    pub const fn register(self) -> u8 {
        (self.0 >> Self::REGISTER & 31) as u8
    }

    /// Bits of a 64-bit register that the access leaves out.
    #[inline]
    const fn unused_bits(self) -> u32 {
        64 - (8 << (self.0 >> Self::WIDTH & 3))
    }

    /// What a load puts into its register, when the device gave `raw`.
    #[inline]
    pub const fn extend(self, raw: u64) -> u64 {
        let unused = self.unused_bits();
        if self.0 & Self::SIGN_EXTEND == 0 {
            return raw << unused >> unused;
        }
        let value = ((raw << unused) as i64 >> unused) as u64;
        if self.0 & Self::TO_64_BITS != 0 {
            value
        } else {
            value & 0xffff_ffff
        }
    }

    /// What a store hands to the device, when its register holds `register`.
    #[inline]
    pub const fn truncate(self, register: u64) -> u64 {
        let unused = self.unused_bits();
        register << unused >> unused
    }
}

/// How a load fills the rest of its register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extend {
    /// With zeros.
    Zero,
    /// With the sign, to 32 bits.
    SignTo32,
    /// With the sign, to 64 bits.
    SignTo64,
}

/// A data access that stage 2 refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataAbort {
    /// The guest physical address.
    pub address: Ipa,
    /// The guest virtual address.
    pub virtual_address: u64,
    /// `ESR_EL2`.
    pub syndrome: u64,
}

impl DataAbort {
    /// A refused access at `address` that the syndrome describes as `transfer`, or does not describe,
    /// with stage 1 off; as the hardware would report it, for tests.
    pub const fn refused(address: Ipa, transfer: Option<Transfer>) -> Self {
        let described = match transfer {
            Some(transfer) => ISS_VALID | transfer.0 as u64,
            None => 0,
        };
        Self {
            address,
            virtual_address: address.0,
            syndrome: EC_DATA_ABORT_LOWER << 26 | 1 << 25 | described | TRANSLATION_FAULT_3,
        }
    }

    /// A refused access to the table at `table` on a stage-1 walk; as the hardware would report it, for
    /// tests.
    pub const fn refused_walk(table: Ipa) -> Self {
        let mut abort = Self::refused(table, None);
        abort.syndrome |= S1_TABLE_WALK;
        abort
    }

    /// The syndrome's description of the access; `None` for pairs, exclusives and write-back forms.
    #[inline]
    pub const fn transfer(&self) -> Option<Transfer> {
        if self.syndrome & ISS_VALID != 0 {
            Some(Transfer(self.syndrome as u32))
        } else {
            None
        }
    }

    /// What sort it is. Only a [`AbortKind::Stage2`] is an access to an emulated device: nothing is
    /// mapped where one is.
    #[inline]
    pub const fn kind(&self) -> AbortKind {
        if self.syndrome & S1_TABLE_WALK != 0 {
            return AbortKind::TableWalk;
        }
        if self.syndrome & CACHE_MAINTENANCE != 0 {
            return AbortKind::CacheMaintenance;
        }
        match Fault::of(self.syndrome) {
            Fault::Missing => AbortKind::Stage2,
            Fault::Refused => AbortKind::Permission,
            Fault::Other => AbortKind::Other,
        }
    }
}

/// What the tables had against an access: the fault status of an abort's syndrome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing was mapped there.
    Missing,
    /// What is mapped there did not allow it.
    Refused,
    /// Nothing of the tables (an external abort, a conflict ...).
    Other,
}

impl Fault {
    /// Of the abort with this syndrome (Arm ARM, ISS encoding for aborts, DFSC and IFSC).
    #[inline]
    pub const fn of(syndrome: u64) -> Self {
        // 0b0001LL translation, 0b0010LL access flag, 0b0011LL permission fault.
        match syndrome >> 2 & 0xf {
            1 | 2 => Self::Missing,
            3 => Self::Refused,
            _ => Self::Other,
        }
    }
}

/// What sort of abort came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbortKind {
    /// Nothing is mapped there: a device may be emulated there.
    Stage2,
    /// What is mapped there refuses the access. The guest physical address is not known (Arm ARM, HPFAR_EL2).
    Permission,
    /// The fault came from a stage-1 table walk.
    TableWalk,
    /// A cache maintenance instruction by address.
    CacheMaintenance,
    /// Anything else (external abort, alignment, ...).
    Other,
}

/// Why a virtual address of a guest's is not translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Untranslated {
    /// The guest's tables do not map it, or not with that right.
    Stage1,
    /// One of the guest's tables lies where stage 2 maps nothing.
    Stage2,
}

/// An instruction fetch that stage 2 refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchAbort {
    /// The guest physical address.
    pub address: Ipa,
    /// The guest virtual address.
    pub virtual_address: u64,
    /// The whole syndrome, for messages.
    pub syndrome: u64,
}

/// A trapped `MRS`, `MSR` or system instruction: the syndrome's bits 24:0 (Arm ARM D24.2.37, ISS encoding
/// of a trapped MSR, MRS or System instruction).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SysregAccess(u32);

impl SysregAccess {
    const READ: u32 = 1;
    const GENERAL: u32 = 5;

    /// A move between `register` and `general`, 31 being the zero register, as the hardware would report
    /// it.
    pub const fn new(register: Sysreg, direction: Direction, general: u8) -> Self {
        let read = match direction {
            Direction::Read => Self::READ,
            Direction::Write => 0,
        };
        Self(register.0 | (general as u32 & 31) << Self::GENERAL | read)
    }

    /// Which register.
    #[inline]
    pub const fn register(self) -> Sysreg {
        Sysreg(self.0 & Sysreg::FIELDS)
    }

    /// `MRS` is a read.
    #[inline]
    pub const fn direction(self) -> Direction {
        if self.0 & Self::READ != 0 {
            Direction::Read
        } else {
            Direction::Write
        }
    }

    /// The general register, 31 being the zero register.
    #[inline]
    pub const fn general(self) -> u8 {
        (self.0 >> Self::GENERAL & 31) as u8
    }
}

impl core::fmt::Debug for SysregAccess {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (register, general) = (self.register(), self.general());
        write!(f, "{:?} of {register}, x{general}", self.direction())
    }
}

/// A system register's encoding, where the syndrome has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Sysreg(u32);

impl Sysreg {
    const OP0: u32 = 20;
    const OP2: u32 = 17;
    const OP1: u32 = 14;
    const CRN: u32 = 10;
    const CRM: u32 = 1;
    const FIELDS: u32 = 0xfff << Self::CRN | 0xf << Self::CRM;

    /// From the five fields of the instruction.
    pub const fn new(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> Self {
        let (op0, op1, op2) = (op0 << Self::OP0, op1 << Self::OP1, op2 << Self::OP2);
        Self(op0 | op1 | crn << Self::CRN | crm << Self::CRM | op2)
    }

    /// How many identification registers there are: S3_0_C0_C<1..7>_<0..7>.
    pub const IDENTIFICATIONS: usize = 56;

    /// The identification register of this number, below [`Self::IDENTIFICATIONS`].
    pub const fn identification(number: usize) -> Self {
        let number = (number % Self::IDENTIFICATIONS) as u32;
        Self::new(3, 0, 0, number / 8 + 1, number % 8)
    }

    /// The number of this identification register; `None` if it is none.
    #[inline]
    pub const fn identification_number(self) -> Option<usize> {
        const NUMBER: u32 = 7 << Sysreg::OP2 | 0xf << Sysreg::CRM;
        let (_, _, _, crm, op2) = self.fields();
        let number = (crm * 8 + op2).wrapping_sub(8) as usize;
        if self.0 & !NUMBER == Self::new(3, 0, 0, 0, 0).0 && number < Self::IDENTIFICATIONS {
            Some(number)
        } else {
            None
        }
    }

    /// `(op0, op1, CRn, CRm, op2)`.
    #[inline]
    pub const fn fields(self) -> (u32, u32, u32, u32, u32) {
        (
            self.0 >> Self::OP0 & 3,
            self.0 >> Self::OP1 & 7,
            self.0 >> Self::CRN & 15,
            self.0 >> Self::CRM & 15,
            self.0 >> Self::OP2 & 7,
        )
    }
}

impl core::fmt::Debug for Sysreg {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

impl core::fmt::Display for Sysreg {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (op0, op1, crn, crm, op2) = self.fields();
        write!(f, "S{op0}_{op1}_C{crn}_C{crm}_{op2}")
    }
}

const EC_WAIT: u64 = 0x01;
const EC_HVC64: u64 = 0x16;
const EC_SMC64: u64 = 0x17;
const EC_SYSREG: u64 = 0x18;
const EC_FETCH_ABORT_LOWER: u64 = 0x20;
const EC_DATA_ABORT_LOWER: u64 = 0x24;

const ISS_VALID: u64 = 1 << 24;
/// The part of a syndrome that says more about its class.
const ISS: u32 = (1 << 25) - 1;
/// In the syndrome of an abort: the walk of a stage-1 table was refused, on behalf of the access.
pub const S1_TABLE_WALK: u64 = 1 << 7;
const CACHE_MAINTENANCE: u64 = 1 << 8;
const TRANSLATION_FAULT_3: u64 = 7;

/// The syndrome of a hypercall: `HVC` of 64-bit code with the ABI's immediate.
const HYPERCALL: u32 =
    (EC_HVC64 as u32) << 26 | INSTRUCTION_OF_32_BITS | hypercall::HVC_IMMEDIATE as u32;
const INSTRUCTION_OF_32_BITS: u32 = 1 << 25;

/// Decodes a synchronous exit. `fault` gives `FAR_EL2` and `HPFAR_EL2`; it is asked for an abort only.
#[inline]
pub fn decode(esr: u64, fault: impl FnOnce() -> (u64, u64)) -> Exit {
    // The commonest is told by one look.
    if esr as u32 == HYPERCALL {
        return Exit::Hvc(hypercall::HVC_IMMEDIATE);
    }
    match esr >> 26 & 0x3f {
        EC_HVC64 => Exit::Hvc(esr as u16),
        EC_DATA_ABORT_LOWER => {
            let (far, hpfar) = fault();
            Exit::DataAbort(DataAbort {
                address: fault_address(far, hpfar),
                virtual_address: far,
                syndrome: esr,
            })
        }
        EC_SYSREG => Exit::Sysreg(SysregAccess(esr as u32 & ISS)),
        EC_WAIT if esr & 1 == 0 => Exit::WaitForInterrupt,
        EC_WAIT => Exit::WaitForEvent,
        EC_SMC64 => Exit::Smc(esr as u16),
        EC_FETCH_ABORT_LOWER => {
            let (far, hpfar) = fault();
            Exit::FetchAbort(FetchAbort {
                address: fault_address(far, hpfar),
                virtual_address: far,
                syndrome: esr,
            })
        }
        _ => Exit::Undefined { syndrome: esr },
    }
}

fn fault_address(far: u64, hpfar: u64) -> Ipa {
    // HPFAR_EL2.FIPA, bits 43:4, holds IPA bits 51:12; the page offset is the virtual address's.
    Ipa((hpfar & 0xfff_ffff_fff0) << 8 | far & 0xfff)
}

#[cfg(test)]
mod tests;
