//! `cargo xtask test`: everything that must hold before a change goes in.

use std::{process::Command, time::Instant};

use anyhow::{Result, bail};

use crate::{
    command, headers,
    image::{self, Profile},
    paths::Paths,
    run::Hypervisor,
    scenario::{self, Outcome, Scenario, Selection, Suite},
    toolchain::{self, Toolchain},
};

/// What to test.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Only steps and scenarios whose names contain one of these; all if there are none.
    pub(crate) only: Vec<String>,
    /// Tell what there is and do nothing.
    pub(crate) list: bool,
    /// How many scenarios.
    pub(crate) extent: Extent,
    /// What the scenarios boot.
    pub(crate) hypervisor: Hypervisor,
}

/// How many scenarios are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The few that are marked quick.
    Quick,
    /// All, of a matrix the usual subset.
    Usual,
    /// All, of a matrix all.
    Full,
}

type Check = fn(&Paths) -> Result<()>;

/// The steps before the scenarios.
const CHECKS: [(&str, Check); 6] = [
    ("format", format),
    ("lint-host", lint_host),
    ("lint-bare-metal", lint_bare_metal),
    ("host-tests", host_tests),
    ("xen-headers", xen_headers),
    ("build", build),
];

/// Runs the plan; says whether all passed.
pub(crate) fn run(paths: &Paths, plan: &Plan) -> Result<bool> {
    let wanted =
        |name: &str| plan.only.is_empty() || plan.only.iter().any(|only| name.contains(only));
    let checks: Vec<_> = CHECKS
        .into_iter()
        .filter(|(name, _)| wanted(name))
        .collect();
    let scenarios = scenarios(paths, plan.extent)?;
    let scenarios: Vec<_> = scenarios
        .into_iter()
        .filter(|one| wanted(&one.name))
        .collect();
    if plan.list {
        checks.iter().for_each(|(name, _)| println!("{name}"));
        scenarios
            .iter()
            .for_each(|one| println!("{:<48} {}", one.name, one.about));
        return Ok(true);
    }
    if checks.is_empty() && scenarios.is_empty() {
        bail!("nothing is called so; `cargo xtask test --list` shows all names");
    }
    let all = Instant::now();
    let mut failed = Vec::new();
    for (name, check) in checks {
        let started = Instant::now();
        println!("== {name}");
        let result = check(paths);
        let seconds = started.elapsed().as_secs_f32();
        match result {
            Ok(()) => println!("== {name}: ok, {seconds:.1} s"),
            Err(error) => {
                println!("== {name}: FAILED, {seconds:.1} s: {error:#}");
                failed.push(name);
            }
        }
    }
    let outcome = run_scenarios(paths, plan, &scenarios)?;
    println!("== all: {:.1} s", all.elapsed().as_secs_f32());
    if !failed.is_empty() {
        println!("== failed: {}", failed.join(", "));
    }
    if !scenarios.is_empty() {
        println!("{} passed, {} failed", outcome.passed, outcome.failed);
    }
    Ok(failed.is_empty() && outcome.failed == 0)
}

fn scenarios(paths: &Paths, extent: Extent) -> Result<Vec<Scenario>> {
    let selection = match extent {
        Extent::Full => Selection::Full,
        Extent::Quick | Extent::Usual => Selection::Subset,
    };
    let mut all = scenario::load_all(&paths.root().join("tests/scenarios"), selection)?;
    if extent == Extent::Quick {
        all.retain(|one| one.quick);
    }
    Ok(all)
}

fn run_scenarios(paths: &Paths, plan: &Plan, scenarios: &[Scenario]) -> Result<Outcome> {
    if scenarios.is_empty() {
        return Ok(Outcome::default());
    }
    println!("== scenarios");
    crate::packages::need(&[crate::packages::QEMU])?;
    let suite = Suite::prepare(paths, &plan.hypervisor, scenarios)?;
    Ok(suite.run(scenarios))
}

fn host_cargo(paths: &Paths, arguments: &[&str]) -> Result<()> {
    let mut cargo = Command::new(toolchain::active_cargo());
    command::visible(cargo.current_dir(paths.root()).args(arguments))
}

fn format(paths: &Paths) -> Result<()> {
    host_cargo(paths, &["fmt", "--all", "--check"])
}

fn lint_host(paths: &Paths) -> Result<()> {
    host_cargo(
        paths,
        &["clippy", "--quiet", "--all-targets", "--", "-D", "warnings"],
    )
}

fn lint_bare_metal(paths: &Paths) -> Result<()> {
    let toolchain = Toolchain::find_or_install()?;
    let mut clippy = toolchain.cargo("clippy", &paths.bare_metal());
    clippy
        .current_dir(paths.root())
        .args(["--quiet", "-p", "hypervisor", "-p", "hello"]);
    command::visible(clippy.args(["--", "-D", "warnings"]))
}

fn host_tests(paths: &Paths) -> Result<()> {
    host_cargo(paths, &["test", "--quiet"])
}

/// `abi` against Xen's public headers, both ways.
fn xen_headers(paths: &Paths) -> Result<()> {
    let headers = match headers::xens(paths) {
        Ok(headers) => headers,
        Err(error) => {
            println!("SKIPPED: abi is not compared with Xen's headers: {error:#}");
            return Ok(());
        }
    };
    let mut cargo = Command::new(toolchain::active_cargo());
    cargo
        .current_dir(paths.root())
        .args(["test", "--quiet", "-p", "abi", "--test", "xen_headers"])
        .env("XEN_HEADERS", headers);
    command::visible(&mut cargo)
}

fn build(paths: &Paths) -> Result<()> {
    let toolchain = Toolchain::find_or_install()?;
    let image = image::hypervisor(paths, toolchain, Profile::Release, &[])?;
    image::report(paths, &image)?;
    image::guest(paths, toolchain, "hello").map(|_| ())
}
