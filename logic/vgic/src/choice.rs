//! Which interrupts get list registers when there are more candidates than registers.
//!
//! Policy: active interrupts stay in list registers first, those of high priority before others, so
//! that the guest's end of an interrupt finds it there. But if anything is pending, one register (of
//! at least two) goes to the pending interrupt of the highest priority, so that it is taken whatever
//! is active. What remains goes to pending interrupts by priority. Among equal priorities the lower
//! INTID comes first, as the hardware would choose.

use crate::config::MAX_LIST_REGISTERS;

const MOST: usize = MAX_LIST_REGISTERS as usize;

/// The best `capacity` candidates offered, best first.
pub(crate) struct Ranked {
    best: [u32; MOST],
    held: usize,
    capacity: usize,
}

impl Ranked {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            best: [0; MOST],
            held: 0,
            capacity: capacity.min(MOST),
        }
    }

    /// Offers an interrupt.
    pub(crate) fn offer(&mut self, priority: u8, intid: u16) {
        let mut carry = u32::from(priority) << 16 | u32::from(intid);
        let full = self.held >= self.capacity;
        if full && self.kept().last().is_none_or(|worst| *worst <= carry) {
            return;
        }
        for slot in self.best.iter_mut().take(self.held) {
            if carry < *slot {
                core::mem::swap(slot, &mut carry);
            }
        }
        if !full && let Some(slot) = self.best.get_mut(self.held) {
            *slot = carry;
            self.held += 1;
        }
    }

    /// The INTIDs of the best, best first.
    pub(crate) fn intids(&self) -> impl Iterator<Item = u16> {
        self.kept().iter().map(|key| *key as u16)
    }

    fn kept(&self) -> &[u32] {
        self.best.get(..self.held).unwrap_or(&[])
    }
}

/// The INTIDs for the list registers.
pub(crate) struct Choice {
    active: Ranked,
    pending: Ranked,
    active_count: usize,
    pending_count: usize,
}

impl Choice {
    /// Chooses among ranked candidates for `capacity` list registers.
    pub(crate) fn new(active: Ranked, pending: Ranked, capacity: usize) -> Self {
        let reserved = usize::from(capacity > 1 && pending.held > 0);
        let active_count = active.held.min(capacity.saturating_sub(reserved));
        let pending_count = pending.held.min(capacity.saturating_sub(active_count));
        Self {
            active,
            pending,
            active_count,
            pending_count,
        }
    }

    /// The chosen INTIDs, active ones first.
    pub(crate) fn intids(&self) -> impl Iterator<Item = u16> {
        let active = self.active.kept().iter().take(self.active_count);
        active
            .chain(self.pending.kept().iter().take(self.pending_count))
            .map(|key| *key as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(candidates: &[(u8, u16)], capacity: usize) -> Ranked {
        let mut ranked = Ranked::new(capacity);
        candidates
            .iter()
            .for_each(|&(priority, intid)| ranked.offer(priority, intid));
        ranked
    }

    fn choose(active: &[(u8, u16)], pending: &[(u8, u16)], capacity: usize) -> Vec<u16> {
        let choice = Choice::new(
            ranked(active, capacity),
            ranked(pending, capacity),
            capacity,
        );
        choice.intids().collect()
    }

    #[test]
    fn everything_fits() {
        assert_eq!(choose(&[(8, 40)], &[(0, 50), (0, 33)], 4), vec![40, 33, 50]);
        assert_eq!(choose(&[], &[], 4), vec![]);
    }

    #[test]
    fn pending_ones_go_by_priority_then_number() {
        let pending = [(0xa0, 50), (0x80, 60), (0xa0, 33), (0x20, 70), (0x80, 59)];
        assert_eq!(choose(&[], &pending, 3), vec![70, 59, 60]);
    }

    #[test]
    fn active_ones_stay_but_one_register_is_for_the_best_pending() {
        let active = [(0x10, 1), (0x40, 2), (0x20, 3), (0x30, 4)];
        assert_eq!(
            choose(&active, &[(0xf8, 9), (0xf0, 8)], 4),
            vec![1, 3, 4, 8]
        );
        assert_eq!(choose(&active, &[], 4), vec![1, 3, 4, 2]);
        assert_eq!(choose(&active, &[(0, 9)], 1), vec![1]);
    }

    #[test]
    fn no_list_register_takes_nothing() {
        assert_eq!(choose(&[(0, 1)], &[(0, 2)], 0), vec![]);
    }
}
