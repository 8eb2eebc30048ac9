//! Those that wait on one CPU, and whose deadline comes first.
//!
//! Each has a number of its own below `N`, by which it is found at once. Those with a deadline are
//! in a binary heap besides, so nothing here takes longer with many sleepers than the heap is deep.
//!
//! Invariant: `heap[..len]` holds exactly the sleepers with a deadline, no deadline comes before its
//! parent's, and each of them knows its place.

use crate::{VcpuKey, VirtualTime};

/// A vCPU's number among all of the machine, below the `N` of [`Sleepers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SleeperId(pub u16);

/// The sleepers of one CPU.
#[derive(Debug)]
pub struct Sleepers<const N: usize> {
    entries: [Option<Entry>; N],
    heap: [Due; N],
    len: usize,
}

/// One that sleeps.
#[derive(Clone, Copy, Debug)]
struct Entry {
    key: VcpuKey,
    time: VirtualTime,
    /// Its place in the heap, if it has a deadline.
    place: Option<u16>,
}

/// When one is due.
#[derive(Clone, Copy, Debug)]
struct Due {
    deadline: u64,
    id: SleeperId,
}

const VACANT: Due = Due {
    deadline: u64::MAX,
    id: SleeperId(u16::MAX),
};

impl<const N: usize> Default for Sleepers<N> {
    fn default() -> Self {
        Self {
            entries: [None; N],
            heap: [VACANT; N],
            len: 0,
        }
    }
}

impl<const N: usize> Sleepers<N> {
    /// `key` sleeps until `deadline` at the latest. Nothing changes if `id` sleeps already or there
    /// is no such number.
    pub fn insert(
        &mut self,
        id: SleeperId,
        key: VcpuKey,
        time: VirtualTime,
        deadline: Option<u64>,
    ) {
        if let Some(entry @ None) = self.entries.get_mut(usize::from(id.0)) {
            *entry = Some(Entry {
                key,
                time,
                place: None,
            });
            self.set_deadline(id, deadline);
        }
    }

    /// Ends the sleep of `id`; `None` if it does not sleep. What it gives is for
    /// [`RunQueue::enqueue`](crate::RunQueue::enqueue).
    pub fn remove(&mut self, id: SleeperId) -> Option<VirtualTime> {
        self.take(id).map(|entry| entry.time)
    }

    /// Changes when `id` is due, if it sleeps.
    pub fn set_deadline(&mut self, id: SleeperId, deadline: Option<u64>) {
        let Some(Some(entry)) = self.entries.get_mut(usize::from(id.0)) else {
            return;
        };
        if let Some(place) = entry.place.take() {
            self.close_gap(usize::from(place));
        }
        if let Some(deadline) = deadline
            && self.len < N
        {
            self.len += 1;
            self.rise(self.len - 1, Due { deadline, id });
        }
    }

    /// The first deadline.
    #[inline]
    pub fn first_deadline(&self) -> Option<u64> {
        Some(self.heap.get(..self.len)?.first()?.deadline)
    }

    /// Ends the sleep of one whose deadline has come by `now`.
    pub fn take_due(&mut self, now: u64) -> Option<(VcpuKey, VirtualTime)> {
        let first = *self.heap.get(..self.len)?.first()?;
        if first.deadline > now {
            return None;
        }
        let entry = self.take(first.id)?;
        Some((entry.key, entry.time))
    }

    fn take(&mut self, id: SleeperId) -> Option<Entry> {
        let entry = self.entries.get_mut(usize::from(id.0))?.take()?;
        if let Some(place) = entry.place {
            self.close_gap(usize::from(place));
        }
        Some(entry)
    }

    /// Moves the heap's last one to where it belongs, now that `place` is free.
    fn close_gap(&mut self, place: usize) {
        let Some(last) = self.len.checked_sub(1) else {
            return;
        };
        self.len = last;
        let Some(&moved) = self.heap.get(last) else {
            return;
        };
        if place < last {
            self.sink(place, moved);
        }
    }

    /// Puts `due` to `place` or above it.
    fn rise(&mut self, mut place: usize, due: Due) {
        while place > 0 {
            let above = (place - 1) / 2;
            match self.heap.get(above) {
                Some(&parent) if due.deadline < parent.deadline => {
                    self.put(place, parent);
                    place = above;
                }
                _ => break,
            }
        }
        self.put(place, due);
    }

    /// Puts `due` to `place`, below it or above it.
    fn sink(&mut self, mut place: usize, due: Due) {
        while let Some((below, child)) = self.earlier_child(place) {
            if due.deadline <= child.deadline {
                break;
            }
            self.put(place, child);
            place = below;
        }
        self.rise(place, due);
    }

    fn earlier_child(&self, place: usize) -> Option<(usize, Due)> {
        let live = self.heap.get(..self.len)?;
        let left = 2 * place + 1;
        let first = *live.get(left)?;
        match live.get(left + 1) {
            Some(second) if second.deadline < first.deadline => Some((left + 1, *second)),
            _ => Some((left, first)),
        }
    }

    fn put(&mut self, place: usize, due: Due) {
        if let Some(there) = self.heap.get_mut(place) {
            *there = due;
        }
        if let Some(Some(entry)) = self.entries.get_mut(usize::from(due.id.0)) {
            entry.place = Some(place as u16);
        }
    }
}
