//! A scenario as written in its file.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result};
use serde::Deserialize;

use super::matrix::{Matrix, Selection};
use super::seed;
use crate::host_tree::{ChannelEnd, Edit};

/// A scenario.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// From the file's name, and from the place in a matrix.
    #[serde(skip)]
    pub(crate) name: String,
    /// What it shows, in a sentence.
    pub(crate) about: String,
    /// Seconds for all of it.
    pub(crate) limit_s: u64,
    /// Part of a quick run too.
    #[serde(default)]
    pub(crate) quick: bool,
    #[serde(default)]
    pub(crate) machine: MachineSpec,
    #[serde(default)]
    pub(crate) guests: GuestsSpec,
    /// Changes of single domains' nodes.
    #[serde(default)]
    pub(crate) change: Vec<Change>,
    /// Static event channels: domain and port of the one end, then of the other.
    #[serde(default)]
    pub(crate) channels: Vec<[u32; 4]>,
    /// The hypervisor is built without its default features (`fifo-evtchn`).
    #[serde(default)]
    pub(crate) without_features: bool,
    /// A ready tree, from the repository's root on.
    pub(crate) tree: Option<String>,
    /// The hypervisor's command line.
    #[serde(default = "default_xen_args")]
    pub(crate) xen_args: String,
    /// Regular expressions that nothing in the whole log may match.
    #[serde(default)]
    pub(crate) reject: Vec<String>,
    /// Of the usual rejected ones, those that are in order here.
    #[serde(default)]
    pub(crate) allow: Vec<String>,
    pub(crate) steps: Vec<Step>,
    /// Makes one scenario of this for each combination.
    matrix: Option<Matrix>,
}

/// The emulated machine.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct MachineSpec {
    pub(crate) gic: u8,
    pub(crate) cpu: String,
    pub(crate) cpus: u32,
    /// Options of QEMU's, behind all others.
    pub(crate) qemu: Vec<String>,
}

/// The guests, all alike.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct GuestsSpec {
    pub(crate) count: u32,
    pub(crate) vcpus: u32,
    /// MiB of each.
    pub(crate) memory: u64,
    pub(crate) kernel: Kernel,
    /// Appended to the command lines.
    pub(crate) append: String,
}

/// What guests boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Kernel {
    /// Debian's, as a flat Image.
    Linux,
    /// The same, compressed.
    LinuxGz,
    /// The bare-metal guest `guests/hello`.
    Hello,
    /// The bare-metal guest `guests/ping`.
    Ping,
    /// Debian's with the drivers for event channels and grants, and the program `linux-pong`.
    LinuxPong,
    /// The bare-metal guest `guests/hibernate`.
    Hibernate,
    /// The bare-metal guest `guests/random`.
    Random,
}

/// A change of one domain's node.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Change {
    /// Which, from 1 on.
    pub(crate) domain: u32,
    /// Boots this instead of what the others boot.
    pub(crate) kernel: Option<Kernel>,
    /// Its whole command line.
    pub(crate) bootargs: Option<String>,
    /// Properties to remove.
    #[serde(default)]
    pub(crate) remove: Vec<String>,
    /// Properties to set: a number is one cell, a list is cells, a text is a text, true is empty.
    #[serde(default)]
    pub(crate) set: BTreeMap<String, toml::Value>,
}

/// One step; a step is what it does plus how long it may take.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Step {
    /// This text must appear after what has been matched last.
    pub(crate) expect: Option<String>,
    /// The same with a regular expression.
    #[serde(rename = "match")]
    pub(crate) pattern: Option<String>,
    /// This text, with `{n}` for the guest's number, must appear for each guest, in any order.
    pub(crate) expect_each: Option<String>,
    /// How many times (for `expect` and `match`).
    #[serde(default = "one")]
    pub(crate) times: u32,
    /// Only in the lines that carry this domain's prefix.
    pub(crate) from: Option<u32>,
    /// This text must not appear during `within_s`.
    pub(crate) absent: Option<String>,
    /// Type this.
    pub(crate) send: Option<String>,
    /// Type this many bytes of text; `{sum}` in later steps is its MD5 sum.
    pub(crate) paste: Option<usize>,
    /// Switch the input until it is there: `Xen`, `DOM1` ...
    pub(crate) focus: Option<String>,
    /// Let time pass.
    pub(crate) wait_s: Option<f32>,
    /// The machine must end.
    #[serde(default)]
    pub(crate) ends: bool,
    /// Seconds for this step.
    #[serde(default = "default_within")]
    pub(crate) within_s: f32,
}

impl Default for MachineSpec {
    fn default() -> Self {
        Self {
            gic: 3,
            cpu: "cortex-a57".into(),
            cpus: 2,
            qemu: Vec::new(),
        }
    }
}

impl Default for GuestsSpec {
    fn default() -> Self {
        Self {
            count: 2,
            vcpus: 1,
            memory: 256,
            kernel: Kernel::Linux,
            append: String::new(),
        }
    }
}

fn default_xen_args() -> String {
    "console=dtuart".into()
}

fn default_within() -> f32 {
    20.0
}

fn one() -> u32 {
    1
}

/// Reads all scenarios in `folder`, in the order of their names.
///
/// # Errors
/// When a file is not a scenario: with its name and what is wrong.
pub(crate) fn load_all(folder: &Path, selection: Selection) -> Result<Vec<Scenario>> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .with_context(|| format!("{}", folder.display()))?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "toml")
        })
        .collect();
    files.sort();
    let seed = seed::wanted()?;
    let mut scenarios = Vec::new();
    for file in files {
        let text = fs::read_to_string(&file)?;
        let name = file
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let mut one = read(&name, &text).with_context(|| format!("{}", file.display()))?;
        if let Some(seed) = seed {
            one.guests.append = seed::replaced(&one.guests.append, seed);
        }
        scenarios.extend(one.expanded(selection));
    }
    Ok(scenarios)
}

pub(super) fn read(name: &str, text: &str) -> Result<Scenario> {
    let mut scenario: Scenario = toml::from_str(text)?;
    scenario.name = name.to_owned();
    for pattern in scenario
        .reject
        .iter()
        .chain(scenario.steps.iter().filter_map(|s| s.pattern.as_ref()))
    {
        regex_lite::Regex::new(pattern).with_context(|| format!("the pattern {pattern:?}"))?;
    }
    Ok(scenario)
}

impl Scenario {
    fn expanded(mut self, selection: Selection) -> Vec<Self> {
        match self.matrix.take() {
            None => vec![self],
            Some(matrix) => matrix.expand(&self, selection),
        }
    }
}

impl Scenario {
    /// What single domains, by their number, boot instead.
    pub(crate) fn other_kernels(&self) -> impl Iterator<Item = (u32, Kernel)> {
        let kernel = |change: &Change| Some((change.domain, change.kernel?));
        self.change.iter().filter_map(kernel)
    }

    /// What is to be changed of the domains' nodes.
    pub(crate) fn edits(&self) -> Result<Vec<Edit>> {
        let mut edits: Vec<Edit> = self
            .change
            .iter()
            .map(Edit::try_from)
            .collect::<Result<_>>()?;
        // Handles that no tree of QEMU's has.
        for (handle, [domain, port, peer, peer_port]) in (0xe000..).step_by(2).zip(&self.channels) {
            let end = |domain: u32, port: u32, handle: u32, peer: u32| Edit {
                domain: domain as usize,
                remove: Vec::new(),
                bootargs: None,
                set: Vec::new(),
                ends: vec![ChannelEnd { port, handle, peer }],
            };
            edits.push(end(*domain, *port, handle, handle + 1));
            edits.push(end(*peer, *peer_port, handle + 1, handle));
        }
        Ok(edits)
    }
}

impl TryFrom<&Change> for Edit {
    type Error = anyhow::Error;

    fn try_from(change: &Change) -> Result<Self> {
        let set = change.set.iter().map(|(name, value)| {
            let bytes = property_bytes(value).with_context(|| format!("the value of {name}"))?;
            Ok((name.clone(), bytes))
        });
        Ok(Self {
            domain: change.domain as usize,
            remove: change.remove.clone(),
            bootargs: change.bootargs.clone(),
            set: set.collect::<Result<_>>()?,
            ends: Vec::new(),
        })
    }
}

fn property_bytes(value: &toml::Value) -> Result<Vec<u8>> {
    let cell = |number: i64| anyhow::Ok(u32::try_from(number)?.to_be_bytes());
    match value {
        toml::Value::String(text) => Ok([text.as_bytes(), b"\0"].concat()),
        toml::Value::Integer(number) => Ok(cell(*number)?.to_vec()),
        toml::Value::Boolean(true) => Ok(Vec::new()),
        toml::Value::Array(cells) => {
            let numbers = cells
                .iter()
                .map(|cell| cell.as_integer().context("not a number"));
            let bytes = numbers.map(|number| cell(number?));
            Ok(bytes.collect::<Result<Vec<_>>>()?.concat())
        }
        other => anyhow::bail!("{other} is neither text, number, list of numbers nor true"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "about = 'x'\nlimit_s = 5\nsteps = [{ expect = 'hello' }]\n";

    #[test]
    fn what_is_not_said_has_a_default() {
        let scenario = read("one", MINIMAL).unwrap();
        assert_eq!((scenario.machine.gic, scenario.guests.count), (3, 2));
        assert_eq!(scenario.steps[0].times, 1);
    }

    #[test]
    fn misspelt_words_and_bad_patterns_are_refused() {
        assert!(read("x", &MINIMAL.replace("expect", "expects")).is_err());
        assert!(read("x", &format!("{MINIMAL}reject = ['(']")).is_err());
    }

    #[test]
    fn the_scenarios_of_this_repository_are_well_formed() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios");
        let some = load_all(&folder, Selection::Subset).unwrap();
        let all = load_all(&folder, Selection::Full).unwrap();
        assert!(!some.is_empty() && all.len() > some.len());
        let mut names: Vec<&str> = all.iter().map(|scenario| scenario.name.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all.len(), "no name is there twice");
    }
}
