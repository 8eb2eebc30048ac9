//! What programs for Linux guests share: their start, and the system calls that they need (Linux,
//! include/uapi/asm-generic/unistd.h), without a C library.
//!
//! A program defines `#[unsafe(no_mangle)] extern "C" fn linux_main(arguments: Arguments) -> u8`; what it
//! returns is its exit code.
#![no_std]

mod file;
mod process;

use core::arch::{asm, global_asm};

pub use file::{File, pipe};
pub use process::{Process, exit, monotonic_ns, parent_id, run_on_cpu, spawn, untouched_memory};

/// What the kernel answers to a call that fails: a negative errno.
pub type Errno = i64;

unsafe extern "C" {
    fn linux_main(arguments: Arguments) -> u8;
}

global_asm!(
    ".globl _start",
    "_start:",
    "mov x29, #0",
    "mov x0, sp",
    "bl {begin}",
    "brk #0",
    begin = sym begin,
);

/// What the program was called with.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct Arguments(*const u64);

/// The stack as the kernel leaves it: the number of arguments, then pointers to them.
extern "C" fn begin(stack: *const u64) -> ! {
    // SAFETY: the program defines it with this type.
    exit(unsafe { linux_main(Arguments(stack)) })
}

impl Arguments {
    /// The argument of this number, from 1 on, if it is there and text.
    pub fn get(self, number: usize) -> Option<&'static str> {
        // SAFETY: the kernel has put the count there and as many pointers to texts that end with 0
        // behind it, which stay; the count is looked at first. Nobody else makes such a value.
        let text = unsafe {
            let present = (number as u64) < *self.0;
            present.then(|| core::ffi::CStr::from_ptr(*self.0.add(1 + number) as *const _))
        };
        text.and_then(|text| text.to_str().ok())
    }
}

#[inline]
fn call(number: u64, arguments: [u64; 6]) -> Result<u64, Errno> {
    let result: i64;
    // SAFETY: the callers in this crate pass what the system call of this number takes.
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

#[cfg(target_os = "none")]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    use core::fmt::Write;
    let _ = writeln!(File::output(), "{info}");
    exit(101)
}
