//! `cargo xtask bench`: Euxenite and Debian's Xen side by side, with the same guest, the same
//! device tree and the same emulated machine, in instructions.

pub(crate) mod boot;
mod el2_time;
mod exits;
mod gate;
mod html;
mod lines;
mod operations;
mod ports;
mod repeat;
mod scaling;
mod startup;
mod svg;
mod table;
mod wall;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{
    guest_files,
    image::{self, Features, Profile},
    packages,
    paths::Paths,
    run::{self, Hypervisor},
    toolchain::Toolchain,
};
use el2_time::Times;
pub(crate) use gate::replaced;

use exits::Counted;
use lines::Figure;
use scaling::Curve;
use startup::Measured;
use table::Row;
use wall::Pairs;

/// Where the committed table is.
const DOCUMENT: &str = "docs/benchmarks.md";

/// What to measure and what to do with it.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Only operations whose names contain this.
    pub(crate) only: Option<String>,
    /// Whom to measure.
    pub(crate) extent: Extent,
    /// An image of Euxenite to measure instead of building one.
    pub(crate) image: Option<PathBuf>,
    /// What to measure.
    pub(crate) parts: Vec<Part>,
    /// How many pairs of wall-clock runs.
    pub(crate) wall_pairs: u32,
    /// How often the operations are measured.
    pub(crate) rounds: Rounds,
    /// What becomes of the figures.
    pub(crate) outcome: Outcome,
    /// Where a page with everything goes.
    pub(crate) html: Option<PathBuf>,
}

impl Plan {
    /// The operations of Euxenite, which must not be worse than the committed table.
    pub(crate) fn check() -> Self {
        Self {
            only: None,
            extent: Extent::EuxeniteOnly,
            image: None,
            parts: vec![Part::Operations],
            wall_pairs: 0,
            rounds: Rounds::Once,
            outcome: Outcome::Check,
            html: None,
        }
    }
}

impl Plan {
    /// The second round.
    fn again(&self) -> Self {
        Self {
            parts: vec![Part::Operations],
            wall_pairs: 0,
            ..self.clone()
        }
    }
}

/// Whom to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Xen and Euxenite.
    Both,
    /// Euxenite alone.
    EuxeniteOnly,
}

/// A part of all that can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// The operations
    Operations,
    /// Start-up and size
    StartUp,
    /// The operations among more guests and vCPUs
    Scaling,
    /// Event channels with many ports bound (Euxenite alone)
    Ports,
    /// Exits of a Linux guest until its shell, by cause
    Exits,
    /// The time at EL2 of each exit, by cause (Euxenite with its feature `exit-statistics`)
    El2Time,
}

/// How often the operations are measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rounds {
    /// Once.
    Once,
    /// Twice, and no figure of a hypervisor's may differ by more than 1 % between the two.
    Twice,
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

/// A hypervisor to be measured.
struct Subject {
    name: &'static str,
    image: PathBuf,
}

/// All that is measured of one hypervisor.
#[derive(Debug, Clone, Default)]
struct Sheet {
    figures: Vec<Figure>,
    startup: Option<Measured>,
    curves: Vec<Curve>,
    exits: Vec<Counted>,
}

/// Both hypervisors' sheets; without Xen its is `None`.
struct Report {
    xen: Option<Sheet>,
    euxenite: Sheet,
    el2: Option<Times>,
    ports: Vec<ports::Pair>,
    rows: Vec<Row>,
    wall: Vec<Pairs>,
}

/// Measures as planned; says whether the figures hold.
pub(crate) fn run(paths: &Paths, plan: &Plan) -> Result<bool> {
    packages::need(&[packages::QEMU])?;
    let toolchain = Toolchain::find_or_install()?;
    let guest = image::guest(paths, toolchain, "bench")?.flat;
    let ours = match &plan.image {
        Some(file) => Hypervisor::File(file.clone()),
        None => Hypervisor::Euxenite {
            profile: Profile::Release,
            features: Features::default(),
        },
    };
    let ours = Subject::new(paths, "euxenite", &run::hypervisor_image(paths, &ours)?)?;
    let xen = match plan.extent {
        Extent::Both => Some(Subject::new(paths, "xen", &guest_files::xen(paths)?)?),
        Extent::EuxeniteOnly => None,
    };
    let report = Report::measure(paths, xen.as_ref(), &ours, &guest, plan)?;
    for (title, _, text) in report.sections() {
        println!("\n{title}\n\n{text}");
    }
    if let Some(file) = &plan.html {
        fs::write(file, html::page(&report)).with_context(|| file.display().to_string())?;
        println!("{} shows all of it.", file.display());
    }
    let same = match plan.rounds {
        Rounds::Once => true,
        Rounds::Twice => {
            let again = Report::measure(paths, xen.as_ref(), &ours, &guest, &plan.again())?;
            repeat::compare(&report.rows, &again.rows)
        }
    };
    Ok(finish(paths, plan, &report)? && same)
}

impl Subject {
    /// With a copy of the image, which a build meanwhile does not change.
    fn new(paths: &Paths, name: &'static str, image: &Path) -> Result<Self> {
        let folder = paths.root().join("target/bench").join(name);
        fs::create_dir_all(&folder)?;
        let copy = folder.join("hypervisor");
        fs::copy(image, &copy)?;
        Ok(Self { name, image: copy })
    }

    /// The image that counts exits: the given one if nothing else is to be measured.
    fn counting(paths: &Paths, plan: &Plan) -> Result<Self> {
        let image = match &plan.image {
            Some(file) if plan.parts == [Part::El2Time] => Hypervisor::File(file.clone()),
            _ => Hypervisor::Euxenite {
                profile: Profile::Release,
                features: Features::DefaultAnd(vec![image::STATISTICS.into()]),
            },
        };
        Self::new(
            paths,
            "euxenite-counting",
            &run::hypervisor_image(paths, &image)?,
        )
    }

    fn measure(&self, paths: &Paths, guest: &Path, plan: &Plan) -> Result<Sheet> {
        let told = |what: &str, error: anyhow::Error| eprintln!("{}, {what}: {error:#}", self.name);
        let mut sheet = Sheet::default();
        for part in &plan.parts {
            match part {
                Part::Operations => {
                    sheet.figures = operations::measure(paths, self, guest, plan.only.as_deref())?;
                }
                Part::StartUp => {
                    sheet.startup = startup::measure(paths, self, guest)
                        .map_err(|error| told("start-up", error))
                        .ok();
                }
                Part::Scaling => match scaling::measure(paths, self, guest) {
                    Ok(curves) => sheet.curves = curves,
                    Err(error) => told("scaling", error),
                },
                // Once, of Euxenite alone: `Report::measure`.
                Part::El2Time | Part::Ports => {}
                Part::Exits => sheet.exits = exits::measure(paths, self),
            }
        }
        Ok(sheet)
    }
}

impl Report {
    fn measure(
        paths: &Paths,
        xen: Option<&Subject>,
        ours: &Subject,
        guest: &Path,
        plan: &Plan,
    ) -> Result<Self> {
        let euxenite = ours.measure(paths, guest, plan)?;
        let theirs = xen.map(|xen| xen.measure(paths, guest, plan)).transpose()?;
        let figures = theirs.as_ref().map_or(&[][..], |sheet| &sheet.figures);
        let rows = table::join(figures, &euxenite.figures);
        if rows.is_empty() && plan.parts.contains(&Part::Operations) {
            bail!("no operation is called so");
        }
        let wall = match xen {
            Some(xen) if plan.wall_pairs > 0 => wall::measure(
                paths,
                Toolchain::find_or_install()?,
                xen,
                ours,
                guest,
                plan.wall_pairs,
            )?,
            _ => Vec::new(),
        };
        let ports = match plan.parts.contains(&Part::Ports) {
            true => ports::measure(paths, ours, guest)?,
            false => Vec::new(),
        };
        let el2 = match plan.parts.contains(&Part::El2Time) {
            true => Some(el2_time::measure(
                paths,
                &Subject::counting(paths, plan)?,
                guest,
            )?),
            false => None,
        };
        Ok(Self {
            xen: theirs,
            el2,
            ports,
            euxenite,
            rows,
            wall,
        })
    }

    /// The exits of both.
    fn exits(&self) -> Vec<exits::Both<'_>> {
        let theirs = self.xen.as_ref().map_or(&[][..], |xen| &xen.exits);
        exits::join(theirs, &self.euxenite.exits)
    }

    /// The tables that there are: title, name in the document, text.
    fn sections(&self) -> Vec<(&'static str, &'static str, String)> {
        let xen = self.xen.as_ref();
        let mut sections = Vec::new();
        if !self.rows.is_empty() {
            sections.push(("Operations", "operations", table::markdown(&self.rows)));
        }
        if let Some(ours) = &self.euxenite.startup {
            let theirs = xen.and_then(|xen| xen.startup.as_ref());
            sections.push(("Start-up", "start-up", startup::startup_table(theirs, ours)));
            sections.push(("Size", "size", startup::size_table(theirs, ours)));
        }
        if !self.euxenite.curves.is_empty() {
            let theirs = xen.map_or(&[][..], |xen| &xen.curves);
            let text = scaling::markdown(theirs, &self.euxenite.curves);
            sections.push(("Scaling", "scaling", text));
        }
        if !self.ports.is_empty() {
            let text = ports::markdown(&self.ports);
            sections.push(("Bound ports", "ports", text));
        }
        let counted = self.exits();
        if !counted.is_empty() {
            sections.push(("Exits of a Linux guest", "exits", exits::totals(&counted)));
            let text = exits::by_cause(&exits::with_causes(&counted));
            sections.push(("Exits by cause", "exit-causes", text));
        }
        if let Some(el2) = &self.el2 {
            let text = el2_time::markdown(&el2.linux);
            sections.push(("Time at EL2, a Linux guest", "el2-linux", text));
            let text = el2_time::markdown(&el2.crowd);
            sections.push(("Time at EL2, eight guests", "el2-crowd", text));
        }
        if !self.wall.is_empty() {
            sections.push(("Wall-clock", "wall-clock", wall::markdown(&self.wall)));
        }
        sections
    }
}

fn finish(paths: &Paths, plan: &Plan, report: &Report) -> Result<bool> {
    if plan.outcome == Outcome::Print {
        return Ok(true);
    }
    let document = paths.root().join(DOCUMENT);
    let mut text = fs::read_to_string(&document).with_context(|| DOCUMENT.to_owned())?;
    let committed = table::read(gate::section(&text, "operations")?);
    if plan.outcome == Outcome::Check {
        let worse = gate::worse(&committed, &report.rows);
        worse.iter().for_each(|line| println!("WORSE  {line}"));
        println!(
            "{} operations compared with {DOCUMENT}, {} worse.",
            gate::figures(&committed).count(),
            worse.len()
        );
        return Ok(worse.is_empty());
    }
    let gone = gate::gone(&committed, &report.rows);
    if !gone.is_empty() && !report.rows.is_empty() {
        bail!(
            "{DOCUMENT} stays as it is: there are no figures for {}",
            gone.join(", ")
        );
    }
    for (_, name, table) in report.sections() {
        let table = match (plan.extent, name) {
            (Extent::Both, _) | (_, "ports" | "el2-linux" | "el2-crowd") => table,
            (_, "operations") => table::markdown(&table::with_xen_of(&report.rows, &committed)),
            // It compares both.
            _ => continue,
        };
        text = gate::replaced(&text, name, &table)?;
    }
    fs::write(&document, text)?;
    println!("{DOCUMENT} holds these figures now.");
    Ok(true)
}
