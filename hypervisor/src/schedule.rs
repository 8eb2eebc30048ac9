//! Who runs where: a CPU's queue, and waking a vCPU from anywhere.
//!
//! A vCPU that is on is in exactly one place: the run queue of its home CPU, running or waiting,
//! or among that CPU's sleepers. Whoever wants one to look at its interrupts sets its `attention`
//! first and then looks for it among the sleepers; a vCPU that goes to sleep enters the sleepers
//! first and then looks at its `attention`. So no wake-up is lost.

use abi::{CpuId, VcpuSet};
use alloc::boxed::Box;
use machine::atomic::{Ordering, fence};

use machine::lock::{Before, RunQueue as Rank, Token};
use machine::timer;
use sched::{CpuMask, Kick, Pick, RunQueue, Sleepers, Timing, VcpuKey, VirtualTime, Weight};

use crate::domain::{Changed, Domain, Slot};
use crate::system::{Cpu, System};

/// The most vCPUs that one CPU serves.
pub const MOST_VCPUS: usize = 256;

/// The most sleepers that are woken in one go.
const MOST_WOKEN: usize = 16;

/// A CPU's run queue and sleepers.
pub struct Queue {
    ready: RunQueue<MOST_VCPUS>,
    sleepers: Box<Sleepers<MOST_VCPUS>>,
}

impl Queue {
    /// An empty queue of `cpu`; allocates all it will ever need.
    pub fn new(cpu: CpuId) -> Self {
        let timing = Timing::for_frequency(timer::frequency());
        Self {
            ready: RunQueue::new(cpu, timing),
            sleepers: Box::default(),
        }
    }

    /// Whom to run now.
    pub fn pick(&mut self, now: u64) -> Pick {
        self.ready.pick(now)
    }

    /// The running one lets others go first.
    pub fn yield_now(&mut self) {
        self.ready.yield_now();
    }

    /// The running one is not, until the next [`Self::pick`], as the CPU does something else.
    pub fn pause(&mut self, now: u64) {
        self.ready.pause(now);
    }

    /// How many want to run.
    pub fn runnable(&self) -> u16 {
        self.ready.load().runnable
    }

    /// `key`, which is in `slot`, waits, until `deadline` at the latest.
    pub fn sleep(&mut self, key: VcpuKey, slot: &Slot, deadline: Option<u64>, now: u64) {
        if let Some(time) = self.ready.remove(key, now) {
            self.sleepers.insert(slot.number, key, time, deadline);
        }
    }

    /// The sleeper's timers are not in the CPU any more: this is when the next one fires.
    pub fn set_deadline(&mut self, slot: &Slot, deadline: Option<u64>) {
        self.sleepers.set_deadline(slot.number, deadline);
    }

    /// The first deadline of all sleepers.
    pub fn next_deadline(&self) -> Option<u64> {
        self.sleepers.first_deadline()
    }

    /// Wakes sleepers whose deadline has passed, here, but at most [`MOST_WOKEN`]: the others' deadline
    /// is still the first, so the timer fires again at once. `woken` is told of each, and says its
    /// weight.
    pub fn wake_expired(&mut self, now: u64, mut woken: impl FnMut(VcpuKey) -> Weight) {
        for _ in 0..MOST_WOKEN {
            let Some((key, time)) = self.sleepers.take_due(now) else {
                break;
            };
            let weight = woken(key);
            self.enqueue(key, weight, time, now);
        }
    }

    /// Puts `key`, which is in `slot` and on its way from another queue, into this one, unless it was turned
    /// off meanwhile: who does that looks through the queues behind it, and finds it here or stops
    /// it here. Whether the CPU should choose anew.
    fn admit(&mut self, key: VcpuKey, slot: &Slot, time: VirtualTime, now: u64) -> bool {
        slot.on.load(Ordering::Relaxed) && self.enqueue(key, slot.weight, time, now)
    }

    fn enqueue(&mut self, key: VcpuKey, weight: Weight, time: VirtualTime, now: u64) -> bool {
        // Full or queued cannot be: every vCPU is in one place, and there is room for all.
        matches!(self.ready.enqueue(key, weight, time, now), Ok(Kick::Needed))
    }

    /// Takes `key`, which is in `slot`, out wherever it is.
    pub fn forget(&mut self, key: VcpuKey, slot: &Slot, now: u64) {
        let _ = self.ready.remove(key, now);
        let _ = self.sleepers.remove(slot.number);
    }
}

impl System {
    /// Has the vCPUs of `domain` in `set` look at their interrupts, of which `changed` has changed,
    /// waking those that wait. `here` is the caller's CPU. Returns whether `here` should choose anew
    /// whom it runs.
    pub fn wake_all<R: Before<Rank>>(
        &self,
        domain: &Domain,
        set: VcpuSet,
        changed: Changed,
        here: CpuId,
        token: &mut Token<R>,
    ) -> Choose {
        let mut choose = Choose::Same;
        for slot in set.iter().filter_map(|vcpu| domain.slot(vcpu)) {
            if self.wake_slot(domain, slot, changed, here, token) == Choose::Anew {
                choose = Choose::Anew;
            }
        }
        choose
    }

    /// As [`Self::wake_all`], of one.
    #[inline]
    pub fn wake_slot<R: Before<Rank>>(
        &self,
        domain: &Domain,
        slot: &Slot,
        changed: Changed,
        here: CpuId,
        token: &mut Token<R>,
    ) -> Choose {
        slot.attention.raise(changed);
        // Pairs with the fence in `Cpu::wait`: either the sleeper is seen here or the flag there.
        fence(Ordering::SeqCst);
        if slot.asleep.load(Ordering::Relaxed) {
            return self.end_sleep(domain, slot, here, token);
        }
        if slot.runs.load(Ordering::Relaxed) && slot.home() != here {
            self.gic.kick(slot.home());
        }
        Choose::Same
    }

    /// Ends the wait of a vCPU, unless somebody else just did.
    fn end_sleep<R: Before<Rank>>(
        &self,
        domain: &Domain,
        slot: &Slot,
        here: CpuId,
        token: &mut Token<R>,
    ) -> Choose {
        let key = VcpuKey {
            domain: domain.id,
            vcpu: slot.id,
        };
        let Some(home) = self.cpu(slot.home()) else {
            return Choose::Same;
        };
        let time = {
            let mut queue = home.queue.lock(token);
            let time = queue.sleepers.remove(slot.number);
            if time.is_some() {
                slot.asleep.store(false, Ordering::Relaxed);
            }
            time
        };
        match time {
            Some(time) => self.admit(key, slot, time, here, token),
            None => Choose::Same,
        }
    }

    /// Puts a vCPU that can run into the queue of a CPU: its last one, or an idle one.
    pub fn admit<R: Before<Rank>>(
        &self,
        key: VcpuKey,
        slot: &Slot,
        time: VirtualTime,
        here: CpuId,
        token: &mut Token<R>,
    ) -> Choose {
        let Some(cpu) = self.place(slot) else {
            return Choose::Same;
        };
        let Some(before) = self.cpu(slot.home()) else {
            return Choose::Same;
        };
        slot.set_home(cpu.id);
        let needed = cpu.queue.lock(token).admit(key, slot, time, timer::now());
        if before.id != cpu.id && before.id != here {
            // On its way to idle it keeps the registers of who ran last; now it must let go.
            self.kick_to_choose(before);
        }
        match needed {
            true if cpu.id == here => Choose::Anew,
            true => {
                self.kick_to_choose(cpu);
                Choose::Same
            }
            false => Choose::Same,
        }
    }

    /// The CPU for a vCPU that becomes runnable: its last one if that idles, else one that idles,
    /// else its last one.
    fn place(&self, slot: &Slot) -> Option<&Cpu> {
        let home = self.cpu(slot.home())?;
        if home.idle.load(Ordering::Relaxed) {
            return Some(home);
        }
        let idle = self
            .cpus
            .iter()
            .find(|cpu| cpu.idle.load(Ordering::Relaxed) && slot.affinity.contains(cpu.id));
        Some(idle.unwrap_or(home))
    }

    /// Takes a waiting vCPU over from a busier CPU, for `here` which idles.
    pub fn steal<R: Before<Rank>>(&self, here: &Cpu, token: &mut Token<R>) -> bool {
        for other in self.cpus.iter().filter(|cpu| cpu.id != here.id) {
            let allowed = |key: VcpuKey| {
                let slot = self
                    .domain(key.domain)
                    .and_then(|domain| domain.slot(key.vcpu));
                slot.is_some_and(|slot| slot.affinity.contains(here.id))
            };
            let now = timer::now();
            let stolen = other.queue.lock(token).ready.steal(now, allowed);
            let Some(stolen) = stolen else { continue };
            let slot = self
                .domain(stolen.key.domain)
                .and_then(|d| d.slot(stolen.key.vcpu));
            if let Some(slot) = slot {
                slot.set_home(here.id);
                here.queue
                    .lock(token)
                    .admit(stolen.key, slot, stolen.time, now);
                return true;
            }
        }
        false
    }

    /// Takes the vCPUs of `domain` in `set` off all queues; those that run are told to stop.
    pub fn deschedule<R: Before<Rank>>(
        &self,
        domain: &Domain,
        set: VcpuSet,
        here: CpuId,
        token: &mut Token<R>,
    ) {
        for slot in set.iter().filter_map(|vcpu| domain.slot(vcpu)) {
            let key = VcpuKey {
                domain: domain.id,
                vcpu: slot.id,
            };
            // Who puts it into a queue from here on sees that it must not.
            slot.on.store(false, Ordering::Relaxed);
            // All CPUs, as it may be on its way from one to another.
            for cpu in &self.cpus {
                let running = {
                    let mut queue = cpu.queue.lock(token);
                    let running = queue.ready.running() == Some(key);
                    queue.forget(key, slot, timer::now());
                    running
                };
                slot.asleep.store(false, Ordering::Relaxed);
                if running && cpu.id != here {
                    self.kick_to_choose(cpu);
                }
            }
        }
    }
}

/// Whether a CPU should choose anew whom it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choose {
    /// Go on with the same.
    Same,
    /// Choose.
    Anew,
}

/// A new vCPU's virtual time.
pub const NEW: VirtualTime = VirtualTime::NEW;

/// All CPUs below `count`.
pub fn all_cpus(count: usize) -> CpuMask {
    CpuMask::first(count.min(usize::from(CpuMask::MAX)) as u16)
}
