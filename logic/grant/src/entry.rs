//! An entry of the table, which the granting guest writes at any time (public/grant_table.h,
//! `struct grant_entry_v1`).

use abi::grant::GrantStatus;
use abi::grant::entry::{PERMIT_ACCESS, READING, READONLY, SIZE, SUB_PAGE, TYPE_MASK, WRITING};
use abi::{DomId, Gfn};

use crate::pins::Access;

/// Attempts to set the status bits while the guest changes the entry. More changes than that to an
/// entry in use are no protocol (XSA-295).
const TRIES: u32 = 5;

/// A frame of the table: a page of the hypervisor's that the granting guest may write at any time.
///
/// All accesses are atomic, sequentially consistent and little-endian. `offset` is in bytes, a
/// multiple of 4 and below 4096: this crate sees to it. An implementation that builds on exclusive
/// loads and stores must bound its attempts.
pub trait SharedFrame {
    /// Reads a word.
    fn load32(&self, offset: u32) -> u32;
    /// Keeps only `bits` and returns what was there.
    fn fetch_and32(&self, offset: u32, bits: u32) -> u32;
    /// Writes `new` if the word is `current`; one attempt, which may fail without a reason.
    ///
    /// # Errors
    /// What the word was, if it was not written.
    fn compare_exchange32(&self, offset: u32, current: u32, new: u32) -> Result<u32, u32>;
}

/// One entry: the word with flags (bits 15:0) and domain (bits 31:16), then the word with the frame.
pub(crate) struct Entry<'a, S> {
    frame: &'a S,
    offset: u32,
}

impl<'a, S: SharedFrame> Entry<'a, S> {
    pub(crate) fn new(frame: &'a S, index: u32) -> Self {
        Self {
            frame,
            offset: index * SIZE,
        }
    }

    /// Marks the entry as in use, if it grants `access` to `to`, and returns the granted frame.
    pub(crate) fn claim(&self, to: DomId, access: Access) -> Result<Gfn, GrantStatus> {
        let wanted = match access {
            Access::Read => READING,
            Access::Write => READING | WRITING,
        };
        let mut header = self.frame.load32(self.offset);
        for _ in 0..TRIES {
            let (flags, domain) = (header as u16, DomId((header >> 16) as u16));
            // A part of a page cannot be granted in version 1: whoever means it grants nothing.
            let is_granted = flags & (TYPE_MASK | SUB_PAGE) == PERMIT_ACCESS && domain == to;
            if !is_granted || access == Access::Write && flags & READONLY != 0 {
                return Err(GrantStatus::GeneralError);
            }
            let marked = header | u32::from(wanted);
            match self.frame.compare_exchange32(self.offset, header, marked) {
                // From here on a guest that keeps to the protocol leaves the frame alone.
                Ok(_) => return Ok(Gfn(self.frame.load32(self.offset + 4).into())),
                Err(now) => header = now,
            }
        }
        Err(GrantStatus::GeneralError)
    }

    /// Takes the status bits `flags` off.
    pub(crate) fn clear(&self, flags: u16) {
        self.frame.fetch_and32(self.offset, !u32::from(flags));
    }
}
