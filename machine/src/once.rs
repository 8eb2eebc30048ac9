//! A value that is set once and then only read: the hypervisor's one root.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU8, Ordering};

const EMPTY: u8 = 0;
const SETTING: u8 = 1;
const SET: u8 = 2;

/// Room for one `T`, filled at most once.
pub struct Once<T> {
    state: AtomicU8,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: written by the one caller that moved the state from EMPTY, and shared only when SET.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Once<T> {
    /// Empty.
    pub const fn new() -> Self {
        Self {
            state: AtomicU8::new(EMPTY),
            value: UnsafeCell::new(None),
        }
    }

    /// Fills it; `Err` with the value if it is filled already.
    pub fn set(&self, value: T) -> Result<(), T> {
        let claimed =
            self.state
                .compare_exchange(EMPTY, SETTING, Ordering::Acquire, Ordering::Relaxed);
        if claimed.is_err() {
            return Err(value);
        }
        // SAFETY: the state moved from EMPTY to SETTING here, so nobody else writes or reads.
        unsafe { *self.value.get() = Some(value) };
        // Release: pairs with the acquire in `get`.
        self.state.store(SET, Ordering::Release);
        Ok(())
    }

    /// The value, once it is set.
    #[inline]
    pub fn get(&self) -> Option<&T> {
        if self.state.load(Ordering::Acquire) != SET {
            return None;
        }
        // SAFETY: after SET nobody writes.
        unsafe { (*self.value.get()).as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_set_once() {
        let once = Once::new();
        assert_eq!(once.get(), None);
        assert_eq!(once.set(1), Ok(()));
        assert_eq!(once.set(2), Err(2));
        assert_eq!(once.get(), Some(&1));
    }
}
