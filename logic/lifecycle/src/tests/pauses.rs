//! Pausing, blocking and waking.

use super::*;
use crate::{Power, Reason, StateError};

#[test]
fn vcpu_counts_are_bounded() {
    assert!(Domain::new(0).is_none());
    assert!(Domain::new(129).is_none());
    assert_eq!(Domain::new(128).unwrap().vcpu_count(), 128);
}

#[test]
fn starting_turns_on_the_first_vcpu() {
    let mut domain = Domain::new(2).unwrap();
    assert!(!domain.runnable(V0));
    assert_eq!(domain.start(ENTRY), Ok(wakes(&[V0])));
    assert_eq!(domain.power(V0), Power::OnPending(ENTRY));
    assert_eq!(domain.take_entry(V0), Some(ENTRY));
    assert_eq!(domain.take_entry(V0), None);
    assert_eq!(domain.take_entry(V1), None);
    assert_eq!(domain.power(V1), Power::Off);
}

#[test]
fn domain_pauses_nest() {
    let mut domain = running(2, 2);
    assert_eq!(domain.pause(), Ok(deschedules(&[V0, V1])));
    assert_eq!(domain.pause(), Ok(Effects::NONE));
    assert_eq!(domain.pause_count(), 2);
    assert_eq!(domain.unpause(), Ok(Effects::NONE));
    assert!(!domain.runnable(V0));
    assert_eq!(domain.unpause(), Ok(wakes(&[V0, V1])));
    assert_eq!(domain.unpause(), Err(StateError::NotPaused));
}

#[test]
fn vcpu_pauses_nest_and_are_apart_from_the_domains() {
    let mut domain = running(2, 2);
    assert_eq!(domain.pause_vcpu(V1), Ok(deschedules(&[V1])));
    assert_eq!(domain.pause_vcpu(V1), Ok(Effects::NONE));
    assert_eq!(domain.pause(), Ok(deschedules(&[V0])));
    assert_eq!(domain.unpause_vcpu(V1), Ok(Effects::NONE));
    assert_eq!(domain.unpause_vcpu(V1), Ok(Effects::NONE));
    assert_eq!(domain.unpause(), Ok(wakes(&[V0, V1])));
    assert_eq!(domain.unpause_vcpu(V1), Err(StateError::NotPaused));
    assert_eq!(domain.unpause_vcpu(V2), Err(StateError::NoSuchVcpu));
    assert_eq!(domain.pause_vcpu(V2), Err(StateError::NoSuchVcpu));
}

#[test]
fn pause_counts_do_not_wrap() {
    let mut domain = running(1, 1);
    for _ in 0..u16::MAX {
        let _ = domain.pause().unwrap();
    }
    assert_eq!(domain.pause(), Err(StateError::TooManyPauses));
    assert_eq!(domain.pause_count(), u16::MAX);
}

#[test]
fn a_domain_started_paused_runs_when_unpaused() {
    let mut domain = Domain::new(1).unwrap();
    let _ = domain.pause().unwrap();
    assert_eq!(domain.start(ENTRY), Ok(Effects::NONE));
    assert_eq!(domain.take_entry(V0), None, "it may not run yet");
    assert_eq!(domain.unpause(), Ok(wakes(&[V0])));
}

#[test]
fn an_event_ends_a_wait_once() {
    let mut domain = running(1, 1);
    domain.block(V0, Block::Event);
    assert!(!domain.runnable(V0));
    assert_eq!(domain.wake(V0), wakes(&[V0]));
    assert_eq!(domain.wake(V0), Effects::NONE);
    assert_eq!(domain.wake(V1), Effects::NONE);
}

#[test]
fn an_event_for_a_paused_vcpu_counts_when_it_goes_on() {
    let mut domain = running(1, 1);
    domain.block(V0, Block::Event);
    let _ = domain.pause().unwrap();
    assert_eq!(domain.wake(V0), Effects::NONE);
    assert_eq!(domain.unpause(), Ok(wakes(&[V0])));
}

#[test]
fn a_request_in_flight_is_not_forgotten_over_a_wait_for_events() {
    let mut domain = running(1, 1);
    domain.block(V0, Block::Io);
    domain.block(V0, Block::Event);
    assert_eq!(domain.in_flight(), set(&[V0]));
}

#[test]
fn a_stopped_domain_keeps_its_pauses() {
    let mut domain = running(1, 1);
    let _ = domain.shutdown(Reason::Suspend, VcpuSet::EMPTY);
    assert_eq!(domain.pause(), Ok(Effects::NONE));
    assert_eq!(domain.resume(), Ok(Effects::NONE));
    assert_eq!(domain.unpause(), Ok(wakes(&[V0])));
}
