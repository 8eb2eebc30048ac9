//! More vCPUs than CPUs, doing things in a random order: every interrupt arrives, and the fake
//! machine finds nothing wrong (a vCPU on two CPUs, list registers left behind, an interrupt ended
//! twice).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use abi::arm::{GICV3_DISTRIBUTOR, GICV3_REDISTRIBUTORS, VIRTUAL_TIMER, vcpu_affinity};
use abi::{IntId, psci};
use machine::exit::Sysreg;
use machine::guest::Guest;

use crate::bench::{Bench, ENTRY, Setup, Who, id, small};

const SGI1R: Sysreg = Sysreg::new(3, 0, 12, 11, 5);

/// The interrupts that were sent and not taken yet.
type Owed = Arc<Mutex<BTreeSet<(Who, u32)>>>;

/// Xorshift: the same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

struct Crowd {
    bench: Bench,
    all: Vec<Who>,
    owed: Owed,
    random: Random,
    cpus: u16,
    vcpus: u16,
}

impl Crowd {
    fn new(cpus: u16, vcpus: u16, list_registers: u8, seed: u64) -> Self {
        let domains = (1..=2)
            .map(|number| small(number, u32::from(vcpus)))
            .collect();
        let setup = Setup::with(domains)
            .cpus(cpus)
            .list_registers(list_registers);
        let mut bench = setup.boot();
        let mut all = Vec::new();
        for domain in 1..=2 {
            bench.store((domain, 0), GICV3_DISTRIBUTOR.start(), 0x12);
            for vcpu in 0..vcpus {
                if vcpu > 0 {
                    let start = [vcpu_affinity(vcpu), ENTRY, 0];
                    assert_eq!(bench.hvc((domain, 0), psci::CPU_ON_64, start), 0);
                }
                let who = (domain, vcpu);
                let frame = GICV3_REDISTRIBUTORS.start() + u64::from(vcpu) * 0x2_0000 + 0x1_0000;
                bench.store(who, frame + 0x80, u32::MAX);
                bench.store(who, frame + 0x100, 0xffff | 1 << VIRTUAL_TIMER.0);
                all.push(who);
            }
        }
        Self {
            bench,
            all,
            owed: Owed::default(),
            random: Random(seed),
            cpus,
            vcpus,
        }
    }

    /// Something happens.
    fn step(&mut self) {
        let who = self.all[self.random.below(self.all.len() as u64) as usize];
        match self.random.below(20) {
            0 => self.send(who),
            1 => self.bench.machine.script(id(who), |guest| guest.wait()),
            2 => self.take(who),
            3 => self.arm(who),
            4 => self
                .bench
                .machine
                .script(id(who), |guest| guest.wait_for_event()),
            5 => {
                let ticks = self.random.below(20_000);
                self.bench.machine.advance(ticks);
            }
            _ => {
                let cpu = self.random.below(u64::from(self.cpus)) as u16;
                self.bench.turn(cpu);
            }
        }
    }

    fn send(&mut self, from: Who) {
        let to = (from.0, self.random.below(u64::from(self.vcpus)) as u16);
        let number = self.random.below(16);
        let owed = self.owed.clone();
        self.bench.machine.script(id(from), move |guest| {
            owed.lock().unwrap().insert((to, number as u32));
            guest.write_register(SGI1R, number << 24 | 1 << to.1)
        });
    }

    fn arm(&mut self, who: Who) {
        let ticks = self.random.below(100_000);
        let owed = self.owed.clone();
        self.bench.machine.script(id(who), move |guest| {
            owed.lock().unwrap().insert((who, VIRTUAL_TIMER.0));
            let at = guest.virtual_count() + ticks;
            guest.set_el1(|el1| (el1.cntv_cval, el1.cntv_ctl) = (at, 1));
            None
        });
    }

    /// `who` takes an interrupt, and ends it in a later step.
    fn take(&mut self, who: Who) {
        let owed = self.owed.clone();
        self.bench.machine.script(id(who), move |guest| {
            let intid = guest.acknowledge()?;
            take_note(&owed, who, intid);
            if intid == VIRTUAL_TIMER {
                guest.set_el1(|el1| el1.cntv_ctl = 0);
            }
            guest.then(move |guest: &mut Guest<'_>| {
                guest.end(intid);
                None
            });
            None
        });
    }

    /// Lets all time pass, and every vCPU take what it has.
    fn drain(&mut self) {
        for round in 0..200 {
            self.bench.machine.advance(200_000);
            for who in self.all.clone() {
                self.take(who);
            }
            // Whoever sleeps without a reason would sleep on: nobody is asked to wake it.
            for _ in 0..40 * self.all.len() {
                self.bench.round();
                self.bench.machine.advance(2_000);
            }
            if round > 3 && self.owed.lock().unwrap().is_empty() {
                return;
            }
        }
        let owed = self.owed.lock().unwrap().clone();
        panic!("never taken: {owed:?}");
    }
}

fn take_note(owed: &Owed, who: Who, intid: IntId) {
    let expected = owed.lock().unwrap().remove(&(who, intid.0));
    assert!(expected, "{who:?} took {intid:?}, which nobody sent");
}

fn play(cpus: u16, vcpus: u16, list_registers: u8, seed: u64) {
    let mut crowd = Crowd::new(cpus, vcpus, list_registers, seed);
    for _ in 0..4 {
        for _ in 0..2_000 {
            crowd.step();
        }
        crowd.drain();
    }
}

#[test]
fn two_cpus_for_six_vcpus() {
    for seed in 1u64..=10 {
        play(2, 3, 4, seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
}

#[test]
fn three_cpus_for_four_vcpus_and_few_list_registers() {
    for seed in 1u64..=10 {
        play(3, 2, 2, seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    }
}

#[test]
fn as_many_cpus_as_vcpus() {
    for seed in 1u64..=10 {
        play(4, 2, 4, seed.wrapping_mul(0x5851_f42d_4c95_7f2d));
    }
}
