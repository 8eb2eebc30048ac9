//! An answer: a value, or the exception that came instead.

use core::{fmt, sync::atomic::Ordering::Relaxed};

use abi::hypercall::{CONSOLE_IO, console_io};
use support::{call, cpu, uart::Uart};

/// What came of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// This value.
    Value(u64),
    /// An exception with this `ESR_EL1`.
    Exception(u64),
}

/// Does `what` on the first vCPU, which may raise an exception.
#[inline(always)]
pub(crate) fn attempt(what: impl FnOnce() -> u64) -> Answer {
    let block = cpu::block(0);
    let before = block.sync_count.load(Relaxed);
    let value = what();
    if block.sync_count.load(Relaxed) == before {
        Answer::Value(value)
    } else {
        Answer::Exception(block.syndrome.load(Relaxed))
    }
}

/// The same where it is of no interest what the value is: 0 stands for any.
pub(crate) fn attempt_only(what: impl FnOnce() -> u64) -> Answer {
    match attempt(what) {
        Answer::Value(_) => Answer::Value(0),
        exception => exception,
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(value) => write!(f, "{value:#x}"),
            Self::Exception(syndrome) => write!(f, "esr={syndrome:#x}"),
        }
    }
}

/// Bytes of memory that hypercalls may write to.
pub(crate) struct Buffer(core::cell::UnsafeCell<[u8; 4096]>);

// SAFETY: only the first vCPU uses it, and takes no interrupt that would.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// All zero.
    pub(crate) const fn new() -> Self {
        Self(core::cell::UnsafeCell::new([0; 4096]))
    }

    /// Its address.
    pub(crate) fn address(&self) -> u64 {
        self.0.get() as u64
    }

    /// Fills it with `byte`.
    pub(crate) fn fill(&self, byte: u8) {
        for index in 0..4096 {
            // SAFETY: within the array; volatile, as the hypervisor reads it.
            unsafe { self.0.get().cast::<u8>().add(index).write_volatile(byte) };
        }
    }

    /// The byte at `index`.
    pub(crate) fn byte(&self, index: usize) -> u8 {
        // SAFETY: within the array; volatile, as the hypervisor writes it.
        unsafe { self.0.get().cast::<u8>().add(index & 4095).read_volatile() }
    }
}

/// Prints one answer: item, then as for `format!`.
#[macro_export]
macro_rules! say {
    ($item:literal, $($answer:tt)*) => {
        $crate::say!(@ format_args!($item), $($answer)*)
    };
    (@ $item:expr, $($answer:tt)*) => {
        $crate::answer::print_line(format_args!("{} = {}\n", $item, format_args!($($answer)*)))
    };
}

/// The longest line that both hypervisors print in one piece when it comes by hypercall.
const LINE: usize = 160;

/// What is printed of one line.
struct Line {
    bytes: [u8; LINE],
    length: usize,
}

impl fmt::Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.length + text.len();
        let room = self.bytes.get_mut(self.length..end).ok_or(fmt::Error)?;
        room.copy_from_slice(text.as_bytes());
        self.length = end;
        Ok(())
    }
}

/// Prints a line of the guest's: by hypercall, which takes a twentieth of the time that the UART
/// takes under Xen; if it is too long for that, by the UART.
pub(crate) fn print_line(text: fmt::Arguments<'_>) {
    use fmt::Write;
    let mut line = Line {
        bytes: [0; LINE],
        length: 0,
    };
    if write!(line, "conform: {text}").is_ok() {
        let write = [
            console_io::WRITE,
            line.length as u64,
            line.bytes.as_ptr() as u64,
            0,
        ];
        call::hypercall(CONSOLE_IO, write);
    } else {
        let _ = write!(Uart, "conform: {text}");
    }
}
