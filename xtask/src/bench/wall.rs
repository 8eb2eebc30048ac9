//! Wall-clock time of a Debian Linux guest until its shell and of loads in it: paired runs of both hypervisors in turn, so that what
//! else the machine does touches both, and the ratios of the pairs with their spread.

use std::{
    io::{Read, Write},
    path::Path,
    process::Child,
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::Subject;
use crate::{
    command,
    guest_files::System,
    paths::Paths,
    progress::Work,
    qemu::Machine,
    run::{self, Files, Guests, Hypervisor, Request, Source},
};

/// What the guest says when its shell is there (`xtask/src/initramfs.rs`).
const SHELL: &str = "shell ready";
/// Its prompt.
const PROMPT: &str = "dom1:~# ";
/// What it runs then: names of its script `load` (`xtask/src/initramfs.rs`).
const LOADS: [&str; 4] = ["system-calls", "page-faults", "processes", "pipe"];
/// The longest a step may take.
const LIMIT: Duration = Duration::from_secs(90);
/// Lines of a failed run's output that are shown.
const SHOWN_LINES: usize = 5;

/// A step's ratios of Euxenite's time to Xen's, a pair each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pairs {
    name: String,
    /// Seconds under Xen and under Euxenite.
    seconds: Vec<(f64, f64)>,
}

/// Runs `count` pairs.
pub(crate) fn measure(
    paths: &Paths,
    xen: &Subject,
    euxenite: &Subject,
    count: u32,
) -> Result<Vec<Pairs>> {
    let system = System::debian(paths)?;
    let mut all: Vec<Pairs> = Vec::new();
    for pair in 1..=count {
        let _work = Work::start(format!("wall-clock, pair {pair} of {count}"));
        // Who goes first alternates.
        let (theirs, ours) = if pair % 2 == 0 {
            let theirs = once(paths, xen, &system)?;
            (theirs, once(paths, euxenite, &system)?)
        } else {
            let ours = once(paths, euxenite, &system)?;
            (once(paths, xen, &system)?, ours)
        };
        for (index, ((name, xen), (_, euxenite))) in theirs.into_iter().zip(ours).enumerate() {
            if all.len() <= index {
                all.push(Pairs {
                    name,
                    seconds: Vec::new(),
                });
            }
            all[index].seconds.push((xen, euxenite));
        }
    }
    Ok(all)
}

/// One boot: names of steps and seconds.
fn once(paths: &Paths, subject: &Subject, system: &System) -> Result<Vec<(String, f64)>> {
    let folder = paths.root().join("target/bench").join(subject.name);
    let started = Instant::now();
    let mut guest = Guest::start(subject, system, &folder.join("wall"))?;
    guest.wait_for(SHELL)?;
    let mut times = vec![("boot to shell".to_owned(), started.elapsed().as_secs_f64())];
    guest.wait_for(PROMPT)?;
    for load in LOADS {
        let started = Instant::now();
        guest.type_line(&format!("load {load}"))?;
        guest.wait_for(&format!("load {load} over"))?;
        times.push((load.replace('-', " "), started.elapsed().as_secs_f64()));
    }
    Ok(times)
}

/// A running guest, ended when dropped.
struct Guest {
    child: Child,
    output: Receiver<Vec<u8>>,
    text: String,
}

impl Guest {
    fn start(subject: &Subject, system: &System, folder: &Path) -> Result<Self> {
        let files = Files {
            hypervisor: subject.image.clone(),
            system: system.clone(),
            others: Default::default(),
        };
        let mut child = run::start(&request(subject), files, folder)?.spawn()?;
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
        Ok(Self {
            child,
            output,
            text: String::new(),
        })
    }

    /// Types a line, short enough for the receiving FIFO.
    fn type_line(&mut self, line: &str) -> Result<()> {
        let pipe = self.child.stdin.as_mut();
        let pipe = pipe.context("the machine takes no input")?;
        writeln!(pipe, "{line}")?;
        Ok(pipe.flush()?)
    }

    fn wait_for(&mut self, wanted: &str) -> Result<()> {
        let deadline = Instant::now() + LIMIT;
        while !self.text.contains(wanted) {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.text.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => bail!(
                    "no `{wanted}` within {} s:\n{}",
                    LIMIT.as_secs(),
                    command::tail(&self.text, SHOWN_LINES)
                ),
            }
        }
        Ok(())
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn request(subject: &Subject) -> Request {
    Request {
        machine: Machine {
            cpus: 2,
            gic: 3,
            cpu: "cortex-a57".into(),
        },
        guests: Guests {
            count: 1,
            vcpus: 2,
            memory_mib: 256,
            append: String::new(),
            source: Source::Debian,
        },
        hypervisor: Hypervisor::File(subject.image.clone()),
        xen_args: "console=dtuart".into(),
        tree: None,
        edits: Vec::new(),
        qemu_args: vec!["-no-reboot".into()],
    }
}

/// As a table in Markdown: medians, and the ratios' median and extremes.
pub(crate) fn markdown(all: &[Pairs]) -> String {
    let mut text = String::from(
        "| seconds | Xen 4.20 | Euxenite | ratio | from | to |\n\
         | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for pairs in all {
        let ratios = sorted(pairs.seconds.iter().map(|(xen, ours)| ours / xen));
        let (Some(first), Some(last)) = (ratios.first(), ratios.last()) else {
            continue;
        };
        text.push_str(&format!(
            "| {} | {:.2} | {:.2} | {:.2} | {first:.2} | {last:.2} |\n",
            pairs.name,
            median(&sorted(pairs.seconds.iter().map(|(xen, _)| *xen))),
            median(&sorted(pairs.seconds.iter().map(|(_, ours)| *ours))),
            median(&ratios),
        ));
    }
    text
}

fn sorted(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match (sorted.get(middle), sorted.len() % 2) {
        (Some(&value), 1) => value,
        (Some(&value), _) => value.midpoint(sorted[middle - 1]),
        (None, _) => f64::NAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_pairs() {
        let pairs = Pairs {
            name: "a".into(),
            seconds: vec![(1.0, 0.5), (4.0, 1.0), (2.0, 2.0)],
        };
        let text = markdown(&[pairs]);
        assert!(
            text.contains("| a | 2.00 | 1.00 | 0.50 | 0.25 | 1.00 |"),
            "{text}"
        );
    }

    #[test]
    fn an_even_count_has_its_median_between() {
        assert_eq!(median(&[1.0, 2.0]), 1.5);
    }
}
