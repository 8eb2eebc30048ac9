//! Running scenarios and telling how they went.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::Result;

use super::{Scenario, file::Kernel, rejects::Rejects, session::Session, steps::Runner};
use crate::{
    command,
    guest_files::System,
    image::Features,
    paths::Paths,
    progress::Work,
    qemu::Machine,
    run::{self, Files, Guests, Hypervisor, Request, Source},
    toolchain::Toolchain,
};

/// Lines of a failed scenario's log that are shown.
const SHOWN_LINES: usize = 40;

/// Scenarios with what they share.
pub(crate) struct Suite<'a> {
    paths: &'a Paths,
    hypervisor: PathBuf,
    /// The same without its features, if a scenario wants it.
    without_features: Option<PathBuf>,
    systems: BTreeMap<Kernel, System>,
}

/// How many went which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
}

impl<'a> Suite<'a> {
    /// Gets ready what `scenarios` need.
    pub(crate) fn prepare(
        paths: &'a Paths,
        hypervisor: &Hypervisor,
        scenarios: &[Scenario],
    ) -> Result<Self> {
        let mut suite = Self {
            paths,
            hypervisor: run::hypervisor_image(paths, hypervisor)?,
            without_features: None,
            systems: BTreeMap::new(),
        };
        if let Hypervisor::Euxenite { profile, .. } = hypervisor
            && scenarios.iter().any(|one| one.without_features)
        {
            let other = Hypervisor::Euxenite {
                profile: *profile,
                features: Features::None,
            };
            suite.without_features = Some(run::hypervisor_image(paths, &other)?);
        }
        for scenario in scenarios {
            let others = scenario.other_kernels().map(|(_, kernel)| kernel);
            for kernel in std::iter::once(scenario.guests.kernel).chain(others) {
                if let Entry::Vacant(vacant) = suite.systems.entry(kernel) {
                    vacant.insert(system(paths, kernel)?);
                }
            }
        }
        Ok(suite)
    }

    /// Runs `scenarios` one after the other and prints a line for each.
    pub(crate) fn run(&self, scenarios: &[Scenario]) -> Outcome {
        let mut outcome = Outcome::default();
        for scenario in scenarios {
            let work = Work::start(format!("scenario {}", scenario.name));
            let started = Instant::now();
            let result = self.one(scenario);
            drop(work);
            let seconds = started.elapsed().as_secs_f32();
            match result {
                Ok(()) => {
                    println!("  ok     {:<48} {seconds:6.1} s", scenario.name);
                    outcome.passed += 1;
                }
                Err(error) => {
                    println!("  FAILED {:<48} {seconds:6.1} s", scenario.name);
                    self.tell(scenario, &error);
                    outcome.failed += 1;
                }
            }
        }
        outcome
    }

    /// What `scenario` boots: a ready image is taken for what the scenario wants.
    fn hypervisor(&self, scenario: &Scenario) -> &PathBuf {
        let other = self.without_features.as_ref();
        other
            .filter(|_| scenario.without_features)
            .unwrap_or(&self.hypervisor)
    }

    fn one(&self, scenario: &Scenario) -> Result<()> {
        let folder = self.folder().join(&scenario.name);
        let system = self.systems[&scenario.guests.kernel].clone();
        let others = scenario.other_kernels();
        let files = Files {
            hypervisor: self.hypervisor(scenario).clone(),
            system,
            others: others
                .map(|(domain, kernel)| (domain, self.systems[&kernel].clone()))
                .collect(),
        };
        let start = run::start(&self.request(scenario)?, files, &folder)?;
        fs::write(
            folder.join("qemu.sh"),
            command::shown(&start.command()) + "\n",
        )?;
        let limit = Duration::from_secs(scenario.limit_s);
        let (log, rejects) = (self.log(scenario), Rejects::of(scenario)?);
        let session = Session::new(start.spawn()?, rejects, &log, limit)?;
        Runner::new(scenario, session).run()
    }

    fn request(&self, scenario: &Scenario) -> Result<Request> {
        let (machine, guests) = (&scenario.machine, &scenario.guests);
        Ok(Request {
            machine: Machine {
                cpus: machine.cpus,
                gic: machine.gic,
                cpu: machine.cpu.clone(),
            },
            guests: Guests {
                count: guests.count,
                vcpus: guests.vcpus,
                memory_mib: guests.memory,
                append: guests.append.clone(),
                source: Source::Debian,
            },
            hypervisor: Hypervisor::File(self.hypervisor(scenario).clone()),
            xen_args: scenario.xen_args.clone(),
            tree: scenario
                .tree
                .as_ref()
                .map(|file| self.paths.root().join(file)),
            edits: scenario.edits()?,
            qemu_args: [vec!["-no-reboot".into()], machine.qemu.clone()].concat(),
        })
    }

    fn tell(&self, scenario: &Scenario, error: &anyhow::Error) {
        println!("         {}", scenario.about);
        println!("         {error:#}");
        let file = self.log(scenario);
        let log = fs::read(&file).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        println!(
            "         the log's end (all of it: {}):",
            self.paths.shown(&file)
        );
        for line in command::tail(&log, SHOWN_LINES).lines() {
            // Control characters would play with the reader's terminal.
            let plain: String = line.chars().filter(|c| !c.is_control()).collect();
            println!("         | {plain}");
        }
    }

    fn log(&self, scenario: &Scenario) -> PathBuf {
        self.folder().join(format!("{}.log", scenario.name))
    }

    fn folder(&self) -> PathBuf {
        self.paths.root().join("target/scenarios")
    }
}

fn system(paths: &Paths, kernel: Kernel) -> Result<System> {
    match kernel {
        Kernel::Linux => System::debian(paths),
        Kernel::LinuxGz => System::debian(paths)?.compressed(),
        Kernel::Hello => System::bare(paths, Toolchain::find_or_install()?, "hello"),
        Kernel::Ping => System::bare(paths, Toolchain::find_or_install()?, "ping"),
        Kernel::LinuxPong => System::debian_with_pong(paths, Toolchain::find_or_install()?),
        Kernel::Hibernate => System::bare(paths, Toolchain::find_or_install()?, "hibernate"),
        Kernel::Random => System::bare(paths, Toolchain::find_or_install()?, "random"),
    }
}
