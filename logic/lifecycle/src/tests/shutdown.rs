//! Stopping, resuming, destroying, step by step.

use super::*;
use crate::{DomainState, Reason, StateError};

#[test]
fn a_shutdown_without_requests_in_flight_stops_at_once() {
    let mut domain = running(3, 2);
    let effects = domain.shutdown(Reason::PowerOff, domain.in_flight());
    assert_eq!(
        effects,
        Effects {
            report: true,
            ..deschedules(&[V0, V1])
        }
    );
    assert_eq!(domain.state(), DomainState::Stopped(Reason::PowerOff));
    assert!(!domain.runnable(V0));
}

#[test]
fn requests_in_flight_are_waited_for() {
    let mut domain = running(3, 3);
    send(&mut domain, V1);
    send(&mut domain, V2);
    let effects = domain.shutdown(Reason::Reboot, domain.in_flight());
    assert_eq!(effects, deschedules(&[V0]));
    assert_eq!(domain.io_completed(V1), Effects::NONE);
    let waiting = set(&[V2]);
    assert_eq!(
        domain.state(),
        DomainState::Stopping {
            reason: Reason::Reboot,
            waiting
        }
    );
    assert_eq!(
        domain.io_completed(V2),
        Effects {
            report: true,
            ..Effects::NONE
        }
    );
    assert_eq!(domain.state(), DomainState::Stopped(Reason::Reboot));
    assert_eq!(domain.resume(), Ok(wakes(&[V0, V1, V2])));
}

#[test]
fn a_request_attempted_while_stopping_is_not_sent() {
    let mut domain = running(2, 2);
    send(&mut domain, V1);
    let _ = domain.shutdown(Reason::Suspend, domain.in_flight());
    assert!(!domain.may_send_io(V0));
    let _ = domain.io_completed(V1);
    assert!(!domain.may_send_io(V0));
    let _ = domain.resume().unwrap();
    assert!(domain.may_send_io(V0));
}

#[test]
fn one_request_at_a_time() {
    let mut domain = running(1, 1);
    send(&mut domain, V0);
    assert!(!domain.may_send_io(V0));
    assert!(!domain.may_send_io(V1), "there is no such vCPU");
}

#[test]
fn a_vcpu_that_is_off_sends_nothing() {
    let mut domain = running(2, 2);
    let _ = domain.cpu_off(V1).unwrap();
    assert!(!domain.may_send_io(V1));
}

#[test]
fn the_first_reason_stays() {
    let mut domain = running(2, 2);
    send(&mut domain, V1);
    let _ = domain.shutdown(Reason::Suspend, domain.in_flight());
    assert_eq!(domain.crash(Reason::Crash), Effects::NONE);
    let _ = domain.io_completed(V1);
    assert_eq!(
        domain.shutdown(Reason::Other(77), VcpuSet::EMPTY),
        Effects::NONE
    );
    assert_eq!(domain.state(), DomainState::Stopped(Reason::Suspend));
}

#[test]
fn a_recorded_reason_goes_before_what_stops_the_domain() {
    let mut domain = running(1, 1);
    domain.record_reason(Reason::Suspend);
    domain.record_reason(Reason::Reboot);
    let _ = domain.crash(Reason::Watchdog);
    assert_eq!(domain.state(), DomainState::Stopped(Reason::Suspend));
    let _ = domain.resume().unwrap();
    let _ = domain.system_off(V0, VcpuSet::EMPTY).unwrap();
    assert_eq!(domain.state(), DomainState::Stopped(Reason::PowerOff));
}

#[test]
fn a_crash_waits_for_nothing_and_late_answers_are_taken() {
    let mut domain = running(2, 2);
    send(&mut domain, V1);
    assert_eq!(
        domain.crash(Reason::Crash),
        Effects {
            report: true,
            ..deschedules(&[V0])
        }
    );
    assert_eq!(domain.io_completed(V1), Effects::NONE);
    assert_eq!(domain.resume(), Ok(wakes(&[V0, V1])));
}

#[test]
fn a_resumed_vcpu_with_a_request_still_in_flight_goes_on_waiting() {
    let mut domain = running(2, 2);
    send(&mut domain, V1);
    let _ = domain.crash(Reason::Crash);
    assert_eq!(domain.resume(), Ok(wakes(&[V0])));
    assert_eq!(
        domain.wake(V1),
        Effects::NONE,
        "an interrupt does not end it"
    );
    assert_eq!(domain.io_completed(V1), wakes(&[V1]));
    assert_eq!(domain.io_completed(V1), Effects::NONE);
}

#[test]
fn destroying_waits_until_every_vcpu_is_off_its_cpu() {
    let mut domain = running(3, 2);
    assert_eq!(domain.destroy(), Ok(deschedules(&[V0, V1, V2])));
    assert!(!domain.runnable(V0));
    assert_eq!(domain.vcpu_descheduled(V2), Effects::NONE);
    assert_eq!(domain.vcpu_descheduled(V2), Effects::NONE);
    assert_eq!(domain.reclaimed(), Err(StateError::WrongState));
    assert_eq!(domain.vcpu_descheduled(V0), Effects::NONE);
    assert_eq!(
        domain.vcpu_descheduled(V1),
        Effects {
            reclaim: true,
            ..Effects::NONE
        }
    );
    assert_eq!(
        domain.vcpu_descheduled(V1),
        Effects::NONE,
        "reclaim is asked for once"
    );
    assert_eq!(domain.destroy(), Err(StateError::WrongState));
    assert_eq!(domain.io_completed(V1), Effects::NONE);
    assert_eq!(domain.reclaimed(), Ok(()));
    assert_eq!(domain.state(), DomainState::Dead);
    assert_eq!(domain.reclaimed(), Err(StateError::WrongState));
}

#[test]
fn a_domain_that_never_ran_is_reclaimed_at_once() {
    let mut domain = Domain::new(2).unwrap();
    assert_eq!(
        domain.destroy(),
        Ok(Effects {
            reclaim: true,
            ..Effects::NONE
        })
    );
}

#[test]
fn only_a_stopped_domain_resumes_and_only_a_built_one_starts() {
    let mut domain = running(1, 1);
    assert_eq!(domain.resume(), Err(StateError::WrongState));
    assert_eq!(domain.start(ENTRY), Err(StateError::WrongState));
    send(&mut domain, V0);
    let _ = domain.shutdown(Reason::Suspend, domain.in_flight());
    assert_eq!(domain.resume(), Err(StateError::WrongState));
    assert_eq!(
        Domain::new(1)
            .unwrap()
            .shutdown(Reason::Crash, VcpuSet::EMPTY),
        Effects::NONE
    );
}

#[test]
fn vcpus_that_the_domain_does_not_have_are_not_waited_for() {
    let mut domain = running(2, 1);
    let effects = domain.shutdown(Reason::PowerOff, set(&[VcpuId(7)]));
    assert!(effects.report);
}
