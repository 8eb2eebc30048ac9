//! Xen's public headers and a C compiler for them: what `abi` is checked against.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

use crate::{debian::Archive, packages, paths::Paths};

/// The compiler whose layouts are a guest's.
pub(crate) const COMPILER: packages::Program = packages::AARCH64_GCC;

/// The folder with Xen's public headers for arm64 (Debian's `libxen-dev`); fetched once, then kept.
///
/// # Errors
/// Without apt or network when they are not kept yet, or without the compiler.
pub(crate) fn xens(paths: &Paths) -> Result<PathBuf> {
    packages::need(&[COMPILER])?;
    let kept = paths.guest().join("xen-headers");
    if !kept.join("xen.h").exists() {
        let archive = Archive::open(&paths.guest().join("apt"))?;
        let files = archive.unpack("libxen-dev")?;
        let partial = kept.with_extension(format!("partial-{}", std::process::id()));
        copy(&files.join("usr/include/xen"), &partial)?;
        let _ = fs::remove_dir_all(&kept);
        fs::rename(&partial, &kept)?;
        fs::remove_dir_all(&files)?;
    }
    Ok(kept)
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
