//! PSCI: what the calls do and refuse.

use abi::{arm, psci};

use super::*;
use crate::{Affinity, DomainState, Power, PsciError, Reason};

#[test]
fn cpu_on_starts_a_vcpu_at_its_entry() {
    let mut domain = running(2, 1);
    assert_eq!(domain.cpu_on(V0, 1, 0x8000, 42), Ok(wakes(&[V1])));
    assert_eq!(domain.affinity_info(1, 0), Ok(Affinity::OnPending));
    assert_eq!(domain.cpu_on(V0, 1, 0x9000, 43), Err(PsciError::OnPending));
    assert_eq!(
        domain.take_entry(V1),
        Some(Entry {
            address: 0x8000,
            context: 42
        })
    );
    assert_eq!(domain.affinity_info(1, 0), Ok(Affinity::On));
    assert_eq!(domain.cpu_on(V0, 1, 0x9000, 43), Err(PsciError::AlreadyOn));
    assert_eq!(domain.cpu_on(V0, 0, 0x9000, 43), Err(PsciError::AlreadyOn));
}

#[test]
fn cpu_on_finds_every_vcpu_by_its_affinity() {
    let mut domain = running(128, 1);
    for vcpu in 1..128 {
        let target = arm::vcpu_affinity(vcpu);
        assert_eq!(domain.cpu_on(V0, target, 0, 0), Ok(wakes(&[VcpuId(vcpu)])));
    }
}

#[test]
fn cpu_on_refuses_wrong_arguments() {
    let mut domain = running(17, 1);
    // Not there; Aff0 above 15; Aff2; a bit that is no affinity field.
    for (target, entry) in [
        (17, 0),
        (0x101, 0),
        (16, 0),
        (0x1_0001, 0),
        (1 << 31 | 1, 0),
    ] {
        let result = domain.cpu_on(V0, target, entry, 0);
        assert_eq!(result, Err(PsciError::InvalidParameters), "{target:#x}");
    }
    // An entry for T32.
    let result = domain.cpu_on(V0, 1, 1, 0);
    assert_eq!(result, Err(PsciError::InvalidAddress));
    assert!(domain.cpu_on(V0, 0x100, 0, 0).is_ok());
}

#[test]
fn cpu_off_leaves_the_others_running() {
    let mut domain = running(2, 2);
    assert_eq!(domain.cpu_off(V0), Ok(deschedules(&[V0])));
    assert_eq!(domain.affinity_info(0, 0), Ok(Affinity::Off));
    assert_eq!(domain.cpu_on(V1, 0, 0x8000, 1), Ok(wakes(&[V0])));
}

#[test]
fn the_last_vcpu_off_ends_the_domain() {
    let mut domain = running(2, 2);
    let _ = domain.cpu_off(V1).unwrap();
    assert_eq!(
        domain.cpu_off(V0),
        Ok(Effects {
            report: true,
            ..deschedules(&[V0])
        })
    );
    assert_eq!(domain.state(), DomainState::Stopped(Reason::PowerOff));
    assert_eq!(domain.power(V0), Power::Off);
}

#[test]
fn a_vcpu_about_to_start_is_not_off() {
    let mut domain = running(2, 1);
    let _ = domain.cpu_on(V0, 1, 0, 0).unwrap();
    assert_eq!(domain.system_suspend(V0, 0, 0), Err(PsciError::Denied));
    assert_eq!(domain.cpu_off(V0), Ok(deschedules(&[V0])));
    assert_eq!(domain.state(), DomainState::Running);
}

#[test]
fn every_vcpu_is_found_by_its_affinity_and_nothing_else_is() {
    let domain = running(40, 40);
    for affinity in (0..0x400).chain([0x1_0000, 1 << 32]) {
        let exists = (0..40).any(|vcpu| abi::arm::vcpu_affinity(vcpu) == affinity);
        let found = domain.affinity_info(affinity, 0) == Ok(Affinity::On);
        assert_eq!(found, exists, "{affinity:#x}");
    }
}

#[test]
fn affinity_info_answers_levels_as_xen_does() {
    let mut domain = running(20, 1);
    assert_eq!(domain.affinity_info(0, 0), Ok(Affinity::On));
    assert_eq!(domain.affinity_info(1, 0), Ok(Affinity::Off));
    assert_eq!(domain.affinity_info(1, 1), Ok(Affinity::On));
    assert_eq!(domain.affinity_info(0x100, 1), Ok(Affinity::Off));
    let _ = domain.cpu_on(V0, 0x102, 0, 0).unwrap();
    assert_eq!(domain.affinity_info(0x100, 1), Ok(Affinity::OnPending));
    assert_eq!(domain.affinity_info(0x1ff, 2), Ok(Affinity::On));
    assert_eq!(domain.affinity_info(0x1_0000, 2), Ok(Affinity::Off));
    assert_eq!(domain.affinity_info(0x1_0000, 3), Ok(Affinity::On));
    assert_eq!(domain.affinity_info(999, 0), Ok(Affinity::Off));
    assert_eq!(
        domain.affinity_info(0, 4),
        Err(PsciError::InvalidParameters)
    );
    assert_eq!(Affinity::OnPending as u64, 2);
}

#[test]
fn system_off_and_reset_stop_the_domain() {
    for (reset, reason) in [(false, Reason::PowerOff), (true, Reason::Reboot)] {
        let mut domain = running(2, 2);
        send(&mut domain, V1);
        let in_flight = domain.in_flight();
        let effects = if reset {
            domain.system_reset(V0, in_flight)
        } else {
            domain.system_off(V0, in_flight)
        };
        assert_eq!(effects, Ok(deschedules(&[V0])));
        assert!(domain.io_completed(V1).report);
        assert_eq!(domain.state(), DomainState::Stopped(reason));
    }
}

#[test]
fn a_suspended_domain_goes_on_at_the_entry() {
    let mut domain = running(2, 2);
    assert_eq!(domain.system_suspend(V0, 0x8000, 7), Err(PsciError::Denied));
    let _ = domain.cpu_off(V1).unwrap();
    assert_eq!(
        domain.system_suspend(V0, 0x8001, 7),
        Err(PsciError::InvalidAddress)
    );
    let effects = domain.system_suspend(V0, 0x8000, 7);
    assert_eq!(
        effects,
        Ok(Effects {
            report: true,
            ..deschedules(&[V0])
        })
    );
    assert_eq!(domain.state(), DomainState::Stopped(Reason::Suspend));
    assert_eq!(domain.take_entry(V0), None);
    assert_eq!(domain.resume(), Ok(wakes(&[V0])));
    assert_eq!(
        domain.take_entry(V0),
        Some(Entry {
            address: 0x8000,
            context: 7
        })
    );
}

#[test]
fn no_call_takes_effect_when_the_domain_is_not_running() {
    let mut domain = running(2, 2);
    let _ = domain.shutdown(Reason::Suspend, VcpuSet::EMPTY);
    let refused = Err(PsciError::NotRunning);
    assert_eq!(domain.cpu_on(V0, 1, 0, 0), refused);
    assert_eq!(domain.cpu_off(V0), refused);
    assert_eq!(domain.system_off(V0, VcpuSet::EMPTY), refused);
    assert_eq!(domain.system_reset(V0, VcpuSet::EMPTY), refused);
    assert_eq!(domain.system_suspend(V0, 0, 0), refused);
    assert_eq!(domain.power(V0), Power::On);
}

#[test]
fn a_caller_that_is_not_on_is_refused() {
    let mut domain = running(2, 1);
    assert_eq!(domain.cpu_off(V1), Err(PsciError::InvalidParameters));
    assert_eq!(domain.cpu_off(VcpuId(9)), Err(PsciError::InvalidParameters));
}

#[test]
fn errors_have_the_codes_of_the_specification() {
    assert_eq!(
        PsciError::InvalidParameters.code(),
        Some(psci::INVALID_PARAMETERS)
    );
    assert_eq!(PsciError::InvalidAddress.code(), Some(-9));
    assert_eq!(PsciError::Denied.code(), Some(-3));
    assert_eq!(PsciError::AlreadyOn.code(), Some(-4));
    assert_eq!(PsciError::OnPending.code(), Some(-5));
    assert_eq!(PsciError::NotRunning.code(), None);
}
