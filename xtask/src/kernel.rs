//! Taking a distribution's kernel file out of its wrapping.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::command;

/// What a kernel file is.
#[derive(Debug, PartialEq, Eq)]
enum Wrapping<'a> {
    /// A flat arm64 Image (Linux, Documentation/arch/arm64/booting.rst).
    Image,
    /// A gzip stream.
    Gzip(&'a [u8]),
    /// An EFI program around a compressed Image (Linux, drivers/firmware/efi/libstub/zboot).
    EfiZboot {
        compression: &'a str,
        payload: &'a [u8],
    },
}

/// Unpacks the kernel `from` into the flat Image `to`.
///
/// # Errors
/// When the format is not known.
pub(crate) fn unpack(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from)?;
    let flat = match wrapping(&bytes).with_context(|| format!("{}", from.display()))? {
        Wrapping::Image => bytes,
        Wrapping::Gzip(packed) => command::piped("gzip", &["-dc"], packed)?,
        Wrapping::EfiZboot {
            compression: "gzip",
            payload,
        } => command::piped("gzip", &["-dc"], payload)?,
        Wrapping::EfiZboot {
            compression,
            payload,
        } if compression.starts_with("zstd") => command::piped("zstd", &["-dc"], payload)?,
        Wrapping::EfiZboot { compression, .. } => {
            bail!("{}: compressed with {compression}", from.display())
        }
    };
    if wrapping(&flat)? != Wrapping::Image {
        bail!("{}: holds no arm64 Image", from.display());
    }
    fs::write(to, flat)?;
    Ok(())
}

fn wrapping(bytes: &[u8]) -> Result<Wrapping<'_>> {
    let word = |offset: usize| -> Option<usize> {
        let word = bytes.get(offset..offset + 4)?;
        usize::try_from(u32::from_le_bytes(word.try_into().ok()?)).ok()
    };
    if bytes.get(0x38..0x3c) == Some(b"ARM\x64") {
        return Ok(Wrapping::Image);
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        return Ok(Wrapping::Gzip(bytes));
    }
    if bytes.starts_with(b"MZ") && bytes.get(4..8) == Some(b"zimg") {
        let (start, size) = (word(8).unwrap_or(0), word(12).unwrap_or(0));
        let payload = bytes
            .get(start..start.saturating_add(size))
            .context("cut short")?;
        let name = bytes.get(24..56).context("cut short")?;
        let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
        return Ok(Wrapping::EfiZboot {
            compression: std::str::from_utf8(name)?,
            payload,
        });
    }
    bail!("neither an arm64 Image, nor gzip, nor an EFI zboot program")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wrapping_is_told_by_its_marks() {
        let mut image = vec![0; 64];
        image[..2].copy_from_slice(b"MZ");
        image[0x38..0x3c].copy_from_slice(b"ARM\x64");
        assert_eq!(wrapping(&image).unwrap(), Wrapping::Image);
        assert!(matches!(
            wrapping(&[0x1f, 0x8b, 8]).unwrap(),
            Wrapping::Gzip(_)
        ));
        assert!(wrapping(b"hello").is_err());
    }

    #[test]
    fn an_efi_zboot_program_gives_its_payload() {
        let mut file = vec![0; 64];
        file[..8].copy_from_slice(b"MZ\0\0zimg");
        file[8] = 60;
        file[12] = 4;
        file[24..30].copy_from_slice(b"zstd22");
        let expected = Wrapping::EfiZboot {
            compression: "zstd22",
            payload: &file[60..64],
        };
        assert_eq!(wrapping(&file).unwrap(), expected);
        file[12] = 5;
        assert!(wrapping(&file).is_err(), "a payload beyond the end");
    }
}
