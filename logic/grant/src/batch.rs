//! Counting through a guest's array of requests.

/// Which request of an array is next. Kept by the hypervisor over preemptions, so that none is
/// skipped or done twice (XSA-318).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    next: u32,
    count: u32,
}

impl Batch {
    /// An array of `count` requests, none of them done.
    pub const fn new(count: u32) -> Self {
        Self { next: 0, count }
    }

    /// The next request's index, which is counted as done with this; `None` if the budget or the
    /// array is used up.
    pub fn take(&mut self, budget: &mut u32) -> Option<u32> {
        if self.is_done() {
            return None;
        }
        *budget = budget.checked_sub(1)?;
        let index = self.next;
        self.next += 1;
        Some(index)
    }

    /// Whether all are done.
    pub const fn is_done(self) -> bool {
        self.next >= self.count
    }
}
