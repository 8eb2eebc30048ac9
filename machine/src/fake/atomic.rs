//! Atomics of which each access is a point at which tests switch between CPUs (see
//! [`Scene`](super::Scene)): the interleavings of sequential consistency.

use core::sync::atomic;

pub use core::sync::atomic::{Ordering, fence};

use super::cpu::point;

macro_rules! atomics {
    ($($(#[$doc:meta])* $name:ident: $value:ty),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $name(atomic::$name);

        impl $name {
            /// Holding `value`.
            pub const fn new(value: $value) -> Self {
                Self(atomic::$name::new(value))
            }

            /// Reads it.
            pub fn load(&self, order: Ordering) -> $value {
                point();
                self.0.load(order)
            }

            /// Writes it.
            pub fn store(&self, value: $value, order: Ordering) {
                point();
                self.0.store(value, order);
            }

            /// Writes it, and tells what it was.
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                point();
                self.0.swap(value, order)
            }

            /// Writes it if it is `current`; tells what it was.
            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                point();
                self.0.compare_exchange(current, new, success, failure)
            }

            /// Sets bits, and tells what it was.
            pub fn fetch_or(&self, bits: $value, order: Ordering) -> $value {
                point();
                self.0.fetch_or(bits, order)
            }

            /// Clears the bits that are not in `bits`, and tells what it was.
            pub fn fetch_and(&self, bits: $value, order: Ordering) -> $value {
                point();
                self.0.fetch_and(bits, order)
            }
        }
    )*};
}

macro_rules! numbers {
    ($($name:ident: $value:ty),*) => {$(
        impl $name {
            /// Adds, wrapping, and tells what it was.
            pub fn fetch_add(&self, more: $value, order: Ordering) -> $value {
                point();
                self.0.fetch_add(more, order)
            }

            /// Writes what is less, it or `other`, and tells what it was.
            pub fn fetch_min(&self, other: $value, order: Ordering) -> $value {
                point();
                self.0.fetch_min(other, order)
            }

            /// Subtracts, wrapping, and tells what it was.
            pub fn fetch_sub(&self, less: $value, order: Ordering) -> $value {
                point();
                self.0.fetch_sub(less, order)
            }
        }
    )*};
}

atomics! {
    /// A flag.
    AtomicBool: bool,
    /// 8 bits.
    AtomicU8: u8,
    /// 16 bits.
    AtomicU16: u16,
    /// 32 bits.
    AtomicU32: u32,
    /// 64 bits.
    AtomicU64: u64,
}

numbers!(AtomicU8: u8, AtomicU16: u16, AtomicU32: u32, AtomicU64: u64);
