//! The system calls that are needed (Linux, include/uapi/asm-generic/unistd.h), and the start.

use core::arch::{asm, global_asm};

const OPENAT: u64 = 56;
const READ: u64 = 63;
const WRITE: u64 = 64;
const IOCTL: u64 = 29;
const EXIT: u64 = 93;
const MMAP: u64 = 222;

const CURRENT_FOLDER: u64 = -100_i64 as u64;
const READ_WRITE: u64 = 2;
const PROTECTION_READ_WRITE: u64 = 3;
const MAP_SHARED: u64 = 1;

global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, #0",
    "mov x0, sp",
    "bl {begin}",
    "brk #0",
    begin = sym begin,
);

/// The stack as the kernel leaves it: the number of arguments, then pointers to them.
extern "C" fn begin(stack: *const u64) -> ! {
    let argument = |number: usize| {
        // SAFETY: the kernel has put the count there and as many pointers to texts that end with 0
        // behind it; the count is looked at first.
        let text = unsafe {
            let present = (number as u64) < *stack;
            present.then(|| core::ffi::CStr::from_ptr(*stack.add(1 + number) as *const _))
        };
        text.and_then(|text| text.to_str().ok())
    };
    exit(crate::run(argument))
}

#[inline]
fn call(number: u64, arguments: [u64; 6]) -> Result<u64, i64> {
    let result: i64;
    // SAFETY: the callers in this file pass what the system call of this number takes.
    unsafe {
        asm!(
            "svc #0",
            in("x8") number,
            inlateout("x0") arguments[0] => result,
            in("x1") arguments[1],
            in("x2") arguments[2],
            in("x3") arguments[3],
            in("x4") arguments[4],
            in("x5") arguments[5],
            options(nostack),
        );
    }
    u64::try_from(result).map_err(|_| result)
}

/// An open file.
#[derive(Clone, Copy)]
pub(crate) struct File(u64);

impl File {
    /// Where the program's output goes.
    pub(crate) const fn output() -> Self {
        Self(1)
    }

    pub(crate) fn open(path: &core::ffi::CStr) -> Result<Self, i64> {
        let path = path.as_ptr() as u64;
        call(OPENAT, [CURRENT_FOLDER, path, READ_WRITE, 0, 0, 0]).map(Self)
    }

    pub(crate) fn read(self, bytes: &mut [u8]) -> Result<usize, i64> {
        let (at, length) = (bytes.as_mut_ptr() as u64, bytes.len() as u64);
        call(READ, [self.0, at, length, 0, 0, 0]).map(|count| count as usize)
    }

    pub(crate) fn write(self, bytes: &[u8]) -> Result<usize, i64> {
        let (at, length) = (bytes.as_ptr() as u64, bytes.len() as u64);
        call(WRITE, [self.0, at, length, 0, 0, 0]).map(|count| count as usize)
    }

    /// An operation that takes and returns 32-bit words in `argument`.
    pub(crate) fn control(self, request: u32, argument: &mut [u32]) -> Result<u64, i64> {
        let at = argument.as_mut_ptr() as u64;
        call(IOCTL, [self.0, request.into(), at, 0, 0, 0])
    }

    /// Maps `length` bytes from `offset` on, shared; gives the address.
    pub(crate) fn map(self, offset: u64, length: u64) -> Result<u64, i64> {
        let arguments = [0, length, PROTECTION_READ_WRITE, MAP_SHARED, self.0, offset];
        call(MMAP, arguments)
    }
}

/// Ends the program.
pub(crate) fn exit(code: u8) -> ! {
    loop {
        let _ = call(EXIT, [code.into(), 0, 0, 0, 0, 0]);
    }
}

impl core::fmt::Write for File {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        self.write(text.as_bytes())
            .map(|_| ())
            .map_err(|_| core::fmt::Error)
    }
}

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    use core::fmt::Write;
    let _ = writeln!(File::output(), "{info}");
    exit(101)
}
