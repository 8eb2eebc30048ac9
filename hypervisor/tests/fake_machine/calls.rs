//! SMCCC calls, and those of PSCI that only ask.

use abi::{psci, smccc};
use machine::cpu::TrapWait;

use crate::bench::{ENTRY, Setup, Who};

const A: Who = (1, 0);
const UNKNOWN: u64 = u64::MAX;

pub(crate) fn code(code: i32) -> u64 {
    i64::from(code) as u64
}

#[test]
fn versions() {
    let mut bench = Setup::two().boot();
    assert_eq!(bench.hvc(A, psci::VERSION, [0; 3]), 0x1_0001);
    assert_eq!(
        bench.pc(A),
        ENTRY + 4,
        "an HVC returns behind itself, and only there"
    );
    assert_eq!(bench.hvc(A, smccc::VERSION, [0; 3]), 0x1_0002);
    assert_eq!(bench.hvc(A, psci::MIGRATE_INFO_TYPE, [0; 3]), 2);
}

#[test]
fn features_name_what_is_there() {
    let mut bench = Setup::two().boot();
    for function in [
        psci::CPU_ON_64,
        psci::CPU_OFF,
        psci::SYSTEM_RESET,
        smccc::VERSION,
    ] {
        let answer = bench.hvc(A, psci::FEATURES, [u64::from(function), 0, 0]);
        assert_eq!(answer, 0, "{function:#x}");
    }
    let absent = bench.hvc(A, psci::FEATURES, [0x8400_0013, 0, 0]);
    assert_eq!(absent, code(psci::NOT_SUPPORTED));
    let present = [u64::from(smccc::ARCH_FEATURES), 0, 0];
    assert_eq!(bench.hvc(A, smccc::ARCH_FEATURES, present), 0);
    let absent = [u64::from(smccc::ARCH_WORKAROUND_1), 0, 0];
    assert_eq!(bench.hvc(A, smccc::ARCH_FEATURES, absent), UNKNOWN);
    assert_eq!(bench.hvc(A, smccc::ARCH_WORKAROUND_3, [0; 3]), 0);
}

#[test]
fn the_hypervisor_service_tells_xens_numbers() {
    let mut bench = Setup::two().boot();
    assert_eq!(bench.hvc(A, 0x8500_ff00, [0; 3]), 3);
    bench.hvc(A, 0x8500_ff01, [0; 3]);
    let uid = bench.registers(A, |registers| {
        [0, 1, 2, 3].map(|x| registers.cpu.register(x))
    });
    assert_eq!(uid, [0xdc12_18a7, 0x6943_98c6, 0xd179_cf9a, 0x67e6_de8d]);
    bench.hvc(A, 0x8500_ff03, [7; 3]);
    let revision = bench.registers(A, |registers| [0, 1].map(|x| registers.cpu.register(x)));
    assert_eq!(revision, [0, 1]);
}

#[test]
fn an_unknown_function_is_answered_and_said() {
    let mut bench = Setup::two().boot();
    bench.output();
    assert_eq!(bench.hvc(A, 0xc600_1234, [0; 3]), UNKNOWN);
    let output = bench.output();
    assert!(
        output.contains("(XEN) d1v0 pc 0x40000004: unknown SMC or HVC function 0xc6001234"),
        "{output}"
    );
}

#[test]
fn an_smc_is_the_same_call_and_goes_on_behind_itself() {
    let mut bench = Setup::two().boot();
    bench.run(A, |guest| guest.smc(0, [u64::from(psci::VERSION), 0, 0, 0]));
    let x0 = bench.registers(A, |registers| registers.cpu.register(0));
    assert_eq!((x0, bench.pc(A)), (0x1_0001, ENTRY + 4));
}

#[test]
fn waiting_natively_is_no_exit() {
    let mut trapped = Setup::two().boot();
    assert_eq!(
        trapped.ask(A, |guest| guest.trap_wait()),
        TrapWait::Interrupt
    );
    let mut native = Setup::two().command_line("vwfi=native").boot();
    assert_eq!(native.ask(A, |guest| guest.trap_wait()), TrapWait::None);
}
