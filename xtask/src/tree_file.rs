//! Reading a device tree from a file: a blob, or source through the device-tree compiler.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result, bail};

use crate::{command, packages};

/// The blob in `file`, compiled when the name ends in `.dts`.
pub(crate) fn read(file: &Path) -> Result<Vec<u8>> {
    if file.extension().is_none_or(|extension| extension != "dts") {
        return fs::read(file).with_context(|| format!("{}", file.display()));
    }
    packages::need(&[packages::DTC])?;
    // Forced, because trees that are wrong on purpose are read as well; quiet for the same reason.
    let mut dtc = Command::new("dtc");
    dtc.args(["-q", "-q", "-f", "-I", "dts", "-O", "dtb"])
        .arg(file);
    let output = command::finished(&mut dtc)?;
    if !output.status.success() {
        bail!(
            "{}: {}",
            file.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(output.stdout)
}
