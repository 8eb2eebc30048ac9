//! Atomics: the processor's. (On the fake machine each access is a point at which tests switch
//! between CPUs.)

pub use core::sync::atomic::{
    AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering, fence,
};
