//! Spin locks whose order is a type.
//!
//! Every lock carries a rank; taking one needs a [`Token`] of a lower rank, and lends the token of
//! its own rank to whoever needs the next lock. Each exit of a guest starts with the one
//! [`Token<Unlocked>`] of its CPU, so the wrong order, or a second lock of the same rank, does not
//! compile. Interrupts are masked at EL2, so that no handler ever races its own CPU.
//!
//! ```
//! use machine::lock::{Control, Lock, Output, Token, Unlocked};
//! let control = Lock::<u32, Control>::new(1);
//! let output = Lock::<u32, Output>::new(2);
//! let mut token = machine::lock::host_token();
//! let mut held = control.lock(&mut token);
//! let (one, inner) = held.split();
//! *one += *output.lock(inner).split().0;
//! assert_eq!(*one, 3);
//! ```
//!
//! The other way round is refused:
//!
//! ```compile_fail
//! use machine::lock::{Control, Lock, Output};
//! let control = Lock::<u32, Control>::new(1);
//! let output = Lock::<u32, Output>::new(2);
//! let mut token = machine::lock::host_token();
//! let mut held = output.lock(&mut token);
//! let (_, inner) = held.split();
//! control.lock(inner);
//! ```
//!
//! And so are two of one rank:
//!
//! ```compile_fail
//! use machine::lock::{Devices, Lock};
//! let (a, b) = (Lock::<u32, Devices>::new(1), Lock::<u32, Devices>::new(2));
//! let mut token = machine::lock::host_token();
//! let first = a.lock(&mut token);
//! let second = b.lock(&mut token);
//! drop(first);
//! ```

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

use crate::cpu;

/// A rank: where a lock stands in the order.
pub trait Rank {}

/// `Self` may be held while a lock of rank `Inner` is taken.
pub trait Before<Inner: Rank>: Rank {}

macro_rules! ranks {
    (@before $low:ident:) => {};
    (@before $low:ident: $($high:ident)+) => { $(impl Before<$high> for $low {})+ };
    (@all) => {};
    (@all $low:ident $($high:ident)*) => {
        ranks!(@before $low: $($high)*);
        ranks!(@all $($high)*);
    };
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        $($(#[$doc])* pub enum $name {} impl Rank for $name {})+
        ranks!(@all $($name)+);
    };
}

ranks! {
    /// No lock is held.
    Unlocked,
    /// Rank 1: the table of domains and the frame allocator.
    Table,
    /// Rank 2: a domain's life cycle and specification.
    Control,
    /// Rank 3: a domain's emulated devices.
    Devices,
    /// Rank 4: a domain's event channels.
    Events,
    /// Rank 5: a CPU's run queue.
    RunQueue,
    /// Rank 6: the console and the log.
    Output,
}

/// The right to take locks above rank `R`. Not `Clone`, and made once for each CPU.
pub struct Token<R: Rank> {
    rank: PhantomData<R>,
    /// Not `Send`: it stands for this CPU's position in the lock order.
    cpu: PhantomData<*mut ()>,
}

impl<R: Rank> Token<R> {
    const fn new() -> Self {
        Self {
            rank: PhantomData,
            cpu: PhantomData,
        }
    }
}

/// The token that a CPU starts with; made only where a CPU enters the hypervisor.
#[cfg(all(target_arch = "aarch64", target_os = "none"))]
pub(crate) const fn cpu_token() -> Token<Unlocked> {
    Token::new()
}

/// A token for tests on the host, where a thread plays a CPU.
#[cfg(not(all(target_arch = "aarch64", target_os = "none")))]
pub fn host_token() -> Token<Unlocked> {
    Token::new()
}

/// A ticket spin lock of rank `R` around a `T`: first come, first served. Laid out so that the tickets
/// are reached by the shortest instructions.
#[repr(C)]
pub struct Lock<T, R: Rank> {
    next: AtomicU32,
    serving: AtomicU32,
    rank: PhantomData<R>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through a `Guard`, of which the ticket protocol lets one exist.
unsafe impl<T: Send, R: Rank> Sync for Lock<T, R> {}
// SAFETY: as for the value itself; the rank is a marker that no value of exists.
unsafe impl<T: Send, R: Rank> Send for Lock<T, R> {}

impl<T, R: Rank> Lock<T, R> {
    /// Around `value`, free.
    pub const fn new(value: T) -> Self {
        Self {
            next: AtomicU32::new(0),
            serving: AtomicU32::new(0),
            rank: PhantomData,
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for its turn and takes it. `held` says which rank the caller holds at most.
    #[inline]
    pub fn lock<'a, Held: Before<R>>(&'a self, held: &'a mut Token<Held>) -> Guard<'a, T, R> {
        let _ = held;
        cpu::point();
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        // Acquire, here or in waiting: pairs with the release in `Guard::drop`.
        if self.serving.load(Ordering::Acquire) != ticket {
            cpu::wait_for(&self.serving, ticket);
        }
        Guard {
            lock: self,
            token: Token::new(),
        }
    }

    /// Takes it if nobody has it or waits for it.
    #[inline]
    pub fn try_lock<'a, Held: Before<R>>(
        &'a self,
        held: &'a mut Token<Held>,
    ) -> Option<Guard<'a, T, R>> {
        let _ = held;
        cpu::point();
        // Acquire: pairs with the release in `Guard::drop`.
        let ticket = self.serving.load(Ordering::Acquire);
        self.next
            .compare_exchange(
                ticket,
                ticket.wrapping_add(1),
                Ordering::Relaxed,
                Ordering::Relaxed,
            )
            .ok()?;
        Some(Guard {
            lock: self,
            token: Token::new(),
        })
    }

    /// The value, for the one who owns the lock itself: nobody else can hold it.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// The value without the lock, for the time before atomics work (MMU off).
    ///
    /// # Safety
    /// One CPU runs, and it holds no guard of this lock.
    #[cfg(all(target_arch = "aarch64", target_os = "none"))]
    #[expect(clippy::mut_from_ref, reason = "the caller vouches for being alone")]
    pub(crate) unsafe fn unshared(&self) -> &mut T {
        // SAFETY: as this function's.
        unsafe { &mut *self.value.get() }
    }
}

/// Takes two locks of one rank, in an order that is the same for everybody, and passes both values
/// on. `None`, with nothing taken, if it is one lock.
pub fn with_two<T, R: Rank, Held: Before<R>, V>(
    first: &Lock<T, R>,
    second: &Lock<T, R>,
    held: &mut Token<Held>,
    use_them: impl FnOnce(&mut T, &mut T) -> V,
) -> Option<V> {
    let mut token = Token::<Held>::new();
    let (mut one, mut other);
    // Everybody goes by address.
    match core::ptr::from_ref(first).cmp(&core::ptr::from_ref(second)) {
        core::cmp::Ordering::Less => {
            one = first.lock(held);
            other = second.lock(&mut token);
        }
        core::cmp::Ordering::Equal => return None,
        core::cmp::Ordering::Greater => {
            other = second.lock(&mut token);
            one = first.lock(held);
        }
    }
    Some(use_them(&mut one, &mut other))
}

/// A held lock. Dropping it lets the next in line in.
pub struct Guard<'a, T, R: Rank> {
    lock: &'a Lock<T, R>,
    token: Token<R>,
}

impl<T, R: Rank> Guard<'_, T, R> {
    /// The value, and the token for taking locks above this one meanwhile.
    pub fn split(&mut self) -> (&mut T, &mut Token<R>) {
        // SAFETY: the guard is the only one for this lock, and it is borrowed mutably.
        (unsafe { &mut *self.lock.value.get() }, &mut self.token)
    }
}

impl<T, R: Rank> Deref for Guard<'_, T, R> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard is the only one for this lock.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T, R: Rank> DerefMut for Guard<'_, T, R> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard is the only one for this lock, and it is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T, R: Rank> Drop for Guard<'_, T, R> {
    #[inline]
    fn drop(&mut self) {
        let mine = self.lock.serving.load(Ordering::Relaxed);
        // Release: what was written under the lock is seen by the next holder's acquire.
        self.lock
            .serving
            .store(mine.wrapping_add(1), Ordering::Release);
        cpu::point();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::thread;
    use std::vec::Vec;

    #[test]
    fn two_locks_of_a_rank_are_taken_in_one_order() {
        let locks = Arc::new([Lock::<u64, Events>::new(0), Lock::<u64, Events>::new(0)]);
        let threads: Vec<_> = [(0, 1), (1, 0)]
            .map(|(a, b)| {
                let locks = locks.clone();
                thread::spawn(move || {
                    let mut token = host_token();
                    for _ in 0..10_000 {
                        with_two(&locks[a], &locks[b], &mut token, |one, other| {
                            *one += 1;
                            *other += 2;
                        })
                        .unwrap();
                    }
                })
            })
            .into();
        threads
            .into_iter()
            .for_each(|thread| thread.join().unwrap());
        let mut token = host_token();
        assert_eq!(*locks[0].lock(&mut token), 30_000);
        assert_eq!(*locks[1].lock(&mut token), 30_000);
        assert!(with_two(&locks[0], &locks[0], &mut token, |_, _| ()).is_none());
    }

    #[test]
    fn two_threads_lose_no_increment() {
        let lock = Arc::new(Lock::<u64, Control>::new(0));
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let lock = lock.clone();
                thread::spawn(move || {
                    let mut token = host_token();
                    for _ in 0..10_000 {
                        *lock.lock(&mut token) += 1;
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(*lock.lock(&mut host_token()), 20_000);
    }
}
