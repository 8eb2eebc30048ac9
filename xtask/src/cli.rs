//! The command line of this program.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Parser, Subcommand, ValueEnum as _};

use crate::{
    bench, check_dtb, conform, docs,
    host_tree::{self, Edit},
    image::{self, Features, Profile},
    paths::Paths,
    qemu::Machine,
    run::{self, Guests, Hypervisor, Request, Source},
    test::{self, Extent, Plan},
    toolchain::Toolchain,
};

/// Builds, runs and tests Euxenite.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
pub(crate) struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Build the hypervisor: target/euxenite/euxenite (flat Image) and euxenite.elf
    Build(BuildOptions),
    /// Boot the hypervisor and its guests in QEMU on this terminal
    Run(Box<RunOptions>),
    /// Check format, lints and host tests, build, then boot the scenarios of tests/scenarios
    Test(TestOptions),
    /// Measure every operation under Xen and Euxenite, in instructions
    Bench(BenchOptions),
    /// Compare what Xen and Euxenite answer to the same guest
    Conform(ConformOptions),
    /// Write what the documentation takes from the code: the table of permits
    Docs,
    /// Print the partitions that a dom0less device tree describes, or its mistakes
    CheckDtb {
        /// The tree: .dtb, or .dts
        file: PathBuf,
    },
}

#[derive(Debug, Clone, Default, Args)]
struct BuildOptions {
    /// Features of the hypervisor, separated by commas
    #[arg(long, value_delimiter = ',')]
    features: Vec<String>,
    /// Without the default features (fifo-evtchn): target/euxenite-without-features/euxenite
    #[arg(long, conflicts_with = "features")]
    no_default_features: bool,
    /// Build without optimisation
    #[arg(long)]
    debug_build: bool,
}

#[derive(Debug, Args)]
struct RunOptions {
    /// How many guests
    #[arg(long, default_value_t = 2)]
    guests: u32,
    /// Virtual CPUs of each guest
    #[arg(long, default_value_t = 1)]
    vcpus: u32,
    /// Memory of each guest, in MiB
    #[arg(long, default_value_t = 256, value_name = "MiB")]
    memory: u64,
    /// CPUs of the machine
    #[arg(long, default_value_t = 2)]
    cpus: u32,
    /// Version of the machine's interrupt controller
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(2..=3))]
    gic: u8,
    /// Model of the machine's CPUs, by QEMU's name
    #[arg(long, default_value = "cortex-a57", value_name = "MODEL")]
    cpu: String,
    /// A ready dom0less device tree instead of a written one
    #[arg(long, value_name = "FILE")]
    dtb: Option<PathBuf>,
    /// Print the device tree as source and stop
    #[arg(long)]
    print_dts: bool,
    /// Wait for a debugger on port 1234
    #[arg(long)]
    gdb: bool,
    /// Kernel for the guests (Image or Image.gz) instead of Debian's
    #[arg(long, value_name = "PATH")]
    kernel: Option<PathBuf>,
    /// Initial file system for the guests
    #[arg(long, value_name = "PATH", requires = "kernel")]
    initrd: Option<PathBuf>,
    /// More for the guests' command line
    #[arg(
        long,
        default_value = "",
        value_name = "ARGS",
        allow_hyphen_values = true
    )]
    append: String,
    /// Tell the guests of the hypervisor: `xen,enhanced = "no-xenstore"`
    #[arg(long)]
    enhanced: bool,
    /// What of the hypervisor's interface the guests may use, separated by commas, as
    /// `all,-fifo-evtchn`
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        allow_hyphen_values = true
    )]
    permit: Vec<String>,
    /// The hypervisor's command line
    #[arg(long, default_value = "console=dtuart", value_name = "ARGS")]
    xen_args: String,
    /// Run the bare-metal guest of guests/hello instead of Linux
    #[arg(long, conflicts_with = "kernel")]
    bare: bool,
    /// Another hypervisor: `xen` for Debian's Xen (fetched), or an Image
    #[arg(long, value_name = "xen|PATH")]
    hypervisor: Option<PathBuf>,
    #[command(flatten)]
    build: BuildOptions,
    /// Options for QEMU, after `--`
    #[arg(last = true)]
    qemu: Vec<String>,
}

#[derive(Debug, Args)]
struct TestOptions {
    /// Only the steps and scenarios whose names contain this; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// List the steps and scenarios
    #[arg(long)]
    list: bool,
    /// Only the quickest scenarios
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// All combinations of machines and guests
    #[arg(long)]
    full: bool,
    /// What the scenarios boot instead: `xen` for Debian's Xen (fetched), or an Image
    #[arg(long, value_name = "xen|PATH")]
    hypervisor: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct BenchOptions {
    /// Only the operations whose names contain this
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Do not measure Xen
    #[arg(long)]
    euxenite_only: bool,
    /// An image of Euxenite to measure instead of building one; for el2-time only where that is the only
    /// part, as it has to be one that counts
    #[arg(long, value_name = "PATH")]
    image: Option<PathBuf>,
    /// What to measure, separated by commas; if not given: all with --html, nothing but the timed runs
    /// with --wall-clock, else the operations. --only, --twice and --check always measure these
    #[arg(long, value_name = "PARTS", value_enum, value_delimiter = ',')]
    parts: Vec<bench::Part>,
    /// Measure all parts
    #[arg(long, conflicts_with = "parts")]
    all: bool,
    /// Time a start, and a Linux guest with loads in it, under both in turn: so many pairs of runs
    #[arg(
        long,
        value_name = "PAIRS",
        default_value_t = 0,
        conflicts_with = "euxenite_only"
    )]
    wall_clock: u32,
    /// Measure the operations twice, and fail if a figure differs by more than 1 %
    #[arg(long)]
    twice: bool,
    /// Write what is measured into one page with charts
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the figures into docs/benchmarks.md; with --euxenite-only, ours beside Xen's of before for the
    /// operations, and the tables that are of Euxenite alone
    #[arg(long, conflicts_with_all = ["only", "check"])]
    update: bool,
    /// Fail if an operation's figure is more than 3 % worse than in docs/benchmarks.md
    #[arg(long, conflicts_with = "only")]
    check: bool,
}

#[derive(Debug, Args)]
struct ConformOptions {
    /// Only this section: what stands before the first point of an item
    #[arg(long, value_name = "SECTION")]
    only: Option<String>,
    /// Show the accepted differences, too, with their reasons
    #[arg(long)]
    all: bool,
}

impl ConformOptions {
    fn plan(self) -> conform::Plan {
        conform::Plan {
            only: self.only,
            shown: if self.all {
                conform::Shown::Differences
            } else {
                conform::Shown::Unexpected
            },
        }
    }
}

impl BenchOptions {
    fn chosen_parts(&self) -> Vec<bench::Part> {
        let needs_operations = self.check || self.twice || self.only.is_some();
        let mut parts = if self.all || (self.html.is_some() && self.parts.is_empty()) {
            bench::Part::value_variants().to_vec()
        } else {
            self.parts.clone()
        };
        let nothing_else = parts.is_empty() && self.wall_clock == 0;
        if (nothing_else || needs_operations) && !parts.contains(&bench::Part::Operations) {
            parts.insert(0, bench::Part::Operations);
        }
        parts
    }

    fn plan(self) -> bench::Plan {
        let parts = self.chosen_parts();
        bench::Plan {
            only: self.only,
            extent: if self.euxenite_only {
                bench::Extent::EuxeniteOnly
            } else {
                bench::Extent::Both
            },
            parts,
            wall_pairs: self.wall_clock,
            rounds: if self.twice {
                bench::Rounds::Twice
            } else {
                bench::Rounds::Once
            },
            html: self.html,
            image: self.image,
            outcome: match (self.update, self.check) {
                (true, _) => bench::Outcome::Update,
                (false, true) => bench::Outcome::Check,
                (false, false) => bench::Outcome::Print,
            },
        }
    }
}

impl Cli {
    /// Does what was asked for.
    pub(crate) fn execute(self) -> Result<ExitCode> {
        let paths = Paths::find();
        let ok = match self.task {
            Task::Build(options) => build(&paths, &options).map(|()| true)?,
            Task::Run(options) => run_task(&paths, *options).map(|()| true)?,
            Task::Test(options) => test::run(&paths, &options.plan())?,
            Task::Bench(options) => bench::run(&paths, &options.plan())?,
            Task::Conform(options) => conform::run(&paths, &options.plan())?,
            Task::Docs => docs::run(&paths).map(|()| true)?,
            Task::CheckDtb { file } => check_dtb::run(&file)?,
        };
        Ok(if ok {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

fn build(paths: &Paths, options: &BuildOptions) -> Result<()> {
    let toolchain = Toolchain::find_or_install()?;
    let image = image::hypervisor(paths, toolchain, options.profile(), &options.features())?;
    image::report(paths, &image)
}

fn run_task(paths: &Paths, options: RunOptions) -> Result<()> {
    let (print_dts, gdb) = (options.print_dts, options.gdb);
    let request = options.request();
    if print_dts {
        let start = run::prepare(paths, &request)?;
        print!("{}", host_tree::source(&fs::read(start.tree)?)?);
        return Ok(());
    }
    run::run(paths, &request, gdb)
}

/// The hypervisor that is asked for, or else ours.
fn hypervisor(other: Option<PathBuf>, build: &BuildOptions) -> Hypervisor {
    match other {
        None => Hypervisor::Euxenite {
            profile: build.profile(),
            features: build.features(),
        },
        Some(name) if name.as_os_str() == "xen" => Hypervisor::Xen,
        Some(file) => Hypervisor::File(file),
    }
}

impl TestOptions {
    fn plan(self) -> Plan {
        let extent = match (self.quick, self.full) {
            (true, _) => Extent::Quick,
            (false, true) => Extent::Full,
            (false, false) => Extent::Usual,
        };
        Plan {
            only: self.only,
            list: self.list,
            extent,
            hypervisor: hypervisor(self.hypervisor, &BuildOptions::default()),
        }
    }
}

impl BuildOptions {
    fn features(&self) -> Features {
        if self.no_default_features {
            Features::None
        } else {
            Features::DefaultAnd(self.features.clone())
        }
    }

    fn profile(&self) -> Profile {
        if self.debug_build {
            Profile::Debug
        } else {
            Profile::Release
        }
    }
}

/// What the guests' nodes say of the hypervisor's interface.
fn interface(guests: u32, is_enhanced: bool, permits: &[String]) -> Vec<Edit> {
    let strings = |list: &[&str]| -> Vec<u8> {
        let ended = list.iter().map(|one| [one, "\0"].concat());
        ended.flat_map(String::into_bytes).collect()
    };
    let mut set: Vec<(String, Vec<u8>)> = Vec::new();
    if is_enhanced {
        set.push(("xen,enhanced".into(), strings(&["no-xenstore"])));
    }
    if !permits.is_empty() {
        let names: Vec<&str> = permits.iter().map(String::as_str).collect();
        set.push(("euxenite,permit".into(), strings(&names)));
    }
    if set.is_empty() {
        return Vec::new();
    }
    (1..=guests as usize)
        .map(|domain| Edit {
            domain,
            remove: Vec::new(),
            bootargs: None,
            set: set.clone(),
            ends: Vec::new(),
        })
        .collect()
}

impl RunOptions {
    fn request(self) -> Request {
        let source = match (self.kernel, self.bare) {
            (Some(kernel), _) => Source::Own {
                kernel,
                ramdisk: self.initrd,
            },
            (None, true) => Source::Bare,
            (None, false) => Source::Debian,
        };
        let hypervisor = hypervisor(self.hypervisor, &self.build);
        let edits = interface(self.guests, self.enhanced, &self.permit);
        Request {
            machine: Machine {
                cpus: self.cpus,
                gic: self.gic,
                cpu: self.cpu,
            },
            guests: Guests {
                count: self.guests,
                vcpus: self.vcpus,
                memory_mib: self.memory,
                append: self.append,
                source,
            },
            hypervisor,
            xen_args: self.xen_args,
            tree: self.dtb,
            edits,
            qemu_args: self.qemu,
        }
    }
}

#[cfg(test)]
mod tests {
    use bench::Part;

    use super::*;

    fn parts(arguments: &str) -> Vec<Part> {
        let words = ["xtask", "bench"]
            .into_iter()
            .chain(arguments.split_whitespace());
        let Task::Bench(options) = Cli::try_parse_from(words).unwrap().task else {
            panic!("not bench");
        };
        options.plan().parts
    }

    #[test]
    fn parts_follow_from_what_is_asked_for() {
        assert_eq!(parts(""), [Part::Operations]);
        assert_eq!(parts("--parts exits"), [Part::Exits]);
        assert_eq!(parts("--wall-clock 2"), []);
        assert_eq!(parts("--wall-clock 2 --update"), []);
        assert_eq!(parts("--wall-clock 2 --only timer"), [Part::Operations]);
        assert_eq!(
            parts("--parts exits --check"),
            [Part::Operations, Part::Exits]
        );
        assert_eq!(parts("--html x"), parts("--all"));
        assert_eq!(parts("--html x --parts exits"), [Part::Exits]);
    }
}
