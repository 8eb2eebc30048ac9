//! Files out of Debian's arm64 packages, through an apt configuration of our own.
//!
//! The machine's apt is not touched: sources, lists, cache and status are ours, below
//! `target/guest/apt`. The mirror is the one that the machine itself uses.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{command, packages, progress::Work};

/// The release that guests come from.
const SUITE: &str = "trixie";
/// Used when the machine's own sources name no mirror of Debian.
const USUAL_MIRROR: &str = "http://deb.debian.org/debian";
/// Debian's signing keys, where Debian puts them.
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Debian's archive for arm64.
pub(crate) struct Archive {
    folder: PathBuf,
}

/// How the archive's signature is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trust {
    /// Checked against Debian's keys.
    Signed,
    /// Not checked.
    Unchecked,
}

impl Archive {
    /// Opens the archive, with its state kept in `folder`, and reads its package list.
    ///
    /// # Errors
    /// Without apt or without network.
    pub(crate) fn open(folder: &Path) -> Result<Self> {
        for program in ["apt-get", "apt-cache", "dpkg-deb"] {
            if !packages::exists(program) {
                bail!("`{program}` is not here");
            }
        }
        let archive = Self {
            folder: folder.to_path_buf(),
        };
        let _work = Work::start(format!("Reading Debian {SUITE}'s arm64 package list"));
        let signed = if Path::new(KEYRING).exists() {
            archive.configure(Trust::Signed)?;
            archive.update()
        } else {
            Err(anyhow::anyhow!("NO_PUBKEY: {KEYRING} is not here"))
        };
        match signed {
            Ok(()) => Ok(archive),
            Err(error) if format!("{error:#}").contains("NO_PUBKEY") => {
                eprintln!(
                    "warning: Debian {SUITE}'s signing key is not on this machine; \
                     guest packages are used without checking their signature"
                );
                archive.configure(Trust::Unchecked)?;
                archive.update()?;
                Ok(archive)
            }
            Err(error) => Err(error),
        }
    }

    /// The package that `package` (one without content of its own) depends on first and whose name
    /// starts with `prefix`.
    pub(crate) fn dependency(&self, package: &str, prefix: &str) -> Result<String> {
        let printed = command::output_of(self.apt("apt-cache").args(["depends", package]))?;
        printed
            .lines()
            .filter_map(|line| line.trim().strip_prefix("Depends: "))
            .find(|name| name.starts_with(prefix))
            .map(str::to_owned)
            .with_context(|| format!("Debian's {package} depends on no {prefix}*"))
    }

    /// The newest package whose name starts with `prefix` and ends with `suffix`.
    pub(crate) fn newest(&self, prefix: &str, suffix: &str) -> Result<String> {
        let printed = command::output_of(self.apt("apt-cache").args(["pkgnames", prefix]))?;
        let mut names: Vec<&str> = printed.lines().filter(|n| n.ends_with(suffix)).collect();
        names.sort_unstable();
        let newest = names
            .pop()
            .with_context(|| format!("Debian has no {prefix}*{suffix}"))?;
        Ok(newest.to_owned())
    }

    /// Fetches `package` and unpacks it; gives the folder that holds its files.
    pub(crate) fn unpack(&self, package: &str) -> Result<PathBuf> {
        let work = Work::start(format!("Fetching Debian's {package} (arm64)"));
        let downloads = self.folder.join("downloads");
        let files = self.folder.join("files").join(package);
        for folder in [&downloads, &files] {
            let _ = fs::remove_dir_all(folder);
            fs::create_dir_all(folder)?;
        }
        let mut download = self.apt("apt-get");
        command::output_of(download.current_dir(&downloads).args(["download", package]))?;
        let deb = only_entry(&downloads)?;
        command::output_of(
            Command::new("dpkg-deb")
                .arg("--extract")
                .arg(&deb)
                .arg(&files),
        )?;
        fs::remove_dir_all(&downloads)?;
        work.done("done");
        Ok(files)
    }

    fn configure(&self, trust: Trust) -> Result<()> {
        for folder in ["lists/partial", "cache/archives/partial", "parts"] {
            fs::create_dir_all(self.folder.join(folder))?;
        }
        let option = match trust {
            Trust::Signed => format!("signed-by={KEYRING}"),
            Trust::Unchecked => "trusted=yes".to_owned(),
        };
        let source = format!("deb [arch=arm64 {option}] {} {SUITE} main\n", mirror());
        fs::write(self.folder.join("sources.list"), source)?;
        fs::write(self.folder.join("status"), "")?;
        let here = self.folder.display();
        let configuration = format!(
            r#"Dir::State "{here}";
Dir::State::lists "{here}/lists";
Dir::State::status "{here}/status";
Dir::Cache "{here}/cache";
Dir::Etc::sourcelist "{here}/sources.list";
Dir::Etc::sourceparts "{here}/parts";
Dir::Etc::preferences "{here}/preferences";
Dir::Etc::preferencesparts "{here}/parts";
APT::Architecture "arm64";
APT::Architectures {{ "arm64"; }};
APT::Sandbox::User "";
Acquire::Languages "none";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons-small::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11-icons::DefaultEnabled "false";
"#
        );
        fs::write(self.configuration(), configuration)?;
        Ok(())
    }

    /// Reads the package list; apt takes some failures for warnings, we do not.
    fn update(&self) -> Result<()> {
        let mut update = self.apt("apt-get");
        update.args(["--option", "APT::Update::Error-Mode=any", "update"]);
        command::output_of(&mut update).map(|_| ())
    }

    fn apt(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .arg("--quiet")
            .arg("--config-file")
            .arg(self.configuration());
        command
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("apt.conf")
    }
}

fn only_entry(folder: &Path) -> Result<PathBuf> {
    let entry = fs::read_dir(folder)?
        .next()
        .context("apt downloaded nothing")?;
    Ok(entry?.path())
}

/// The mirror of Debian that the machine's own apt uses.
fn mirror() -> String {
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        let mut others: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        others.sort();
        files.extend(others);
    }
    files
        .iter()
        .filter_map(|file| fs::read_to_string(file).ok())
        .find_map(|text| mirror_in(&text))
        .unwrap_or_else(|| USUAL_MIRROR.to_owned())
}

/// The first address in a sources file, of either format, that is a whole mirror of Debian.
fn mirror_in(sources: &str) -> Option<String> {
    sources
        .lines()
        .map(str::trim)
        .filter(|line| line.starts_with("deb ") || line.starts_with("URIs:"))
        .flat_map(str::split_whitespace)
        .find(|word| {
            let web = word.starts_with("http://") || word.starts_with("https://");
            web && word.trim_end_matches('/').ends_with("/debian")
        })
        .map(|word| word.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::mirror_in;

    #[test]
    fn the_machines_mirror_is_found_in_both_formats() {
        let stanza = "Types: deb\n# URIs: http://old/debian\nURIs: http://mirror.example/debian/\n";
        assert_eq!(
            mirror_in(stanza).as_deref(),
            Some("http://mirror.example/debian")
        );
        let line = "deb [arch=amd64] https://mirror.example/debian bookworm main";
        assert_eq!(
            mirror_in(line).as_deref(),
            Some("https://mirror.example/debian")
        );
    }

    #[test]
    fn other_archives_are_passed_over() {
        assert_eq!(
            mirror_in("deb http://mirror.example/debian-security x main"),
            None
        );
        assert_eq!(
            mirror_in("deb http://mirror.example/ubuntu jammy main"),
            None
        );
        assert_eq!(mirror_in("# deb http://mirror.example/debian x main"), None);
    }
}
