//! Programs of the machine's own package manager: named, and installed when that is allowed.

use std::{
    env,
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Result, bail};

use crate::{command, progress::Work};

/// A program that is needed and the Debian package that holds it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    name: &'static str,
    package: &'static str,
}

/// The machine emulator.
pub(crate) const QEMU: Program = Program {
    name: "qemu-system-aarch64",
    package: "qemu-system-arm",
};
/// The device-tree compiler.
pub(crate) const DTC: Program = Program {
    name: "dtc",
    package: "device-tree-compiler",
};

/// The C compiler for arm64.
pub(crate) const AARCH64_GCC: Program = Program {
    name: "aarch64-linux-gnu-gcc",
    package: "gcc-aarch64-linux-gnu",
};

/// Makes sure that `programs` are there.
///
/// # Errors
/// When some are missing and cannot be installed: with the command that would.
pub(crate) fn need(programs: &[Program]) -> Result<()> {
    let missing: Vec<Program> = programs
        .iter()
        .copied()
        .filter(|program| !exists(program.name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|program| program.package).collect();
    install(&packages)?;
    match missing.iter().find(|program| !exists(program.name)) {
        None => Ok(()),
        Some(program) => {
            bail!(
                "{} is still missing after installing {}",
                program.name,
                program.package
            )
        }
    }
}

/// Installs Debian packages when this is Debian and we are root.
///
/// # Errors
/// Otherwise, or when it fails: with the command to type.
pub(crate) fn install(packages: &[&str]) -> Result<()> {
    if !exists("apt-get") {
        bail!(
            "please install (the names are Debian's): {}",
            packages.join(" ")
        );
    }
    if !rustix::process::geteuid().is_root() {
        bail!("please run, then try again:\n  {}", command_line(packages));
    }
    static UPDATED: AtomicBool = AtomicBool::new(false);
    if !UPDATED.swap(true, Ordering::Relaxed) {
        let _work = Work::start("Reading the package lists");
        command::output_of(apt_get().arg("update"))?;
    }
    let work = Work::start(format!("Installing {}", packages.join(" ")));
    command::output_of(
        apt_get()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages),
    )?;
    work.done("done");
    Ok(())
}

/// The command that installs `packages`, for a person to type.
pub(crate) fn command_line(packages: &[&str]) -> String {
    format!(
        "sudo apt-get install --no-install-recommends {}",
        packages.join(" ")
    )
}

/// Whether `program` is on the path.
pub(crate) fn exists(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| Path::new(&folder).join(program).is_file())
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .arg("--quiet")
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}
