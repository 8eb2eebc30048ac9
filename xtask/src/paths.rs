//! Where things are: the repository and the folders below `target/`.

use std::{
    env,
    path::{Path, PathBuf},
};

/// The repository on this machine.
#[derive(Debug, Clone)]
pub(crate) struct Paths {
    root: PathBuf,
}

impl Paths {
    /// Finds the repository from where this program's sources are.
    pub(crate) fn find() -> Self {
        let manifest = env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        let root = manifest.parent().unwrap_or(&manifest).to_path_buf();
        Self { root }
    }

    /// The repository's root.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// Target directory of the bare-metal builds, apart from the host's so that neither waits for
    /// or rebuilds the other.
    pub(crate) fn bare_metal(&self) -> PathBuf {
        self.root.join("target/bare-metal")
    }

    /// Where the hypervisor's image is left.
    pub(crate) fn euxenite(&self) -> PathBuf {
        self.root.join("target/euxenite")
    }

    /// Where the hypervisor's image without its features is left.
    pub(crate) fn euxenite_without_features(&self) -> PathBuf {
        self.root.join("target/euxenite-without-features")
    }

    /// Where the hypervisor's image that counts exits is left.
    pub(crate) fn euxenite_with_statistics(&self) -> PathBuf {
        self.root.join("target/euxenite-with-statistics")
    }

    /// Cache of guest kernels and file systems.
    pub(crate) fn guest(&self) -> PathBuf {
        self.root.join("target/guest")
    }

    /// Device trees and sockets of `run`.
    pub(crate) fn run(&self) -> PathBuf {
        self.root.join("target/run")
    }

    /// `path` as a person wants to read it: from the root on when it is below it.
    pub(crate) fn shown<'a>(&self, path: &'a Path) -> std::path::Display<'a> {
        path.strip_prefix(&self.root).unwrap_or(path).display()
    }
}
