//! `cargo xtask conform`: what Xen and Euxenite answer to the same guest, item by item, against a
//! committed list of the differences that are meant to be, each with its reason.

mod accepted;
mod answers;

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};

use crate::{
    bench::boot::Boot,
    guest_files,
    image::{self, Features, Profile},
    packages,
    paths::Paths,
    progress::Work,
    run::{self, Hypervisor},
    toolchain::Toolchain,
};
use accepted::Verdict;
use answers::{Answers, Difference};

/// The committed list.
const LIST: &str = "docs/conform/accepted.toml";

/// What to compare and what to show.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Only this section.
    pub(crate) only: Option<String>,
    /// How much is shown.
    pub(crate) shown: Shown,
}

/// How much is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    /// What is not accepted.
    Unexpected,
    /// All differences.
    Differences,
}

/// Compares as planned; says whether all differences are accepted, and all accepted are there.
pub(crate) fn run(paths: &Paths, plan: &Plan) -> Result<bool> {
    packages::need(&[packages::QEMU])?;
    let toolchain = Toolchain::find_or_install()?;
    let guest = image::guest(paths, toolchain, "conform")?.flat;
    let ours = Hypervisor::Euxenite {
        profile: Profile::Release,
        features: Features::default(),
    };
    let ours = run::hypervisor_image(paths, &ours)?;
    let only = plan.only.as_deref();
    let xen = ask(paths, "xen", &guest_files::xen(paths)?, &guest, only)?;
    let euxenite = ask(paths, "euxenite", &ours, &guest, only)?;
    let differences = answers::differences(&xen, &euxenite);
    let text = fs::read_to_string(paths.root().join(LIST)).with_context(|| LIST.to_owned())?;
    let list = accepted::read(&text)?;
    let mut verdict = accepted::judge(&differences, &list);
    if only.is_some() {
        // The other sections' entries have nothing to cover.
        verdict.stale.clear();
    }
    tell(&verdict, plan.shown);
    println!(
        "{} answers, {} of them different: {} accepted, {} not; {} accepted in vain",
        xen.len(),
        differences.len(),
        verdict.accepted.len(),
        verdict.unexpected.len(),
        verdict.stale.len()
    );
    Ok(verdict.unexpected.is_empty() && verdict.stale.is_empty())
}

fn tell(verdict: &Verdict<'_>, shown: Shown) {
    if shown == Shown::Differences {
        for (difference, entry) in &verdict.accepted {
            println!("accepted   {}", in_words(difference));
            println!("           because {}", entry.reason.trim());
        }
    }
    for difference in &verdict.unexpected {
        println!("UNEXPECTED {}", in_words(difference));
    }
    for item in &verdict.stale {
        println!("IN VAIN    {item}: {LIST} accepts it, but nothing differs (so)");
    }
}

fn in_words(difference: &Difference) -> String {
    let answer = |answer: &Option<String>| answer.clone().unwrap_or_else(|| "nothing".into());
    format!(
        "{}: Xen {}, Euxenite {}",
        difference.item,
        answer(&difference.xen),
        answer(&difference.euxenite)
    )
}

/// The section whose questions end a domain each, so that it takes many domains; and how many: those that ask
/// (`guests/conform/src/endings.rs`), and one that watches.
const ENDING: &str = "stop";
const ENDING_DOMAINS: u32 = 17;

fn ask(
    paths: &Paths,
    name: &str,
    hypervisor: &Path,
    guest: &Path,
    only: Option<&str>,
) -> Result<Answers> {
    let _work = Work::start(format!("asking {name}"));
    let mut text = String::new();
    if only != Some(ENDING) {
        text.push_str(&boot(paths, name, hypervisor, guest, (1, only))?);
    }
    if only.is_none_or(|only| only == ENDING) {
        let guests = (ENDING_DOMAINS, Some(ENDING));
        let folder = format!("{name}-{ENDING}");
        text.push_str(&boot(paths, &folder, hypervisor, guest, guests)?);
    }
    Answers::read(&text).with_context(|| name.to_owned())
}

/// What is printed by so many guests, asked only this.
fn boot(
    paths: &Paths,
    folder: &str,
    hypervisor: &Path,
    guest: &Path,
    (guests, only): (u32, Option<&str>),
) -> Result<String> {
    let boot = Boot {
        hypervisor,
        guest,
        cpus: 1,
        guests,
        vcpus: 2,
        memory_mib: if guests == 1 { 64 } else { 32 },
        arguments: &only.map_or(String::new(), |only| format!("only={only}")),
        // The guest prints most of it by hypercall, which Xen shows at this level alone.
        xen_args: "console=dtuart guest_loglvl=all",
        properties: &[],
        marks: ("conform: begin", "conform: end"),
        question: None,
        limit: Duration::from_secs(240),
    };
    Ok(boot
        .run(&paths.root().join("target/conform").join(folder))?
        .text)
}
