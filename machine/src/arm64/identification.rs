//! The hardware's identification registers, S3_0_C0_C<1..7>_<0..7> (Arm ARM D24.2).

use super::sysreg::read;
use crate::exit::Sysreg;

macro_rules! registers {
    ($($crm:literal $($op2:literal)*;)*) => {
        /// The hardware's value of an identification register (op0 3, op1 0, CRn 0, CRm 1 to 7);
        /// `None` for any other register. Reserved ones read as 0.
        pub fn hardware(register: Sysreg) -> Option<u64> {
            match register.fields() {
                $($((3, 0, 0, $crm, $op2) => {
                    Some(read_one!($crm, $op2))
                })*)*
                _ => None,
            }
        }
    };
}

macro_rules! read_one {
    ($crm:literal, $op2:literal) => {{
        let value: u64;
        // SAFETY: reading an identification register has no side effect.
        unsafe {
            core::arch::asm!(
                concat!("mrs {}, S3_0_C0_C", $crm, "_", $op2),
                out(reg) value,
                options(nomem, nostack),
            );
        }
        value
    }};
}

registers! {
    1 0 1 2 3 4 5 6 7;
    2 0 1 2 3 4 5 6 7;
    3 0 1 2 3 4 5 6 7;
    4 0 1 2 3 4 5 6 7;
    5 0 1 2 3 4 5 6 7;
    6 0 1 2 3 4 5 6 7;
    7 0 1 2 3 4 5 6 7;
}

/// `MIDR_EL1`: which processor this is.
pub fn processor() -> u64 {
    read!("midr_el1")
}
