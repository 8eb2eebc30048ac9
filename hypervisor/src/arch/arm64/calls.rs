//! `HVC #0` and `SMC #0`: PSCI and SMCCC (Arm DEN0022, DEN0028) as `logic/lifecycle` decodes them.

use ::console::Level;
use abi::{VcpuSet, psci, smccc};
use lifecycle::PsciError;
use lifecycle::psci::{Call, MIGRATION_NOT_REQUIRED, decode, features};

use crate::run::{Cpu, Next};

/// Performs the call that the resident guest's registers describe.
#[inline]
pub fn call(cpu: &mut Cpu<'_>) -> Next {
    // What a guest asks most often, ahead of the decoder that knows it all.
    match cpu.with_registers(|registers| registers.cpu.register(0) as u32) {
        Some(psci::VERSION) => cpu.answer(psci::VERSION_1_1),
        Some(smccc::VERSION) => cpu.answer(smccc::VERSION_1_2),
        Some(psci::AFFINITY_INFO_64) => affinity_of_call(cpu),
        Some(function) => call_with_arguments(cpu, function),
        None => Next::Choose,
    }
}

fn affinity_of_call(cpu: &mut Cpu<'_>) -> Next {
    let arguments = cpu.with_registers(|registers| {
        let x = |index| registers.cpu.register(index);
        // The level is a 32-bit argument of either convention.
        (x(1), u64::from(x(2) as u32))
    });
    match arguments {
        Some((target, lowest_level)) => affinity_info(cpu, target, lowest_level),
        None => Next::Choose,
    }
}

#[inline(never)]
fn call_with_arguments(cpu: &mut Cpu<'_>, function: u32) -> Next {
    let arguments = cpu.with_registers(|registers| {
        let x = |index| registers.cpu.register(index);
        [x(1), x(2), x(3)]
    });
    let Some(arguments) = arguments else {
        return Next::Choose;
    };
    let call = decode(function, arguments);
    match call {
        Call::Version => cpu.answer(psci::VERSION_1_1),
        Call::SmcccVersion => cpu.answer(smccc::VERSION_1_2),
        Call::Features { function } => cpu.answer(sign_extend(features(function))),
        Call::MigrateInfoType => cpu.answer(MIGRATION_NOT_REQUIRED),
        Call::ArchFeatures { function } => cpu.answer(arch_features(function)),
        Call::Workaround(_) => cpu.answer(0),
        Call::HypervisorCallCount => cpu.answer(lifecycle::smccc::CALLS),
        Call::HypervisorUid => answer_all(cpu, &lifecycle::smccc::UID),
        Call::HypervisorRevision => answer_all(cpu, &lifecycle::smccc::REVISION),
        Call::CpuSuspend => {
            let _ = cpu.answer(sign_extend(psci::SUCCESS));
            cpu.wait()
        }
        Call::AffinityInfo {
            target,
            lowest_level,
        } => affinity_info(cpu, target, lowest_level),
        Call::CpuOn { .. } | Call::CpuOff | Call::SystemOff | Call::SystemReset => power(cpu, call),
        Call::SystemSuspend { .. } => cpu.answer(sign_extend(psci::NOT_SUPPORTED)),
        Call::Unknown => {
            // Every kernel asks for services that may not be there: worth a line, but no warning.
            cpu.remark(
                Level::Info,
                format_args!("unknown SMC or HVC function {function:#x}\n"),
            );
            cpu.answer(smccc::UNKNOWN)
        }
    }
}

/// Which functions of the architecture's range are there: no workaround is needed from here, as
/// nothing of the hypervisor's is in the guest's address space and the firmware's own mitigations
/// stay the firmware's.
fn arch_features(function: u32) -> u64 {
    match function {
        smccc::VERSION | smccc::ARCH_FEATURES => 0,
        _ => smccc::UNKNOWN,
    }
}

fn answer_all(cpu: &mut Cpu<'_>, values: &[u64]) -> Next {
    cpu.with_registers(|registers| {
        for (index, value) in (0..).zip(values) {
            registers.cpu.set_register(index, *value);
        }
    });
    Next::Run
}

const fn sign_extend(code: i32) -> u64 {
    code as i64 as u64
}

fn affinity_info(cpu: &mut Cpu<'_>, target: u64, lowest_level: u64) -> Next {
    match cpu.with_life(|life, _| life.state.affinity_info(target, lowest_level)) {
        Some(Ok(info)) => cpu.answer(info as u64),
        Some(Err(error)) => refuse(cpu, error),
        None => Next::Choose,
    }
}

fn refuse(cpu: &mut Cpu<'_>, error: PsciError) -> Next {
    match error.code() {
        Some(code) => cpu.answer(sign_extend(code)),
        None => Next::Choose,
    }
}

fn power(cpu: &mut Cpu<'_>, call: Call) -> Next {
    let result = cpu.change_life(|life, vcpu| match call {
        Call::CpuOn {
            target,
            entry,
            context,
        } => life.state.cpu_on(vcpu, target, entry, context),
        Call::CpuOff => life.state.cpu_off(vcpu),
        Call::SystemOff => life.state.system_off(vcpu, VcpuSet::EMPTY),
        Call::SystemReset => life.state.system_reset(vcpu, VcpuSet::EMPTY),
        _ => Err(PsciError::InvalidParameters),
    });
    match result {
        None => Next::Choose,
        Some(Ok(next)) => {
            let _ = cpu.answer(sign_extend(psci::SUCCESS));
            next
        }
        Some(Err(error)) => refuse(cpu, error),
    }
}
