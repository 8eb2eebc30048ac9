//! Long runs: shares, starvation, and that only those in the queue are picked.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{MS, key, queue};
use crate::{RunQueue, VcpuKey, VirtualTime, Weight};

/// Runs the CPU from `from` to `until` with everybody always ready; gives each one's run time and
/// the longest that anybody waited at a stretch.
fn run<const N: usize>(
    queue: &mut RunQueue<N>,
    from: u64,
    until: u64,
) -> (BTreeMap<VcpuKey, u64>, u64) {
    let (mut ran, mut last_ran) = (BTreeMap::new(), BTreeMap::new());
    let (mut now, mut longest_wait) = (from, 0);
    while now < until {
        let pick = queue.pick(now);
        let key = pick.key.expect("somebody is ready");
        let end = pick.slice_end.unwrap_or(until).min(until);
        longest_wait = longest_wait.max(now - last_ran.get(&key).unwrap_or(&from));
        *ran.entry(key).or_insert(0) += end - now;
        last_ran.insert(key, end);
        now = end;
    }
    (ran, longest_wait)
}

fn weights() -> impl Strategy<Value = Vec<u16>> {
    prop::collection::vec(64..1024_u16, 2..12)
}

proptest! {
    #[test]
    fn shares_follow_the_weights(weights in weights()) {
        let mut queue = queue::<16>();
        for (domain, &weight) in weights.iter().enumerate() {
            let weight = Weight::new(weight).unwrap();
            let _ = queue.enqueue(key(domain as u16), weight, VirtualTime::NEW, 0).unwrap();
        }
        let total: u64 = weights.iter().map(|&weight| u64::from(weight)).sum();
        let until = 60_000 * MS;
        let (ran, longest_wait) = run(&mut queue, 0, until);
        for (domain, &weight) in weights.iter().enumerate() {
            let due = until * u64::from(weight) / total;
            let got = ran[&key(domain as u16)];
            prop_assert!(got.abs_diff(due) * 100 <= due * 3, "{got} instead of {due}");
        }
        // The lightest waits as long as one slice of its own is worth to all.
        let lightest = u64::from(*weights.iter().min().unwrap());
        let bound = 10 * MS * total / lightest + 10 * MS * weights.len() as u64;
        prop_assert!(longest_wait <= bound, "waited {longest_wait}, bound {bound}");
    }

    #[test]
    fn a_frequent_sleeper_takes_no_more_than_its_share(
        busy_us in 50..9_000_u64,
        asleep_us in 1..20_000_u64,
        hogs in 1..5_u16,
    ) {
        let mut queue = queue::<16>();
        for domain in 1..=hogs {
            let _ = queue.enqueue(key(domain), Weight::DEFAULT, VirtualTime::NEW, 0).unwrap();
        }
        let (mut now, mut used, mut time) = (0, 0, VirtualTime::NEW);
        while now < 20_000 * MS {
            let _ = queue.enqueue(key(0), Weight::DEFAULT, time, now).unwrap();
            let mut left = busy_us * 1000;
            while left > 0 {
                let pick = queue.pick(now);
                let end = pick.slice_end.unwrap();
                let runs = if pick.key == Some(key(0)) { left.min(end - now) } else { end - now };
                if pick.key == Some(key(0)) {
                    left -= runs;
                    used += runs;
                }
                now += runs;
            }
            time = queue.remove(key(0), now).unwrap();
            let wakes = now + asleep_us * 1000;
            while now < wakes {
                now = queue.pick(now).slice_end.unwrap_or(wakes).min(wakes);
            }
        }
        let fair = now / (u64::from(hogs) + 1);
        prop_assert!(used <= fair + fair / 20 + 20 * MS, "{used} of {now}, fair {fair}");
    }

    #[test]
    fn a_long_sleep_delays_the_others_by_little_more_than_a_slice(asleep_ms in 1..1_000_000_u64) {
        let mut queue = queue::<4>();
        let _ = queue.enqueue(key(1), Weight::DEFAULT, VirtualTime::NEW, 0).unwrap();
        let _ = queue.enqueue(key(2), Weight::DEFAULT, VirtualTime::NEW, 0).unwrap();
        queue.pick(0);
        let slept = queue.remove(key(1), MS).unwrap();
        queue.pick(MS);
        let now = (1 + asleep_ms) * MS;
        let _ = queue.enqueue(key(1), Weight::DEFAULT, slept, now).unwrap();
        let (ran, longest_wait) = run(&mut queue, now, now + 1000 * MS);
        prop_assert!(longest_wait <= 20 * MS, "{longest_wait}");
        prop_assert!(ran[&key(1)] <= 500 * MS + 20 * MS);
    }

    #[test]
    fn only_members_are_picked(operations in prop::collection::vec((0..6_u8, 0..6_u16, 0..15 * MS), 1..200)) {
        let mut queue = queue::<4>();
        let mut asleep: BTreeMap<u16, VirtualTime> = (0..6).map(|d| (d, VirtualTime::NEW)).collect();
        let mut now = 0;
        for (operation, domain, elapsed) in operations {
            now += elapsed;
            match operation {
                0 | 1 => {
                    let time = asleep.get(&domain).copied().unwrap_or_default();
                    let room = queue.load().runnable < 4;
                    let result = queue.enqueue(key(domain), Weight::DEFAULT, time, now);
                    prop_assert_eq!(result.is_ok(), room && asleep.contains_key(&domain));
                    if result.is_ok() {
                        asleep.remove(&domain);
                    }
                }
                2 => {
                    let time = queue.remove(key(domain), now);
                    prop_assert_eq!(time.is_some(), !asleep.contains_key(&domain));
                    if let Some(time) = time {
                        asleep.insert(domain, time);
                    }
                }
                3 => queue.yield_now(),
                4 => {
                    let running = queue.running();
                    if let Some(stolen) = queue.steal(now, |k| k.domain.0 != domain) {
                        prop_assert_ne!(Some(stolen.key), running);
                        prop_assert_ne!(stolen.key.domain.0, domain);
                        asleep.insert(stolen.key.domain.0, stolen.time);
                    }
                }
                5 => queue.pause(now),
                _ => {}
            }
            let pick = queue.pick(now);
            let members = 6 - asleep.len();
            prop_assert_eq!(usize::from(queue.load().runnable), members);
            prop_assert_eq!(queue.load().weight as usize, members * 256);
            prop_assert_eq!(pick.key.is_some(), members > 0, "an idle CPU with work");
            prop_assert_eq!(pick.slice_end.is_some(), members > 1);
            prop_assert!(pick.slice_end.is_none_or(|end| end > now));
            if let Some(key) = pick.key {
                prop_assert!(!asleep.contains_key(&key.domain.0), "picked a blocked one");
            }
        }
    }
}
