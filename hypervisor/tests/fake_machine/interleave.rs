//! Two CPUs at the same time, in every order: no wake-up is lost, no state is torn.
//!
//! By turns where a turn is the unit; and by locks, where a CPU can be overtaken at every lock that
//! it takes or gives back (see [`machine::Scene`]), for all orders with a few such switches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use abi::arm::{GICV3_DISTRIBUTOR, GICV3_REDISTRIBUTORS, vcpu_affinity};
use abi::{Ipa, psci};
use hypervisor::system::System;
use machine::Scene;
use machine::exit::{Exit, Sysreg};
use machine::guest::Guest;
use machine::host::Machine;

use crate::bench::{Bench, ENTRY, Setup, Turning, Who, id, small};

const A: Who = (1, 0);
const B: Who = (1, 1);
const SGI1R: Sysreg = Sysreg::new(3, 0, 12, 11, 5);
const KICK_B: u64 = 5 << 24 | 0b10;

/// What each guest does to hear SGIs.
fn listen(number: u64) -> Vec<(u64, u32)> {
    let frame = GICV3_REDISTRIBUTORS.start() + number * 0x2_0000 + 0x1_0000;
    vec![
        (GICV3_DISTRIBUTOR.start(), 0x12),
        (frame + 0x80, u32::MAX),
        (frame + 0x100, 0xffff),
    ]
}

/// All ways to pick `ones` of `length` places.
fn orders(length: u32, ones: u32) -> impl Iterator<Item = Vec<u16>> {
    (0u32..1 << length)
        .filter(move |bits| bits.count_ones() == ones)
        .map(move |bits| {
            (0..length)
                .map(|place| (bits >> place & 1) as u16)
                .collect()
        })
}

#[test]
fn no_order_of_turns_loses_a_wake_up() {
    let mut bench = Setup::one(2).boot();
    bench.hvc(A, psci::CPU_ON_64, [vcpu_affinity(1), ENTRY, 0]);
    for (who, number) in [(A, 0), (B, 1)] {
        for (address, value) in listen(number) {
            bench.store(who, address, value);
        }
    }
    bench.settle();
    assert_ne!(bench.cpu_of(A), bench.cpu_of(B));
    for order in orders(10, 5) {
        bench.machine.script(id(B), |guest| guest.wait());
        bench
            .machine
            .script(id(A), |guest| guest.write_register(SGI1R, KICK_B));
        for cpu in &order {
            bench.turn(*cpu);
        }
        let taken = taken_by_b(&mut bench);
        assert_eq!(taken, Some(abi::IntId(5)), "{order:?}");
    }
}

fn taken_by_b(bench: &mut Bench) -> Option<abi::IntId> {
    let taken = bench.ask(B, |guest| guest.acknowledge());
    if let Some(intid) = taken {
        bench.ask(B, move |guest| guest.end(intid));
    }
    bench.settle();
    taken
}

type Job = Box<dyn FnOnce(&mut Turning) + Send>;

/// A CPU on a thread of its own.
struct Worker {
    jobs: Option<Sender<Job>>,
    done: Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    fn new(machine: &Machine, system: &'static System, number: u16) -> Self {
        let (jobs, inbox) = channel::<Job>();
        let (finished, done) = channel();
        let machine = machine.clone();
        let thread = std::thread::spawn(move || {
            let mut cpu = Turning::new(&machine, system, number);
            for job in inbox {
                job(&mut cpu);
                finished.send(()).unwrap();
            }
        });
        Self {
            jobs: Some(jobs),
            done,
            thread: Some(thread),
        }
    }

    fn begin(&self, job: impl FnOnce(&mut Turning) + Send + 'static) {
        self.jobs.as_ref().unwrap().send(Box::new(job)).unwrap();
    }

    fn end(&mut self) {
        if self.done.recv().is_err() {
            // Its panic says more.
            let thread = self.thread.take().unwrap();
            std::panic::resume_unwind(thread.join().unwrap_err());
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Two CPUs, each on a thread.
pub(crate) struct Pair {
    pub(crate) machine: Machine,
    pub(crate) system: &'static System,
    workers: [Worker; 2],
}

impl Pair {
    pub(crate) fn new(setup: Setup) -> Self {
        Self::of(setup.start())
    }

    pub(crate) fn of((machine, system): (Machine, &'static System)) -> Self {
        let workers = [0, 1].map(|number| Worker::new(&machine, system, number));
        Self {
            machine,
            system,
            workers,
        }
    }

    /// Turns of both, one after the other, until the scripts are done and nothing is pending.
    pub(crate) fn settle(&mut self, guests: &[Who]) {
        let mut quiet = 0;
        while quiet < 6 {
            for worker in &mut self.workers {
                worker.begin(|cpu| {
                    cpu.turn();
                });
                worker.end();
            }
            let busy = guests
                .iter()
                .any(|who| self.machine.steps_left(id(*who)) > 0);
            let pending = [0, 1]
                .iter()
                .any(|cpu| self.machine.has_pending(abi::CpuId(*cpu)));
            quiet = if busy || pending || self.system.chores.is_any() {
                0
            } else {
                quiet + 1
            };
        }
    }

    /// As many turns of each as `turns` says, switching at `switches`. How many points there were.
    pub(crate) fn play(&mut self, switches: &[usize], turns: [usize; 2]) -> usize {
        let scene = Scene::new(switches);
        for (player, worker) in self.workers.iter().enumerate() {
            let scene = scene.clone();
            worker.begin(move |cpu| {
                scene.play(player, || {
                    for _ in 0..turns[player] {
                        cpu.turn();
                    }
                });
            });
        }
        for worker in &mut self.workers {
            worker.end();
        }
        scene.points()
    }

    pub(crate) fn script(
        &self,
        who: Who,
        step: impl FnOnce(&mut Guest<'_>) -> Option<Exit> + Send + 'static,
    ) {
        self.machine.script(id(who), step);
    }
}

/// Plays `scene` for all schedules with up to `most` switches, until there are no more points.
pub(crate) fn explore(most: usize, mut scene: impl FnMut(&[usize]) -> usize) -> usize {
    let mut played = 0;
    let mut waiting = vec![Vec::new()];
    while let Some(switches) = waiting.pop() {
        let points = scene(&switches);
        played += 1;
        if switches.len() < most {
            let first = switches.last().map_or(1, |last| last + 1);
            waiting.extend((first..=points).map(|point| [&switches[..], &[point]].concat()));
        }
    }
    played
}

/// A domain of two vCPUs, each on its CPU and listening for SGIs.
fn listening() -> Pair {
    let mut pair = Pair::new(Setup::one(2));
    pair.script(A, |guest| {
        guest.hvc(0, [u64::from(psci::CPU_ON_64), vcpu_affinity(1), ENTRY, 0])
    });
    pair.settle(&[A]);
    for (who, number) in [(A, 0), (B, 1)] {
        for (address, value) in listen(number) {
            pair.script(who, move |guest| guest.store(Ipa(address), value));
        }
    }
    pair.settle(&[A, B]);
    pair
}

/// Has B take SGI 5, which must be there.
fn take(pair: &mut Pair, switches: &[usize]) {
    let (sender, taken) = channel();
    pair.script(B, move |guest| {
        let intid = guest.acknowledge();
        if let Some(intid) = intid {
            guest.end(intid);
        }
        sender.send(intid).unwrap();
        None
    });
    for _ in 0..20 {
        pair.settle(&[]);
        if let Ok(intid) = taken.try_recv() {
            assert_eq!(intid, Some(abi::IntId(5)), "switches at {switches:?}");
            pair.settle(&[]);
            return;
        }
    }
    panic!("B sleeps for ever, with switches at {switches:?}");
}

#[test]
fn no_order_of_locks_loses_a_wake_up() {
    let mut pair = listening();
    let played = explore(2, |switches| {
        pair.script(A, |guest| guest.write_register(SGI1R, KICK_B));
        pair.script(B, |guest| guest.wait());
        // Whoever begins: A sends in its first turn, B waits in its first and idles in its next.
        let points = pair.play(switches, [1, 3]);
        take(&mut pair, switches);
        points
    });
    assert!(played > 20, "{played} schedules");
}

#[test]
fn no_order_of_locks_loses_a_wake_up_of_one_that_falls_asleep_first() {
    let mut pair = listening();
    let played = explore(2, |switches| {
        pair.script(A, |guest| guest.write_register(SGI1R, KICK_B));
        pair.script(B, |guest| guest.wait());
        // At the first point B goes on, up to the next switch.
        let switches = [&[1], switches].concat();
        let points = pair.play(&switches, [1, 3]);
        take(&mut pair, &switches);
        points
    });
    assert!(played > 20, "{played} schedules");
}

#[test]
fn an_sgi_that_comes_while_the_one_before_ends_is_not_lost() {
    let mut pair = listening();
    let owed = Arc::new(AtomicBool::new(false));
    let send = |pair: &Pair| {
        let owed = owed.clone();
        pair.script(A, move |guest| {
            owed.store(true, Ordering::SeqCst);
            guest.write_register(SGI1R, KICK_B)
        });
    };
    let played = explore(2, |switches| {
        send(&pair);
        pair.settle(&[A]);
        send(&pair);
        let taken = owed.clone();
        pair.script(B, move |guest| {
            taken.store(false, Ordering::SeqCst);
            let intid = guest.acknowledge()?;
            guest.then(move |guest: &mut Guest<'_>| {
                guest.end(intid);
                guest.wait()
            });
            None
        });
        let points = pair.play(switches, [1, 4]);
        pair.settle(&[A, B]);
        if owed.load(Ordering::SeqCst) {
            take(&mut pair, switches);
        } else {
            drain(&mut pair);
        }
        points
    });
    assert!(played > 20, "{played} schedules");
}

/// Leaves B with nothing to take, and awake.
fn drain(pair: &mut Pair) {
    for _ in 0..3 {
        pair.script(A, |guest| guest.write_register(SGI1R, KICK_B));
        pair.settle(&[A]);
        take(pair, &[]);
    }
}

#[test]
fn a_vcpu_is_turned_on_while_it_turns_itself_off() {
    let mut pair = listening();
    let on = |guest: &mut Guest<'_>| {
        guest.hvc(
            0,
            [u64::from(psci::CPU_ON_64), vcpu_affinity(1), 0x4010_0000, 7],
        )
    };
    explore(1, |switches| {
        pair.script(A, on);
        pair.script(B, |guest| guest.hvc(0, [u64::from(psci::CPU_OFF), 0, 0, 0]));
        let points = pair.play(&[&[1], switches].concat(), [2, 4]);
        let (sender, came) = channel();
        pair.script(B, move |guest| {
            sender.send((guest.pc(), guest.x(0))).unwrap();
            None
        });
        for _ in 0..20 {
            // ALREADY_ON while it was still going: then once more.
            pair.script(A, |guest| {
                if guest.x(0) == 0 {
                    return None;
                }
                guest.hvc(
                    0,
                    [u64::from(psci::CPU_ON_64), vcpu_affinity(1), 0x4010_0000, 7],
                )
            });
            pair.settle(&[A]);
            if let Ok(start) = came.try_recv() {
                assert_eq!(start, (0x4010_0000, 7), "{switches:?}");
                return points;
            }
        }
        panic!("B does not start, with switches at {switches:?}");
    });
}

#[test]
fn a_domain_ends_while_its_other_vcpu_is_busy() {
    let begin = || {
        let mut pair = Pair::new(Setup::with(vec![small(1, 2), small(2, 1)]));
        pair.script(A, |guest| {
            guest.hvc(0, [u64::from(psci::CPU_ON_64), vcpu_affinity(1), ENTRY, 0])
        });
        pair.settle(&[A]);
        pair
    };
    let points = {
        let mut pair = begin();
        end(&mut pair, &[])
    };
    // A system for each: every third point will do.
    for switch in (1..=points).step_by(3) {
        let mut pair = begin();
        end(&mut pair, &[switch]);
    }
}

/// A ends its domain while B writes to its UART; all must be given back.
fn end(pair: &mut Pair, switches: &[usize]) -> usize {
    pair.machine.take_output();
    pair.script(A, |guest| {
        guest.hvc(0, [u64::from(psci::SYSTEM_OFF), 0, 0, 0])
    });
    for _ in 0..3 {
        pair.script(B, |guest| guest.store(Ipa(0x2200_0000), 0x21));
    }
    let points = pair.play(switches, [4, 4]);
    pair.settle(&[]);
    let output = pair.machine.take_output();
    assert!(
        output.contains("d1: memory zeroed and given back"),
        "{switches:?}: {output}"
    );
    points
}
