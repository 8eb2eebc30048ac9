//! Xen's error numbers (public/errno.h), as hypercalls return them: negated.

macro_rules! errnos {
    ($($(#[$doc:meta])* $name:ident = $value:literal),* $(,)?) => {
        /// A hypercall's error (public/errno.h).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(i64)]
        pub enum Errno {
            $($(#[$doc])* $name = $value,)*
            /// To be started anew. It is not in the public header, as no guest sees it: its instruction
            /// is executed again.
            Restart = 85,
        }
    };
}

errnos! {
    /// Operation not permitted.
    Perm = 1,
    /// No such entry.
    NoEnt = 2,
    /// No such domain, vCPU or process.
    Srch = 3,
    /// Input or output failed.
    Io = 5,
    /// No such device or address.
    NxIo = 6,
    /// Argument list too long.
    TooBig = 7,
    /// Try again.
    Again = 11,
    /// Out of memory.
    NoMem = 12,
    /// Access denied.
    Acces = 13,
    /// Bad guest address.
    Fault = 14,
    /// In use.
    Busy = 16,
    /// Exists already.
    Exist = 17,
    /// No such device.
    NoDev = 19,
    /// Invalid argument.
    Inval = 22,
    /// No space (or no free port) left.
    NoSpc = 28,
    /// Not implemented.
    NoSys = 38,
    /// No data available.
    NoData = 61,
    /// Value too large.
    Overflow = 75,
    /// Operation not supported.
    OpNotSupp = 95,
    /// Buffer too small.
    NoBufs = 105,
}

impl Errno {
    /// As a hypercall returns it in x0.
    pub const fn as_result(self) -> i64 {
        -(self as i64)
    }
}
