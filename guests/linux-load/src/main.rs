//! A program for a Linux guest: the loads that `cargo xtask bench --wall-clock` times.
//!
//! Says what it begins, then for each round how often it did that and how long it took by the guest's
//! clock. A round lasts as long on any machine, so that none takes for ever:
//!
//! ```text
//! load: begin system call
//! load: system call; round=1; n=360000; ns=500123456; end
//! load: over
//! ```
#![no_std]
#![no_main]

mod line;

use linux_support::{
    Arguments, Errno, File, Process, exit, monotonic_ns, parent_id, pipe, run_on_cpu, spawn,
    untouched_memory,
};

use line::say;

/// How often each load is timed.
const ROUNDS: u32 = 3;
/// And how long.
const ROUND_NS: u64 = 500_000_000;
const PAGE_BYTES: u64 = 4096;
/// Pages that are mapped and given back at once.
const PAGES: u64 = 1024;
/// How many processes the script starts.
const PROCESSES: u64 = 10;
const SCRIPT: &core::ffi::CStr =
    c"n=0; while [ $n -lt 10 ]; do /bin/busybox true; n=$((n + 1)); done";
/// What the answering process gets to end, and else.
const STOP: u8 = 0;
const GO_ON: u8 = 1;

/// Something that is timed.
struct Load {
    name: &'static str,
    work: fn(&mut Round) -> Result<(), Errno>,
}

const LOADS: [Load; 4] = [
    Load {
        name: "system call",
        work: system_calls,
    },
    Load {
        name: "page fault",
        work: page_faults,
    },
    Load {
        name: "process",
        work: processes,
    },
    Load {
        name: "pipe round trip",
        work: ping_pong,
    },
];

/// A time in which something is done again and again.
#[derive(Default)]
struct Round {
    count: u64,
    started: Option<u64>,
    ns: u64,
}

impl Round {
    /// Whether to go on, after `count` more were done. The first call starts the clock.
    fn lasts(&mut self, count: u64) -> Result<bool, Errno> {
        let now = monotonic_ns()?;
        let Some(started) = self.started else {
            self.started = Some(now);
            return Ok(true);
        };
        self.count += count;
        self.ns = now - started;
        Ok(self.ns < ROUND_NS)
    }
}

fn system_calls(round: &mut Round) -> Result<(), Errno> {
    const CALLS: u64 = 10_000;
    while round.lasts(CALLS)? {
        for _ in 0..CALLS {
            parent_id()?;
        }
    }
    Ok(())
}

/// The first write to each page of fresh memory.
fn page_faults(round: &mut Round) -> Result<(), Errno> {
    while round.lasts(PAGES)? {
        untouched_memory(PAGES * PAGE_BYTES, |memory| {
            for page in 0..PAGES {
                // SAFETY: as many pages were mapped there, for this process alone.
                unsafe { memory.add((page * PAGE_BYTES) as usize).write_volatile(1) };
            }
        })?;
    }
    Ok(())
}

/// A shell that starts programs, one after the other.
fn processes(round: &mut Round) -> Result<(), Errno> {
    while round.lasts(PROCESSES)? {
        let shell = spawn(|| {
            Process::become_program(c"/bin/sh", &[c"sh", c"-c", SCRIPT]);
            1
        })?;
        succeeded(shell)?;
    }
    Ok(())
}

/// A byte there and back through two pipes, between two processes that run on different CPUs.
fn ping_pong(round: &mut Round) -> Result<(), Errno> {
    let (ping_in, ping_out) = pipe()?;
    let (pong_in, pong_out) = pipe()?;
    run_on_cpu(0)?;
    let answerer = spawn(|| {
        let answered = run_on_cpu(1).and_then(|()| {
            while pass(ping_in, pong_out)? != STOP {}
            Ok(())
        });
        answered.is_err().into()
    })?;
    let trip = |byte| {
        ping_out.write(&[byte])?;
        pong_in.read(&mut [0])
    };
    // The other one is on its CPU now.
    trip(GO_ON)?;
    while round.lasts(1)? {
        trip(GO_ON)?;
    }
    trip(STOP)?;
    succeeded(answerer)
}

/// Hands one byte on, and gives it.
fn pass(from: File, to: File) -> Result<u8, Errno> {
    let mut byte = [STOP];
    from.read(&mut byte)?;
    to.write(&byte)?;
    Ok(byte[0])
}

fn succeeded(process: Process) -> Result<(), Errno> {
    match process.wait()? {
        0 => Ok(()),
        // EIO: its reason is its own.
        _ => Err(-5),
    }
}

impl Load {
    fn time(&self) -> Result<(), Errno> {
        say(format_args!("load: begin {}", self.name));
        for number in 1..=ROUNDS {
            // In a process of its own, so that none finds memory, pipes or the CPU of the one before.
            succeeded(spawn(|| self.round(number).is_err().into())?)?;
        }
        Ok(())
    }

    fn round(&self, number: u32) -> Result<(), Errno> {
        let mut round = Round::default();
        (self.work)(&mut round)?;
        let (name, Round { count, ns, .. }) = (self.name, round);
        say(format_args!(
            "load: {name}; round={number}; n={count}; ns={ns}; end"
        ));
        Ok(())
    }
}

#[unsafe(no_mangle)]
extern "C" fn linux_main(_: Arguments) -> u8 {
    for load in &LOADS {
        if let Err(error) = load.time() {
            say(format_args!("load: failed, {}: error {error}", load.name));
            exit(1);
        }
    }
    say(format_args!("load: over"));
    0
}
