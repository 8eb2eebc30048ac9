//! A value that one CPU at a time may claim, for longer than a lock may be held.
//!
//! A vCPU's registers belong to the physical CPU on which it is resident, across many exits.
//! Nobody waits for a claim: a CPU that finds it taken looks for other work.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicBool, Ordering};

/// A `T` that at most one [`Claimed`] gives access to.
pub struct Claim<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through a `Claimed`, and `taken` lets one exist.
unsafe impl<T: Send> Sync for Claim<T> {}

impl<T> Claim<T> {
    /// Around `value`, free.
    pub const fn new(value: T) -> Self {
        Self {
            taken: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// The value, unless somebody has it.
    pub fn try_claim(&self) -> Option<Claimed<'_, T>> {
        crate::cpu::point();
        // Acquire: pairs with the release in `drop`, so that the last holder's writes are seen.
        self.taken
            .compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)
            .ok()
            .map(|_| Claimed {
                claim: self,
                exclusive: PhantomData,
            })
    }
}

/// A claimed value; dropping it lets the next in.
pub struct Claimed<'a, T> {
    claim: &'a Claim<T>,
    /// It is as a mutable reference: shared between CPUs only if a `T` may be.
    exclusive: PhantomData<&'a mut T>,
}

impl<T> Deref for Claimed<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: this is the only `Claimed` of the claim.
        unsafe { &*self.claim.value.get() }
    }
}

impl<T> DerefMut for Claimed<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this is the only `Claimed` of the claim, borrowed mutably.
        unsafe { &mut *self.claim.value.get() }
    }
}

impl<T> Drop for Claimed<'_, T> {
    fn drop(&mut self) {
        self.claim.taken.store(false, Ordering::Release);
        crate::cpu::point();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_at_a_time() {
        let claim = Claim::new(1);
        let mut first = claim.try_claim().unwrap();
        assert!(claim.try_claim().is_none());
        *first = 2;
        drop(first);
        assert_eq!(*claim.try_claim().unwrap(), 2);
    }
}
