//! The focus in the language of whoever types.

use super::*;
use proptest::prelude::*;

const A: u8 = 1;
const HYPERVISOR: Target = Target::Hypervisor;

fn dom(number: u16) -> Target {
    Target::Domain(DomId(number))
}

fn ring(numbers: &[u16]) -> Focus {
    let mut focus = Focus::new(SwitchKey::DEFAULT);
    for number in numbers {
        focus.add(DomId(*number)).unwrap();
    }
    focus
}

/// Types `bytes`; what arrives where, and to where the focus moves.
fn type_all(focus: &mut Focus, bytes: &[u8]) -> Vec<(Target, Vec<u8>)> {
    let mut arrived: Vec<(Target, Vec<u8>)> = vec![(focus.current(), Vec::new())];
    for byte in bytes {
        match focus.input(*byte) {
            Input::Held => {}
            Input::Deliver { to, bytes } => {
                let last = arrived.last_mut().unwrap();
                assert_eq!(last.0, to);
                last.1.extend(bytes.as_bytes());
            }
            Input::Switched(switched) => {
                assert_eq!(switched.from, arrived.last().unwrap().0);
                arrived.push((switched.to, Vec::new()));
            }
        }
    }
    arrived
}

#[test]
fn three_switch_and_fewer_are_passed_on() {
    let typed = |bytes: &[u8]| type_all(&mut ring(&[1, 2]), bytes);
    let here = |bytes: &[u8]| (HYPERVISOR, bytes.to_vec());
    assert_eq!(typed(&[A]), [here(b"")]);
    assert_eq!(typed(&[A, b'x']), [here(&[A, b'x'])]);
    assert_eq!(typed(&[A, A]), [here(b"")]);
    assert_eq!(typed(&[A, A, b'x']), [here(&[A, A, b'x'])]);
    assert_eq!(typed(&[A, A, A]), [here(b""), (dom(1), vec![])]);
    assert_eq!(
        typed(&[A, A, A, A, b'x']),
        [here(b""), (dom(1), vec![A, b'x'])]
    );
    assert_eq!(
        typed(&[A, A, A, A, A, A, b'y']),
        [here(b""), (dom(1), vec![]), (dom(2), vec![b'y'])]
    );
    assert_eq!(
        typed(&[b'p', A, b'q', A, A, b'r', A, A, A, b's']),
        [here(&[b'p', A, b'q', A, A, b'r']), (dom(1), vec![b's'])]
    );
}

#[test]
fn the_ring_goes_by_number_past_who_is_missing() {
    let mut focus = ring(&[7, 1, 300, 1]);
    let around: Vec<_> = (0..5)
        .map(|_| type_all(&mut focus, &[A, A, A]).last().unwrap().0)
        .collect();
    assert_eq!(around, [dom(1), dom(7), dom(300), HYPERVISOR, dom(1)]);
}

#[test]
fn without_domains_the_hypervisor_keeps_it_and_says_so() {
    let mut focus = ring(&[]);
    assert_eq!(
        type_all(&mut focus, &[A, A, A, b'q']),
        [(HYPERVISOR, vec![]), (HYPERVISOR, vec![b'q'])]
    );
    let text = focus.start().to_string();
    assert_eq!(
        text,
        "*** Serial input to Xen (type 'CTRL-a' three times to switch input)"
    );
}

#[test]
fn boot_gives_it_to_the_first_domain_unless_configured() {
    let mut focus = ring(&[2, 1]);
    let switched = focus.start();
    assert_eq!((switched.from, switched.to), (HYPERVISOR, dom(1)));
    assert_eq!(
        switched.to_string(),
        "*** Serial input to DOM1 (type 'CTRL-a' three times to switch input)"
    );
    let mut focus = Focus::new(SwitchKey::parse("bx").unwrap());
    focus.add(DomId(1)).unwrap();
    assert_eq!(
        focus.start().to_string(),
        "*** Serial input to Xen (type 'CTRL-b' three times to switch input)"
    );
}

#[test]
fn a_disabled_key_is_an_ordinary_byte() {
    let mut focus = Focus::new(SwitchKey::parse("").unwrap());
    focus.add(DomId(1)).unwrap();
    assert_eq!(focus.start().to_string(), "*** Serial input to DOM1");
    assert_eq!(
        type_all(&mut focus, &[A, A, A, 0]),
        [(dom(1), vec![A, A, A, 0])]
    );
}

#[test]
fn the_focus_leaves_a_domain_that_ends() {
    let mut focus = ring(&[1, 2, 3]);
    focus.start();
    type_all(&mut focus, &[A, A, A]);
    assert_eq!(focus.current(), dom(2));
    assert_eq!(focus.remove(DomId(1)), None, "not focused");
    assert_eq!(focus.of(DomId(2)), Focused::Yes);
    let switched = focus.remove(DomId(2)).unwrap();
    assert_eq!((switched.from, switched.to), (dom(2), dom(3)));
    assert_eq!(focus.of(DomId(2)), Focused::No);
    assert_eq!(focus.remove(DomId(2)), None, "gone already");
    assert_eq!(focus.remove(DomId(3)).unwrap().to, HYPERVISOR);
    assert_eq!(type_all(&mut focus, b"h"), [(HYPERVISOR, b"h".to_vec())]);
}

#[test]
fn held_keys_do_not_reach_the_next_domain() {
    let mut focus = ring(&[1, 2]);
    focus.start();
    type_all(&mut focus, &[A, A]);
    focus.remove(DomId(1));
    assert_eq!(type_all(&mut focus, b"x"), [(dom(2), b"x".to_vec())]);
}

#[test]
fn removing_another_domain_keeps_held_keys() {
    let mut focus = ring(&[1, 2]);
    focus.start();
    type_all(&mut focus, &[A, A]);
    focus.remove(DomId(2));
    assert_eq!(type_all(&mut focus, b"x"), [(dom(1), vec![A, A, b'x'])]);
}

#[test]
fn a_full_ring_says_so() {
    let all: Vec<u16> = (1..=64).collect();
    let mut focus = ring(&all);
    assert_eq!(focus.add(DomId(65)), Err(Full));
    assert_eq!(focus.add(DomId(64)), Ok(()), "it is in already");
    focus.remove(DomId(1));
    assert_eq!(focus.add(DomId(65)), Ok(()));
}

#[derive(Clone, Debug)]
enum Step {
    Add(u16),
    Remove(u16),
    Type(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (0..6_u16).prop_map(Step::Add),
        1 => (0..6_u16).prop_map(Step::Remove),
        4 => Just(Step::Type(A)),
        4 => any::<u8>().prop_map(Step::Type),
    ]
}

proptest! {
    #[test]
    fn the_focus_is_on_a_member_and_no_byte_strays(
        steps in proptest::collection::vec(step(), 0..200),
    ) {
        let mut focus = ring(&[]);
        let mut members = std::collections::BTreeSet::new();
        // Bytes typed at the current target that it has not got yet.
        let mut owed = Vec::new();
        for step in steps {
            let before = focus.current();
            match step {
                Step::Add(number) => {
                    focus.add(DomId(number)).unwrap();
                    members.insert(number);
                }
                Step::Remove(number) => {
                    let moved = focus.remove(DomId(number)).is_some();
                    members.remove(&number);
                    prop_assert_eq!(moved, before == dom(number));
                    if moved {
                        owed.clear();
                    }
                }
                Step::Type(byte) => {
                    owed.push(byte);
                    match focus.input(byte) {
                        Input::Held => prop_assert!(owed.len() < 3),
                        Input::Deliver { to, bytes } => {
                            prop_assert_eq!(to, before);
                            prop_assert_eq!(bytes.as_bytes(), owed.as_slice());
                            owed.clear();
                        }
                        Input::Switched(switched) => {
                            prop_assert_eq!(owed.as_slice(), &[A, A, A]);
                            let behind = match before {
                                Target::Hypervisor => members.first(),
                                Target::Domain(d) => members.range(d.0 + 1..).next(),
                            };
                            let next = behind.map_or(HYPERVISOR, |number| dom(*number));
                            prop_assert_eq!(switched.to, next);
                            owed.clear();
                        }
                    }
                }
            }
            match focus.current() {
                Target::Hypervisor => {}
                Target::Domain(domain) => prop_assert!(members.contains(&domain.0)),
            }
        }
    }
}
