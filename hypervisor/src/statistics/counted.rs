//! The counters.

use core::array;
// Not the machine's: nobody acts on these, so no order of two CPUs' accesses matters.
use core::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};

use machine::exit::Exit;
use machine::timer;
use machine::vcpu::Vcpu;

use super::Cause;
use crate::run::Cpu;

/// Bucket n counts stops of 2^(n-1) to 2^n - 1 ns; the last one all longer ones.
const BUCKETS: usize = 32;
const CAUSES: usize = Cause::ALL.len();

/// A CPU's counters.
pub struct Statistics {
    histograms: [Histogram; CAUSES],
    /// The present stop: why, since when (counter ticks), and what about. Causes are by number, of
    /// which one is none.
    cause: AtomicU8,
    since: AtomicU64,
    about: AtomicU64,
}

/// When a part of a stop began, in counter ticks.
pub struct Mark(u64);

/// The stops of one cause.
#[derive(Default)]
struct Histogram {
    count: AtomicU64,
    all_ns: AtomicU64,
    longest_ns: AtomicU64,
    longest_about: AtomicU64,
    buckets: [AtomicU32; BUCKETS],
}

const NO_CAUSE: u8 = CAUSES as u8;

impl Default for Statistics {
    fn default() -> Self {
        Self {
            histograms: array::from_fn(|_| Histogram::default()),
            cause: AtomicU8::new(NO_CAUSE),
            since: AtomicU64::new(0),
            about: AtomicU64::new(0),
        }
    }
}

impl Statistics {
    /// Runs a guest until it stops: the end of one stop and the start of the next.
    pub fn run(&self, cpu: &mut Vcpu) -> Exit {
        self.goes_on();
        let exit = cpu.run();
        let (cause, about) = match &exit {
            Exit::Interrupt => (Cause::Interrupt, 0),
            Exit::Hvc(abi::hypercall::HVC_IMMEDIATE) => (Cause::Hypercall, cpu.register(16)),
            Exit::Hvc(_) | Exit::Smc(_) => (Cause::Firmware, cpu.register(0)),
            Exit::DataAbort(abort) => (Cause::Device, abort.address.0),
            Exit::Sysreg(access) => {
                let (op0, op1, crn, crm, op2) = access.register().fields();
                let digits = [op0, op1, crn, crm, op2].into_iter();
                let about = digits.fold(0, |all, digit| all << 4 | u64::from(digit));
                (Cause::Sysreg, about)
            }
            Exit::WaitForInterrupt | Exit::WaitForEvent => (Cause::Wait, 0),
            _ => (Cause::Other, 0),
        };
        self.begin(cause, about);
        exit
    }

    /// This CPU idled and goes on.
    pub fn woken(&self) {
        self.begin(Cause::Woken, 0);
    }

    fn begin(&self, cause: Cause, about: u64) {
        self.cause.store(cause as u8, Relaxed);
        self.about.store(about, Relaxed);
        self.since.store(timer::now(), Relaxed);
    }

    /// What the present stop turned out to be about: an interrupt's number.
    pub fn is_about(&self, about: u64) {
        self.about.store(about, Relaxed);
    }

    /// A guest runs next, or this CPU looks for something to do.
    pub fn goes_on(&self) {
        let cause = self.cause.load(Relaxed);
        if let Some(histogram) = self.histograms.get(usize::from(cause)) {
            let ticks = timer::now().saturating_sub(self.since.load(Relaxed));
            histogram.add(ticks, self.about.load(Relaxed));
        }
        self.cause.store(NO_CAUSE, Relaxed);
    }

    /// A part of the present stop begins.
    pub fn mark(&self) -> Mark {
        Mark(timer::now())
    }

    /// The part that began at `mark` is over.
    pub fn since(&self, mark: Mark, cause: Cause) {
        if let Some(histogram) = self.histograms.get(cause as usize) {
            histogram.add(timer::now().saturating_sub(mark.0), 0);
        }
    }
}

impl Histogram {
    fn add(&self, ticks: u64, about: u64) {
        let ns = timer::nanoseconds(ticks);
        let add = |counter: &AtomicU64, value: u64| {
            counter.store(counter.load(Relaxed).wrapping_add(value), Relaxed);
        };
        add(&self.count, 1);
        add(&self.all_ns, ns);
        if ns > self.longest_ns.load(Relaxed) {
            self.longest_ns.store(ns, Relaxed);
            self.longest_about.store(about, Relaxed);
        }
        let bucket = (u64::BITS - ns.leading_zeros()) as usize;
        if let Some(bucket) = self.buckets.get(bucket.min(BUCKETS - 1)) {
            bucket.store(bucket.load(Relaxed).wrapping_add(1), Relaxed);
        }
    }
}

/// Shows the counters of all CPUs together for the cause in place `item`, or that those were all: then
/// `false`.
pub fn show(cpu: &mut Cpu<'_>, item: u32) -> bool {
    let system = cpu.system;
    let Some((cause, name)) = Cause::ALL.get(item as usize) else {
        let mut console = system.console.lock(&mut cpu.token);
        console.say(format_args!("exits: end\n"));
        return false;
    };
    let (mut count, mut all_ns, mut longest) = (0u64, 0u64, (0, 0));
    let mut buckets = [0u32; BUCKETS];
    let each = system.cpus.iter();
    for histogram in each.filter_map(|cpu| cpu.statistics.histograms.get(*cause as usize)) {
        count = count.wrapping_add(histogram.count.load(Relaxed));
        all_ns = all_ns.wrapping_add(histogram.all_ns.load(Relaxed));
        longest = longest.max((
            histogram.longest_ns.load(Relaxed),
            histogram.longest_about.load(Relaxed),
        ));
        for (sum, bucket) in buckets.iter_mut().zip(&histogram.buckets) {
            *sum = sum.wrapping_add(bucket.load(Relaxed));
        }
    }
    if count != 0 {
        let (longest_ns, about) = longest;
        let mut console = system.console.lock(&mut cpu.token);
        console.say(format_args!(
            "exits: {name}: {count}, {all_ns} ns, longest {longest_ns} ns ({about:#x}), by power of two:{}\n",
            Buckets(&buckets)
        ));
    }
    true
}

/// Those that count something.
struct Buckets<'a>(&'a [u32]);

impl core::fmt::Display for Buckets<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (power, count) in self.0.iter().enumerate().filter(|(_, count)| **count != 0) {
            write!(f, " {power}:{count}")?;
        }
        Ok(())
    }
}
