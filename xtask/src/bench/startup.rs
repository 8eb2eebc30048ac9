//! From power-on to the guests' first instructions, and what memory the hypervisor keeps.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};

use super::{
    Subject,
    boot::{Boot, Ran},
    lines,
    table::whole,
};
use crate::{paths::Paths, progress::Work};

/// How many guests, vCPUs of each, and MiB of each.
type Shape = (u32, u32, u64);

/// The starts that are measured. The last two differ from the first by one guest and one vCPU.
const SHAPES: [Shape; 8] = [
    (1, 1, 64),
    (1, 1, 256),
    (1, 1, 1024),
    (2, 1, 256),
    (8, 1, 64),
    (8, 1, 256),
    (2, 1, 64),
    (1, 2, 64),
];

/// One start.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Start {
    shape: Shape,
    /// Nanoseconds (instructions) from power-on to the first instruction of the first guest.
    pub(crate) first_ns: f64,
    /// And of the last guest.
    pub(crate) last_ns: f64,
    /// KiB that the hypervisor keeps.
    kept_kib: f64,
}

/// A hypervisor's starts and size.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Measured {
    /// By shape.
    pub(crate) starts: Vec<Start>,
    /// Bytes of the image's file.
    image: u64,
    /// Stages of the start with two guests of 256 MiB: nanoseconds from power-on, and what.
    pub(crate) timeline: Vec<(f64, String)>,
}

/// Measures all shapes.
pub(crate) fn measure(paths: &Paths, subject: &Subject, guest: &Path) -> Result<Measured> {
    let mut starts = Vec::new();
    for shape in SHAPES {
        let ran = start(paths, subject, guest, shape, "console=dtuart", Ask::Memory)?;
        let mut firsts: Vec<f64> = lines::begins(&ran.text)?
            .iter()
            .map(|one| one.power_on_ns)
            .collect();
        firsts.sort_by(f64::total_cmp);
        starts.push(Start {
            shape,
            first_ns: firsts.first().copied().context("no guest began")?,
            last_ns: firsts.last().copied().context("no guest began")?,
            kept_kib: kept_kib(&ran, shape).context("memory kept is not told")?,
        });
    }
    let stamped = "console=dtuart console_timestamps=boot";
    let text = start(paths, subject, guest, (2, 1, 256), stamped, Ask::Nothing)?.text;
    Ok(Measured {
        starts,
        image: fs::metadata(&subject.image)?.len(),
        timeline: timeline(&text).unwrap_or_default(),
    })
}

/// What is asked of the hypervisor at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    Nothing,
    Memory,
}

fn start(
    paths: &Paths,
    subject: &Subject,
    guest: &Path,
    (guests, vcpus, memory_mib): Shape,
    xen_args: &str,
    ask: Ask,
) -> Result<Ran> {
    let name = format!("start-{guests}x{vcpus}x{memory_mib}");
    let _work = Work::start(format!("{}: {name}", subject.name));
    // The focus goes from guest to guest and then to Xen.
    let mut keys = vec!["\u{1}\u{1}\u{1}"; guests as usize];
    keys.push("H");
    let asks = ask == Ask::Memory && subject.name == "xen";
    Boot {
        hypervisor: &subject.image,
        guest,
        cpus: 1,
        guests,
        vcpus,
        memory_mib,
        arguments: "bench=start",
        xen_args,
        properties: &[],
        marks: ("bench: begin", "bench: end"),
        question: asks.then_some((&keys, "[zone=36]")),
        limit: Duration::from_secs(90),
    }
    .run(
        &paths
            .root()
            .join("target/bench")
            .join(subject.name)
            .join(name),
    )
}

/// KiB kept: as Euxenite says; as what is neither free nor a guest's on Xen.
fn kept_kib(ran: &Ran, (guests, _, memory_mib): Shape) -> Option<f64> {
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<f64>().ok()
    };
    if let Some((_, rest)) = ran.text.split_once("Memory: ") {
        return number(rest);
    }
    let heap = ran.text.lines().filter(|line| line.contains("heap[node="));
    let free_pages: Vec<f64> = heap
        .filter_map(|line| number(line.split_once("-> ")?.1))
        .collect();
    let guests_mib = f64::from(guests) * memory_mib as f64;
    let free_kib = 4.0 * free_pages.iter().sum::<f64>();
    let all_kib = (ran.machine_mib as f64 - guests_mib) * 1024.0;
    (!free_pages.is_empty()).then_some(all_kib - free_kib)
}

/// The stages of a start in lines with time stamps, which count from some moment of the boot; the
/// first guest says when that was.
fn timeline(text: &str) -> Option<Vec<(f64, String)>> {
    let begins = lines::begins(text).ok()?;
    let first_ns = begins.iter().map(|one| one.power_on_ns).reduce(f64::min)?;
    let last_ns = begins.iter().map(|one| one.power_on_ns).reduce(f64::max)?;
    let stamped: Vec<(f64, &str)> = text.lines().filter_map(stamp).collect();
    let before_guests = stamped
        .iter()
        .take_while(|(_, text)| !text.contains("bench: begin") && !text.contains("powered off"));
    let (last_stamp, _) = before_guests.last()?;
    let offset = first_ns - last_stamp;
    let at = |part: &str| {
        let found = stamped.iter().find(|(_, text)| text.contains(part));
        found.map(|(stamp, _)| stamp + offset)
    };
    let stages = [
        (
            stamped.first().map(|(stamp, _)| stamp + offset),
            "first line",
        ),
        (at("*** LOADING DOMU"), "domains being built"),
        (at("*** Serial input"), "domains built, or set up"),
        (Some(first_ns), "first guest runs"),
        (Some(last_ns), "last guest runs"),
    ];
    let stages = stages.into_iter();
    Some(
        stages
            .filter_map(|(at, what)| Some((at?, what.to_owned())))
            .collect(),
    )
}

/// A line's time stamp in nanoseconds and the rest.
fn stamp(line: &str) -> Option<(f64, &str)> {
    let (_, rest) = line.split_once("(XEN) [")?;
    let (seconds, text) = rest.split_once("] ")?;
    Some((seconds.trim().parse::<f64>().ok()? * 1e9, text))
}

/// Of each shape, nanoseconds to the last guest's first instruction: Xen's where it was measured, Euxenite's.
pub(crate) fn last_guests(
    xen: Option<&Measured>,
    euxenite: &Measured,
) -> Vec<(String, Option<f64>, f64)> {
    let theirs = |shape| xen?.starts.iter().find(|one| one.shape == shape);
    let starts = euxenite.starts.iter();
    starts
        .map(|one| {
            let theirs = theirs(one.shape).map(|theirs| theirs.last_ns);
            (shown(one.shape), theirs, one.last_ns)
        })
        .collect()
}

/// A shape in words.
fn shown((guests, vcpus, memory_mib): Shape) -> String {
    let plural = if vcpus == 1 { "" } else { "s" };
    format!("{guests} of {memory_mib} MiB, {vcpus} vCPU{plural}")
}

/// Start-up as a table in Markdown: million instructions.
pub(crate) fn startup_table(xen: Option<&Measured>, euxenite: &Measured) -> String {
    let mut text = String::from(
        "| guests | Xen 4.20, first | last | Euxenite, first | last | ratio of the last |\n\
         | ------ | --------------: | ---: | --------------: | ---: | ----------------: |\n",
    );
    let millions = |ns: Option<f64>| ns.map_or("-".into(), |ns| format!("{:.1}", ns / 1e6));
    for ours in &euxenite.starts {
        let theirs = xen.and_then(|xen| xen.starts.iter().find(|one| one.shape == ours.shape));
        let ratio = theirs.map(|theirs| ours.last_ns / theirs.last_ns);
        text.push_str(&format!(
            "| {} | {} | {} | {} | {} | {} |\n",
            shown(ours.shape),
            millions(theirs.map(|one| one.first_ns)),
            millions(theirs.map(|one| one.last_ns)),
            millions(Some(ours.first_ns)),
            millions(Some(ours.last_ns)),
            ratio.map_or("-".into(), |ratio| format!("{ratio:.2}")),
        ));
    }
    text
}

/// Sizes as a table in Markdown.
pub(crate) fn size_table(xen: Option<&Measured>, euxenite: &Measured) -> String {
    let mut text = String::from("| | Xen 4.20 | Euxenite |\n| --- | -------: | -------: |\n");
    let kept = |measured: &Measured, shape: Shape| {
        let found = measured.starts.iter().find(|one| one.shape == shape);
        found.map(|one| one.kept_kib)
    };
    let more =
        |measured: &Measured, shape| Some(kept(measured, shape)? - kept(measured, (1, 1, 64))?);
    let mut row = |what: &str, value: &dyn Fn(&Measured) -> Option<f64>| {
        text.push_str(&format!(
            "| {what} | {} | {} |\n",
            whole(xen.and_then(value)),
            whole(value(euxenite))
        ));
    };
    row("image, bytes", &|measured| Some(measured.image as f64));
    row("memory kept, 1 guest of 64 MiB, KiB", &|one| {
        kept(one, (1, 1, 64))
    });
    row("memory kept, 1 guest of 1 GiB, KiB", &|one| {
        kept(one, (1, 1, 1024))
    });
    row("memory kept, 8 guests of 256 MiB, KiB", &|one| {
        kept(one, (8, 1, 256))
    });
    row("one more guest of 64 MiB, KiB", &|one| {
        more(one, (2, 1, 64))
    });
    row("one more vCPU, KiB", &|one| more(one, (1, 2, 64)));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_kept_is_told_or_found_by_taking_away() {
        let ran = |text: &str| Ran {
            text: text.into(),
            machine_mib: 512,
        };
        let ours = "(XEN) Memory: 1188 KiB kept for the hypervisor";
        assert_eq!(kept_kib(&ran(ours), (1, 1, 64)), Some(1188.0));
        let xen = "heap[node=0][zone=1] -> 0 pages\nheap[node=0][zone=2] -> 100352 pages\n";
        let kept = (512.0 - 64.0 - 392.0) * 1024.0;
        assert_eq!(kept_kib(&ran(xen), (2, 1, 32)), Some(kept));
        assert_eq!(kept_kib(&ran(""), (2, 1, 32)), None);
    }

    #[test]
    fn stamps_are_moved_to_power_on_by_the_first_guest() {
        let text = "(XEN) [    0.000010] one\n(XEN) [    0.000020] *** LOADING DOMU d1\n\
                    (XEN) [    0.000030] *** Serial input\n\
                    (XEN) [    0.000031] bench: begin; frequency=62500000; cpus=1; power_on=5000\n";
        let stages = timeline(text).unwrap();
        assert_eq!(stages[0], (80_000.0 - 20_000.0, "first line".to_owned()));
        assert_eq!(stages[3].0, 80_000.0);
    }
}
