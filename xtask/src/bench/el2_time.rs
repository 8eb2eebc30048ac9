//! How long the hypervisor has a CPU between two steps of a guest, by cause: Euxenite's own counters
//! (its feature `exit-statistics`, debug key `E`).

use std::{fmt::Write, path::Path, time::Duration};

use anyhow::{Result, ensure};

use super::{Subject, boot::Boot, exits, table::whole};
use crate::{paths::Paths, progress::Work};

/// What the hypervisor says last of its counters.
const END: &str = "exits: end";
/// Guests that run, end and are taken apart.
const GUESTS: u32 = 8;

/// The stops for one cause.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stops {
    /// The cause.
    pub(crate) name: String,
    count: u64,
    all_ns: u64,
    longest_ns: u64,
    /// What the longest one was about: a hypercall's or interrupt's number, a register, an address.
    about: String,
    /// How many took 2^(n-1) to 2^n - 1 ns, for each n.
    pub(crate) by_power: Vec<(u32, u64)>,
}

/// Both loads.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Times {
    /// A Linux guest until its shell.
    pub(crate) linux: Vec<Stops>,
    /// Eight guests that are built, use all that there is, end, and are taken apart.
    pub(crate) crowd: Vec<Stops>,
}

/// Measures both loads with an image that counts.
pub(crate) fn measure(paths: &Paths, subject: &Subject, guest: &Path) -> Result<Times> {
    let load = |name: &str, guests, memory_mib, arguments, end| {
        let _work = Work::start(format!("{}: {name}", subject.name));
        let boot = Boot {
            hypervisor: &subject.image,
            guest,
            cpus: 1,
            guests,
            vcpus: 1,
            memory_mib,
            arguments,
            // The keys are the hypervisor's from the start.
            xen_args: "console=dtuart conswitch=ax",
            properties: &[],
            // One CPU needs no nudging, so it does not matter when it would begin.
            marks: ("", end),
            question: Some((&["E"], END)),
            limit: Duration::from_secs(300),
        };
        let folder = paths
            .root()
            .join("target/bench")
            .join(subject.name)
            .join(name);
        let ran = match name {
            "el2-linux" => boot.run_system(exits::linux(paths)?, &folder)?,
            _ => boot.run(&folder)?,
        };
        let stops = read(&ran.text);
        ensure!(!stops.is_empty(), "the image does not count");
        Ok(stops)
    };
    Ok(Times {
        linux: load("el2-linux", 1, 256, "", exits::SHELL)?,
        crowd: load(
            "el2-crowd",
            GUESTS,
            64,
            "bench=single",
            "zeroed and given back",
        )?,
    })
}

/// The lines of the key.
fn read(text: &str) -> Vec<Stops> {
    let lines = text
        .lines()
        .filter_map(|line| Some(line.split_once("exits: ")?.1));
    lines.filter_map(stops).collect()
}

/// `NAME: COUNT, SUM ns, longest LONGEST ns (ABOUT), by power of two: POWER:COUNT ...`.
fn stops(line: &str) -> Option<Stops> {
    let (name, rest) = line.split_once(": ")?;
    let (count, rest) = rest.split_once(", ")?;
    let (all_ns, rest) = rest.split_once(" ns, longest ")?;
    let (longest_ns, rest) = rest.split_once(" ns (")?;
    let (about, rest) = rest.split_once("), by power of two:")?;
    let by_power = rest.split_whitespace().filter_map(|one| {
        let (power, count) = one.split_once(':')?;
        Some((power.parse().ok()?, count.parse().ok()?))
    });
    Some(Stops {
        name: name.into(),
        count: count.parse().ok()?,
        all_ns: all_ns.parse().ok()?,
        longest_ns: longest_ns.parse().ok()?,
        about: about.into(),
        by_power: by_power.collect(),
    })
}

/// A load as a table in Markdown.
pub(crate) fn markdown(all: &[Stops]) -> String {
    let mut text = String::from(
        "| cause | exits | mean | half below | 99 % below | longest | which |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | --- |\n",
    );
    for one in all {
        let number = |value: u64| whole(Some(value as f64));
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            one.name,
            number(one.count),
            number(one.all_ns / one.count.max(1)),
            number(one.below(0.5)),
            number(one.below(0.99)),
            number(one.longest_ns),
            one.about
        );
    }
    text
}

impl Stops {
    /// The power of two that this share of the stops is below, in nanoseconds.
    fn below(&self, share: f64) -> u64 {
        let wanted = share * self.count as f64;
        let mut seen = 0;
        for (power, count) in &self.by_power {
            seen += count;
            if seen as f64 >= wanted {
                return 1 << power;
            }
        }
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hypervisors_lines_are_read() {
        let text = "(XEN) exits: WFI and WFE: 4, 4000 ns, longest 2500 ns (0x1b), by power of two: \
                    9:3 12:1\n(XEN) exits: end\n";
        let stops = read(text);
        assert_eq!(stops.len(), 1);
        assert_eq!((stops[0].below(0.5), stops[0].below(0.99)), (512, 4096));
        let table = markdown(&stops);
        let row = "| WFI and WFE | 4 | 1,000 | 512 | 4,096 | 2,500 | 0x1b |";
        assert!(table.contains(row), "{table}");
    }
}
