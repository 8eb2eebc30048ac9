//! An answer: a value, or the exception that came instead.

use core::{fmt, sync::atomic::Ordering::Relaxed};

use support::cpu;

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
    (@ $item:expr, $($answer:tt)*) => {{
        use core::fmt::Write;
        let answer = format_args!($($answer)*);
        let _ = writeln!(support::uart::Uart, "conform: {} = {answer}", $item);
    }};
}
