//! The run queue of one physical CPU.
//!
//! All that want to run lie in a dense array, the running one included; what is picked is the one
//! with the least virtual time. Scans are linear: a CPU seldom has more than a few.

use abi::{CpuId, DomId, VcpuId};

use crate::virtual_time::{before, later};
use crate::{CpuLoad, Timing, VirtualTime, Weight};

/// A vCPU, named for the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VcpuKey {
    /// Its domain.
    pub domain: DomId,
    /// Its number there.
    pub vcpu: VcpuId,
}

/// What a CPU is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pick {
    /// Whom to run; `None`: nobody wants to, the CPU idles.
    pub key: Option<VcpuKey>,
    /// When to call [`RunQueue::pick`] again at the latest; `None`: nobody waits, no timer needed.
    pub slice_end: Option<u64>,
}

/// Whether the queue's CPU has to be told (by an SGI, if it is another one) to pick anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Kick {
    /// It idles, runs without a slice end, or is to be preempted.
    Needed,
    /// The newcomer waits for the end of the slice.
    No,
}

/// Why a vCPU was not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnqueueError {
    /// All `N` places are taken.
    Full,
    /// It is in there already.
    Queued,
}

/// A waiting vCPU that was taken out for another CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stolen {
    /// Whom.
    pub key: VcpuKey,
    /// Its weight.
    pub weight: Weight,
    /// To be passed to the other queue's [`RunQueue::enqueue`].
    pub time: VirtualTime,
}

/// A vCPU that wants to run.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Virtual time, up to the last charge.
    time: u64,
    /// Orders equals: the earlier one goes first. After 2^31 others came, perhaps not.
    arrival: u32,
    key: VcpuKey,
    weight: Weight,
}

const VACANT: Entry = Entry {
    time: 0,
    arrival: 0,
    key: VcpuKey {
        domain: DomId(0),
        vcpu: VcpuId(0),
    },
    weight: Weight::DEFAULT,
};

/// What the next [`RunQueue::pick`] has to look at beyond the slice's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pending {
    /// Nothing.
    Nothing,
    /// Others came: the running one needs a slice end.
    SliceEnd,
    /// Somebody with a better claim came.
    Preempt,
    /// The running one gives way.
    Yield,
}

/// Whether arrival `a` came before `b`.
const fn earlier(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

/// A slice without an end, as a time.
const NO_END: u64 = u64::MAX;

/// The run queue of one physical CPU, for up to `N` vCPUs (at most 256 are sensible). `now` is in
/// any unit, the same that [`Timing`] was made for, and should not go backwards.
#[derive(Debug)]
pub struct RunQueue<const N: usize> {
    cpu: CpuId,
    timing: Timing,
    len: usize,
    running: Option<usize>,
    pending: Pending,
    slice_end: u64,
    /// Up to when the running one is charged.
    charged: u64,
    /// The queue's clock: the least virtual time of all in it; never goes back.
    clock: u64,
    arrivals: u32,
    weight: u32,
    entries: [Entry; N],
}

impl<const N: usize> RunQueue<N> {
    /// An empty queue for `cpu`.
    pub const fn new(cpu: CpuId, timing: Timing) -> Self {
        Self {
            cpu,
            timing,
            len: 0,
            running: None,
            pending: Pending::Nothing,
            slice_end: NO_END,
            charged: 0,
            clock: 0,
            arrivals: 0,
            weight: 0,
            entries: [VACANT; N],
        }
    }

    /// Takes in a vCPU that woke, is new, or came from another CPU; `time` is what
    /// [`remove`](Self::remove) or [`steal`](Self::steal) gave for it, or [`VirtualTime::NEW`].
    pub fn enqueue(
        &mut self,
        key: VcpuKey,
        weight: Weight,
        time: VirtualTime,
        now: u64,
    ) -> Result<Kick, EnqueueError> {
        if self.position(key).is_some() {
            return Err(EnqueueError::Queued);
        }
        self.account(now);
        let time = time.place(self.cpu, self.clock, Weight::usual(self.timing.slice()));
        let Some(entry) = self.entries.get_mut(self.len) else {
            return Err(EnqueueError::Full);
        };
        *entry = Entry {
            time,
            arrival: self.arrivals,
            key,
            weight,
        };
        self.arrivals = self.arrivals.wrapping_add(1);
        self.len += 1;
        self.weight = self.weight.saturating_add(weight.get().into());
        Ok(self.kick_for(key))
    }

    /// Takes out a vCPU that blocks or is paused, running or not; `None` if it is not in there.
    pub fn remove(&mut self, key: VcpuKey, now: u64) -> Option<VirtualTime> {
        self.account(now);
        let position = self.position(key)?;
        Some(self.take(position)?.time)
    }

    /// Decides whom the CPU runs from `now` on. Cheap while the slice lasts and nothing came up.
    pub fn pick(&mut self, now: u64) -> Pick {
        if self.pending != Pending::Nothing || now >= self.slice_end || self.running.is_none() {
            self.choose(now);
        }
        let key = self
            .running
            .and_then(|index| self.live().get(index))
            .map(|entry| entry.key);
        Pick {
            key,
            slice_end: (self.slice_end != NO_END).then_some(self.slice_end),
        }
    }

    /// The running one gives way to the others once; call [`pick`](Self::pick) next.
    pub fn yield_now(&mut self) {
        if self.running.is_some() && self.len > 1 {
            self.pending = Pending::Yield;
        }
    }

    /// Nobody runs from `now` on until the next [`pick`](Self::pick), as the CPU does something else:
    /// nobody is charged for it.
    pub fn pause(&mut self, now: u64) {
        self.account(now);
        self.running = None;
        self.slice_end = NO_END;
        self.pending = Pending::Nothing;
    }

    /// Charges the running one up to `now`.
    pub fn account(&mut self, now: u64) {
        let elapsed = now.saturating_sub(self.charged);
        self.charged = now.max(self.charged);
        let Some(running) = self.running_mut() else {
            return;
        };
        running.time = running.time.wrapping_add(running.weight.scale(elapsed));
        self.advance_clock();
    }

    /// Takes out the waiting vCPU with the best claim among those `allowed`, for a CPU that idles.
    ///
    /// Never the running one, and not the only one of a CPU that is just about to run it.
    pub fn steal(&mut self, now: u64, allowed: impl Fn(VcpuKey) -> bool) -> Option<Stolen> {
        if self.len < 2 {
            return None;
        }
        self.account(now);
        let position =
            self.best(|index, entry| Some(index) != self.running && allowed(entry.key))?;
        self.take(position)
    }

    /// Whether `woken`, which is in the queue, has so much better a claim than the running one that
    /// it should not wait for the end of the slice; always if nobody runs.
    pub fn should_preempt(&self, woken: VcpuKey) -> bool {
        let Some(woken) = self.live().iter().find(|entry| entry.key == woken) else {
            return false;
        };
        match self.running.and_then(|index| self.live().get(index)) {
            Some(running) => {
                let least = Weight::usual(self.timing.minimum());
                before(woken.time.wrapping_add(least), running.time)
            }
            None => true,
        }
    }

    /// How busy the CPU is.
    pub fn load(&self) -> CpuLoad {
        CpuLoad {
            cpu: self.cpu,
            runnable: self.len as u16,
            weight: self.weight,
        }
    }

    /// Who runs.
    pub fn running(&self) -> Option<VcpuKey> {
        self.running
            .and_then(|index| self.live().get(index))
            .map(|entry| entry.key)
    }

    /// Whether `key` is in the queue, running or waiting.
    pub fn contains(&self, key: VcpuKey) -> bool {
        self.position(key).is_some()
    }

    fn kick_for(&mut self, key: VcpuKey) -> Kick {
        if self.running.is_none() {
            return Kick::Needed;
        }
        if self.should_preempt(key) {
            self.pending = Pending::Preempt;
            return Kick::Needed;
        }
        if self.slice_end != NO_END {
            return Kick::No;
        }
        if self.pending == Pending::Nothing {
            self.pending = Pending::SliceEnd;
        }
        Kick::Needed
    }

    fn choose(&mut self, now: u64) {
        self.account(now);
        if self.len == 1 {
            // Whoever is alone runs, and gives way to nobody.
            self.running = Some(0);
            self.pending = Pending::Nothing;
            self.slice_end = NO_END;
            return;
        }
        let stays = match self.pending {
            Pending::SliceEnd | Pending::Nothing => self.running.filter(|_| now < self.slice_end),
            Pending::Preempt | Pending::Yield => None,
        };
        let next = match (stays, self.pending) {
            (Some(running), _) => Some(running),
            (None, Pending::Yield) => self.best(|index, _| Some(index) != self.running),
            (None, _) => self.best(|_, _| true),
        };
        self.running = next;
        self.pending = Pending::Nothing;
        self.slice_end = if self.len > 1 {
            now.saturating_add(self.timing.slice_among(self.len))
        } else {
            NO_END
        };
    }

    /// The one with the least virtual time among those that are `eligible`.
    fn best(&self, eligible: impl Fn(usize, &Entry) -> bool) -> Option<usize> {
        let mut best: Option<(usize, &Entry)> = None;
        for (index, entry) in self.live().iter().enumerate() {
            if !eligible(index, entry) {
                continue;
            }
            let better = best.is_none_or(|(_, least)| {
                before(entry.time, least.time)
                    || (entry.time == least.time && earlier(entry.arrival, least.arrival))
            });
            if better {
                best = Some((index, entry));
            }
        }
        best.map(|(index, _)| index)
    }

    /// Takes the entry at `position` out; the last one moves to its place.
    fn take(&mut self, position: usize) -> Option<Stolen> {
        let taken = *self.live().get(position)?;
        let last = self.len - 1;
        let moved = *self.entries.get(last)?;
        *self.entries.get_mut(position)? = moved;
        self.len = last;
        self.weight = self.weight.saturating_sub(taken.weight.get().into());
        self.running = match self.running {
            Some(running) if running == position => None,
            Some(running) if running == last => Some(position),
            other => other,
        };
        if self.len < 2 || self.running.is_none() {
            self.slice_end = NO_END;
            self.pending = Pending::Nothing;
        }
        let time = VirtualTime::leave(self.cpu, taken.time, self.clock);
        Some(Stolen {
            key: taken.key,
            weight: taken.weight,
            time,
        })
    }

    fn advance_clock(&mut self) {
        let times = self.live().iter().map(|entry| entry.time);
        if let Some(least) = times.reduce(|a, b| if before(b, a) { b } else { a }) {
            self.clock = later(self.clock, least);
        }
    }

    fn position(&self, key: VcpuKey) -> Option<usize> {
        self.live().iter().position(|entry| entry.key == key)
    }

    fn live(&self) -> &[Entry] {
        self.entries.get(..self.len).unwrap_or_default()
    }

    fn running_mut(&mut self) -> Option<&mut Entry> {
        let len = self.len;
        self.running
            .filter(|&index| index < len)
            .and_then(|index| self.entries.get_mut(index))
    }
}
