//! What a domain has mapped of others: a handle for each mapping.
//!
//! Slots come in chunks of 128 and are linked into a free list; the list and the mappings are the
//! hypervisor's own, behind the domain's lock (XSA-228).

use alloc::boxed::Box;
use alloc::vec::Vec;

use abi::Gfn;
use abi::grant::GrantStatus;

use crate::pins::Pin;

const CHUNK: u32 = 128;

/// A mapping's number, as the guest knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Handle(pub u32);

/// A mapping.
#[derive(Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The use of the page that it is.
    pub pin: Pin,
    /// Where it is mapped.
    pub gfn: Gfn,
}

enum Slot {
    /// Free; the next free one follows, if there is one.
    Free(Option<u32>),
    /// Given out, and being mapped.
    Reserved,
    Used(Mapping),
}

/// A domain's mappings of others' pages.
pub struct Maptrack {
    chunks: Vec<Box<[Slot]>>,
    free: Option<u32>,
    max: u32,
    used: u32,
}

impl Maptrack {
    /// No mappings, and `max` at most.
    pub const fn new(max: u32) -> Self {
        Self {
            chunks: Vec::new(),
            free: None,
            max,
            used: 0,
        }
    }

    /// Bytes of the heap that `mappings` mappings take at most.
    pub const fn most_bytes(mappings: u32) -> u64 {
        let slots = CHUNK as usize * size_of::<Slot>();
        // The list of chunks is copied when it grows.
        let chunk = 2 * size_of::<Box<[Slot]>>() + slots + crate::ALLOCATION_BYTES;
        mappings.div_ceil(CHUNK) as u64 * chunk as u64
    }

    /// How many mappings there are, those being made included.
    pub fn used(&self) -> u32 {
        self.used
    }

    /// A handle for a mapping to be made: [`Maptrack::fill`] or [`Maptrack::cancel`] it.
    ///
    /// # Errors
    /// `NoSpace`: no more mappings, or no memory.
    pub fn reserve(&mut self) -> Result<Handle, GrantStatus> {
        if self.used >= self.max {
            return Err(GrantStatus::NoSpace);
        }
        let index = match self.free {
            Some(index) => index,
            None => self.add_chunk().ok_or(GrantStatus::NoSpace)?,
        };
        if let Some(slot) = self.slot(index)
            && let Slot::Free(next) = *slot
        {
            *slot = Slot::Reserved;
            self.free = next;
            self.used += 1;
        }
        Ok(Handle(index))
    }

    /// The mapping was made. What was not reserved is given back.
    ///
    /// # Errors
    /// The mapping, if the handle was not reserved.
    pub fn fill(&mut self, handle: Handle, mapping: Mapping) -> Result<(), Mapping> {
        match self.slot(handle.0) {
            Some(slot @ Slot::Reserved) => {
                *slot = Slot::Used(mapping);
                Ok(())
            }
            _ => Err(mapping),
        }
    }

    /// The mapping was not made after all.
    pub fn cancel(&mut self, handle: Handle) {
        if let Some(Slot::Reserved) = self.slot(handle.0) {
            self.release(handle.0);
        }
    }

    /// Whether `handle` is a mapping at `gfn`.
    ///
    /// # Errors
    /// `BadHandle`: no such mapping. `GeneralError`: it is somewhere else.
    pub fn check(&mut self, handle: Handle, gfn: Gfn) -> Result<(), GrantStatus> {
        match self.slot(handle.0) {
            Some(Slot::Used(mapping)) if mapping.gfn == gfn => Ok(()),
            Some(Slot::Used(_)) => Err(GrantStatus::GeneralError),
            _ => Err(GrantStatus::BadHandle),
        }
    }

    /// Ends the mapping `handle` at `gfn`, which was taken out of stage 2: unpin it.
    ///
    /// # Errors
    /// As [`Maptrack::check`].
    pub fn take(&mut self, handle: Handle, gfn: Gfn) -> Result<Mapping, GrantStatus> {
        self.check(handle, gfn)?;
        self.release(handle.0).ok_or(GrantStatus::BadHandle)
    }

    /// Whether there is such a mapping.
    pub fn has(&mut self, handle: Handle) -> bool {
        matches!(self.slot(handle.0), Some(Slot::Used(_)))
    }

    /// For the domain's end: takes the first mapping from `from` on, looking at `budget` slots at
    /// most. `from` goes on behind it; `None` with `from` at [`Maptrack::slots`] is the end
    /// (XSA-380).
    pub fn drain(&mut self, from: &mut u32, budget: u32) -> Option<Mapping> {
        for _ in 0..budget {
            if *from >= self.slots() {
                return None;
            }
            let index = *from;
            *from += 1;
            if let Some(Slot::Used(_)) = self.slot(index) {
                return self.release(index);
            }
        }
        None
    }

    /// For the domain's end, when it is drained: frees `budget` chunks of 128 slots at most. How many are
    /// left.
    pub fn retire(&mut self, budget: usize) -> usize {
        self.max = 0;
        self.free = None;
        let left = self.chunks.len().saturating_sub(budget);
        self.chunks.truncate(left);
        if left == 0 {
            self.chunks = Vec::new();
        }
        left
    }

    /// How many slots there are.
    pub fn slots(&self) -> u32 {
        self.chunks.len() as u32 * CHUNK
    }

    fn slot(&mut self, index: u32) -> Option<&mut Slot> {
        self.chunks
            .get_mut((index / CHUNK) as usize)?
            .get_mut((index % CHUNK) as usize)
    }

    /// Frees a slot in use and returns the mapping that it held.
    fn release(&mut self, index: u32) -> Option<Mapping> {
        let next = self.free;
        let held = core::mem::replace(self.slot(index)?, Slot::Free(next));
        self.free = Some(index);
        self.used = self.used.saturating_sub(1);
        match held {
            Slot::Used(mapping) => Some(mapping),
            Slot::Reserved | Slot::Free(_) => None,
        }
    }

    /// Makes free slots, the first of which is returned.
    fn add_chunk(&mut self) -> Option<u32> {
        let first = self.slots();
        let last = first.checked_add(CHUNK)?.checked_sub(1)?;
        let mut chunk = Vec::new();
        chunk.try_reserve_exact(CHUNK as usize).ok()?;
        self.chunks.try_reserve(1).ok()?;
        chunk.extend((first..=last).map(|index| Slot::Free((index < last).then_some(index + 1))));
        self.chunks.push(chunk.into_boxed_slice());
        Some(first)
    }
}
