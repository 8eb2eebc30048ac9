//! What an operation is and how it is measured.

use core::{arch::asm, fmt::Write, hint::black_box, sync::atomic::Ordering::Relaxed};

use support::{cpu, cpu::SyncHook, timer, uart::Uart};

/// How often an operation is done before it is measured.
const WARM_UP: u32 = 16;

/// Something to measure.
pub(crate) struct Operation {
    /// What it is called in the table.
    pub(crate) name: &'static str,
    /// How often it is done.
    pub(crate) repeats: u32,
    how: How,
    own: Own,
}

/// How the time is taken.
enum How {
    /// The loop does it that often.
    Each(fn() -> u64),
    /// It takes its own time: for that many, gives ticks and a result.
    Whole(fn(u32) -> (u64, u64)),
}

/// What of the time is the guest's own.
enum Own {
    /// The loop.
    Loop,
    /// The loop and that many exceptions of the guest's.
    Exceptions(u32),
    /// Ticks for all repetitions.
    Whole(fn(u32) -> u64),
}

/// What came out, for all repetitions together.
pub(crate) struct Sample {
    /// Ticks of the counter.
    pub(crate) ticks: u64,
    /// The guest's own share of them.
    pub(crate) own: u64,
    /// What the last repetition returned.
    pub(crate) result: u64,
}

/// An operation that is done in a loop.
pub(crate) const fn each(name: &'static str, repeats: u32, body: fn() -> u64) -> Operation {
    Operation {
        name,
        repeats,
        how: How::Each(body),
        own: Own::Loop,
    }
}

/// An operation that takes its own time.
pub(crate) const fn whole(
    name: &'static str,
    repeats: u32,
    body: fn(u32) -> (u64, u64),
) -> Operation {
    Operation {
        name,
        repeats,
        how: How::Whole(body),
        own: Own::Loop,
    }
}

impl Operation {
    /// With `count` exceptions in each repetition that the guest handles itself.
    pub(crate) const fn with_exceptions(mut self, count: u32) -> Self {
        self.own = Own::Exceptions(count);
        self
    }

    /// With this as the guest's own ticks for all repetitions.
    pub(crate) const fn with_own(mut self, own: fn(u32) -> u64) -> Self {
        self.own = Own::Whole(own);
        self
    }

    /// Whether its name contains `part`, in which `_` stands for a space.
    pub(crate) fn is_named(&self, part: &str) -> bool {
        let (name, part) = (self.name.as_bytes(), part.as_bytes());
        let same = |(a, b): (&u8, &u8)| a == b || (*a == b' ' && *b == b'_');
        part.is_empty()
            || name
                .windows(part.len())
                .any(|window| window.iter().zip(part).all(same))
    }

    /// Does it.
    pub(crate) fn measure(&self) -> Sample {
        let (ticks, result) = match self.how {
            How::Each(body) => {
                // What happens only the first times: a log that is limited, say.
                repeat(WARM_UP, body);
                repeat(self.repeats, body)
            }
            How::Whole(body) => body(self.repeats),
        };
        let own = match self.own {
            Own::Loop => repeat(self.repeats, || 0).0,
            Own::Exceptions(count) => {
                cpu::block(0).on_sync(SyncHook::Skip);
                let ticks = repeat(self.repeats * count, own_exception).0;
                cpu::block(0).on_sync(SyncHook::Record);
                ticks
            }
            Own::Whole(own) => own(self.repeats),
        };
        Sample { ticks, own, result }
    }

    /// Tells of exceptions that nobody expected.
    pub(crate) fn report_stray_exceptions(&self, before: u64) {
        let block = cpu::block(0);
        let count = block.sync_count.load(Relaxed) - before;
        let expected = matches!(self.own, Own::Exceptions(_));
        if count != 0 && !expected {
            let _ = writeln!(
                Uart,
                "bench: {count} exceptions in {}, the last esr={:#x} far={:#x}",
                self.name,
                block.syndrome.load(Relaxed),
                block.fault_address.load(Relaxed)
            );
        }
    }
}

/// Ticks of doing `body` `count` times, and what the last one gave.
#[inline(never)]
pub(crate) fn repeat(count: u32, body: fn() -> u64) -> (u64, u64) {
    let mut result = 0;
    let body = black_box(body);
    let start = timer::virtual_count();
    for _ in 0..count {
        result = body();
    }
    (timer::virtual_count() - start, result)
}

/// An exception that the guest raises and handles without the hypervisor.
fn own_exception() -> u64 {
    // SAFETY: the vector skips the instruction behind it.
    unsafe { asm!("svc #0", "nop") };
    0
}
