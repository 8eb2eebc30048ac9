//! Sleepers against a plain list of them.

use abi::{DomId, VcpuId};
use proptest::prelude::*;

use crate::{SleeperId, Sleepers, VcpuKey, VirtualTime};

const COUNT: u16 = 8;

fn key(id: u16) -> VcpuKey {
    VcpuKey {
        domain: DomId(id),
        vcpu: VcpuId(0),
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(u16, Option<u64>),
    Remove(u16),
    SetDeadline(u16, Option<u64>),
    TakeDue(u64),
}

fn step() -> impl Strategy<Value = Step> {
    // One number more than there are.
    let id = 0..=COUNT;
    let deadline = || proptest::option::of(0..20u64);
    prop_oneof![
        (id.clone(), deadline()).prop_map(|(id, at)| Step::Insert(id, at)),
        id.clone().prop_map(Step::Remove),
        (id, deadline()).prop_map(|(id, at)| Step::SetDeadline(id, at)),
        (0..20u64).prop_map(Step::TakeDue),
    ]
}

proptest! {
    #[test]
    fn they_are_as_a_plain_list(steps in proptest::collection::vec(step(), 1..60)) {
        let mut sleepers = Sleepers::<{ COUNT as usize }>::default();
        let mut list: Vec<(u16, Option<u64>)> = Vec::new();
        for step in steps {
            match step {
                Step::Insert(id, deadline) => {
                    sleepers.insert(SleeperId(id), key(id), VirtualTime::NEW, deadline);
                    if id < COUNT && !list.iter().any(|one| one.0 == id) {
                        list.push((id, deadline));
                    }
                }
                Step::Remove(id) => {
                    let there = list.iter().position(|one| one.0 == id);
                    prop_assert_eq!(sleepers.remove(SleeperId(id)).is_some(), there.is_some());
                    if let Some(index) = there {
                        list.remove(index);
                    }
                }
                Step::SetDeadline(id, deadline) => {
                    sleepers.set_deadline(SleeperId(id), deadline);
                    if let Some(one) = list.iter_mut().find(|one| one.0 == id) {
                        one.1 = deadline;
                    }
                }
                Step::TakeDue(now) => {
                    let taken = sleepers.take_due(now).map(|(key, _)| key.domain.0);
                    let first = list.iter().filter_map(|one| one.1).min();
                    prop_assert_eq!(taken.is_some(), first.is_some_and(|at| at <= now));
                    if let Some(id) = taken {
                        // One of those that are due first.
                        prop_assert!(list.contains(&(id, first)));
                        list.retain(|one| one.0 != id);
                    }
                }
            }
            let first = list.iter().filter_map(|one| one.1).min();
            prop_assert_eq!(sleepers.first_deadline(), first);
        }
    }
}
