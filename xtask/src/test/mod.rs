//! `cargo xtask test`: everything that must hold before a change goes in.

mod checks;

use std::time::Instant;

use anyhow::{Result, bail};

use crate::{
    paths::Paths,
    run::Hypervisor,
    scenario::{self, Outcome, Scenario, Selection, Suite},
};
use checks::{AFTER, BEFORE, Check};

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

/// Runs the plan; says whether all passed.
pub(crate) fn run(paths: &Paths, plan: &Plan) -> Result<bool> {
    let wanted =
        |name: &str| plan.only.is_empty() || plan.only.iter().any(|only| name.contains(only));
    let these = |checks: &[(&'static str, Check)]| -> Vec<(&'static str, Check)> {
        let checks = checks.iter().copied();
        checks.filter(|(name, _)| wanted(name)).collect()
    };
    let (before, after) = (these(&BEFORE), these(&AFTER));
    let scenarios = scenarios(paths, plan.extent)?;
    let scenarios: Vec<_> = scenarios
        .into_iter()
        .filter(|one| wanted(&one.name))
        .collect();
    if plan.list {
        before.iter().for_each(|(name, _)| println!("{name}"));
        scenarios
            .iter()
            .for_each(|one| println!("{:<48} {}", one.name, one.about));
        after.iter().for_each(|(name, _)| println!("{name}"));
        return Ok(true);
    }
    if before.is_empty() && after.is_empty() && scenarios.is_empty() {
        bail!("nothing is called so; `cargo xtask test --list` shows all names");
    }
    let all = Instant::now();
    let mut failed = run_checks(paths, &before);
    let outcome = run_scenarios(paths, plan, &scenarios)?;
    failed.extend(run_checks(paths, &after));
    println!("== all: {:.1} s", all.elapsed().as_secs_f32());
    if !failed.is_empty() {
        println!("== failed: {}", failed.join(", "));
    }
    if !scenarios.is_empty() {
        println!("{} passed, {} failed", outcome.passed, outcome.failed);
    }
    Ok(failed.is_empty() && outcome.failed == 0)
}

/// Runs `checks`; the names of those that fail.
fn run_checks(paths: &Paths, checks: &[(&'static str, Check)]) -> Vec<&'static str> {
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
                failed.push(*name);
            }
        }
    }
    failed
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
