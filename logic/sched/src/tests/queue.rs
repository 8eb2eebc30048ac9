//! Picks, kicks, preemption, yielding and stealing, case by case.

use abi::CpuId;

use super::{MS, TIMING, add, key, queue};
use crate::{EnqueueError, Kick, Pick, RunQueue, VirtualTime, Weight};

#[test]
fn an_empty_queue_idles() {
    let mut queue = queue::<4>();
    assert_eq!(
        queue.pick(0),
        Pick {
            key: None,
            slice_end: None
        }
    );
    assert_eq!((queue.load().runnable, queue.load().weight), (0, 0));
}

#[test]
fn who_is_alone_runs_without_ticks() {
    let mut queue = queue::<4>();
    assert_eq!(add(&mut queue, 1, 0), Kick::Needed);
    for now in [0, 1000 * MS, u64::MAX - 1] {
        assert_eq!(
            queue.pick(now),
            Pick {
                key: Some(key(1)),
                slice_end: None
            }
        );
    }
}

#[test]
fn a_second_one_gives_the_running_one_a_slice_end() {
    let mut queue = queue::<4>();
    let _ = add(&mut queue, 1, 0);
    queue.pick(0);
    assert_eq!(add(&mut queue, 2, 5 * MS), Kick::Needed);
    assert_eq!(
        queue.pick(5 * MS),
        Pick {
            key: Some(key(1)),
            slice_end: Some(15 * MS)
        }
    );
    assert_eq!(queue.pick(14 * MS).key, Some(key(1)));
    assert_eq!(
        queue.pick(15 * MS),
        Pick {
            key: Some(key(2)),
            slice_end: Some(25 * MS)
        }
    );
    assert_eq!(add(&mut queue, 3, 16 * MS), Kick::No);
}

#[test]
fn slices_shorten_among_many() {
    let mut queue = queue::<64>();
    for domain in 0..64 {
        let _ = add(&mut queue, domain, 0);
    }
    assert_eq!(queue.pick(0).slice_end, Some(MS));
}

#[test]
fn equals_run_in_order_of_arrival() {
    let mut queue = queue::<8>();
    for domain in [5, 3, 9, 1] {
        let _ = add(&mut queue, domain, 0);
    }
    let order: Vec<_> = (0..8)
        .map(|turn| queue.pick(turn * 10 * MS).key.unwrap().domain.0)
        .collect();
    assert_eq!(order, [5, 3, 9, 1, 5, 3, 9, 1]);
}

#[test]
fn a_removed_one_is_not_picked_and_the_last_one_loses_its_slice_end() {
    let mut queue = queue::<4>();
    let _ = add(&mut queue, 1, 0);
    let _ = add(&mut queue, 2, 0);
    assert_eq!(queue.pick(0).key, Some(key(1)));
    assert!(queue.remove(key(1), MS).is_some());
    assert!(!queue.contains(key(1)) && queue.running().is_none());
    assert_eq!(
        queue.pick(MS),
        Pick {
            key: Some(key(2)),
            slice_end: None
        }
    );
    assert_eq!(queue.remove(key(1), MS), None);
}

#[test]
fn a_sleeper_preempts_a_hog_that_ran_far_ahead_of_it() {
    let mut queue = queue::<4>();
    let _ = add(&mut queue, 1, 0);
    let _ = add(&mut queue, 2, 0);
    queue.pick(0);
    let slept = queue.remove(key(1), MS / 2).unwrap();
    queue.pick(MS / 2);
    let woken = queue
        .enqueue(key(1), Weight::DEFAULT, slept, 30 * MS)
        .unwrap();
    assert_eq!(woken, Kick::Needed);
    assert!(queue.should_preempt(key(1)));
    assert_eq!(queue.pick(30 * MS).key, Some(key(1)));
}

#[test]
fn a_lead_of_less_than_a_millisecond_does_not_preempt() {
    for (after, preempts) in [(MS / 2, false), (2 * MS, true)] {
        let mut queue = queue::<4>();
        let _ = add(&mut queue, 1, 0);
        let _ = add(&mut queue, 2, 0);
        queue.pick(0);
        let slept = queue.remove(key(1), 5 * MS).unwrap();
        queue.pick(5 * MS);
        // The second one has run as long, and `after` on top.
        let now = 10 * MS + after;
        let _ = queue.enqueue(key(1), Weight::DEFAULT, slept, now).unwrap();
        assert_eq!(queue.should_preempt(key(1)), preempts);
        assert_eq!(queue.pick(now).key, Some(key(if preempts { 1 } else { 2 })));
    }
}

#[test]
fn a_newcomer_does_not_preempt() {
    let mut queue = queue::<4>();
    let _ = add(&mut queue, 1, 0);
    queue.pick(0);
    queue.account(MS);
    assert_eq!(add(&mut queue, 2, MS), Kick::Needed);
    assert!(!queue.should_preempt(key(2)));
    assert!(!queue.should_preempt(key(7)));
    assert_eq!(queue.pick(MS).key, Some(key(1)));
}

#[test]
fn yielding_lets_another_run() {
    let mut queue = queue::<4>();
    let _ = add(&mut queue, 1, 0);
    queue.pick(0);
    queue.yield_now();
    assert_eq!(
        queue.pick(0),
        Pick {
            key: Some(key(1)),
            slice_end: None
        }
    );
    let _ = add(&mut queue, 2, 0);
    queue.pick(0);
    queue.yield_now();
    assert_eq!(queue.pick(1).key, Some(key(2)));
    assert_eq!(queue.pick(2).key, Some(key(2)));
}

#[test]
fn even_one_with_the_best_claim_gives_way_when_it_yields() {
    let mut queue = queue::<4>();
    let _ = add(&mut queue, 1, 0);
    queue.pick(0);
    let slept = queue.remove(key(1), 0).unwrap();
    let _ = add(&mut queue, 2, 0);
    queue.pick(0);
    let _ = queue
        .enqueue(key(1), Weight::DEFAULT, slept, 50 * MS)
        .unwrap();
    assert_eq!(queue.pick(50 * MS).key, Some(key(1)));
    queue.yield_now();
    assert_eq!(queue.pick(50 * MS + 1).key, Some(key(2)));
}

#[test]
fn an_idle_cpu_steals_the_one_that_waits_longest() {
    let (mut from, mut to) = (queue::<4>(), RunQueue::<4>::new(CpuId(1), TIMING));
    for domain in 1..=3 {
        let _ = add(&mut from, domain, 0);
    }
    from.pick(0);
    let stolen = from.steal(MS, |_| true).unwrap();
    assert_eq!(stolen.key, key(2));
    assert_eq!(
        to.enqueue(stolen.key, stolen.weight, stolen.time, MS),
        Ok(Kick::Needed)
    );
    assert_eq!(to.pick(MS).key, Some(key(2)));
    assert_eq!(from.steal(MS, |wanted| wanted == key(1)), None, "it runs");
    assert_eq!(
        from.steal(MS, |wanted| wanted == key(3)).map(|s| s.key),
        Some(key(3))
    );
    assert_eq!(from.steal(MS, |_| true), None);
    assert_eq!(
        from.pick(MS),
        Pick {
            key: Some(key(1)),
            slice_end: None
        }
    );
}

#[test]
fn the_only_one_of_a_kicked_cpu_is_not_stolen() {
    let mut queue = queue::<4>();
    let _ = add(&mut queue, 1, 0);
    assert_eq!(queue.steal(0, |_| true), None);
}

#[test]
fn a_debt_follows_to_another_cpu() {
    let (mut from, mut to) = (queue::<4>(), RunQueue::<4>::new(CpuId(1), TIMING));
    let _ = add(&mut from, 1, 0);
    let _ = add(&mut from, 2, 0);
    from.pick(0);
    let ahead = from.remove(key(1), 8 * MS).unwrap();
    let newcomer = VirtualTime::NEW;
    let _ = to.enqueue(key(1), Weight::DEFAULT, ahead, 8 * MS).unwrap();
    let _ = to
        .enqueue(key(3), Weight::DEFAULT, newcomer, 8 * MS)
        .unwrap();
    assert_eq!(to.pick(8 * MS).key, Some(key(3)));
}

#[test]
fn a_full_queue_and_a_second_entry_are_refused() {
    let mut queue = queue::<1>();
    let _ = add(&mut queue, 1, 0);
    let again = queue.enqueue(key(1), Weight::DEFAULT, VirtualTime::NEW, 0);
    assert_eq!(again, Err(EnqueueError::Queued));
    let other = queue.enqueue(key(2), Weight::DEFAULT, VirtualTime::NEW, 0);
    assert_eq!(other, Err(EnqueueError::Full));
    assert_eq!(queue.load().weight, 256);
}

#[test]
fn a_clock_that_goes_back_charges_nothing() {
    let mut queue = queue::<2>();
    let _ = add(&mut queue, 1, 10 * MS);
    queue.pick(10 * MS);
    queue.account(5 * MS);
    queue.account(u64::MAX);
    assert_eq!(queue.pick(5 * MS).key, Some(key(1)));
}

#[test]
fn nobody_is_charged_for_what_else_the_cpu_does() {
    let mut queue = queue::<4>();
    let _ = add(&mut queue, 1, 0);
    let _ = add(&mut queue, 2, 0);
    assert_eq!(queue.pick(0).key, Some(key(1)));
    queue.pause(MS);
    assert_eq!(queue.running(), None);
    // Both are there still, and whoever comes is worth a kick.
    assert_eq!(queue.load().runnable, 2);
    assert_eq!(add(&mut queue, 3, 2 * MS), Kick::Needed);
    // The first one has run for 1 ms, and not for the 99 that followed.
    assert_eq!(queue.pick(100 * MS).key, Some(key(2)));
    queue.pause(103 * MS);
    let next = queue.pick(200 * MS);
    assert_ne!(next.key, Some(key(2)), "it has run for 3");
    assert!(next.slice_end.is_some());
}
