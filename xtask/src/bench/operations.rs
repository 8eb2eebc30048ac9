//! The operations of the benchmark guest under one hypervisor.

use std::{path::Path, time::Duration};

use anyhow::Result;

use super::{
    Subject,
    boot::Boot,
    lines::{self, Figure},
};
use crate::{paths::Paths, progress::Work};

/// A boot of the benchmark guest.
struct Run {
    name: &'static str,
    cpus: u32,
    vcpus: u32,
    arguments: &'static str,
    xen_args: &'static str,
    /// Appended to the operations' names.
    suffix: &'static str,
}

const USUAL: Run = Run {
    name: "single",
    cpus: 1,
    vcpus: 1,
    arguments: "bench=single",
    // So that nothing is left to be zeroed while an operation waits.
    xen_args: "console=dtuart bootscrub=on",
    suffix: "",
};

/// One vCPU alone; two on CPUs of their own; two on one CPU; and what the log's level changes.
const RUNS: [Run; 4] = [
    USUAL,
    Run {
        name: "printed",
        arguments: "bench=single only=console_io",
        xen_args: "console=dtuart guest_loglvl=all bootscrub=on",
        suffix: ", printed",
        ..USUAL
    },
    Run {
        name: "pair",
        cpus: 2,
        vcpus: 2,
        arguments: "bench=pair",
        ..USUAL
    },
    Run {
        name: "shared",
        vcpus: 2,
        arguments: "bench=shared",
        ..USUAL
    },
];

/// All figures of one hypervisor; a run that fails is told and leaves its operations out.
pub(crate) fn measure(
    paths: &Paths,
    subject: &Subject,
    guest: &Path,
    only: Option<&str>,
) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for run in &RUNS {
        let work = Work::start(format!("{}: {}", subject.name, run.name));
        let part = only.map_or(String::new(), |only| {
            format!(" only={}", only.replace(' ', "_"))
        });
        let folder = paths
            .root()
            .join("target/bench")
            .join(subject.name)
            .join(run.name);
        let boot = Boot {
            hypervisor: &subject.image,
            guest,
            cpus: run.cpus,
            guests: 1,
            vcpus: run.vcpus,
            memory_mib: 256,
            arguments: &format!("{}{part}", run.arguments),
            xen_args: run.xen_args,
            properties: &[],
            marks: ("bench: begin", "bench: end"),
            question: None,
            limit: Duration::from_secs(60),
        };
        let ran = boot.run(&folder);
        drop(work);
        match ran {
            Ok(ran) => {
                for mut figure in lines::figures(&ran.text)? {
                    figure.name.push_str(run.suffix);
                    if only.is_none_or(|only| figure.name.contains(only)) {
                        figures.push(figure);
                    }
                }
            }
            Err(error) => eprintln!("{}, {}: {error:#}", subject.name, run.name),
        }
    }
    Ok(figures)
}
