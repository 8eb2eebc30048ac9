//! Which Rust toolchain builds for the bare metal.
//!
//! In this order: the active one when it has the target installed; the active one when it has the
//! standard library's sources (`-Zbuild-std`); the system's in `/usr`, by the same two checks (this
//! is how Debian's packages are found beside a rustup without the target); then what can be had:
//! `rustup target add`, then Debian's packages. Host code always uses whichever cargo runs us.

use std::{
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use crate::{command, packages, progress::Work};

/// The hypervisor's target.
pub(crate) const TARGET: &str = "aarch64-unknown-none-softfloat";

/// Oldest compiler that the workspace builds with, as (major, minor); `rust-version` in Cargo.toml.
const OLDEST: (u32, u32) = (1, 95);

/// Debian's packages that build the target. `lld-22` is named because `rust-web-llvm` holds
/// `rust-lld` only as a link to it and does not depend on it.
const DEBIAN_PACKAGES: [&str; 7] = [
    "rustc-web",
    "rust-web-src",
    "cargo-web",
    "rust-web-llvm",
    "lld-22",
    "rust-web-clippy",
    "rustfmt-web",
];

/// What rustup's proxies set for their children; a nested cargo of another toolchain would return
/// to rustup's by them.
const RUSTUP_VARIABLES: [&str; 6] = [
    "RUSTUP_TOOLCHAIN",
    "RUSTUP_TOOLCHAIN_SOURCE",
    "CARGO",
    "RUSTC",
    "RUSTDOC",
    "LD_LIBRARY_PATH",
];

/// Where a toolchain comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The one that runs this program.
    Active,
    /// The one in `/usr/bin`.
    System,
}

/// Where the target's `core` comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Core {
    Installed,
    BuiltFromSource,
}

/// A toolchain that can build for [`TARGET`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Toolchain {
    origin: Origin,
    core: Core,
}

impl Toolchain {
    /// Finds a toolchain, or gets one.
    ///
    /// # Errors
    /// When none can be had: with the lines that would install one.
    pub(crate) fn find_or_install() -> Result<Self> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        let added = {
            let _work = Work::start(format!("Adding the target {TARGET}"));
            command::finished(Command::new("rustup").args(["target", "add", TARGET]))
        };
        if added.is_ok_and(|output| output.status.success())
            && let Some(found) = Self::find()
        {
            return Ok(found);
        }
        let install = packages::install(&DEBIAN_PACKAGES);
        if let (Ok(()), Some(found)) = (&install, Self::find()) {
            return Ok(found);
        }
        bail!(
            "no Rust toolchain here can build for {TARGET}. One of these two gets one:\n  \
             rustup target add {TARGET}\n  {}",
            packages::command_line(&DEBIAN_PACKAGES)
        )
    }

    fn find() -> Option<Self> {
        [Origin::Active, Origin::System]
            .into_iter()
            .find_map(|origin| {
                let core = core_of(origin)?;
                Some(Self { origin, core })
            })
    }

    /// A cargo command for the bare-metal target in `target_dir`: `build` or `clippy`.
    pub(crate) fn cargo(self, subcommand: &str, target_dir: &Path) -> Command {
        let mut command = match self.origin {
            Origin::Active => Command::new(active_cargo()),
            Origin::System => system(Command::new("/usr/bin/cargo")),
        };
        command
            .arg(subcommand)
            .args(["--target", TARGET, "--target-dir"])
            .arg(target_dir);
        if self.core == Core::BuiltFromSource {
            // The report would be about the compiler's own sources.
            command
                .arg("-Zbuild-std=core,alloc")
                .env("RUSTC_BOOTSTRAP", "1")
                .env("CARGO_FUTURE_INCOMPAT_REPORT_FREQUENCY", "never");
        }
        command
    }

    /// In words.
    pub(crate) fn shown(self) -> &'static str {
        match (self.origin, self.core) {
            (Origin::Active, Core::Installed) => "active toolchain",
            (Origin::Active, Core::BuiltFromSource) => "active toolchain, core from source",
            (Origin::System, Core::Installed) => "toolchain in /usr",
            (Origin::System, Core::BuiltFromSource) => "toolchain in /usr, core from source",
        }
    }
}

/// The cargo that runs this program.
pub(crate) fn active_cargo() -> OsString {
    env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

fn rustc(origin: Origin) -> Command {
    match origin {
        Origin::Active => Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())),
        Origin::System => system(Command::new("/usr/bin/rustc")),
    }
}

fn system(mut command: Command) -> Command {
    let mut path = OsString::from("/usr/bin");
    if let Some(rest) = env::var_os("PATH") {
        path.push(":");
        path.push(rest);
    }
    command.env("PATH", path);
    for variable in RUSTUP_VARIABLES {
        command.env_remove(variable);
    }
    command
}

fn core_of(origin: Origin) -> Option<Core> {
    if origin == Origin::System && !Path::new("/usr/bin/cargo").exists() {
        return None;
    }
    let version = command::output_of(rustc(origin).arg("--version")).ok()?;
    if version_of(&version)? < OLDEST {
        return None;
    }
    let libraries =
        printed_path(rustc(origin).args(["--print", "target-libdir", "--target", TARGET]));
    if libraries.is_some_and(|path| holds_core(&path)) {
        return Some(Core::Installed);
    }
    let sysroot = printed_path(rustc(origin).args(["--print", "sysroot"]))?;
    let sources = sysroot
        .join("lib/rustlib/src/rust/library/Cargo.lock")
        .exists();
    (sources && linker_exists(origin)).then_some(Core::BuiltFromSource)
}

/// Whether `rust-lld` is really there: rustup keeps it beside the libraries, Debian on the path,
/// where it dangles when `lld-22` is not installed.
fn linker_exists(origin: Origin) -> bool {
    let libraries = printed_path(rustc(origin).args(["--print", "target-libdir"]));
    let beside = libraries.and_then(|path| Some(path.parent()?.join("bin/rust-lld")));
    beside.is_some_and(|path| path.exists()) || Path::new("/usr/bin/rust-lld").exists()
}

fn printed_path(command: &mut Command) -> Option<PathBuf> {
    command::output_of(command)
        .ok()
        .map(|text| PathBuf::from(text.trim()))
}

fn holds_core(libraries: &Path) -> bool {
    fs::read_dir(libraries).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
    })
}

/// Major and minor number in what `rustc --version` prints.
fn version_of(printed: &str) -> Option<(u32, u32)> {
    let mut numbers = printed.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::version_of;

    #[test]
    fn versions_are_read() {
        assert_eq!(
            version_of("rustc 1.96.0 (ac68faa20 2026-05-25) (built from a tarball)"),
            Some((1, 96))
        );
        assert_eq!(
            version_of("rustc 1.97.0-nightly (x 2026-05-25)"),
            Some((1, 97))
        );
        assert_eq!(version_of("error"), None);
    }
}
