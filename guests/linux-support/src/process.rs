//! Processes, their memory and their time.

use core::ffi::CStr;

use crate::{Errno, call};

const EXIT: u64 = 93;
const CLOCK_GETTIME: u64 = 113;
const SCHED_SETAFFINITY: u64 = 122;
const GETPPID: u64 = 173;
const MUNMAP: u64 = 215;
const CLONE: u64 = 220;
const EXECVE: u64 = 221;
const MMAP: u64 = 222;
const MADVISE: u64 = 233;
const WAIT4: u64 = 260;

const CLOCK_MONOTONIC: u64 = 1;
/// The signal for the parent when a child ends; nothing is shared with it.
const SIGCHLD: u64 = 17;
const PROTECTION_READ_WRITE: u64 = 3;
const MAP_PRIVATE_ANONYMOUS: u64 = 0x22;
/// Pages of the usual size only.
const MADV_NOHUGEPAGE: u64 = 15;
/// The most arguments of a program, its name with them, and the 0 behind them.
const ARGUMENTS: usize = 4;

/// Ends the program.
pub fn exit(code: u8) -> ! {
    loop {
        let _ = call(EXIT, [code.into(), 0, 0, 0, 0, 0]);
    }
}

/// Nanoseconds since some moment.
///
/// # Errors
/// The kernel's.
pub fn monotonic_ns() -> Result<u64, Errno> {
    let mut time = [0_u64; 2];
    let at = time.as_mut_ptr() as u64;
    call(CLOCK_GETTIME, [CLOCK_MONOTONIC, at, 0, 0, 0, 0])?;
    Ok(time[0] * 1_000_000_000 + time[1])
}

/// The parent's number: a system call that does next to nothing.
///
/// # Errors
/// None of this call's.
#[inline]
pub fn parent_id() -> Result<u64, Errno> {
    call(GETPPID, [0; 6])
}

/// Has the kernel run this process on one CPU, below 64, alone.
///
/// # Errors
/// When there is no such CPU.
pub fn run_on_cpu(cpu: u32) -> Result<(), Errno> {
    let mask = 1_u64 << cpu;
    let at = &raw const mask as u64;
    call(SCHED_SETAFFINITY, [0, 8, at, 0, 0, 0]).map(|_| ())
}

/// Calls `touch` with the address of `bytes` of fresh memory, in pages of the usual size that are not
/// there yet, and gives them back.
///
/// # Errors
/// The kernel's.
pub fn untouched_memory(bytes: u64, touch: impl FnOnce(*mut u8)) -> Result<(), Errno> {
    let nothing = u64::MAX;
    let flags = MAP_PRIVATE_ANONYMOUS;
    let at = call(MMAP, [0, bytes, PROTECTION_READ_WRITE, flags, nothing, 0])?;
    // A kernel without huge pages does not know of them.
    let _ = call(MADVISE, [at, bytes, MADV_NOHUGEPAGE, 0, 0, 0]);
    touch(at as *mut u8);
    call(MUNMAP, [at, bytes, 0, 0, 0, 0]).map(|_| ())
}

/// A child.
pub struct Process(u64);

/// Runs `child` in a process of its own, with a copy of all memory; what it gives is its exit code.
///
/// # Errors
/// The kernel's.
pub fn spawn(child: impl FnOnce() -> u8) -> Result<Process, Errno> {
    match call(CLONE, [SIGCHLD, 0, 0, 0, 0, 0])? {
        0 => exit(child()),
        number => Ok(Process(number)),
    }
}

impl Process {
    /// Becomes another program, with its name first among three arguments at most; returns only if that
    /// fails.
    pub fn become_program(path: &CStr, arguments: &[&CStr]) -> Errno {
        let mut pointers = [0_u64; ARGUMENTS];
        let places = pointers[..ARGUMENTS - 1].iter_mut();
        for (place, argument) in places.zip(arguments) {
            *place = argument.as_ptr() as u64;
        }
        let (path, at) = (path.as_ptr() as u64, pointers.as_ptr() as u64);
        // No environment.
        let none = &raw const pointers[ARGUMENTS - 1] as u64;
        call(EXECVE, [path, at, none, 0, 0, 0]).err().unwrap_or(0)
    }

    /// Waits for its end; gives its exit code, and 255 where a signal ended it.
    ///
    /// # Errors
    /// The kernel's.
    pub fn wait(self) -> Result<u8, Errno> {
        let mut status = 0_u32;
        call(WAIT4, [self.0, &raw mut status as u64, 0, 0, 0, 0])?;
        let was_killed = status & 0x7f != 0;
        Ok(if was_killed { 255 } else { (status >> 8) as u8 })
    }
}
