//! Booting a ready device tree: its modules get our files, as far as they fit there.

use std::{fs, path::Path};

use anyhow::Result;

use crate::{
    guest_files::System,
    host_tree::{self, ModuleKind, NamedModule},
    layout::{ALIGNMENT, Module, RAM_START},
    tree_file,
};

/// Where QEMU puts the device tree, with room for the largest that Xen takes.
const QEMU_TREE: (u64, u64) = (RAM_START + (128 << 20), 2 << 20);

/// Reads the tree in `file` (`.dtb`, or `.dts` by way of the device-tree compiler), leaves it in
/// `tree`, and says what to load where and how much memory (MiB) the machine has.
pub(crate) fn prepare(file: &Path, system: &System, tree: &Path) -> Result<(Vec<Module>, u64)> {
    let mut blob = tree_file::read(file)?;
    let ram = host_tree::memory_bytes(&blob).unwrap_or(1 << 30);
    let mut named = host_tree::modules(&blob)?;
    for index in 0..named.len() {
        if overlap((named[index].address, named[index].size), QEMU_TREE)
            && let Some(address) = free_place(&named, named[index].size, RAM_START + ram)
        {
            let module = &mut named[index];
            eprintln!(
                "{}: moved to {address:#x}: QEMU needs its place",
                module.path
            );
            module.address = address;
            blob = host_tree::with_module_at(&blob, module)?;
        }
    }
    let mut modules: Vec<Module> = Vec::new();
    for named in &named {
        match module(named, system, ram)? {
            Some(one) if !modules.iter().any(|other| other.overlaps(&one)) => modules.push(one),
            _ => {}
        }
    }
    fs::write(tree, blob)?;
    Ok((modules, ram >> 20))
}

/// Our file for the module, if there is one and it fits.
fn module(named: &NamedModule, system: &System, ram: u64) -> Result<Option<Module>> {
    let file = match (named.kind, &system.ramdisk) {
        (ModuleKind::Kernel, _) => &system.kernel,
        (ModuleKind::Ramdisk, Some(ramdisk)) => ramdisk,
        (ModuleKind::Ramdisk, None) => return Ok(None),
    };
    let size = fs::metadata(file)?.len();
    let module = Module {
        file: file.clone(),
        address: named.address,
        size,
    };
    let why_not = if size > named.size {
        format!("{size} bytes, and the tree says {}", named.size)
    } else if !module.lies_within(ram) {
        format!("{:#x} is outside the RAM", named.address)
    } else {
        return Ok(Some(module));
    };
    eprintln!("{}: not loaded: {why_not}", named.path);
    Ok(None)
}

/// The highest place below `end` that no module and not QEMU's tree has.
fn free_place(named: &[NamedModule], size: u64, end: u64) -> Option<u64> {
    let mut address = end.checked_sub(size)? & !(ALIGNMENT - 1);
    while address >= QEMU_TREE.0 + QEMU_TREE.1 {
        let taken = |module: &NamedModule| overlap((module.address, module.size), (address, size));
        if !named.iter().any(taken) {
            return Some(address);
        }
        address -= ALIGNMENT;
    }
    None
}

/// Whether two (start, size) share an address.
fn overlap(one: (u64, u64), other: (u64, u64)) -> bool {
    one.0 < other.0.saturating_add(other.1) && other.0 < one.0.saturating_add(one.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(address: u64, size: u64) -> NamedModule {
        NamedModule {
            path: "/chosen/d/m".into(),
            kind: ModuleKind::Kernel,
            address,
            size,
        }
    }

    #[test]
    fn a_free_place_is_the_highest() {
        let end = 0x8000_0000;
        assert_eq!(free_place(&[], 0x1000, end), Some(0x7fe0_0000));
        let high = named(0x7fe0_0000, 0x2000);
        assert_eq!(free_place(&[high], 0x1000, end), Some(0x7fc0_0000));
        assert_eq!(free_place(&[], 0x4000_0000, end), None);
        assert_eq!(free_place(&[named(0, u64::MAX)], 1, end), None);
    }
}
