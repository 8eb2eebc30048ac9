//! `cargo xtask run`: the hypervisor and its guests on QEMU, on this terminal.

use std::{
    collections::BTreeMap,
    fs,
    io::{IsTerminal, stdin},
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::{
    guest_files::{self, System},
    host_tree::{self, Domain, Edit},
    image::{self, Features, Profile},
    layout::{Layout, Module},
    packages,
    paths::Paths,
    qemu::{Machine, Start},
    ready_tree,
    terminal::{self, End},
    toolchain::Toolchain,
};

/// What the guests are to be.
#[derive(Debug, Clone)]
pub(crate) struct Guests {
    /// How many.
    pub(crate) count: u32,
    /// Virtual CPUs of each.
    pub(crate) vcpus: u32,
    /// Memory of each in MiB.
    pub(crate) memory_mib: u64,
    /// Appended to each one's command line.
    pub(crate) append: String,
    /// What they boot.
    pub(crate) source: Source,
}

/// Where the guests' files come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// Debian's kernel, or without network the bare-metal guest.
    Debian,
    /// The bare-metal guest.
    Bare,
    /// The user's own kernel and initial file system.
    Own {
        kernel: PathBuf,
        ramdisk: Option<PathBuf>,
    },
}

/// Which hypervisor.
#[derive(Debug, Clone)]
pub(crate) enum Hypervisor {
    /// Built from this repository.
    Euxenite {
        profile: Profile,
        features: Features,
    },
    /// Debian's Xen.
    Xen,
    /// A ready image.
    File(PathBuf),
}

/// What `run` was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) machine: Machine,
    pub(crate) guests: Guests,
    pub(crate) hypervisor: Hypervisor,
    pub(crate) xen_args: String,
    /// A ready device tree instead of a written one.
    pub(crate) tree: Option<PathBuf>,
    /// Changes of the written tree's domains.
    pub(crate) edits: Vec<Edit>,
    /// Options for QEMU.
    pub(crate) qemu_args: Vec<String>,
}

/// The files that a machine starts from, built or fetched.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    /// The hypervisor's image.
    pub(crate) hypervisor: PathBuf,
    /// What guests boot.
    pub(crate) system: System,
    /// What single domains, by their number, boot instead.
    pub(crate) others: BTreeMap<u32, System>,
}

/// Boots it on this terminal.
pub(crate) fn run(paths: &Paths, request: &Request, wait_for_debugger: bool) -> Result<()> {
    let mut start = prepare(paths, request)?;
    if wait_for_debugger {
        start.extra.extend(["-s".into(), "-S".into()]);
        let symbols = paths.euxenite().join("euxenite.elf");
        eprintln!(
            "Waiting for a debugger:\n  gdb-multiarch {} -ex 'target remote :1234'",
            paths.shown(&symbols)
        );
    }
    let child = start.spawn()?;
    if stdin().is_terminal() {
        println!("Ctrl-A three times switches the input; Ctrl-] quits.");
    }
    match terminal::relay(child)? {
        End::MachineStopped => eprintln!("The machine stopped."),
        End::Quit => eprintln!("Quit."),
    }
    Ok(())
}

/// Gets all files ready and writes the device tree.
pub(crate) fn prepare(paths: &Paths, request: &Request) -> Result<Start> {
    packages::need(&[packages::QEMU])?;
    let files = Files {
        hypervisor: hypervisor_image(paths, &request.hypervisor)?,
        system: system(paths, &request.guests.source)?,
        others: BTreeMap::new(),
    };
    start(request, files, &paths.run())
}

/// Writes the device tree into `folder` and says how to start the machine.
pub(crate) fn start(request: &Request, files: Files, folder: &Path) -> Result<Start> {
    fs::create_dir_all(folder)?;
    let tree = folder.join("machine.dtb");
    let (modules, memory_mib) = match &request.tree {
        Some(file) => ready_tree::prepare(file, &files.system, &tree)?,
        None => written_tree(request, &files, &tree)?,
    };
    Ok(Start {
        machine: request.machine.clone(),
        memory_mib,
        hypervisor: files.hypervisor,
        tree,
        modules,
        extra: request.qemu_args.clone(),
    })
}

/// Builds or fetches the hypervisor.
pub(crate) fn hypervisor_image(paths: &Paths, hypervisor: &Hypervisor) -> Result<PathBuf> {
    match hypervisor {
        Hypervisor::Euxenite { profile, features } => {
            let toolchain = Toolchain::find_or_install()?;
            Ok(image::hypervisor(paths, toolchain, *profile, features)?.flat)
        }
        Hypervisor::Xen => guest_files::xen(paths),
        Hypervisor::File(file) => Ok(file.clone()),
    }
}

/// Gets what guests boot.
pub(crate) fn system(paths: &Paths, source: &Source) -> Result<System> {
    let hello = || System::bare(paths, Toolchain::find_or_install()?, "hello");
    match source {
        Source::Own { kernel, ramdisk } => Ok(System::own(kernel.clone(), ramdisk.clone())),
        Source::Bare => hello(),
        Source::Debian => System::debian(paths).or_else(|error| {
            eprintln!("Cannot get Debian's kernel: {}", reason(&error));
            eprintln!("Starting the built-in bare-metal guest instead (guests/hello).");
            hello()
        }),
    }
}

/// The line of an error that says most: apt's own, where there is one.
fn reason(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let line = text
        .lines()
        .find(|line| line.starts_with("E: "))
        .or_else(|| text.lines().next());
    line.unwrap_or_default().to_owned()
}

/// Writes the tree for the guests that are asked for.
fn written_tree(request: &Request, files: &Files, tree: &Path) -> Result<(Vec<Module>, u64)> {
    let guests = &request.guests;
    let mut layout = Layout::new();
    let common = place(&mut layout, &files.system)?;
    let mut domains = Vec::new();
    for number in 1..=guests.count {
        let other = files.others.get(&number);
        let (kernel, ramdisk) = match other {
            Some(other) => place(&mut layout, other)?,
            None => common.clone(),
        };
        domains.push(Domain {
            name: format!("domU{number}"),
            vcpus: guests.vcpus,
            memory_mib: guests.memory_mib,
            kernel,
            ramdisk,
            bootargs: bootargs(other.unwrap_or(&files.system), number, &guests.append),
        });
    }
    let memory_mib = layout.machine_mib(u64::from(guests.count) * guests.memory_mib);
    let own = request
        .machine
        .device_tree(memory_mib, &tree.with_extension("qemu.dtb"))?;
    fs::write(
        tree,
        host_tree::with_domains(&own, &request.xen_args, &domains, &request.edits)?,
    )?;
    Ok((layout.modules().to_vec(), memory_mib))
}

fn place(layout: &mut Layout, system: &System) -> Result<(Module, Option<Module>)> {
    let kernel = layout.place(&system.kernel)?;
    let ramdisk = system.ramdisk.as_deref();
    let ramdisk = ramdisk.map(|file| layout.place(file)).transpose()?;
    Ok((kernel, ramdisk))
}

fn bootargs(system: &System, number: u32, append: &str) -> String {
    let name = format!("hostname=dom{number}");
    let parts = [system.bootargs, &name, append];
    parts
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
