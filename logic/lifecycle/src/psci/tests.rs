//! Function numbers, argument widths and what `PSCI_FEATURES` says, as tables.

use super::*;

const ARGS: [u64; 3] = [0x1_8000_0001, 0x2_4000_0000, 0x3_0000_0007];

#[test]
fn psci_calls() {
    let cases = [
        (0x8400_0000, Call::Version),
        (0x8400_0001, Call::CpuSuspend),
        (0xc400_0001, Call::CpuSuspend),
        (0x8400_0002, Call::CpuOff),
        (0x8400_0006, Call::MigrateInfoType),
        (0x8400_0008, Call::SystemOff),
        (0x8400_0009, Call::SystemReset),
        (
            0x8400_000a,
            Call::Features {
                function: 0x8000_0001,
            },
        ),
    ];
    for (function, call) in cases {
        assert_eq!(decode(function, ARGS), call, "{function:#x}");
    }
}

#[test]
fn the_64_bit_forms_take_whole_arguments() {
    let [target, entry, context] = ARGS;
    assert_eq!(
        decode(0xc400_0003, ARGS),
        Call::CpuOn {
            target,
            entry,
            context
        }
    );
    assert_eq!(
        decode(0xc400_0004, ARGS),
        Call::AffinityInfo {
            target,
            lowest_level: 0x4000_0000
        }
    );
    let suspend = Call::SystemSuspend {
        entry: ARGS[0],
        context: ARGS[1],
    };
    assert_eq!(decode(0xc400_000e, ARGS), suspend);
}

#[test]
fn the_32_bit_forms_truncate_their_arguments() {
    let (target, entry, context) = (0x8000_0001, 0x4000_0000, 7);
    assert_eq!(
        decode(0x8400_0003, ARGS),
        Call::CpuOn {
            target,
            entry,
            context
        }
    );
    assert_eq!(
        decode(0x8400_0004, ARGS),
        Call::AffinityInfo {
            target,
            lowest_level: entry
        }
    );
    let suspend = Call::SystemSuspend {
        entry: target,
        context: entry,
    };
    assert_eq!(decode(0x8400_000e, ARGS), suspend);
}

#[test]
fn the_numbers_of_psci_0_1_have_no_context() {
    assert_eq!(decode(1, ARGS), Call::CpuOff);
    let on = Call::CpuOn {
        target: ARGS[0],
        entry: ARGS[1],
        context: 0,
    };
    assert_eq!(decode(2, ARGS), on);
}

#[test]
fn smccc_calls() {
    let cases = [
        (0x8000_0000, Call::SmcccVersion),
        (
            0x8000_0001,
            Call::ArchFeatures {
                function: 0x8000_0001,
            },
        ),
        (0x8000_8000, Call::Workaround(Workaround::One)),
        (
            0x8000_7fff,
            Call::Workaround(Workaround::Two { enable: true }),
        ),
        (0x8000_3fff, Call::Workaround(Workaround::Three)),
        (0x8500_ff00, Call::HypervisorCallCount),
        (0x8500_ff01, Call::HypervisorUid),
        (0x8500_ff03, Call::HypervisorRevision),
    ];
    for (function, call) in cases {
        assert_eq!(decode(function, ARGS), call, "{function:#x}");
    }
    // The argument is an unsigned 32-bit one.
    let off = Call::Workaround(Workaround::Two { enable: false });
    assert_eq!(decode(0x8000_7fff, [0x1_0000_0000, 0, 0]), off);
}

#[test]
fn everything_else_is_unknown() {
    // PSCI 0.1's cpu_suspend and migrate, CPU_OFF as a 64-bit call, SYSTEM_RESET2, TRNG_VERSION,
    // KVM's UID, the trusted OS's range, yielding calls.
    for function in [
        0,
        3,
        0xc400_0002,
        0x8400_0012,
        0xc400_0012,
        0x8400_0050,
        0x8600_ff01,
        0xb200_0000,
        0x400_0000,
        u32::MAX,
    ] {
        assert_eq!(decode(function, ARGS), Call::Unknown, "{function:#x}");
    }
}

#[test]
fn features_name_what_is_there() {
    for function in [
        psci::VERSION,
        psci::CPU_SUSPEND_32,
        psci::CPU_SUSPEND_64,
        psci::CPU_OFF,
        psci::CPU_ON_32,
        psci::CPU_ON_64,
        psci::AFFINITY_INFO_32,
        psci::AFFINITY_INFO_64,
        psci::MIGRATE_INFO_TYPE,
        psci::SYSTEM_OFF,
        psci::SYSTEM_RESET,
        psci::FEATURES,
        arch::VERSION,
    ] {
        assert_eq!(features(function), psci::SUCCESS, "{function:#x}");
    }
    for function in [
        1,
        2,
        0x8400_0012,
        arch::ARCH_FEATURES,
        smccc::CALL_UID,
        0x8400_0005,
    ] {
        assert_eq!(features(function), psci::NOT_SUPPORTED, "{function:#x}");
    }
}
