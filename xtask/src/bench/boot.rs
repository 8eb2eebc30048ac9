//! Boots a bare-metal guest that prints its findings and an end line, and gives what it printed.
//!
//! The emulator counts instructions (`-icount shift=0,sleep=off`): one is a nanosecond of virtual
//! time, so what the guest measures is the same on every machine. QEMU 7.2 has a flaw with more
//! than one CPU then: it stays with a CPU that spins without `wfe` or `yield`, and the one that it
//! waits for never runs. Xen's boot spins like that. Stopping and continuing the machine makes
//! QEMU go on with the next CPU, so that is done until the guest's first line; from there on
//! nothing from outside touches the machine, and figures are exact.

use std::{
    env, fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{self, Child},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    command,
    guest_files::System,
    host_tree::Edit,
    qemu::Machine,
    run::{self, Files, Guests, Hypervisor, Request, Source},
};

/// How long a machine may take to its first guest's first line before it is started anew, and how
/// often that is tried.
const STUCK: Duration = Duration::from_secs(15);
const ATTEMPTS: u32 = 6;
/// How often a machine of several CPUs is nudged, and the longest wait for output.
pub(super) const BEAT: Duration = Duration::from_millis(50);
/// What either hypervisor says when it stops for good.
const PANIC: &str = "Panic on CPU";
/// Lines of a failed boot's output that are shown.
const SHOWN_LINES: usize = 30;

/// What to boot.
#[derive(Debug, Clone)]
pub(crate) struct Boot<'a> {
    /// The hypervisor's image.
    pub(crate) hypervisor: &'a Path,
    /// The guest's image.
    pub(crate) guest: &'a Path,
    /// CPUs of the machine.
    pub(crate) cpus: u32,
    /// How many guests.
    pub(crate) guests: u32,
    /// vCPUs of each.
    pub(crate) vcpus: u32,
    /// Memory of each in MiB.
    pub(crate) memory_mib: u64,
    /// The guests' command line.
    pub(crate) arguments: &'a str,
    /// The hypervisor's command line.
    pub(crate) xen_args: &'a str,
    /// Numbers that are set in each guest's node.
    pub(crate) properties: &'a [(&'a str, u32)],
    /// What a guest prints first, and last.
    pub(crate) marks: (&'a str, &'a str),
    /// What to type when all guests are at their end, and what is waited for then.
    pub(crate) question: Option<(&'a [&'a str], &'a str)>,
    /// The longest it may take.
    pub(crate) limit: Duration,
}

/// What came of a boot.
#[derive(Debug, Clone)]
pub(crate) struct Ran {
    /// All that was printed.
    pub(crate) text: String,
    /// MiB of memory that the machine had.
    pub(crate) machine_mib: u64,
}

/// A machine that is ended when dropped.
struct Running {
    child: Child,
    output: Receiver<Vec<u8>>,
}

impl Boot<'_> {
    /// Runs it in `folder`, where the device tree and the log are left.
    ///
    /// # Errors
    /// When a guest's last line does not come in time: with the end of the output.
    pub(crate) fn run(&self, folder: &Path) -> Result<Ran> {
        let system = System {
            kernel: self.guest.to_path_buf(),
            ramdisk: None,
            bootargs: "",
        };
        self.run_system(system, folder)
    }

    /// The same with other guests than the bare one.
    pub(crate) fn run_system(&self, system: System, folder: &Path) -> Result<Ran> {
        let files = Files {
            hypervisor: self.hypervisor.to_path_buf(),
            system,
            others: Default::default(),
        };
        let mut start = run::start(&self.request(), files, folder)?;
        let monitor = (self.cpus > 1).then(|| {
            env::temp_dir().join(format!("euxenite-{}-{}.monitor", process::id(), self.cpus))
        });
        if let Some(path) = &monitor {
            let _ = fs::remove_file(path);
            start.extra.extend(monitor_options(path));
        }
        fs::write(
            folder.join("qemu.sh"),
            command::shown(&start.command()) + "\n",
        )?;
        // Only a machine with several CPUs can get stuck in its boot (see docs/benchmarks.md).
        let mut attempts = if monitor.is_some() { ATTEMPTS } else { 1 };
        let text = loop {
            attempts -= 1;
            let patience = if attempts > 0 { STUCK } else { self.limit };
            let mut machine = Running::new(start.spawn()?)?;
            let text = self.listen(&mut machine, monitor.as_deref(), patience);
            if let Some(path) = &monitor {
                let _ = fs::remove_file(path);
            }
            let text = text?;
            if attempts == 0 || text.contains(self.marks.0) {
                break text;
            }
        };
        fs::write(folder.join("log"), &text)?;
        if text.matches(self.marks.1).count() < self.guests as usize {
            bail!(
                "not all guests came to their end within {} s:\n{}",
                self.limit.as_secs(),
                command::tail(&text, SHOWN_LINES)
            );
        }
        Ok(Ran {
            text,
            machine_mib: start.memory_mib,
        })
    }

    /// What the machine says; `patience` is for the first guest's first line.
    fn listen(
        &self,
        machine: &mut Running,
        monitor: Option<&Path>,
        patience: Duration,
    ) -> Result<String> {
        let started = Instant::now();
        let deadline = started + self.limit;
        let mut heard = Heard::default();
        let mut line = None;
        let mut typed = false;
        loop {
            let ended = match machine.output.recv_timeout(BEAT) {
                Ok(more) => {
                    heard.add(&more, self);
                    false
                }
                Err(RecvTimeoutError::Timeout) => false,
                Err(RecvTimeoutError::Disconnected) => true,
            };
            let mut done = heard.ends >= self.guests as usize;
            if let (true, Some((keys, answer))) = (done, self.question) {
                if !typed {
                    typed = true;
                    machine.type_slowly(keys)?;
                }
                done = heard.text.contains(answer);
            }
            let stuck = !heard.began && started.elapsed() >= patience;
            if done || ended || heard.panicked || stuck || Instant::now() >= deadline {
                return Ok(heard.text);
            }
            if let Some(path) = monitor
                && !heard.began
            {
                nudge(&mut line, path);
            }
        }
    }

    fn edits(&self) -> Vec<Edit> {
        let one = |&(name, value): &(&str, u32)| (name.into(), value.to_be_bytes().to_vec());
        let set: Vec<_> = self.properties.iter().map(one).collect();
        let domains = if set.is_empty() { 0 } else { self.guests };
        let edit = |domain| Edit {
            domain: domain as usize,
            bootargs: None,
            remove: Vec::new(),
            set: set.clone(),
            ends: Vec::new(),
        };
        (1..=domains).map(edit).collect()
    }

    fn request(&self) -> Request {
        let qemu = ["-icount", "shift=0,sleep=off", "-no-reboot"];
        Request {
            machine: Machine {
                cpus: self.cpus,
                gic: 3,
                cpu: "cortex-a57".into(),
            },
            guests: Guests {
                count: self.guests,
                vcpus: self.vcpus,
                memory_mib: self.memory_mib,
                append: self.arguments.into(),
                source: Source::Bare,
            },
            hypervisor: Hypervisor::File(self.hypervisor.to_path_buf()),
            xen_args: self.xen_args.into(),
            tree: None,
            edits: self.edits(),
            qemu_args: qemu.map(String::from).to_vec(),
        }
    }
}

/// What a machine has printed so far. It comes in pieces of a few bytes, so only what is new is
/// looked through.
#[derive(Default)]
struct Heard {
    text: String,
    /// Where the line starts that is not whole yet.
    unfinished: usize,
    /// Whether a guest has printed its first line.
    began: bool,
    /// How many guests have printed their last line.
    ends: usize,
    panicked: bool,
}

impl Heard {
    fn add(&mut self, bytes: &[u8], boot: &Boot<'_>) {
        let (begin, end) = boot.marks;
        let ends_before = self.text[self.unfinished..].matches(end).count();
        let more = String::from_utf8_lossy(bytes);
        self.text.extend(more.chars().filter(|&c| c != '\r'));
        let new = &self.text[self.unfinished..];
        self.began |= new.contains(begin);
        self.ends += new.matches(end).count() - ends_before;
        self.panicked |= new.contains(PANIC);
        if let Some(at) = new.rfind('\n') {
            self.unfinished += at + 1;
        }
    }
}

/// The options for a monitor that [`nudge`] reaches.
pub(super) fn monitor_options(path: &Path) -> [String; 2] {
    let path = path.display().to_string().replace(',', ",,");
    let socket = format!("unix:{path},server=on,wait=off");
    ["-monitor".into(), socket]
}

/// Has the emulator go on with the next CPU; the monitor may not be there yet.
pub(super) fn nudge(line: &mut Option<UnixStream>, path: &Path) {
    if line.is_none() {
        *line = UnixStream::connect(path).ok();
        if let Some(line) = line {
            let _ = line.set_nonblocking(true);
        }
    }
    if let Some(line) = line {
        let _ = line.write_all(b"stop\ncont\n");
        // Its answers are of no interest, but must not fill the line.
        let _ = line.read(&mut [0; 4096]);
    }
}

impl Running {
    fn new(mut child: Child) -> Result<Self> {
        let mut pipe = child.stdout.take().context("no pipe from the machine")?;
        let (sender, output) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, output })
    }

    /// Types one after the other, with time for each to have its effect.
    fn type_slowly(&mut self, keys: &[&str]) -> Result<()> {
        let pipe = self.child.stdin.as_mut();
        let pipe = pipe.context("the machine takes no input")?;
        for key in keys {
            thread::sleep(2 * BEAT);
            pipe.write_all(key.as_bytes())?;
            pipe.flush()?;
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
