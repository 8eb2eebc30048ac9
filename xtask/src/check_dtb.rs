//! `cargo xtask check-dtb`: what the hypervisor would make of a device tree.

use std::path::Path;

use anyhow::Result;

use crate::tree_file;

/// Prints the partitions that the tree describes, or its mistakes; says whether it has none.
pub(crate) fn run(file: &Path) -> Result<bool> {
    let outcome = domcfg::report::check(&tree_file::read(file)?);
    print!("{}", outcome.text);
    Ok(outcome.ok)
}
