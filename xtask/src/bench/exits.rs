//! Why a Debian Linux guest leaves for EL2 until its shell is there, counted by the emulator: its
//! log of exceptions (`-d int`) is the same for any hypervisor. Log and serial line come through
//! one pipe, in the order in which things happened, so the count ends with the last letter that
//! the guest writes: it is exact, and the same in each run.

use std::{
    collections::BTreeMap,
    fmt::Write,
    fs::File,
    io::{BufRead, BufReader, pipe},
    os::fd::AsRawFd,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::{Subject, table::whole};
use crate::{
    guest_files::System,
    paths::Paths,
    progress::Work,
    qemu::Machine,
    run::{self, Files, Guests, Hypervisor, Request, Source},
};

/// What the guest says when its shell is there (`xtask/src/initramfs.rs`).
pub(super) const SHELL: &str = "shell ready";
/// The guest's command line: its console alone, as an early one doubles the accesses to the UART.
pub(super) const BOOTARGS: &str = "console=ttyAMA0";
/// What the emulator's log has, after which nothing else stands on a line.
const LOGGED: [&str; 5] = [
    "Taking exception ",
    "Exception return from ",
    "...from EL",
    "...with ",
    "...to EL",
];
/// The longest it may take.
const LIMIT: Duration = Duration::from_secs(300);

/// How many exits there were, by cause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Exits(BTreeMap<String, u64>);

/// Boots one guest with one vCPU and counts.
pub(crate) fn measure(paths: &Paths, subject: &Subject) -> Result<Exits> {
    let _work = Work::start(format!("{}: exits of a Linux guest", subject.name));
    let files = Files {
        hypervisor: subject.image.clone(),
        system: linux(paths)?,
        others: Default::default(),
    };
    let folder = paths
        .root()
        .join("target/bench")
        .join(subject.name)
        .join("exits");
    let start = run::start(&request(subject), files, &folder)?;
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
    let started = Instant::now();
    let mut counter = Counter::default();
    for line in BufReader::new(output).split(b'\n') {
        counter.line(&String::from_utf8_lossy(&line?));
        if counter.is_done() || started.elapsed() > LIMIT {
            break;
        }
    }
    // It may be gone already.
    let _ = child.kill();
    let _ = child.wait();
    if !counter.is_done() {
        bail!("no shell within {} s", LIMIT.as_secs());
    }
    Ok(Exits(counter.causes))
}

/// The guest that is measured.
pub(super) fn linux(paths: &Paths) -> Result<System> {
    Ok(System {
        bootargs: BOOTARGS,
        ..System::debian(paths)?
    })
}

fn request(subject: &Subject) -> Request {
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
            cpus: 1,
            gic: 3,
            cpu: "cortex-a57".into(),
        },
        guests: Guests {
            count: 1,
            vcpus: 1,
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

/// Follows the emulator's log and the serial line's text in between.
#[derive(Default)]
struct Counter {
    said: String,
    causes: BTreeMap<String, u64>,
    kind: String,
    to_el2: bool,
}

impl Counter {
    fn line(&mut self, line: &str) {
        let log = LOGGED.iter().filter_map(|start| line.find(start)).min();
        let (said, line) = line.split_at(log.unwrap_or(line.len()));
        self.said.push_str(said);
        if let Some(rest) = line.strip_prefix("Taking exception ") {
            let name = rest.split(['[', ']']).nth(1).unwrap_or("unknown");
            name.clone_into(&mut self.kind);
            self.to_el2 = false;
        } else if let Some(rest) = line.strip_prefix("...from EL") {
            self.to_el2 = !rest.starts_with('2') && rest.ends_with("to EL2");
            if self.to_el2 && matches!(self.kind.as_str(), "IRQ" | "FIQ") {
                self.count("interrupt".into());
            }
        } else if let Some(rest) = line.strip_prefix("...with ESR ")
            && self.to_el2
        {
            let syndrome = rest.split('/').nth(1).and_then(|text| {
                u32::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
            });
            if let Some(syndrome) = syndrome {
                self.count(cause(syndrome));
            }
        }
    }

    fn is_done(&self) -> bool {
        self.said.contains(SHELL)
    }

    fn count(&mut self, cause: String) {
        *self.causes.entry(cause).or_default() += 1;
        self.to_el2 = false;
    }
}

/// A syndrome in words (Arm ARM D19.2.37).
fn cause(syndrome: u32) -> String {
    match syndrome >> 26 {
        0x01 => "WFI and WFE".into(),
        0x16 if syndrome & 0xffff == 0 => "PSCI and SMCCC by HVC".into(),
        0x16 => "hypercall".into(),
        0x17 => "SMC".into(),
        0x18 => format!("system register {}", register(syndrome)),
        0x20 => "fetch abort".into(),
        0x24 if syndrome & 0x3f == 0x07 || syndrome & 0x3c == 0x04 => {
            "data abort: emulated device, or nothing there".into()
        }
        0x24 => "data abort, other".into(),
        0x07 => "floating point".into(),
        class => format!("exception class {class:#x}"),
    }
}

/// The register of a trapped access (Arm ARM D19.2.37, ISS for MSR and MRS).
fn register(syndrome: u32) -> String {
    let field = |low: u32, bits: u32| syndrome >> low & ((1 << bits) - 1);
    let (op0, op2, op1, crn, crm) = (
        field(20, 2),
        field(17, 3),
        field(14, 3),
        field(10, 4),
        field(1, 4),
    );
    match (op0, op1, crn, crm, op2) {
        (3, 0, 0, 6, 0) => "ID_AA64ISAR0_EL1".into(),
        (3, 0, 0, _, _) => "ID_*_EL1, other".into(),
        (3, 0, 12, 11, 5) => "ICC_SGI1R_EL1".into(),
        (2, ..) => "of debug".into(),
        (3, 3, 9 | 14, 12..=15, _) | (3, 0, 9, 14, _) => "of the performance monitor".into(),
        (3, 3, 14, 2, _) => "of the physical timer".into(),
        _ => format!("S{op0}_{op1}_C{crn}_C{crm}_{op2}"),
    }
}

impl Exits {
    /// All together.
    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// How many of a cause.
    pub(crate) fn of(&self, cause: &str) -> u64 {
        self.0.get(cause).copied().unwrap_or(0)
    }
}

/// All causes, the most frequent first.
pub(crate) fn causes<'a>(xen: Option<&'a Exits>, euxenite: &'a Exits) -> Vec<&'a str> {
    let sum = |cause: &str| euxenite.of(cause) + xen.map_or(0, |xen| xen.of(cause));
    let theirs = xen.into_iter().flat_map(|xen| xen.0.keys());
    let mut causes: Vec<&str> = theirs
        .chain(euxenite.0.keys())
        .map(String::as_str)
        .collect();
    causes.sort_by_key(|cause| (std::cmp::Reverse(sum(cause)), *cause));
    causes.dedup();
    causes
}

/// As a table in Markdown.
pub(crate) fn markdown(xen: Option<&Exits>, euxenite: &Exits) -> String {
    let mut text = String::from("| cause | Xen 4.20 | Euxenite |\n| --- | -------: | -------: |\n");
    let number = |count: Option<u64>| whole(count.map(|count| count as f64));
    for cause in causes(xen, euxenite) {
        let _ = writeln!(
            text,
            "| {cause} | {} | {} |",
            number(xen.map(|xen| xen.of(cause))),
            number(Some(euxenite.of(cause)))
        );
    }
    let _ = writeln!(
        text,
        "| **all** | {} | {} |",
        number(xen.map(Exits::total)),
        number(Some(euxenite.total()))
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "shellTaking exception 13 [Hypervisor Trap] on CPU 0\n...from EL1 to EL2\n\
        ...with ESR 0x18/0x62300c0d\n readTaking exception 5 [IRQ] on CPU 0\n...from EL1 to EL2\n\
        ...with ESR 0x18/0x62300c0d\nTaking exception 2 [SVC] on CPU 0\n...from EL0 to EL1\n\
        ...with ESR 0x15/0x56000000\nTaking exception 5 [IRQ] on CPU 0\n...from EL2 to EL2\n\
        Taking exception 12 [Hypervisor Call] on CPU 0\n...from EL1 to EL2\n\
        ...with ESR 0x16/0x5a000000\n";

    #[test]
    fn exits_are_told_from_the_guests_own_exceptions() {
        let mut counter = Counter::default();
        LOG.lines().for_each(|line| counter.line(line));
        assert!(!counter.is_done());
        counter.line("yTaking exception 5 [IRQ] on CPU 0");
        assert!(counter.is_done());
        let exits = Exits(counter.causes);
        assert_eq!(exits.total(), 3);
        assert_eq!(exits.of("interrupt"), 1);
        assert_eq!(exits.of("PSCI and SMCCC by HVC"), 1);
        assert_eq!(causes(None, &exits).len(), 3);
    }

    #[test]
    fn registers_have_names() {
        // MRS x0, ID_AA64ISAR0_EL1.
        assert_eq!(register(0x6230_000d | 0x1), "ID_AA64ISAR0_EL1");
    }
}
