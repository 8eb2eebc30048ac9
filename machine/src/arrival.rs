//! Whether a CPU that firmware was asked to start has come, and which number it gets.
//!
//! `CPU_ON`'s `SUCCESS` says that the CPU is on its way (Arm DEN0022, 5.6.2), not that it comes. The boot
//! CPU waits for all that it asked for, for a bounded time, and then decides about each by one
//! exchange: it has come and gets its number, or it is given up for good. One that comes later finds
//! that and stops on the stack that stays its own, before it has touched anything else.

use abi::CpuId;

use crate::atomic::{AtomicU32, Ordering};
use crate::{cpu, timer};

const AWAITED: u32 = 0;
const HERE: u32 = 1;
const GIVEN_UP: u32 = 2;
/// With the number of the CPU on top of it.
const NUMBERED: u32 = 3;

/// Where one CPU and the boot CPU meet.
#[derive(Debug, Default)]
pub struct Arrival {
    state: AtomicU32,
}

impl Arrival {
    /// Of a CPU that has not come.
    pub const fn new() -> Self {
        Self {
            state: AtomicU32::new(AWAITED),
        }
    }

    /// The CPU's own part: it says that it is here, and waits for its number. `None`: it was given up,
    /// and must not go on.
    pub(crate) fn arrive(&self) -> Option<CpuId> {
        self.come();
        loop {
            // Acquire: what the boot CPU did before it let this one in is seen.
            match self.state.load(Ordering::Acquire) {
                GIVEN_UP => return None,
                numbered if numbered >= NUMBERED => {
                    return Some(CpuId((numbered - NUMBERED) as u16));
                }
                _ => cpu::wait_for_event(),
            }
        }
    }

    /// It says that it is here, unless it was given up.
    pub(crate) fn come(&self) {
        let _ = self.decide(HERE);
        cpu::send_event();
    }

    /// Decides, once and for good: lets the CPU in as number `cpu`, if it has come, or gives it up.
    /// Whether it is in.
    pub fn admit(&self, cpu: CpuId) -> bool {
        if self.decide(GIVEN_UP) {
            return false;
        }
        self.state
            .store(NUMBERED + u32::from(cpu.0), Ordering::Release);
        cpu::send_event();
        true
    }

    /// Whether it was awaited until now, and is `state` from now on.
    fn decide(&self, state: u32) -> bool {
        self.state
            .compare_exchange(AWAITED, state, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    fn is_awaited(&self) -> bool {
        self.state.load(Ordering::Acquire) == AWAITED
    }
}

/// Waits until all of these have come, or for `ticks` of the counter.
pub fn wait_for<'a>(arrivals: impl Iterator<Item = &'a Arrival> + Clone, ticks: u64) {
    let deadline = timer::now().saturating_add(ticks);
    while arrivals.clone().any(Arrival::is_awaited) && timer::now() < deadline {
        cpu::wait_for_event_until(deadline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Scene;
    use crate::host::{Machine, Parts};

    fn machine() -> Machine {
        Machine::new(Parts {
            ram_bytes: 1 << 12,
            ..Parts::default()
        })
    }

    /// What came of it, on the boot CPU and on the other, which comes while the boot CPU waits for
    /// `ticks`.
    fn meet(ticks: u64, switches: &[usize]) -> (bool, Option<CpuId>, usize) {
        let machine = machine();
        let arrival = Arrival::new();
        let scene = Scene::new(switches);
        let (admitted, number) = std::thread::scope(|scope| {
            let boot = scope.spawn(|| {
                machine.enter(CpuId(0));
                scene.play(0, || {
                    wait_for([&arrival].into_iter(), ticks);
                    arrival.admit(CpuId(5))
                })
            });
            let other = scope.spawn(|| {
                machine.enter(CpuId(1));
                scene.play(1, || arrival.arrive())
            });
            (boot.join().unwrap(), other.join().unwrap())
        });
        (admitted, number, scene.points())
    }

    /// All places for up to three switches among the first `points`.
    fn schedules(points: usize) -> impl Iterator<Item = [usize; 3]> {
        let places = move || 0..=points;
        places().flat_map(move |a| places().flat_map(move |b| places().map(move |c| [a, b, c])))
    }

    #[test]
    fn both_agree_whether_a_cpu_is_in_whatever_the_order() {
        let mut seen = [false; 2];
        for switches in schedules(8) {
            let (admitted, number, points) = meet(0, &switches);
            assert!(points < 9, "a point is missed");
            assert_eq!(number, admitted.then_some(CpuId(5)), "{switches:?}");
            seen[usize::from(admitted)] = true;
        }
        assert_eq!(seen, [true; 2], "both come about");
    }

    #[test]
    fn one_that_comes_in_time_is_always_in() {
        for switches in schedules(8) {
            let (admitted, number, _) = meet(1000, &switches);
            assert!(admitted && number == Some(CpuId(5)), "{switches:?}");
        }
    }

    #[test]
    fn the_wait_ends_when_all_have_come_and_at_the_latest_in_time() {
        let machine = machine();
        machine.enter(CpuId(0));
        let (here, away) = (Arrival::new(), Arrival::new());
        here.come();
        let before = timer::now();
        wait_for([&here, &here].into_iter(), 1000);
        assert_eq!(timer::now(), before);
        wait_for([&here, &away].into_iter(), 1000);
        assert_eq!(timer::now(), before + 1000);
        assert!(here.admit(CpuId(1)) && !away.admit(CpuId(2)));
        away.come();
        assert_eq!(away.arrive(), None, "too late");
        assert_eq!(here.arrive(), Some(CpuId(1)));
    }
}
