//! The identification registers (Arm ARM D19.2): all of op0 3, op1 0, CRn 0.

use support::read_register;

use crate::{answer::attempt, say};

/// Reads `S3_0_C0_C<crm>_<op2>` for all op2.
macro_rules! row {
    ($($crm:literal)*) => {$(
        row!(@ $crm "0" "1" "2" "3" "4" "5" "6" "7");
    )*};
    (@ $crm:literal $($op2:literal)*) => {$(
        let answer = attempt(|| read_register!(concat!("S3_0_C0_C", $crm, "_", $op2)));
        say!(@ concat!("id.s3_0_c0_c", $crm, "_", $op2), "{answer}");
    )*};
}

pub(crate) fn print() {
    say!("id.midr_el1", "{}", attempt(|| read_register!("midr_el1")));
    say!(
        "id.mpidr_el1",
        "{}",
        attempt(|| read_register!("mpidr_el1"))
    );
    say!(
        "id.revidr_el1",
        "{}",
        attempt(|| read_register!("revidr_el1"))
    );
    row!("1" "2" "3" "4" "5" "6" "7");
    say!("id.ctr_el0", "{}", attempt(|| read_register!("ctr_el0")));
    say!(
        "id.dczid_el0",
        "{}",
        attempt(|| read_register!("dczid_el0"))
    );
    say!(
        "id.clidr_el1",
        "{}",
        attempt(|| read_register!("clidr_el1"))
    );
    say!("id.aidr_el1", "{}", attempt(|| read_register!("aidr_el1")));
    for select in 0..6 {
        support::write_register!("csselr_el1", select);
        say!(@ format_args!("id.ccsidr_el1.{select}"), "{}",
            attempt(|| read_register!("ccsidr_el1")));
    }
}
