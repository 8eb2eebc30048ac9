//! A guest's kernel on its way from its module into the guest's RAM, unpacked as it goes.

use abi::Ipa;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use domcfg::kernel::{HEAD_BYTES, Kernel, KernelError, MAX_UNPACKED, PlainKernel, probe};
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush, MZStatus};

use super::Memory;

/// Bytes unpacked in one go.
const CHUNK: usize = 64 << 10;

/// A kernel that is known, and where its bytes come from.
pub struct Image<'a> {
    /// What it is, once unpacked.
    pub kernel: PlainKernel,
    bytes: Bytes<'a>,
}

enum Bytes<'a> {
    Plain(&'a [u8]),
    Gzip(Gunzip<'a>),
}

/// Looks at a kernel module. The error is one line.
pub fn open(module: &[u8]) -> Result<Image<'_>, String> {
    let head = module.get(..HEAD_BYTES).unwrap_or(module);
    match probe(head, module, module.len() as u64).map_err(|error| format!("{error}"))? {
        Kernel::Plain(kernel) => Ok(Image {
            kernel,
            bytes: Bytes::Plain(module),
        }),
        Kernel::Gzip { unpacked_size } => {
            let mut gunzip = Gunzip::new(module, unpacked_size)?;
            let mut head = vec![0; HEAD_BYTES];
            let length = gunzip.read(&mut head)?;
            head.truncate(length);
            gunzip.ahead = head.clone();
            match probe(&head, &[], unpacked_size) {
                Ok(Kernel::Plain(kernel)) => Ok(Image {
                    kernel,
                    bytes: Bytes::Gzip(gunzip),
                }),
                // The size at the end of a stream in the stream is not known yet.
                Ok(Kernel::Gzip { .. }) | Err(KernelError::UnpackedSize(_)) => {
                    Err(String::from("kernel is compressed twice"))
                }
                Err(error) => Err(format!("{error}")),
            }
        }
    }
}

impl Image<'_> {
    /// Bytes that [`Image::copy_to`] writes.
    pub fn bytes(&self) -> u64 {
        match &self.bytes {
            Bytes::Plain(bytes) => bytes.len() as u64,
            Bytes::Gzip(gunzip) => gunzip.left + gunzip.ahead.len() as u64,
        }
    }

    /// Copies the kernel to guest address `at`.
    pub fn copy_to(self, memory: &mut Memory, at: Ipa) -> Result<(), String> {
        let outside = || String::from("its kernel is outside its RAM");
        match self.bytes {
            Bytes::Plain(bytes) => memory.write(at, bytes).then_some(()).ok_or_else(outside),
            Bytes::Gzip(mut gunzip) => {
                let mut chunk = vec![0; CHUNK];
                let mut to = at.0;
                let ahead = core::mem::take(&mut gunzip.ahead);
                let mut part: &[u8] = &ahead;
                loop {
                    if !memory.write(Ipa(to), part) {
                        return Err(outside());
                    }
                    to += part.len() as u64;
                    let length = gunzip.read(&mut chunk)?;
                    part = chunk.get(..length).unwrap_or_default();
                    if part.is_empty() {
                        return gunzip.check();
                    }
                }
            }
        }
    }
}

/// A gzip stream (RFC 1952) being unpacked, to a size known before.
struct Gunzip<'a> {
    input: &'a [u8],
    state: Box<InflateState>,
    left: u64,
    ahead: Vec<u8>,
    ended: bool,
}

impl<'a> Gunzip<'a> {
    fn new(module: &'a [u8], unpacked_size: u64) -> Result<Self, String> {
        if unpacked_size > MAX_UNPACKED {
            return Err(String::from("kernel is too large unpacked"));
        }
        let input = deflate_stream(module).ok_or("kernel's gzip header is damaged")?;
        let state = InflateState::new_boxed(DataFormat::Raw);
        Ok(Self {
            input,
            state,
            left: unpacked_size,
            ahead: Vec::new(),
            ended: false,
        })
    }

    /// Fills `out` as far as there is something; 0 at the end.
    fn read(&mut self, out: &mut [u8]) -> Result<usize, String> {
        let mut done = 0;
        while let Some(rest) = out.get_mut(done..)
            && !rest.is_empty()
            && !self.ended
        {
            let result = inflate(&mut self.state, self.input, rest, MZFlush::None);
            self.input = self.input.get(result.bytes_consumed..).unwrap_or_default();
            done += result.bytes_written;
            match result.status {
                Ok(MZStatus::StreamEnd) => self.ended = true,
                Ok(_) if result.bytes_consumed + result.bytes_written > 0 => {}
                _ => return Err(String::from("kernel's gzip data is damaged")),
            }
        }
        match self.left.checked_sub(done as u64) {
            Some(left) => self.left = left,
            None => {
                return Err(String::from(
                    "kernel unpacks to more than its gzip trailer says",
                ));
            }
        }
        Ok(done)
    }

    fn check(&self) -> Result<(), String> {
        if self.left == 0 {
            Ok(())
        } else {
            Err(String::from(
                "kernel unpacks to less than its gzip trailer says",
            ))
        }
    }
}

/// What follows the gzip header: its optional fields skipped.
fn deflate_stream(module: &[u8]) -> Option<&[u8]> {
    const EXTRA: u8 = 1 << 2;
    const NAME: u8 = 1 << 3;
    const COMMENT: u8 = 1 << 4;
    const HEADER_CHECKSUM: u8 = 1 << 1;
    let flags = *module.get(3)?;
    let mut rest = module.get(10..)?;
    if flags & EXTRA != 0 {
        let length = usize::from(u16::from_le_bytes([*rest.first()?, *rest.get(1)?]));
        rest = rest.get(2 + length..)?;
    }
    for text in [NAME, COMMENT] {
        if flags & text != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = rest.get(end + 1..)?;
        }
    }
    if flags & HEADER_CHECKSUM != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}
