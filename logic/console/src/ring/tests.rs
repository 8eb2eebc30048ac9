//! The ring: order, wholeness, fairness.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;

type Ring = OutputRing<256>;

const D1: DomId = DomId(1);
const D2: DomId = DomId(2);

fn drain(ring: &mut Ring) -> Vec<u8> {
    std::iter::from_fn(|| ring.pop()).collect()
}

#[test]
fn takes_all_or_nothing() {
    let mut ring = Ring::new();
    assert!(ring.is_empty());
    ring.sink(Origin::Domain(D1)).put(&[1; 200]);
    assert_eq!((ring.len(), ring.take_dropped()), (200, 0));
    assert_eq!(ring.push(Origin::Domain(D2), &[2; 57]), Pushed::Full);
    assert_eq!(ring.take_dropped(), 0, "the caller still has it");
    assert_eq!(ring.push(Origin::Domain(D2), &[2; 56]), Pushed::Taken);
    assert_eq!((ring.free(), ring.len()), (0, 256));
    assert_eq!(ring.push(Origin::Hypervisor, &[3]), Pushed::Full);
    ring.sink(Origin::Domain(D1)).put(&[4]);
    ring.sink(Origin::Hypervisor).put(&[5]);
    assert_eq!((ring.take_dropped(), ring.take_dropped()), (3, 0));
    assert_eq!(drain(&mut ring), [[1; 200].as_slice(), &[2; 56]].concat());
}

#[test]
fn keeps_order_across_the_wrap_of_its_indices() {
    let mut ring = Ring::new();
    ring.pushed = u32::MAX - 5;
    ring.popped = u32::MAX - 5;
    let bytes: Vec<u8> = (0..=255).collect();
    assert_eq!(ring.push(Origin::Hypervisor, &bytes), Pushed::Taken);
    assert_eq!(drain(&mut ring), bytes);
}

#[test]
fn a_flood_alone_gets_half_and_another_finds_room() {
    let mut ring = Ring::new();
    while ring.admit(D1, 8) {
        ring.push(Origin::Domain(D1), &[1; 8]);
    }
    // Half of 256 less the reserve of 32.
    assert_eq!(ring.len(), 112);
    assert!(ring.admit(D2, 50));
    while ring.admit(D2, 8) {
        ring.push(Origin::Domain(D2), &[2; 8]);
    }
    assert!(ring.free() >= Ring::RESERVE + 48, "a third domain, too");
    assert!(ring.admit(DomId(3), 48));
    drain(&mut ring);
    assert!(ring.admit(D1, 200) && !ring.admit(D1, 225));
}

#[test]
fn many_floods_leave_the_reserve_to_the_hypervisor() {
    let mut ring = Ring::new();
    for number in 0..200 {
        while ring.admit(DomId(number), 1) {
            ring.push(Origin::Domain(DomId(number)), &[0]);
        }
    }
    assert!(ring.free() >= Ring::RESERVE);
    let message = [b'x'; Ring::RESERVE];
    assert_eq!(ring.push(Origin::Hypervisor, &message), Pushed::Taken);
    ring.pop();
    assert!(
        !ring.admit(DomId(63), 1),
        "what the hypervisor has queued counts"
    );
}

/// Two domains that always have a line ready, the first always asked first, and a slow port.
#[test]
fn who_is_asked_first_does_not_starve_the_other() {
    let mut ring = OutputRing::<4096>::new();
    let mut sent = [0_u32; 3];
    for _ in 0..20_000 {
        for (domain, length) in [(D1, 120), (D2, 30)] {
            while ring.admit(domain, length) {
                let line = vec![domain.0 as u8; length];
                ring.push(Origin::Domain(domain), &line);
            }
        }
        for _ in 0..10 {
            if let Some(owner) = ring.pop() {
                sent[usize::from(owner)] += 1;
            }
        }
    }
    assert!(sent[1] + sent[2] == 200_000, "the port is never idle");
    assert!(sent[2] > 60_000, "{sent:?}");
}

proptest! {
    #[test]
    fn is_a_queue_that_counts_each_share(
        steps in proptest::collection::vec((0..4_u16, 0..120_usize, 0..150_usize), 1..200),
    ) {
        let mut ring = Ring::new();
        let mut model: VecDeque<(u16, u8)> = VecDeque::new();
        for (number, (writer, length, pops)) in steps.into_iter().enumerate() {
            let origin = match writer {
                0 => Origin::Hypervisor,
                _ => Origin::Domain(DomId(writer)),
            };
            if ring.push(origin, &vec![number as u8; length]) == Pushed::Taken {
                model.extend(vec![(writer, number as u8); length]);
            }
            prop_assert!(model.len() <= 256);
            for _ in 0..pops {
                prop_assert_eq!(ring.pop(), model.pop_front().map(|(_, byte)| byte));
            }
            prop_assert_eq!(ring.len(), model.len());
            prop_assert_eq!(ring.free(), 256 - model.len());
            for domain in 1..4 {
                let queued = model.iter().filter(|(owner, _)| *owner == domain).count();
                let most = ring.free().saturating_sub(Ring::RESERVE).checked_sub(queued);
                prop_assert_eq!(ring.admit(DomId(domain), 0), most.is_some());
                if let Some(most) = most {
                    prop_assert!(ring.admit(DomId(domain), most));
                    prop_assert!(!ring.admit(DomId(domain), most + 1));
                }
            }
        }
    }
}
