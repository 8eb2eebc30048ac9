//! A Debian Linux guest with two vCPUs until its shell, and loads in it (`guests/linux-load`), which
//! the guest starts and times itself: nothing is typed.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::{
    super::exits,
    Subject, in_turn,
    machine::{Line, Machine},
    pairs::{Pairs, Spread, Unit},
};
use crate::{
    guest_files::System,
    paths::Paths,
    progress::Work,
    qemu,
    run::{self, Files, Guests, Hypervisor, Request, Source},
    toolchain::Toolchain,
};

/// What the guest says when all loads are done.
const OVER: &str = "load: over";
/// The longest that each may take.
const BOOT_LIMIT: Duration = Duration::from_secs(90);
const LOADS_LIMIT: Duration = Duration::from_secs(60);
/// The guest's clock and ours may differ by this, and this share, over all loads: what processes and the
/// serial line take in between.
const CLOCK_SLACK_SECONDS: f64 = 1.0;
const CLOCK_SLACK_SHARE: f64 = 0.2;

/// What was timed, and its seconds.
#[derive(Debug, Clone, PartialEq)]
struct Timed {
    name: String,
    unit: Unit,
    seconds: f64,
}

/// Runs `count` pairs.
pub(super) fn measure(
    paths: &Paths,
    toolchain: Toolchain,
    xen: &Subject,
    euxenite: &Subject,
    count: u32,
) -> Result<Vec<Pairs>> {
    let system = System {
        bootargs: exits::BOOTARGS,
        ..System::debian_with_loads(paths, toolchain)?
    };
    let runs = in_turn(count, [xen, euxenite], |subject, title| {
        let work = Work::start(format!("a Linux guest, {title}"));
        let times = once(paths, subject, &system)?;
        let shown = times.iter().map(|one| one.unit.show(one.seconds));
        work.done(&shown.collect::<Vec<_>>().join(", "));
        Ok(times)
    })?;
    by_name(runs)
}

/// The times of runs, joined by what was timed.
fn by_name(runs: Vec<[Vec<Timed>; 2]>) -> Result<Vec<Pairs>> {
    let mut all: Vec<Pairs> = Vec::new();
    for [theirs, ours] in runs {
        ensure!(theirs.len() == ours.len(), "runs with other loads");
        for (index, (theirs, ours)) in theirs.into_iter().zip(ours).enumerate() {
            if all.len() <= index {
                all.push(Pairs {
                    name: theirs.name,
                    unit: theirs.unit,
                    seconds: Vec::new(),
                });
            }
            all[index].seconds.push([theirs.seconds, ours.seconds]);
        }
    }
    Ok(all)
}

/// One boot.
fn once(paths: &Paths, subject: &Subject, system: &System) -> Result<Vec<Timed>> {
    let files = Files {
        hypervisor: subject.image.clone(),
        system: system.clone(),
        others: Default::default(),
    };
    let folder = paths.root().join("target/bench").join(subject.name);
    let start = run::start(&request(subject), files, &folder.join("wall-linux"))?;
    let mut machine = Machine::start(&start)?;
    let lines = machine.wait_for(exits::SHELL, 1, BOOT_LIMIT)?;
    let shell = lines.iter().find(|line| line.text.contains(exits::SHELL));
    let shell = shell.context("no shell")?.at_seconds;
    let mut times = vec![Timed {
        name: "Linux, 2 vCPUs, to its shell".into(),
        unit: Unit::Seconds,
        seconds: shell,
    }];
    times.extend(loads(machine.wait_for(OVER, 1, LOADS_LIMIT)?)?);
    Ok(times)
}

/// What is done once in each load, by the median of its rounds.
fn loads(lines: &[Line]) -> Result<Vec<Timed>> {
    let mut all: Vec<(String, Vec<f64>)> = Vec::new();
    let (mut first, mut last, mut guests_seconds) = (None, 0.0, 0.0);
    for line in lines {
        let Some((_, said)) = line.text.split_once("load: ") else {
            continue;
        };
        last = line.at_seconds;
        first = first.or(Some(last));
        if let Some(Round { name, count, ns }) = round(said) {
            guests_seconds += ns / 1e9;
            let seconds = ns / 1e9 / count;
            match all.last_mut() {
                Some((last, rounds)) if *last == name => rounds.push(seconds),
                _ => all.push((name.to_owned(), vec![seconds])),
            }
        } else if said != "over" && !said.starts_with("begin ") {
            bail!("not a line of the loads: `{}`", line.text);
        }
    }
    agree(last - first.context("no load was timed")?, guests_seconds)?;
    let medians = all.into_iter().map(|(name, rounds)| {
        let spread = Spread::of(rounds.into_iter()).context("no rounds")?;
        Ok(Timed {
            name,
            unit: Unit::Microseconds,
            seconds: spread.median,
        })
    });
    medians.collect()
}

/// A round of a load.
#[derive(Debug, PartialEq)]
struct Round<'a> {
    name: &'a str,
    count: f64,
    ns: f64,
}

/// `NAME; round=ROUND; n=COUNT; ns=TIME; end`: a line that was cut has no end.
fn round(said: &str) -> Option<Round<'_>> {
    let mut parts = said.strip_suffix("; end")?.split("; ");
    let name = parts.next()?;
    let mut number = |key: &str| -> Option<f64> {
        let value = parts.next()?.strip_prefix(key)?.strip_prefix('=')?;
        value.parse().ok().filter(|&value| value >= 1.0)
    };
    let (_, count, ns) = (number("round")?, number("n")?, number("ns")?);
    Some(Round { name, count, ns })
}

/// The guest's clock must be that of the world.
fn agree(ours: f64, guests: f64) -> Result<()> {
    let slack = CLOCK_SLACK_SECONDS + CLOCK_SLACK_SHARE * ours;
    ensure!(
        (ours - guests).abs() < slack,
        "all loads took {guests:.2} s by the guest's clock, but {ours:.2} s"
    );
    Ok(())
}

fn request(subject: &Subject) -> Request {
    Request {
        machine: qemu::Machine {
            cpus: 2,
            gic: 3,
            cpu: "cortex-a57".into(),
        },
        guests: Guests {
            count: 1,
            vcpus: 2,
            memory_mib: 256,
            append: "after_boot=linux-load".into(),
            source: Source::Debian,
        },
        hypervisor: Hypervisor::File(subject.image.clone()),
        xen_args: "console=dtuart".into(),
        tree: None,
        edits: Vec::new(),
        qemu_args: vec!["-no-reboot".into()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(texts: &[(f64, &str)]) -> Vec<Line> {
        let line = |&(at_seconds, text): &(f64, &str)| Line {
            at_seconds,
            text: text.into(),
        };
        texts.iter().map(line).collect()
    }

    #[test]
    fn a_load_has_the_median_of_its_rounds() {
        let said = lines(&[
            (1.0, "euxenite-guest: shell ready"),
            (1.0, "load: begin page fault"),
            (1.5, "load: page fault; round=1; n=100; ns=500000000; end"),
            (
                2.0,
                "(XEN) load: page fault; round=2; n=50; ns=500000000; end",
            ),
            (2.5, "load: page fault; round=3; n=250; ns=500000000; end"),
            (2.5, "load: begin process"),
            (3.0, "load: process; round=1; n=50; ns=500000000; end"),
            (3.0, "load: over"),
        ]);
        let found = loads(&said).unwrap();
        let found: Vec<_> = found.iter().map(|one| (&*one.name, one.seconds)).collect();
        assert_eq!(found, [("page fault", 0.005), ("process", 0.01)]);
    }

    #[test]
    fn lines_that_were_cut_or_lie_are_no_times() {
        let begin = "load: begin a";
        let cut = "load: a; round=1; n=1; ns=100";
        assert!(loads(&lines(&[(1.0, begin), (2.0, cut)])).is_err());
        let whole = "load: a; round=1; n=1; ns=5000000000; end";
        assert!(loads(&lines(&[(1.0, begin), (6.1, whole)])).is_ok());
        assert!(loads(&lines(&[(1.0, begin), (11.0, whole)])).is_err());
        let none = "load: a; round=1; n=0; ns=5000000000; end";
        assert!(loads(&lines(&[(1.0, begin), (6.1, none)])).is_err());
        assert!(loads(&[]).is_err());
    }
}
