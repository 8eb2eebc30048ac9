//! Getting the files that guests start from, and the other hypervisor to compare with.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    command,
    debian::Archive,
    image,
    initramfs::{self, Extra},
    kernel,
    paths::Paths,
    toolchain::Toolchain,
};

/// What a guest boots.
#[derive(Debug, Clone)]
pub(crate) struct System {
    /// The kernel: flat Image, or Image.gz.
    pub(crate) kernel: PathBuf,
    /// The initial file system, if any.
    pub(crate) ramdisk: Option<PathBuf>,
    /// The start of the guest's command line.
    pub(crate) bootargs: &'static str,
}

/// Console where Xen's emulated UART is; the early one shows what happens before it.
const LINUX_BOOTARGS: &str = "console=ttyAMA0 earlycon=pl011,0x22000000";

/// A module of the kernel.
struct KernelModule {
    name: &'static str,
    /// Where it goes in a guest's file system.
    path: &'static str,
}

/// The drivers that let programs use event channels and grants.
const MODULES: [KernelModule; 2] = [
    KernelModule {
        name: "xen-evtchn.ko",
        path: "lib/xen-evtchn.ko",
    },
    KernelModule {
        name: "xen-gntdev.ko",
        path: "lib/xen-gntdev.ko",
    },
];

impl System {
    /// Debian's kernel with a shell on busybox; fetched once, then kept.
    ///
    /// # Errors
    /// Without network or apt, when they are not kept yet.
    pub(crate) fn debian(paths: &Paths) -> Result<Self> {
        Self::with_ramdisk(paths, "initramfs.cpio", &[])
    }

    /// The same with what lets a program in the guest use event channels and grants: two of the
    /// kernel's own modules, and `linux-pong` of `guests/`.
    ///
    /// # Errors
    /// As [`Self::debian`].
    pub(crate) fn debian_with_pong(paths: &Paths, toolchain: Toolchain) -> Result<Self> {
        fetch(paths)?;
        let program = image::guest(paths, toolchain, "linux-pong")?.elf;
        let mut extras = vec![Extra {
            path: "bin/linux-pong",
            content: fs::read(program)?,
        }];
        for module in MODULES {
            let packed = fs::read(paths.guest().join(format!("{}.xz", module.name)))?;
            extras.push(Extra {
                path: module.path,
                content: command::piped("xz", &["-dc"], &packed)?,
            });
        }
        Self::with_ramdisk(paths, "initramfs-pong.cpio", &extras)
    }

    /// The same with the loads that are timed, `linux-load` of `guests/`.
    ///
    /// # Errors
    /// As [`Self::debian`].
    pub(crate) fn debian_with_loads(paths: &Paths, toolchain: Toolchain) -> Result<Self> {
        let program = image::guest(paths, toolchain, "linux-load")?.elf;
        let extra = Extra {
            path: "bin/linux-load",
            content: fs::read(program)?,
        };
        Self::with_ramdisk(paths, "initramfs-loads.cpio", &[extra])
    }

    fn with_ramdisk(paths: &Paths, name: &str, extras: &[Extra]) -> Result<Self> {
        fetch(paths)?;
        let folder = paths.guest();
        let ramdisk = folder.join(name);
        let archive = initramfs::make(&fs::read(folder.join("busybox"))?, extras);
        if fs::read(&ramdisk).ok().as_ref() != Some(&archive) {
            keep(&ramdisk, |to| Ok(fs::write(to, &archive)?))?;
        }
        Ok(Self {
            kernel: folder.join("Image"),
            ramdisk: Some(ramdisk),
            bootargs: LINUX_BOOTARGS,
        })
    }

    /// The same with its kernel in gzip's format.
    pub(crate) fn compressed(mut self) -> Result<Self> {
        let packed = self.kernel.with_extension("gz");
        if !packed.exists() {
            keep(&packed, |to| {
                let output = File::create(to)?;
                let mut gzip = Command::new("gzip");
                command::visible(gzip.args(["-1", "-c"]).arg(&self.kernel).stdout(output))
            })?;
        }
        self.kernel = packed;
        Ok(self)
    }

    /// The user's own kernel.
    pub(crate) fn own(kernel: PathBuf, ramdisk: Option<PathBuf>) -> Self {
        Self {
            kernel,
            ramdisk,
            bootargs: LINUX_BOOTARGS,
        }
    }

    /// A bare-metal guest of this repository, by its folder's name.
    pub(crate) fn bare(paths: &Paths, toolchain: Toolchain, name: &str) -> Result<Self> {
        let image = image::guest(paths, toolchain, name)?;
        Ok(Self {
            kernel: image.flat,
            ramdisk: None,
            bootargs: "",
        })
    }
}

/// Fetches Debian's kernel with the modules that are wanted, and busybox, unless they are kept.
fn fetch(paths: &Paths) -> Result<()> {
    let folder = paths.guest();
    let (kernel_file, busybox) = (folder.join("Image"), folder.join("busybox"));
    let modules = MODULES.map(|module| format!("{}.xz", module.name));
    let has_modules = modules.iter().all(|file| folder.join(file).exists());
    if kernel_file.exists() && busybox.exists() && has_modules {
        return Ok(());
    }
    let archive = open_archive(&folder)?;
    let package = archive.dependency("linux-image-cloud-arm64", "linux-image-")?;
    let files = archive.unpack(&package)?;
    let packed = named(&files.join("boot"), "vmlinuz-")?;
    keep(&kernel_file, |to| kernel::unpack(&packed, to))?;
    let drivers = named(&files.join("usr/lib/modules"), "")?.join("kernel/drivers/xen");
    for file in &modules {
        keep(&folder.join(file), |to| {
            Ok(fs::copy(drivers.join(file), to).map(|_| ())?)
        })?;
    }
    fs::remove_dir_all(&files)?;
    let files = archive.unpack("busybox-static")?;
    keep(&busybox, |to| {
        Ok(fs::copy(files.join("usr/bin/busybox"), to).map(|_| ())?)
    })?;
    fs::remove_dir_all(&files)?;
    Ok(())
}

/// Debian's build of the real Xen; fetched once, then kept.
pub(crate) fn xen(paths: &Paths) -> Result<PathBuf> {
    let file = paths.guest().join("xen");
    if !file.exists() {
        let archive = open_archive(&paths.guest())?;
        let package = archive.newest("xen-hypervisor-", "-arm64")?;
        let files = archive.unpack(&package)?;
        let packed = named(&files.join("boot"), "xen-")?;
        keep(&file, |to| kernel::unpack(&packed, to))?;
        fs::remove_dir_all(&files)?;
    }
    Ok(file)
}

fn open_archive(folder: &Path) -> Result<Archive> {
    Archive::open(&folder.join("apt"))
}

/// Makes `file` by way of another name, so that it is whole or not there.
fn keep(file: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let partial = file.with_extension(format!("partial-{}", std::process::id()));
    make(&partial)?;
    fs::rename(&partial, file)?;
    Ok(())
}

/// The first file in `folder` whose name starts with `prefix` and has no further extension than
/// a version's.
fn named(folder: &Path, prefix: &str) -> Result<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let other = [".config", ".efi"]
                .iter()
                .any(|extension| name.ends_with(extension));
            name.starts_with(prefix) && !other
        })
        .collect();
    found.sort();
    found
        .pop()
        .with_context(|| format!("no {prefix}* in {}", folder.display()))
}
