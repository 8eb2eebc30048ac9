//! Building the hypervisor (and the guests of our own): ELF by cargo, flat image by us.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

use crate::{command, paths::Paths, toolchain::Toolchain};

/// Program header type of a loadable segment (ELF-64 object file format).
const PT_LOAD: u32 = 1;

/// How to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// As it is meant to run.
    Release,
    /// Without optimisation.
    Debug,
}

/// Which of a program's features are built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Features {
    /// The default ones and these.
    DefaultAnd(Vec<String>),
    /// None.
    None,
}

impl Default for Features {
    fn default() -> Self {
        Self::DefaultAnd(Vec::new())
    }
}

/// A bare-metal program as built.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    /// Flat arm64 Image.
    pub(crate) flat: PathBuf,
    /// The ELF that it was made from, with symbols.
    pub(crate) elf: PathBuf,
}

/// The feature that counts exits by cause.
pub(crate) const STATISTICS: &str = "exit-statistics";

/// Builds the hypervisor into `target/euxenite/`, without its features into
/// `target/euxenite-without-features/`, with counters into `target/euxenite-with-statistics/`.
pub(crate) fn hypervisor(
    paths: &Paths,
    toolchain: Toolchain,
    profile: Profile,
    features: &Features,
) -> Result<Image> {
    let into = match features {
        Features::DefaultAnd(more) if more.iter().any(|one| one == STATISTICS) => {
            paths.euxenite_with_statistics()
        }
        Features::DefaultAnd(_) => paths.euxenite(),
        Features::None => paths.euxenite_without_features(),
    };
    build(
        paths,
        toolchain,
        profile,
        features,
        "hypervisor",
        "euxenite",
        &into,
    )
}

/// Builds the bare-metal guest `name` of `guests/` into `target/guest/`.
pub(crate) fn guest(paths: &Paths, toolchain: Toolchain, name: &str) -> Result<Image> {
    build(
        paths,
        toolchain,
        Profile::Release,
        &Features::default(),
        name,
        name,
        &paths.guest(),
    )
}

/// Prints what was built and how large it is.
pub(crate) fn report(paths: &Paths, image: &Image) -> Result<()> {
    for path in [&image.flat, &image.elf] {
        let size = fs::metadata(path)?.len();
        println!(
            "{:<30} {:>10} bytes ({} KiB)",
            paths.shown(path),
            size,
            size.div_ceil(1024)
        );
    }
    Ok(())
}

fn build(
    paths: &Paths,
    toolchain: Toolchain,
    profile: Profile,
    features: &Features,
    package: &str,
    binary: &str,
    into: &Path,
) -> Result<Image> {
    let mut cargo = toolchain.cargo("build", &paths.bare_metal());
    cargo
        .current_dir(paths.root())
        .args(["--package", package, "--bin", binary]);
    let folder = match profile {
        Profile::Release => {
            cargo.arg("--release");
            "release"
        }
        Profile::Debug => "debug",
    };
    match features {
        Features::None => {
            cargo.arg("--no-default-features");
        }
        Features::DefaultAnd(more) if more.is_empty() => {}
        Features::DefaultAnd(more) => {
            cargo.arg("--features").arg(more.join(","));
        }
    }
    command::visible(&mut cargo).with_context(|| format!("with the {}", toolchain.shown()))?;

    let built = paths
        .bare_metal()
        .join(crate::toolchain::TARGET)
        .join(folder)
        .join(binary);
    let bytes = fs::read(&built).with_context(|| format!("reading {}", built.display()))?;
    let flat = flatten(&bytes).with_context(|| format!("flattening {}", built.display()))?;
    fs::create_dir_all(into)?;
    let image = Image {
        flat: into.join(binary),
        elf: into.join(format!("{binary}.elf")),
    };
    fs::write(&image.elf, &bytes)?;
    fs::write(&image.flat, flat)?;
    Ok(image)
}

/// Lays the loadable segments of a little-endian ELF-64 out as they are in memory, from the lowest
/// address on.
fn flatten(elf: &[u8]) -> Result<Vec<u8>> {
    if !elf.starts_with(b"\x7fELF\x02\x01") {
        bail!("not a little-endian 64-bit ELF file");
    }
    let table = u64_at(elf, 0x20)?;
    let entry_size = u64::from(u16_at(elf, 0x36)?);
    let entries = u64::from(u16_at(elf, 0x38)?);
    let mut segments = Vec::new();
    for index in 0..entries {
        let header = usize::try_from(table + index * entry_size)?;
        let size = u64_at(elf, header + 0x20)?;
        if u32_at(elf, header)? == PT_LOAD && size != 0 {
            segments.push((
                u64_at(elf, header + 0x10)?,
                u64_at(elf, header + 0x08)?,
                size,
            ));
        }
    }
    let base = segments
        .iter()
        .map(|&(address, ..)| address)
        .min()
        .context("nothing to load")?;
    let mut flat = Vec::new();
    for (address, offset, size) in segments {
        let (start, offset) = (usize::try_from(address - base)?, usize::try_from(offset)?);
        let size = usize::try_from(size)?;
        flat.resize(flat.len().max(start + size), 0);
        let source = elf
            .get(offset..offset + size)
            .context("a segment outside the file")?;
        flat[start..start + size].copy_from_slice(source);
    }
    Ok(flat)
}

fn bytes_at<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N]> {
    let slice = bytes
        .get(offset..offset + N)
        .context("the file is cut short")?;
    Ok(slice.try_into()?)
}

fn u16_at(bytes: &[u8], offset: usize) -> Result<u16> {
    Ok(u16::from_le_bytes(bytes_at(bytes, offset)?))
}

fn u32_at(bytes: &[u8], offset: usize) -> Result<u32> {
    Ok(u32::from_le_bytes(bytes_at(bytes, offset)?))
}

fn u64_at(bytes: &[u8], offset: usize) -> Result<u64> {
    Ok(u64::from_le_bytes(bytes_at(bytes, offset)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elf(segments: &[(u32, u64, u64, u64)]) -> Vec<u8> {
        let mut file = vec![0; 0x40];
        file[..6].copy_from_slice(b"\x7fELF\x02\x01");
        file[0x20..0x28].copy_from_slice(&0x40_u64.to_le_bytes());
        file[0x36..0x38].copy_from_slice(&56_u16.to_le_bytes());
        file[0x38..0x3a].copy_from_slice(&u16::try_from(segments.len()).unwrap().to_le_bytes());
        for &(kind, offset, address, size) in segments {
            let mut header = vec![0; 56];
            header[..4].copy_from_slice(&kind.to_le_bytes());
            header[0x08..0x10].copy_from_slice(&offset.to_le_bytes());
            header[0x10..0x18].copy_from_slice(&address.to_le_bytes());
            header[0x20..0x28].copy_from_slice(&size.to_le_bytes());
            file.extend(header);
        }
        file
    }

    #[test]
    fn segments_land_at_their_distance_from_the_lowest() {
        let mut file = elf(&[
            (PT_LOAD, 0x100, 0x2008, 2),
            (PT_LOAD, 0x102, 0x2000, 3),
            (2, 0, 0, 9),
        ]);
        file.resize(0x100, 0);
        file.extend(b"abXYZ");
        assert_eq!(flatten(&file).unwrap(), b"XYZ\0\0\0\0\0ab");
    }

    #[test]
    fn what_is_not_an_elf_is_refused() {
        assert!(flatten(b"").is_err());
        assert!(flatten(&[0; 100]).is_err());
        assert!(flatten(&elf(&[])).is_err());
        assert!(flatten(&elf(&[(PT_LOAD, 0x1000, 0, 8)])).is_err());
    }
}
