//! Open files.

use crate::{Errno, call};

const IOCTL: u64 = 29;
const OPENAT: u64 = 56;
const PIPE2: u64 = 59;
const READ: u64 = 63;
const WRITE: u64 = 64;
const MMAP: u64 = 222;

const CURRENT_FOLDER: u64 = -100_i64 as u64;
const READ_WRITE: u64 = 2;
const PROTECTION_READ_WRITE: u64 = 3;
const MAP_SHARED: u64 = 1;

/// An open file.
#[derive(Clone, Copy)]
pub struct File(u64);

impl File {
    /// Where the program's output goes.
    pub const fn output() -> Self {
        Self(1)
    }

    /// Opens a file to be read and written.
    ///
    /// # Errors
    /// The kernel's.
    pub fn open(path: &core::ffi::CStr) -> Result<Self, Errno> {
        let path = path.as_ptr() as u64;
        call(OPENAT, [CURRENT_FOLDER, path, READ_WRITE, 0, 0, 0]).map(Self)
    }

    /// Reads; gives how many bytes.
    ///
    /// # Errors
    /// The kernel's.
    pub fn read(self, bytes: &mut [u8]) -> Result<usize, Errno> {
        let (at, length) = (bytes.as_mut_ptr() as u64, bytes.len() as u64);
        call(READ, [self.0, at, length, 0, 0, 0]).map(|count| count as usize)
    }

    /// Writes; gives how many bytes.
    ///
    /// # Errors
    /// The kernel's.
    pub fn write(self, bytes: &[u8]) -> Result<usize, Errno> {
        let (at, length) = (bytes.as_ptr() as u64, bytes.len() as u64);
        call(WRITE, [self.0, at, length, 0, 0, 0]).map(|count| count as usize)
    }

    /// An operation that takes and returns 32-bit words in `argument`.
    ///
    /// # Errors
    /// The kernel's.
    pub fn control(self, request: u32, argument: &mut [u32]) -> Result<u64, Errno> {
        let at = argument.as_mut_ptr() as u64;
        call(IOCTL, [self.0, request.into(), at, 0, 0, 0])
    }

    /// Maps `length` bytes from `offset` on, shared; gives the address.
    ///
    /// # Errors
    /// The kernel's.
    pub fn map(self, offset: u64, length: u64) -> Result<u64, Errno> {
        let arguments = [0, length, PROTECTION_READ_WRITE, MAP_SHARED, self.0, offset];
        call(MMAP, arguments)
    }
}

/// A pipe: where it is read, and where it is written.
///
/// # Errors
/// The kernel's.
pub fn pipe() -> Result<(File, File), Errno> {
    let mut ends = [0_u32; 2];
    call(PIPE2, [ends.as_mut_ptr() as u64, 0, 0, 0, 0, 0])?;
    Ok((File(ends[0].into()), File(ends[1].into())))
}

impl core::fmt::Write for File {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.write(text.as_bytes())
            .map(|_| ())
            .map_err(|_| core::fmt::Error)
    }
}
