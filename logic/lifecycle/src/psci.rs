//! Decoding of a guest's PSCI and SMCCC calls (`HVC #0`, `SMC #0`).
//!
//! Arm DEN0022 5 and table 6 (function numbers), Arm DEN0028 2 and 7. The number is w0; the 32-bit
//! form of a function ignores the upper halves of its arguments. The two PSCI 0.1 numbers are those
//! that the guest's device tree names (`cpu_off = 1`, `cpu_on = 2`), as on Xen.

use abi::{psci, smccc as arch};

use crate::smccc;

/// A call of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// `PSCI_VERSION`.
    Version,
    /// `CPU_SUSPEND`: treated as standby, whatever state it asks for (as WFI).
    CpuSuspend,
    /// `CPU_OFF` of the caller.
    CpuOff,
    /// `CPU_ON`.
    CpuOn {
        /// Affinity of the vCPU to turn on.
        target: u64,
        /// Where it starts.
        entry: u64,
        /// Its x0.
        context: u64,
    },
    /// `AFFINITY_INFO`.
    AffinityInfo {
        /// Affinity asked for.
        target: u64,
        /// Levels below it are ignored.
        lowest_level: u64,
    },
    /// `MIGRATE_INFO_TYPE`.
    MigrateInfoType,
    /// `SYSTEM_OFF`.
    SystemOff,
    /// `SYSTEM_RESET`.
    SystemReset,
    /// `SYSTEM_SUSPEND`.
    SystemSuspend {
        /// Where the caller starts after a resume.
        entry: u64,
        /// Its x0 then.
        context: u64,
    },
    /// `PSCI_FEATURES`; answer with [`features`].
    Features {
        /// The function asked for.
        function: u32,
    },
    /// `SMCCC_VERSION`.
    SmcccVersion,
    /// `SMCCC_ARCH_FEATURES`.
    ArchFeatures {
        /// The function asked for.
        function: u32,
    },
    /// `SMCCC_ARCH_WORKAROUND_1` to `_3`.
    Workaround(Workaround),
    /// Call count of the hypervisor's service.
    HypervisorCallCount,
    /// UID of the hypervisor's service.
    HypervisorUid,
    /// Revision of the hypervisor's service.
    HypervisorRevision,
    /// Not there: the result is [`abi::smccc::UNKNOWN`].
    Unknown,
}

/// A firmware mitigation that a guest may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Workaround {
    /// Branch predictor hardening.
    One,
    /// Speculative store bypass; the argument turns it on (not 0) or off.
    Two {
        /// Whether the guest wants the mitigation.
        enable: bool,
    },
    /// Branch history hardening.
    Three,
}

/// What `MIGRATE_INFO_TYPE` returns: no trusted OS that would need migration.
pub const MIGRATION_NOT_REQUIRED: u64 = 2;

const CPU_OFF_0_1: u32 = 1;
const CPU_ON_0_1: u32 = 2;
const SYSTEM_SUSPEND_32: u32 = 0x8400_000e;
/// Set in the numbers of the 64-bit convention.
const CONVENTION_64: u32 = 1 << 30;

/// What the guest asks for with `function` in w0 and `args` in x1 to x3.
pub fn decode(function: u32, args: [u64; 3]) -> Call {
    let [first, second, third] = match function {
        CPU_ON_0_1 => [args[0], args[1], 0],
        _ if function & CONVENTION_64 == 0 => args.map(low_half),
        _ => args,
    };
    match function {
        psci::VERSION => Call::Version,
        psci::CPU_SUSPEND_32 | psci::CPU_SUSPEND_64 => Call::CpuSuspend,
        psci::CPU_OFF | CPU_OFF_0_1 => Call::CpuOff,
        psci::CPU_ON_32 | psci::CPU_ON_64 | CPU_ON_0_1 => Call::CpuOn {
            target: first,
            entry: second,
            context: third,
        },
        psci::AFFINITY_INFO_32 | psci::AFFINITY_INFO_64 => Call::AffinityInfo {
            target: first,
            lowest_level: low_half(second),
        },
        psci::MIGRATE_INFO_TYPE => Call::MigrateInfoType,
        psci::SYSTEM_OFF => Call::SystemOff,
        psci::SYSTEM_RESET => Call::SystemReset,
        psci::SYSTEM_SUSPEND_64 | SYSTEM_SUSPEND_32 => Call::SystemSuspend {
            entry: first,
            context: second,
        },
        psci::FEATURES => Call::Features {
            function: first as u32,
        },
        arch::VERSION => Call::SmcccVersion,
        arch::ARCH_FEATURES => Call::ArchFeatures {
            function: first as u32,
        },
        arch::ARCH_WORKAROUND_1 => Call::Workaround(Workaround::One),
        arch::ARCH_WORKAROUND_2 => Call::Workaround(Workaround::Two { enable: first != 0 }),
        arch::ARCH_WORKAROUND_3 => Call::Workaround(Workaround::Three),
        smccc::CALL_COUNT => Call::HypervisorCallCount,
        smccc::CALL_UID => Call::HypervisorUid,
        smccc::CALL_REVISION => Call::HypervisorRevision,
        _ => Call::Unknown,
    }
}

/// What `PSCI_FEATURES` returns for `function`: success for PSCI's own functions that [`decode`]
/// knows (none has feature bits to set) and for `SMCCC_VERSION`, else not supported.
pub fn features(function: u32) -> i32 {
    match decode(function, [0; 3]) {
        // The 0.1 numbers are not function ids of this convention.
        _ if function == CPU_OFF_0_1 || function == CPU_ON_0_1 => psci::NOT_SUPPORTED,
        // Nothing resumes a suspended domain yet: as on Xen before 4.22 it is not offered.
        Call::SystemSuspend { .. }
        | Call::ArchFeatures { .. }
        | Call::Workaround(_)
        | Call::HypervisorCallCount
        | Call::HypervisorUid
        | Call::HypervisorRevision
        | Call::Unknown => psci::NOT_SUPPORTED,
        _ => psci::SUCCESS,
    }
}

const fn low_half(value: u64) -> u64 {
    value & 0xffff_ffff
}

#[cfg(test)]
mod tests;
