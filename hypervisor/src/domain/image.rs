//! A guest's kernel on its way from its module into the guest's RAM, a piece at a time, unpacked as it
//! goes.

use abi::Ipa;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use domcfg::kernel::{HEAD_BYTES, Kernel, KernelError, MAX_UNPACKED, PlainKernel, probe};
use machine::frames::Module;
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::decompress;
use miniz_oxide::inflate::core::inflate_flags::{
    TINFL_FLAG_HAS_MORE_INPUT, TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};

use super::Memory;
use super::workspace::{REACH, WINDOW, Workspace};

/// Bytes copied in one go: some 11,000 instructions.
pub const COPY_BYTES: usize = 64 << 10;

/// Packed bytes read, and bytes unpacked, in one go at most: some 15,000 instructions, as there are 30
/// for each byte that comes out, and two or three of them for each that goes in. Where the stream has new
/// Huffman tables it is up to 140,000, as the library makes them in one go.
const PACKED_PIECE: usize = 192;
const UNPACKED_PIECE: usize = 1 << 10;

/// A kernel that is known, and where its bytes come from.
pub struct Image {
    /// What it is, once unpacked.
    pub kernel: PlainKernel,
    module: Arc<Module>,
    content: Content,
    copied: u64,
}

enum Content {
    Plain,
    Packed {
        /// Where the stream begins in the module.
        stream: usize,
        unpacked_size: u64,
        /// From when it has a workspace on.
        gunzip: Option<Gunzip>,
    },
}

/// Why a packed kernel is refused.
pub const NO_MEMORY: &str = "no memory to unpack its kernel";

/// Whether there is more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There is.
    More,
    /// All is done.
    Done,
}

/// Looks at a kernel module. The error is one line.
pub fn open(module: Arc<Module>) -> Result<Image, String> {
    let bytes = module.bytes();
    let head = bytes.get(..HEAD_BYTES).unwrap_or(bytes);
    match probe(head, bytes, bytes.len() as u64).map_err(|error| format!("{error}"))? {
        Kernel::Plain(kernel) => Ok(Image {
            kernel,
            module,
            content: Content::Plain,
            copied: 0,
        }),
        Kernel::Gzip { unpacked_size } => {
            let stream = find_stream(bytes, unpacked_size)?;
            let kernel = look_inside(bytes, stream, unpacked_size)?;
            let content = Content::Packed {
                stream,
                unpacked_size,
                gunzip: None,
            };
            Ok(Image {
                kernel,
                module,
                content,
                copied: 0,
            })
        }
    }
}

/// Where the packed stream begins in `module`.
fn find_stream(module: &[u8], unpacked_size: u64) -> Result<usize, String> {
    if unpacked_size > MAX_UNPACKED {
        return Err(String::from("kernel is too large unpacked"));
    }
    let stream = deflate_stream(module).ok_or("kernel's gzip header is damaged")?;
    Ok(module.len() - stream.len())
}

/// What a packed kernel is. Unpacks its head only.
fn look_inside(module: &[u8], stream: usize, unpacked_size: u64) -> Result<PlainKernel, String> {
    let workspace = Workspace::new().ok_or(NO_MEMORY)?;
    let mut gunzip = Gunzip::new(stream, unpacked_size, workspace);
    let mut head = Vec::with_capacity(HEAD_BYTES + UNPACKED_PIECE);
    while head.len() < HEAD_BYTES && !gunzip.ended {
        head.extend_from_slice(gunzip.unpack_some(module)?);
    }
    head.truncate(HEAD_BYTES);
    match probe(&head, &[], unpacked_size) {
        Ok(Kernel::Plain(kernel)) => Ok(kernel),
        // The size at the end of a stream in the stream is not known yet.
        Ok(Kernel::Gzip { .. }) | Err(KernelError::UnpackedSize(_)) => {
            Err(String::from("kernel is compressed twice"))
        }
        Err(error) => Err(format!("{error}")),
    }
}

impl Image {
    /// Bytes that it has in the guest's RAM.
    pub fn bytes(&self) -> u64 {
        match &self.content {
            Content::Plain => self.module.bytes().len() as u64,
            Content::Packed { unpacked_size, .. } => *unpacked_size,
        }
    }

    /// Whether it has to be unpacked.
    pub fn is_packed(&self) -> bool {
        matches!(self.content, Content::Packed { .. })
    }

    /// The module that it comes from.
    pub fn module(&self) -> Arc<Module> {
        self.module.clone()
    }

    /// Whether it has to be unpacked, and has no workspace for that.
    pub fn lacks_workspace(&self) -> bool {
        matches!(self.content, Content::Packed { gunzip: None, .. })
    }

    /// Has it unpacked in `workspace`.
    pub fn unpack_in(&mut self, workspace: Workspace) {
        if let Content::Packed {
            stream,
            unpacked_size,
            gunzip,
        } = &mut self.content
        {
            *gunzip = Some(Gunzip::new(*stream, *unpacked_size, workspace));
        }
    }

    /// What it was unpacked in, if it was.
    pub fn take_workspace(&mut self) -> Option<Workspace> {
        match &mut self.content {
            Content::Plain => None,
            Content::Packed { gunzip, .. } => gunzip.take().map(|gunzip| gunzip.workspace),
        }
    }

    /// Copies the next piece of the kernel, which begins at guest address `at`. The error is one line.
    pub fn copy_some(&mut self, memory: &mut Memory, at: Ipa) -> Result<Progress, String> {
        let module = self.module.bytes();
        let (piece, progress) = match &mut self.content {
            Content::Plain => next_piece(module, self.copied),
            Content::Packed { gunzip, .. } => {
                let gunzip = gunzip.as_mut().ok_or(NO_MEMORY)?;
                (gunzip.unpack_some(module)?, Progress::More)
            }
        };
        if !memory.write(Ipa(at.0.wrapping_add(self.copied)), piece) {
            return Err(String::from("its kernel is outside its RAM"));
        }
        self.copied += piece.len() as u64;
        match &self.content {
            Content::Packed {
                gunzip: Some(gunzip),
                ..
            } if gunzip.ended => gunzip.check().map(|()| Progress::Done),
            _ => Ok(progress),
        }
    }
}

/// The piece of `content` behind its first `done` bytes, and whether another follows.
pub fn next_piece(content: &[u8], done: u64) -> (&[u8], Progress) {
    let rest = content.get(done as usize..).unwrap_or_default();
    match rest.split_at_checked(COPY_BYTES) {
        Some((piece, rest)) if !rest.is_empty() => (piece, Progress::More),
        _ => (rest, Progress::Done),
    }
}

/// A gzip stream (RFC 1952) being unpacked, to a size known before.
struct Gunzip {
    /// Bytes of the module that were read.
    read: usize,
    /// Its window has what came out last, up to `filled`.
    workspace: Workspace,
    filled: usize,
    /// Bytes that are to come out still.
    left: u64,
    ended: bool,
}

impl Gunzip {
    fn new(stream: usize, unpacked_size: u64, mut workspace: Workspace) -> Self {
        workspace.clear();
        Self {
            read: stream,
            workspace,
            filled: 0,
            left: unpacked_size,
            ended: false,
        }
    }

    /// Unpacks the next piece of `module`, and gives it; it may be empty.
    fn unpack_some(&mut self, module: &[u8]) -> Result<&[u8], String> {
        let damaged = || String::from("kernel's gzip data is damaged");
        let Workspace { decoder, window } = &mut self.workspace;
        if self.filled + UNPACKED_PIECE > WINDOW {
            window.copy_within(self.filled - REACH..self.filled, 0);
            self.filled = REACH;
        }
        let rest = module.get(self.read..).unwrap_or_default();
        let mut flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        let packed = match rest.get(..PACKED_PIECE) {
            Some(packed) => {
                flags |= TINFL_FLAG_HAS_MORE_INPUT;
                packed
            }
            None => rest,
        };
        let begin = self.filled;
        if window.len() < begin + UNPACKED_PIECE {
            // Within what was reserved, and once for each byte.
            window.resize(begin + UNPACKED_PIECE, 0);
        }
        let decoder = decoder.first_mut().ok_or_else(damaged)?;
        let room = window.get_mut(..begin + UNPACKED_PIECE);
        let room = room.ok_or_else(damaged)?;
        let (status, read, unpacked) = decompress(decoder, packed, room, begin, flags);
        self.read += read;
        self.filled += unpacked;
        self.left = self
            .left
            .checked_sub(unpacked as u64)
            .ok_or("kernel unpacks to more than its gzip trailer says")?;
        match status {
            TINFLStatus::Done => self.ended = true,
            TINFLStatus::NeedsMoreInput | TINFLStatus::HasMoreOutput if read + unpacked > 0 => {}
            _ => return Err(damaged()),
        }
        window.get(begin..self.filled).ok_or_else(damaged)
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
