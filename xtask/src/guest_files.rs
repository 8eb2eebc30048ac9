//! Getting the files that guests start from, and the other hypervisor to compare with.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::{
    command, debian::Archive, image, initramfs, kernel, paths::Paths, toolchain::Toolchain,
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

impl System {
    /// Debian's kernel with a shell on busybox; fetched once, then kept.
    ///
    /// # Errors
    /// Without network or apt, when they are not kept yet.
    pub(crate) fn debian(paths: &Paths) -> Result<Self> {
        let folder = paths.guest();
        let (kernel_file, busybox) = (folder.join("Image"), folder.join("busybox"));
        if !kernel_file.exists() || !busybox.exists() {
            let archive = open_archive(&folder)?;
            let package = archive.dependency("linux-image-cloud-arm64", "linux-image-")?;
            let files = archive.unpack(&package)?;
            let packed = named(&files.join("boot"), "vmlinuz-")?;
            keep(&kernel_file, |to| kernel::unpack(&packed, to))?;
            fs::remove_dir_all(&files)?;
            let files = archive.unpack("busybox-static")?;
            keep(&busybox, |to| {
                Ok(fs::copy(files.join("usr/bin/busybox"), to).map(|_| ())?)
            })?;
            fs::remove_dir_all(&files)?;
        }
        let ramdisk = folder.join("initramfs.cpio");
        let archive = initramfs::make(&fs::read(&busybox)?);
        if fs::read(&ramdisk).ok().as_ref() != Some(&archive) {
            keep(&ramdisk, |to| Ok(fs::write(to, &archive)?))?;
        }
        Ok(Self {
            kernel: kernel_file,
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
