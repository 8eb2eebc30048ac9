//! The steps of `cargo xtask test` beside the scenarios.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail};

use crate::{
    bench, command, conform, guest_files, headers,
    image::{self, Features, Profile},
    paths::Paths,
    toolchain::{self, Toolchain},
};

/// A step.
pub(super) type Check = fn(&Paths) -> Result<()>;

/// The steps before the scenarios.
pub(super) const BEFORE: [(&str, Check); 9] = [
    ("format", format),
    ("lint-host", lint_host),
    ("lint-bare-metal", lint_bare_metal),
    ("host-tests", host_tests),
    ("host-tests-without-fifo", host_tests_without_fifo),
    ("xen-headers", xen_headers),
    ("build", build),
    ("build-without-fifo", build_without_fifo),
    ("exit-statistics", exit_statistics),
];

/// The steps behind them.
pub(super) const AFTER: [(&str, Check); 2] = [("conform", conform), ("bench-check", bench_check)];

/// What the feature `fifo-evtchn` consists of: the crates that have it.
const WITH_FIFO: [&str; 4] = ["-p", "evtchn", "-p", "hypervisor"];

/// How code of the FIFO event channels is called in symbols, in debug information (inlined code
/// included) and as a file.
const FIFO_CODE: [&str; 4] = ["evtchn4fifo", "evtchn::fifo", "evtchn/src/fifo", "fifo_op"];

fn host_cargo(paths: &Paths, arguments: &[&str]) -> Result<()> {
    let mut cargo = Command::new(toolchain::active_cargo());
    command::visible(cargo.current_dir(paths.root()).args(arguments))
}

fn format(paths: &Paths) -> Result<()> {
    host_cargo(paths, &["fmt", "--all", "--check"])
}

fn lint_host(paths: &Paths) -> Result<()> {
    const CLIPPY: [&str; 3] = ["clippy", "--quiet", "--all-targets"];
    const STRICT: [&str; 3] = ["--", "-D", "warnings"];
    host_cargo(paths, &[CLIPPY, STRICT].concat())?;
    let without = [&CLIPPY[..], &["--no-default-features"], &WITH_FIFO, &STRICT].concat();
    host_cargo(paths, &without)
}

/// The hypervisor and every guest: `guests/*`.
fn lint_bare_metal(paths: &Paths) -> Result<()> {
    let toolchain = Toolchain::find_or_install()?;
    let mut clippy = toolchain.cargo("clippy", &paths.bare_metal());
    clippy
        .current_dir(paths.root())
        .args(["--quiet", "-p", "hypervisor"]);
    let mut guests = Vec::new();
    for entry in fs::read_dir(paths.root().join("guests"))? {
        let folder = entry?;
        if folder.path().join("Cargo.toml").exists() {
            guests.push(folder.file_name());
        }
    }
    guests.sort();
    for guest in guests {
        clippy.arg("-p").arg(guest);
    }
    command::visible(clippy.args(["--", "-D", "warnings"]))
}

/// How many random hypercalls are made of the hypervisor on the fake machine.
const RANDOM_CALLS: &str = "200000";

fn host_tests(paths: &Paths) -> Result<()> {
    let mut cargo = Command::new(toolchain::active_cargo());
    cargo
        .current_dir(paths.root())
        .args(["test", "--quiet"])
        .env("EUXENITE_CALLS", RANDOM_CALLS);
    command::visible(&mut cargo)
}

fn host_tests_without_fifo(paths: &Paths) -> Result<()> {
    let test = ["test", "--quiet", "--no-default-features"];
    host_cargo(paths, &[&test[..], &WITH_FIFO].concat())
}

/// With the counters of exits: the key that shows them, and a bare-metal build.
fn exit_statistics(paths: &Paths) -> Result<()> {
    const TEST: [&str; 5] = ["test", "--quiet", "-p", "hypervisor", "--features"];
    host_cargo(paths, &[&TEST[..], &[image::STATISTICS, "keys::"]].concat())?;
    let features = Features::DefaultAnd(vec![image::STATISTICS.into()]);
    let toolchain = Toolchain::find_or_install()?;
    let image = image::hypervisor(paths, toolchain, Profile::Release, &features)?;
    image::report(paths, &image)
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
    let image = image::hypervisor(paths, toolchain, Profile::Release, &Features::default())?;
    image::report(paths, &image)?;
    if fifo_code(&image)?.is_empty() {
        bail!("no code of the FIFO event channels is found by its names: they have changed");
    }
    image::guest(paths, toolchain, "hello").map(|_| ())
}

fn build_without_fifo(paths: &Paths) -> Result<()> {
    let toolchain = Toolchain::find_or_install()?;
    let image = image::hypervisor(paths, toolchain, Profile::Release, &Features::None)?;
    image::report(paths, &image)?;
    let found = fifo_code(&image)?;
    if !found.is_empty() {
        bail!("code of the FIFO event channels is in the image: {found:?}");
    }
    Ok(())
}

/// The names of FIFO code that the image's ELF file has.
fn fifo_code(image: &image::Image) -> Result<Vec<&'static str>> {
    let elf = fs::read(&image.elf).with_context(|| image.elf.display().to_string())?;
    let has = |name: &str| elf.windows(name.len()).any(|part| part == name.as_bytes());
    Ok(FIFO_CODE.into_iter().filter(|name| has(name)).collect())
}

/// What a guest is answered beside Xen: no difference but the accepted ones, and each of those there.
fn conform(paths: &Paths) -> Result<()> {
    if let Err(error) = guest_files::xen(paths) {
        println!(
            "SKIPPED: answers are not compared with Xen's, which cannot be fetched: {error:#}"
        );
        return Ok(());
    }
    let plan = conform::Plan {
        only: None,
        shown: conform::Shown::Unexpected,
    };
    if conform::run(paths, &plan)? {
        Ok(())
    } else {
        bail!("answers differ from Xen's otherwise than docs/conform/accepted.toml says")
    }
}

/// No operation takes more than 3 % more instructions than the committed table says.
fn bench_check(paths: &Paths) -> Result<()> {
    if bench::run(paths, &bench::Plan::check())? {
        Ok(())
    } else {
        bail!("worse than the table in docs/benchmarks.md")
    }
}
