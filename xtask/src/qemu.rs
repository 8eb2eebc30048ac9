//! The emulated machine: QEMU's command line.

use std::{
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};

use crate::{command, layout::Module, packages};

/// The machine to emulate.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    /// CPUs.
    pub(crate) cpus: u32,
    /// Version of the interrupt controller: 2 or 3.
    pub(crate) gic: u8,
    /// QEMU's name of the CPU.
    pub(crate) cpu: String,
}

/// All that is needed to start it.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) machine: Machine,
    pub(crate) memory_mib: u64,
    pub(crate) hypervisor: PathBuf,
    pub(crate) tree: PathBuf,
    pub(crate) modules: Vec<Module>,
    pub(crate) extra: Vec<String>,
}

impl Machine {
    /// The device tree that QEMU makes for this machine.
    pub(crate) fn device_tree(&self, memory_mib: u64, file: &Path) -> Result<Vec<u8>> {
        let mut qemu = self.command(memory_mib);
        qemu.arg("-machine")
            .arg(format!("dumpdtb={}", escaped(file)));
        command::output_of(&mut qemu)?;
        std::fs::read(file).context("QEMU wrote no device tree")
    }

    fn command(&self, memory_mib: u64) -> Command {
        // A terminal closed in whatever way leaves no emulator behind.
        let mut qemu = if packages::exists("setpriv") {
            let mut setpriv = Command::new("setpriv");
            setpriv.args(["--pdeathsig", "KILL", "qemu-system-aarch64"]);
            setpriv
        } else {
            Command::new("qemu-system-aarch64")
        };
        qemu.arg("-machine")
            .arg(format!("virt,virtualization=on,gic-version={}", self.gic));
        qemu.args(["-cpu", &self.cpu, "-smp", &self.cpus.to_string()]);
        qemu.args([
            "-m",
            &format!("{memory_mib}M"),
            "-display",
            "none",
            "-nic",
            "none",
        ]);
        qemu
    }
}

impl Start {
    /// The command: the serial line is on standard input and output, with no key of QEMU's own.
    pub(crate) fn command(&self) -> Command {
        let mut qemu = self.machine.command(self.memory_mib);
        qemu.args(["-monitor", "none", "-serial", "stdio"]);
        qemu.arg("-kernel")
            .arg(&self.hypervisor)
            .arg("-dtb")
            .arg(&self.tree);
        for module in &self.modules {
            let file = escaped(&module.file);
            let address = module.address;
            qemu.arg("-device")
                .arg(format!("loader,file={file},addr={address:#x},force-raw=on"));
        }
        qemu.args(&self.extra);
        qemu
    }

    /// Starts it, its serial line on two pipes.
    pub(crate) fn spawn(&self) -> Result<Child> {
        self.command()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start QEMU")
    }
}

/// A file name for an option of QEMU's, where a comma would start the next one.
fn escaped(file: &Path) -> String {
    file.display().to_string().replace(',', ",,")
}
