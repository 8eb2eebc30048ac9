//! Why a Debian Linux guest leaves for EL2 until its shell is there, counted by the emulator: its
//! log of exceptions (`-d int`) is the same for any hypervisor. Log and serial line come through
//! one pipe, in the order in which things happened, so the count ends with the last letter that
//! the guest writes. With `-icount` all CPUs run in turn on one thread, so the log of one exception
//! is not mixed with another's.

mod count;
mod table;

use std::{
    env,
    fs::{self, File},
    io::{BufRead, BufReader, PipeReader, pipe},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    process::{self, Child, Stdio},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::{Subject, boot};
use crate::{
    guest_files::System,
    paths::Paths,
    progress::Work,
    qemu::{Machine, Start},
    run::{self, Files, Guests, Hypervisor, Request, Source},
};
use count::{Counter, Stage};

pub(crate) use count::Exits;
pub(super) use count::SHELL;
pub(crate) use table::{Both, by_cause, causes, join, totals};

/// The guest's command line: its console alone.
pub(super) const BOOTARGS: &str = "console=ttyAMA0";
/// The same with an early console, which has more accesses to the UART for each letter.
const BOOTARGS_EARLY: &str = "console=ttyAMA0 earlycon=pl011,0x22000000";
/// The longest it may take; and with several CPUs, which can get stuck without falling silent.
const LIMIT: Duration = Duration::from_secs(300);
const LIMIT_OF_SEVERAL: Duration = Duration::from_secs(100);
/// How long a machine of several CPUs may take until its guests run, and how long it may be silent from
/// then on, before it is started anew; and how often that is tried (see `boot.rs`).
const STUCK: Duration = Duration::from_secs(30);
const ATTEMPTS: u32 = 4;

/// A machine and its guest.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    /// In a few words.
    pub(crate) name: &'static str,
    cpus: u32,
    vcpus: u32,
    bootargs: &'static str,
}

/// What is counted.
pub(crate) const SETUPS: [Setup; 5] = [
    Setup {
        name: "1 vCPU",
        cpus: 1,
        vcpus: 1,
        bootargs: BOOTARGS,
    },
    Setup {
        name: "1 vCPU, early console",
        cpus: 1,
        vcpus: 1,
        bootargs: BOOTARGS_EARLY,
    },
    Setup {
        name: "2 vCPUs",
        cpus: 2,
        vcpus: 2,
        bootargs: BOOTARGS,
    },
    Setup {
        name: "2 vCPUs, early console",
        cpus: 2,
        vcpus: 2,
        bootargs: BOOTARGS_EARLY,
    },
    Setup {
        name: "2 vCPUs on one CPU",
        cpus: 1,
        vcpus: 2,
        bootargs: BOOTARGS,
    },
];
/// Whose causes are shown.
const WITH_CAUSES: [&str; 2] = [SETUPS[0].name, SETUPS[2].name];

/// A setup's exits.
#[derive(Debug, Clone)]
pub(crate) struct Counted {
    setup: &'static Setup,
    exits: Exits,
}

/// Boots each setup and counts. What comes of the others is kept when one fails, which is said.
pub(crate) fn measure(paths: &Paths, subject: &Subject) -> Vec<Counted> {
    let one = |setup| match count(paths, subject, setup) {
        Ok(exits) => Some(Counted { setup, exits }),
        Err(error) => {
            eprintln!("{}, exits: {error:#}", subject.name);
            None
        }
    };
    SETUPS.iter().filter_map(one).collect()
}

/// Those whose causes are shown.
pub(crate) fn with_causes<'a>(all: &[Both<'a>]) -> Vec<Both<'a>> {
    let chosen = all.iter().filter(|one| WITH_CAUSES.contains(&one.setup));
    chosen.copied().collect()
}

/// The guest that is measured.
pub(super) fn linux(paths: &Paths) -> Result<System> {
    Ok(System {
        bootargs: BOOTARGS,
        ..System::debian(paths)?
    })
}

fn count(paths: &Paths, subject: &Subject, setup: &Setup) -> Result<Exits> {
    let _work = Work::start(format!("{}: exits of Linux, {}", subject.name, setup.name));
    let files = Files {
        hypervisor: subject.image.clone(),
        system: System {
            bootargs: setup.bootargs,
            ..System::debian(paths)?
        },
        others: Default::default(),
    };
    let folder = paths.root().join("target/bench").join(subject.name);
    let mut start = run::start(&request(subject, setup), files, &folder.join("exits"))?;
    let monitor = (setup.cpus > 1).then(monitor);
    if let Some(path) = &monitor {
        start.extra.extend(boot::monitor_options(path));
    }
    // Only a machine with several CPUs can get stuck in its boot.
    let attempts = if monitor.is_some() { ATTEMPTS } else { 1 };
    for _ in 0..attempts {
        let counter = boot_once(&start, monitor.as_deref())?;
        if counter.reached() == Stage::Shell {
            return Ok(counter.exits());
        }
    }
    bail!("{}: no shell in {attempts} attempts", setup.name);
}

fn monitor() -> PathBuf {
    env::temp_dir().join(format!("euxenite-{}-exits.monitor", process::id()))
}

/// Boots until the guest's shell, or until it takes too long.
fn boot_once(start: &Start, monitor: Option<&Path>) -> Result<Counter> {
    let (output, input) = pipe()?;
    // Opened once more: the emulator makes its serial line's end non-blocking, and its log would
    // lose lines through a duplicate of that.
    let serial = File::options()
        .write(true)
        .open(format!("/proc/self/fd/{}", input.as_raw_fd()))
        .context("the pipe's other end")?;
    let mut command = start.command();
    command.stdin(Stdio::piped()).stdout(serial).stderr(input);
    let mut child = command.spawn().context("cannot start QEMU")?;
    // Its ends of the pipe: the child's are the only ones now, so that its death ends the lines.
    drop(command);
    let progress = Progress::default();
    let counter = thread::scope(|scope| {
        scope.spawn(|| watch(&mut child, &progress, monitor));
        let counter = follow(output, &progress);
        progress.is_over.store(true, Ordering::Relaxed);
        counter
    });
    if let Some(path) = monitor {
        let _ = fs::remove_file(path);
    }
    counter
}

/// What the reader tells the watcher.
#[derive(Default)]
struct Progress {
    guests_run: AtomicBool,
    is_over: AtomicBool,
    /// Lines so far: exceptions are logged all the time, so one that is silent is stuck.
    lines: AtomicU64,
}

/// Counts until the shell is there, the hypervisor has stopped, or the lines end.
fn follow(output: PipeReader, progress: &Progress) -> Result<Counter> {
    let mut counter = Counter::default();
    for line in BufReader::new(output).split(b'\n') {
        counter.line(&String::from_utf8_lossy(&line?));
        progress.lines.fetch_add(1, Ordering::Relaxed);
        match counter.reached() {
            Stage::Boot => {}
            Stage::Guests => progress.guests_run.store(true, Ordering::Relaxed),
            Stage::Shell | Stage::Panic => break,
        }
    }
    Ok(counter)
}

/// Ends the machine when it is over or takes too long. Until the guests run, one with a monitor has to
/// be nudged (see `boot.rs`).
fn watch(child: &mut Child, progress: &Progress, monitor: Option<&Path>) {
    let started = Instant::now();
    let limit = monitor.map_or(LIMIT, |_| LIMIT_OF_SEVERAL);
    let mut line = None;
    let (mut lines, mut last_line) = (0, started);
    while !progress.is_over.load(Ordering::Relaxed) && started.elapsed() < limit {
        thread::sleep(boot::BEAT);
        let Some(path) = monitor else { continue };
        let now = progress.lines.load(Ordering::Relaxed);
        if now != lines {
            (lines, last_line) = (now, Instant::now());
        }
        let since = if progress.guests_run.load(Ordering::Relaxed) {
            last_line
        } else {
            boot::nudge(&mut line, path);
            started
        };
        if since.elapsed() > STUCK {
            break;
        }
    }
    // It may be gone already.
    let _ = child.kill();
    let _ = child.wait();
}

fn request(subject: &Subject, setup: &Setup) -> Request {
    let qemu = [
        "-icount",
        "shift=0,sleep=off",
        "-seed",
        "1",
        "-no-reboot",
        "-d",
        "int",
    ];
    Request {
        machine: Machine {
            cpus: setup.cpus,
            gic: 3,
            cpu: "cortex-a57".into(),
        },
        guests: Guests {
            count: 1,
            vcpus: setup.vcpus,
            memory_mib: 256,
            append: String::new(),
            source: Source::Debian,
        },
        hypervisor: Hypervisor::File(subject.image.clone()),
        xen_args: "console=dtuart".into(),
        tree: None,
        edits: Vec::new(),
        qemu_args: qemu.map(String::from).to_vec(),
    }
}
