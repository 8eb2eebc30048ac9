//! System registers and instructions that a hypervisor may trap: what a read gives, and whether a
//! write is taken.

use core::arch::asm;

use support::{read_register, write_register};

use crate::{
    answer::{Answer, attempt},
    say,
};

/// Registers that are read.
macro_rules! reads {
    ($($name:literal)*) => {$(
        let answer = attempt(|| read_register!($name));
        say!(@ concat!("sysreg.read.", $name), "{answer}");
    )*};
}

/// Registers that are written with all zero, or with what is said.
macro_rules! writes {
    ($($name:literal $value:literal)*) => {$(
        let answer = attempt(|| { write_register!($name, $value); 0 });
        say!(@ concat!("sysreg.write.", $name), "{}", taken(answer));
    )*};
}

/// Instructions that are done.
macro_rules! instructions {
    ($($text:literal)*) => {$(
        // SAFETY: maintenance, or an exception that is skipped.
        let answer = attempt(|| { unsafe { asm!($text, in("x9") 0_u64) }; 0 });
        say!(@ concat!("sysreg.do.", $text), "{}", taken(answer));
    )*};
}

pub(crate) fn print() {
    ordinary();
    debug();
    performance();
    interrupt_controller();
    higher_levels();
    instructions!("dc isw, x9" "dc csw, x9" "dc cisw, x9" "ic ialluis" "ic iallu"
        "tlbi vmalle1" "tlbi vmalle1is" "tlbi alle1" "at s1e1r, x9" "at s12e1r, x9" "at s1e2r, x9"
        "wfe" "yield" "sev" "hint #16" "hlt #0" "udf #0" "brk #1");
}

fn ordinary() {
    reads!("actlr_el1" "S3_0_C1_C0_5" "cpacr_el1" "isr_el1" "S3_0_C10_C4_7" "S3_0_C10_C4_3" "S3_3_C2_C4_0"
        "S3_3_C13_C0_7" "S3_0_C13_C0_7" "S3_0_C1_C2_0" "S3_0_C2_C1_0" "S3_0_C10_C10_4"
        "S3_3_C13_C2_0" "S3_3_C13_C2_6" "S3_0_C15_C0_0" "S3_1_C15_C2_0" "S3_1_C11_C0_2"
        "S3_7_C15_C15_7" "cntkctl_el1");
    writes!("actlr_el1" 0xffff "S3_0_C1_C0_5" 0 "S3_0_C15_C0_0" 0 "S3_1_C15_C2_0" 0 "S3_0_C0_C0_0" 0);
    let kept = attempt(|| read_register!("actlr_el1"));
    say!("sysreg.actlr_el1_after_write", "{kept}");
}

fn debug() {
    reads!("mdscr_el1" "oslsr_el1" "osdlr_el1" "mdrar_el1" "dbgprcr_el1" "dbgclaimset_el1"
        "dbgclaimclr_el1" "dbgauthstatus_el1" "mdccsr_el0" "dbgdtrrx_el0" "mdccint_el1"
        "dbgbvr0_el1" "dbgbcr0_el1" "dbgbvr1_el1" "dbgbcr5_el1" "dbgwvr0_el1" "dbgwcr0_el1"
        "dbgwcr3_el1" "dbgbcr15_el1" "S2_1_C0_C0_1" "S3_0_C9_C9_0" "S3_0_C9_C11_0");
    writes!("mdscr_el1" 0 "oslar_el1" 1 "osdlr_el1" 0 "dbgbvr0_el1" 0x1000 "dbgbcr0_el1" 0
        "dbgwcr0_el1" 0 "dbgclaimset_el1" 1 "mdccint_el1" 0);
    say!(
        "sysreg.oslsr_el1_when_locked",
        "{}",
        attempt(|| read_register!("oslsr_el1"))
    );
    write_register!("oslar_el1", 0);
}

fn performance() {
    reads!("pmcr_el0" "pmcntenset_el0" "pmovsclr_el0" "pmselr_el0" "pmceid0_el0" "pmceid1_el0"
        "pmccntr_el0" "pmxevtyper_el0" "pmxevcntr_el0" "pmuserenr_el0" "pmintenset_el1"
        "pmccfiltr_el0" "pmevcntr0_el0" "pmevtyper0_el0" "S3_0_C9_C14_6");
    writes!("pmcr_el0" 0 "pmcntenclr_el0" 0 "pmuserenr_el0" 0 "pmintenclr_el1" 0 "pmselr_el0" 0
        "pmccfiltr_el0" 0);
}

fn interrupt_controller() {
    // ICC_CTLR, PMR, BPR0, BPR1, RPR, HPPIR0, HPPIR1, SRE, IGRPEN0, IGRPEN1, AP0R0, AP1R0, AP1R1.
    reads!("S3_0_C12_C12_4" "S3_0_C4_C6_0" "S3_0_C12_C8_3" "S3_0_C12_C12_3" "S3_0_C12_C11_3"
        "S3_0_C12_C8_2" "S3_0_C12_C12_2" "S3_0_C12_C12_5" "S3_0_C12_C12_6" "S3_0_C12_C12_7"
        "S3_0_C12_C8_4" "S3_0_C12_C9_0" "S3_0_C12_C9_1" "S3_0_C12_C12_0" "S3_0_C12_C8_0");
    // SRE, SGI0R, ASGI1R, SGI1R, DIR, EOIR1, a read of SGI1R, which is for writing only.
    writes!("S3_0_C12_C12_5" 0 "S3_0_C12_C11_7" 0x0100_0000 "S3_0_C12_C11_6" 0x0100_0000
        "S3_0_C12_C11_5" 0x0100_0000 "S3_0_C12_C11_1" 1023 "S3_0_C12_C12_1" 1023);
    reads!("S3_0_C12_C11_5");
    say!(
        "sysreg.icc_sre_after_write",
        "{}",
        attempt(|| read_register!("S3_0_C12_C12_5"))
    );
}

fn higher_levels() {
    reads!("hcr_el2" "vttbr_el2" "esr_el2" "cnthctl_el2" "cntvoff_el2" "vbar_el2" "sctlr_el2"
        "sp_el1" "S3_4_C12_C11_0" "scr_el3" "S3_5_C1_C0_0" "cntps_ctl_el1" "cnthp_ctl_el2");
    writes!("hcr_el2" 0 "vttbr_el2" 0 "scr_el3" 0);
}

/// A write's answer.
fn taken(answer: Answer) -> Answer {
    match answer {
        Answer::Value(_) => Answer::Value(1),
        exception => exception,
    }
}
