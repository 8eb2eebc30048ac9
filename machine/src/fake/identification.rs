//! Identification registers: every field says that its feature is there, so that a test sees what
//! is hidden.

use crate::exit::Sysreg;

/// All fields 1.
const EVERYTHING: u64 = 0x1111_1111_1111_1111;

/// The value of an identification register (op0 3, op1 0, CRn 0, CRm 1 to 7); `None` for any other
/// register.
pub fn hardware(register: Sysreg) -> Option<u64> {
    matches!(register.fields(), (3, 0, 0, 1..=7, _)).then_some(EVERYTHING)
}

/// `MIDR_EL1`: a Cortex-A57.
pub fn processor() -> u64 {
    0x411f_d070
}
