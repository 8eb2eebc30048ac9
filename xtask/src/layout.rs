//! Where files lie in the emulated machine's memory, and how much memory it needs.
//!
//! QEMU's `virt` machine has RAM from 1 GiB on. It puts the hypervisor's Image 2 MiB above that and
//! the device tree 128 MiB above it; the modules follow from 192 MiB on.

use std::{fs, path::Path};

use anyhow::{Context, Result};

/// Where the machine's RAM starts.
pub(crate) const RAM_START: u64 = 0x4000_0000;
/// Where the first module lies.
const FIRST_MODULE: u64 = RAM_START + (192 << 20);
/// Modules start on such boundaries.
pub(crate) const ALIGNMENT: u64 = 2 << 20;
/// Memory beside guests and modules: for the hypervisor, and because what lies below the modules
/// does not always suit a guest.
const SPARE_MIB: u64 = 256;

/// A file in the machine's memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Module {
    /// The file on this machine.
    pub(crate) file: std::path::PathBuf,
    /// Where it lies.
    pub(crate) address: u64,
    /// Its bytes.
    pub(crate) size: u64,
}

impl Module {
    /// Whether it lies in RAM of `bytes`.
    pub(crate) fn lies_within(&self, bytes: u64) -> bool {
        self.address >= RAM_START
            && (self.address - RAM_START)
                .checked_add(self.size)
                .is_some_and(|end| end <= bytes)
    }

    /// Whether the two share memory.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.address < other.address + other.size && other.address < self.address + self.size
    }
}

/// Places modules one after the other.
#[derive(Debug)]
pub(crate) struct Layout {
    next: u64,
    modules: Vec<Module>,
}

impl Layout {
    /// Nothing placed yet.
    pub(crate) fn new() -> Self {
        Self {
            next: FIRST_MODULE,
            modules: Vec::new(),
        }
    }

    /// Places `file`, or finds it where it has been placed already: domains may share.
    pub(crate) fn place(&mut self, file: &Path) -> Result<Module> {
        if let Some(known) = self.modules.iter().find(|module| module.file == file) {
            return Ok(known.clone());
        }
        let size = fs::metadata(file)
            .with_context(|| format!("{}", file.display()))?
            .len();
        let module = Module {
            file: file.to_path_buf(),
            address: self.next,
            size,
        };
        self.next = (self.next + size).next_multiple_of(ALIGNMENT);
        self.modules.push(module.clone());
        Ok(module)
    }

    /// All that is placed.
    pub(crate) fn modules(&self) -> &[Module] {
        &self.modules
    }

    /// Memory (MiB) for guests of `guests_mib` altogether.
    pub(crate) fn machine_mib(&self, guests_mib: u64) -> u64 {
        let modules_mib = (self.next - FIRST_MODULE).div_ceil(1 << 20);
        (SPARE_MIB + modules_mib + guests_mib).next_multiple_of(128)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_apart_and_the_same_file_lies_once() {
        let folder = std::env::temp_dir().join(format!("layout-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (a, b) = (folder.join("a"), folder.join("b"));
        fs::write(&a, vec![0; (2 << 20) + 1]).unwrap();
        fs::write(&b, b"b").unwrap();
        let mut layout = Layout::new();
        let first = layout.place(&a).unwrap();
        let second = layout.place(&b).unwrap();
        assert_eq!(layout.place(&a).unwrap(), first);
        assert_eq!(first.address, 0x4c00_0000);
        assert_eq!(second.address, 0x4c40_0000);
        assert_eq!(layout.modules().len(), 2);
        assert_eq!(layout.machine_mib(512), 896);
        assert!(layout.place(&folder.join("none")).is_err());
        fs::remove_dir_all(&folder).unwrap();
    }
}
