//! `cargo xtask bench`: Euxenite and Debian's Xen side by side, with the same guest, the same
//! device tree and the same emulated machine, in instructions.

pub(crate) mod boot;
mod gate;
mod lines;
mod table;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, bail};

use crate::{
    guest_files,
    image::{self, Profile},
    packages,
    paths::Paths,
    progress::Work,
    run::{self, Hypervisor},
    toolchain::Toolchain,
};
use boot::Boot;
use lines::Figure;
use table::Row;

/// Where the committed table is.
const DOCUMENT: &str = "docs/benchmarks.md";

/// What to measure and what to do with it.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Only operations whose names contain this.
    pub(crate) only: Option<String>,
    /// Whom to measure.
    pub(crate) extent: Extent,
    /// What becomes of the figures.
    pub(crate) outcome: Outcome,
}

/// Whom to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Xen and Euxenite.
    Both,
    /// Euxenite alone.
    EuxeniteOnly,
}

/// What becomes of the figures beside being printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing.
    Print,
    /// They become the committed table.
    Update,
    /// They must not be worse than the committed table.
    Check,
}

/// A boot of the benchmark guest.
struct Run {
    name: &'static str,
    cpus: u32,
    vcpus: u32,
    arguments: &'static str,
    xen_args: &'static str,
    /// Appended to the operations' names.
    suffix: &'static str,
}

const USUAL: Run = Run {
    name: "single",
    cpus: 1,
    vcpus: 1,
    arguments: "bench=single",
    xen_args: "console=dtuart",
    suffix: "",
};

/// One vCPU alone; two on CPUs of their own; two on one CPU; and what the log's level changes.
const RUNS: [Run; 4] = [
    USUAL,
    Run {
        name: "printed",
        arguments: "bench=single only=console_io",
        xen_args: "console=dtuart guest_loglvl=all",
        suffix: ", printed",
        ..USUAL
    },
    Run {
        name: "pair",
        cpus: 2,
        vcpus: 2,
        arguments: "bench=pair",
        ..USUAL
    },
    Run {
        name: "shared",
        vcpus: 2,
        arguments: "bench=shared",
        ..USUAL
    },
];

/// A hypervisor to be measured.
struct Subject {
    name: &'static str,
    image: PathBuf,
}

/// Measures as planned; says whether the figures hold.
pub(crate) fn run(paths: &Paths, plan: &Plan) -> Result<bool> {
    packages::need(&[packages::QEMU])?;
    let toolchain = Toolchain::find_or_install()?;
    let guest = image::guest(paths, toolchain, "bench")?.flat;
    let ours = Hypervisor::Euxenite {
        profile: Profile::Release,
        features: Vec::new(),
    };
    let ours = Subject {
        name: "euxenite",
        image: run::hypervisor_image(paths, &ours)?,
    };
    let xen = match plan.extent {
        Extent::Both => Some(Subject {
            name: "xen",
            image: guest_files::xen(paths)?,
        }),
        Extent::EuxeniteOnly => None,
    };
    let only = plan.only.as_deref();
    let euxenite = measure(paths, &ours, &guest, only)?;
    let xen = match &xen {
        Some(xen) => measure(paths, xen, &guest, only)?,
        None => Vec::new(),
    };
    let rows = table::join(&xen, &euxenite);
    if rows.is_empty() {
        bail!("no operation is called so");
    }
    print!("{}", table::markdown(&rows));
    finish(paths, plan.outcome, &rows)
}

fn finish(paths: &Paths, outcome: Outcome, rows: &[Row]) -> Result<bool> {
    let document = paths.root().join(DOCUMENT);
    match outcome {
        Outcome::Print => Ok(true),
        Outcome::Update => {
            let old = fs::read_to_string(&document).with_context(|| DOCUMENT.to_owned())?;
            let gone = gate::gone(&table::read(gate::section(&old, "operations")?), rows);
            if !gone.is_empty() {
                bail!(
                    "{DOCUMENT} stays as it is: there are no figures for {}",
                    gone.join(", ")
                );
            }
            let new = gate::replaced(&old, "operations", &table::markdown(rows))?;
            fs::write(&document, new)?;
            println!("{DOCUMENT} holds these figures now.");
            Ok(true)
        }
        Outcome::Check => {
            let old = fs::read_to_string(&document).with_context(|| DOCUMENT.to_owned())?;
            let worse = gate::worse(&table::read(gate::section(&old, "operations")?), rows);
            worse.iter().for_each(|line| println!("{line}"));
            Ok(worse.is_empty())
        }
    }
}

/// All figures of one hypervisor; a run that fails is told and leaves its operations out.
fn measure(
    paths: &Paths,
    subject: &Subject,
    guest: &Path,
    only: Option<&str>,
) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for run in &RUNS {
        let work = Work::start(format!("{}: {}", subject.name, run.name));
        let part = only.map_or(String::new(), |only| {
            format!(" only={}", only.replace(' ', "_"))
        });
        let folder = paths
            .root()
            .join("target/bench")
            .join(subject.name)
            .join(run.name);
        let boot = Boot {
            hypervisor: &subject.image,
            guest,
            cpus: run.cpus,
            guests: 1,
            vcpus: run.vcpus,
            memory_mib: 256,
            arguments: &format!("{}{part}", run.arguments),
            xen_args: run.xen_args,
            marks: ("bench: begin", "bench: end"),
            limit: Duration::from_secs(60),
        };
        let text = boot.run(&folder);
        drop(work);
        match text {
            Ok(text) => {
                for mut figure in lines::figures(&text)? {
                    figure.name.push_str(run.suffix);
                    if only.is_none_or(|only| figure.name.contains(only)) {
                        figures.push(figure);
                    }
                }
            }
            Err(error) => eprintln!("{}, {}: {error:#}", subject.name, run.name),
        }
    }
    Ok(figures)
}
