//! What kind of kernel a module holds, and what its placement has to respect.
//!
//! Implements the arm64 boot protocol's Image header (Linux
//! `Documentation/arch/arm64/booting.rst`) and the gzip trailer (RFC 1952). Xen places an Image
//! by its module's length alone; here the header's `image_size` counts, so that nothing is put
//! where the kernel's BSS will be.

use core::fmt;

use crate::tree::u32_at;

/// The most bytes that a compressed kernel may unpack to.
pub const MAX_UNPACKED: u64 = 256 << 20;
/// Bytes of a module's start that [`probe`] wants; fewer are fine for a smaller module.
pub const HEAD_BYTES: usize = 64;
/// An Image's base is aligned to this many bytes.
pub const IMAGE_ALIGNMENT: u64 = 2 << 20;

const IMAGE_MAGIC: u32 = 0x644d_5241;
const IMAGE_MAGIC_AT: usize = 56;
/// The first word of Images from before the magic was in all of them.
const OLD_IMAGE_BRANCH: u32 = 0x1400_0008;
const TEXT_OFFSET_AT: usize = 8;
const IMAGE_SIZE_AT: usize = 16;

/// What a module holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernel {
    /// To be copied as it is.
    Plain(PlainKernel),
    /// To be unpacked, and its result probed again (a result that is packed again is refused by
    /// the caller).
    Gzip {
        /// Bytes that it unpacks to, as its trailer says; at most [`MAX_UNPACKED`].
        unpacked_size: u64,
    },
}

/// A kernel that runs where it is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlainKernel {
    /// What it is.
    pub kind: KernelKind,
    /// Bytes from an aligned base to where it is copied and entered.
    pub text_offset: u64,
    /// Bytes to copy.
    pub file_size: u64,
    /// Bytes from where it is copied that must be free for it: at least `file_size`.
    pub image_size: u64,
    /// Alignment of the base, in bytes.
    pub alignment: u64,
}

/// Kinds of plain kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelKind {
    /// A Linux arm64 Image.
    Image,
    /// Anything that is not recognised: copied to the start of RAM and entered there. Xen
    /// refuses such; bare-metal programs are just that.
    Raw,
}

/// Why a module is no kernel that can be booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelError {
    /// Of a format that is not supported.
    Unsupported(&'static str),
    /// Shorter than 4 bytes.
    Empty,
    /// The gzip trailer's size is 0, smaller than the packed bytes could be, or beyond the cap.
    UnpackedSize(u64),
    /// An Image header that contradicts itself.
    ImageHeader {
        /// Bytes from an aligned base.
        text_offset: u64,
        /// Bytes that the kernel needs.
        image_size: u64,
    },
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unsupported(what) => write!(f, "kernel is {what}: not supported"),
            Self::Empty => f.write_str("kernel is empty"),
            Self::UnpackedSize(size) => {
                write!(
                    f,
                    "gzip trailer says {size} bytes: must be 1 to {MAX_UNPACKED}"
                )
            }
            Self::ImageHeader {
                text_offset,
                image_size,
            } => {
                write!(
                    f,
                    "Image header says offset {text_offset:#x}, size {image_size:#x}"
                )
            }
        }
    }
}

/// Looks at a kernel of `size` bytes: `head` holds its first [`HEAD_BYTES`] (or all, when it is
/// smaller) and `tail` ends with its last 4. Passing all of it as both is fine.
pub fn probe(head: &[u8], tail: &[u8], size: u64) -> Result<Kernel, KernelError> {
    let Some(first) = u32_at(head, 0) else {
        return Err(KernelError::Empty);
    };
    // In the order of bytes in memory.
    match first.to_be_bytes() {
        [0x27, 0x05, 0x19, 0x56] => return Err(KernelError::Unsupported("a U-Boot uImage")),
        [0x1f, 0x8b, ..] => return gzip(tail, size),
        [0x7f, b'E', b'L', b'F'] => {
            return Err(KernelError::Unsupported("an ELF file (make it flat)"));
        }
        [b'M', b'Z', _, _] if head.get(4..8) == Some(b"zimg") => {
            return Err(KernelError::Unsupported(
                "a compressed EFI image (unpack it)",
            ));
        }
        _ => {}
    }
    if little(head, 36) == Some(0x016f_2818) {
        return Err(KernelError::Unsupported("a 32-bit zImage"));
    }
    let is_image = little(head, IMAGE_MAGIC_AT) == Some(IMAGE_MAGIC)
        || little(head, 0) == Some(OLD_IMAGE_BRANCH);
    if is_image {
        image(head, size)
    } else {
        Ok(raw(size))
    }
}

fn little(bytes: &[u8], offset: usize) -> Option<u32> {
    u32_at(bytes, offset).map(u32::swap_bytes)
}

fn little64(bytes: &[u8], offset: usize) -> Option<u64> {
    let (low, high) = (little(bytes, offset)?, little(bytes, offset + 4)?);
    Some(u64::from(low) | u64::from(high) << 32)
}

fn gzip(tail: &[u8], size: u64) -> Result<Kernel, KernelError> {
    let last = tail.len().checked_sub(4).and_then(|at| little(tail, at));
    let unpacked_size = u64::from(last.unwrap_or(0));
    // Header and trailer alone are 18 bytes; kernels always shrink.
    if unpacked_size == 0
        || unpacked_size > MAX_UNPACKED
        || size > unpacked_size.saturating_add(1024)
    {
        return Err(KernelError::UnpackedSize(unpacked_size));
    }
    Ok(Kernel::Gzip { unpacked_size })
}

fn image(head: &[u8], size: u64) -> Result<Kernel, KernelError> {
    let text_offset = little64(head, TEXT_OFFSET_AT).unwrap_or(0);
    // 0 in kernels from before 3.17, which say nothing about their BSS.
    let image_size = little64(head, IMAGE_SIZE_AT).unwrap_or(0);
    if text_offset >= IMAGE_ALIGNMENT || image_size > MAX_UNPACKED.max(size) {
        return Err(KernelError::ImageHeader {
            text_offset,
            image_size,
        });
    }
    Ok(Kernel::Plain(PlainKernel {
        kind: KernelKind::Image,
        text_offset,
        file_size: size,
        image_size: image_size.max(size),
        alignment: IMAGE_ALIGNMENT,
    }))
}

fn raw(size: u64) -> Kernel {
    Kernel::Plain(PlainKernel {
        kind: KernelKind::Raw,
        text_offset: 0,
        file_size: size,
        image_size: size,
        alignment: abi::PAGE_SIZE,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image_bytes(text_offset: u64, image_size: u64) -> Vec<u8> {
        let mut head = vec![0u8; 64];
        head[8..16].copy_from_slice(&text_offset.to_le_bytes());
        head[16..24].copy_from_slice(&image_size.to_le_bytes());
        head[56..60].copy_from_slice(b"ARM\x64");
        head
    }

    #[test]
    fn an_image_counts_its_bss() {
        let head = image_bytes(0x8_0000, 0x30_0000);
        let Ok(Kernel::Plain(kernel)) = probe(&head, &head, 0x20_0000) else {
            panic!()
        };
        assert_eq!(kernel.kind, KernelKind::Image);
        assert_eq!((kernel.text_offset, kernel.alignment), (0x8_0000, 2 << 20));
        assert_eq!(
            (kernel.file_size, kernel.image_size),
            (0x20_0000, 0x30_0000)
        );
    }

    #[test]
    fn an_old_image_is_as_large_as_its_file() {
        let mut head = image_bytes(0x8_0000, 0);
        head[0..4].copy_from_slice(&OLD_IMAGE_BRANCH.to_le_bytes());
        head[56..60].fill(0);
        let Ok(Kernel::Plain(kernel)) = probe(&head, &head, 0x1234) else {
            panic!()
        };
        assert_eq!(
            (kernel.kind, kernel.image_size),
            (KernelKind::Image, 0x1234)
        );
    }

    #[test]
    fn absurd_image_headers_are_refused() {
        for (offset, size) in [
            (2 << 20, 1),
            (u64::MAX, 1),
            (0, u64::MAX),
            (0, MAX_UNPACKED + 1),
        ] {
            let head = image_bytes(offset, size);
            let error = probe(&head, &head, 4096).unwrap_err();
            assert!(matches!(error, KernelError::ImageHeader { .. }), "{error}");
            assert!(error.to_string().starts_with("Image header says offset"));
        }
    }

    #[test]
    fn gzip_gives_its_size_within_a_cap() {
        let packed = |size: u32| [&[0x1f, 0x8b, 8, 0][..], &[0; 14], &size.to_le_bytes()].concat();
        let good = packed(0x1_0000);
        assert_eq!(
            probe(&good, &good, 22),
            Ok(Kernel::Gzip {
                unpacked_size: 0x1_0000
            })
        );
        for bad in [0, MAX_UNPACKED as u32 + 1, u32::MAX] {
            let bad = packed(bad);
            let error = probe(&bad, &bad, 22).unwrap_err();
            assert!(error.to_string().starts_with("gzip trailer"), "{error}");
        }
        // Padding behind the stream reads as a size smaller than the file.
        assert!(probe(&packed(7), &packed(7), 0x10_0000).is_err());
        assert!(probe(&[0x1f, 0x8b, 8, 0], &[], 4).is_err());
    }

    #[test]
    fn others_are_refused_by_name_or_raw() {
        let mut zimage = vec![0u8; 64];
        zimage[36..40].copy_from_slice(&0x016f_2818u32.to_le_bytes());
        for (bytes, name) in [
            (&b"\x27\x05\x19\x56rest"[..], "uImage"),
            (b"\x7fELF....", "ELF"),
            (b"MZ\0\0zimg", "EFI"),
            (&zimage, "zImage"),
        ] {
            let error = probe(bytes, bytes, 8).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
        assert_eq!(probe(b"abc", b"abc", 3), Err(KernelError::Empty));
        assert_eq!(KernelError::Empty.to_string(), "kernel is empty");
        let Ok(Kernel::Plain(kernel)) = probe(&[0xaa; 64], &[0xaa; 64], 64) else {
            panic!()
        };
        assert_eq!((kernel.kind, kernel.text_offset), (KernelKind::Raw, 0));
    }
}
