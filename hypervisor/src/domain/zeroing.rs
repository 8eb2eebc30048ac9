//! RAM that is zeroed when a guest first needs it.
//!
//! Invariant: once the domain has started, a block that is not zeroed all through is mapped nowhere in
//! it, by stage 2 or by [`Memory::place`]; the last part of it that is zeroed maps it. So no access of the guest's, not
//! even a speculative one, reaches what was there before. What the hypervisor itself, or a page
//! that others hold, needs of such a block is zeroed when it is asked for (`Memory::find`).
//!
//! A part is zeroed once, under the domain's control lock, and its bit says so from then on: what is
//! written behind that stays.

use abi::{Ipa, Pa, Range};
use alloc::vec;
use alloc::vec::Vec;

use stage2::{Attributes, MapError};

use super::memory::{BLOCK, Bank, Memory};

/// Bytes zeroed under one hold of the lock, and that an idle CPU zeroes in one go.
pub const PART: u64 = 32 << 10;
/// Every part of a block.
const ALL_PARTS: u64 = u64::MAX;
/// A table of the level above blocks maps so much.
const TABLE_REACH: u64 = 1 << 30;
/// Blocks looked at in one go.
const MOST_BLOCKS: usize = 512;

const _: () = assert!(BLOCK / PART == u64::BITS as u64);

/// When a domain's RAM is zeroed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Zeroing {
    /// All of it before its first instruction.
    AtBuild,
    /// A block when the guest first needs it, or when a CPU has nothing else to do.
    OnDemand,
}

/// What became of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Block {
    /// Part of it waits to be zeroed still.
    Waits,
    /// It was zeroed just now, and is mapped.
    Mapped,
}

impl Zeroing {
    /// Tables that blocks take which are mapped one by one, beyond those for the largest blocks that
    /// fit.
    pub fn more_tables(self, bank: &Bank) -> u64 {
        match (self, bank.extent.range().size()) {
            (Self::OnDemand, bytes) if bytes >= TABLE_REACH => bytes / TABLE_REACH + 1,
            _ => 0,
        }
    }
}

impl Bank {
    /// Guest addresses.
    fn guest_range(&self) -> Range {
        Range::new(self.ipa.0, self.extent.range().size()).unwrap_or_default()
    }

    /// The first block that it has all of, if its blocks can be mapped as such.
    fn first_whole_block(&self) -> Option<u64> {
        let pa = self.extent.range().start();
        let congruent = (pa ^ self.ipa.0) & (BLOCK - 1) == 0;
        congruent.then(|| self.ipa.0.checked_next_multiple_of(BLOCK))?
    }

    /// Whether the block at `block` can wait: it is mapped as one, holds nothing of `images`, and its
    /// table is there by the time it is mapped, as an earlier block's.
    fn can_wait(&self, block: Range, images: &[Range]) -> bool {
        block.size() == BLOCK
            && self
                .first_whole_block()
                .is_some_and(|first| block.start() > first)
            && !block.start().is_multiple_of(TABLE_REACH)
            && !images.iter().any(|image| image.overlaps(block))
    }

    /// Which parts of the block at guest address `address` wait to be zeroed.
    #[inline]
    fn waiting(&self, address: u64) -> u64 {
        let waiting = self.unzeroed.get(self.block_of(address));
        waiting.copied().unwrap_or(0)
    }

    /// Zeroes the parts of the block at `address` that `parts` names and that wait. Whether the block
    /// is all zeroed now.
    fn zero_parts(&mut self, address: u64, parts: u64) -> bool {
        let index = self.block_of(address);
        let start = (address & !(BLOCK - 1)).wrapping_sub(self.ipa.0);
        let Some(waiting) = self.unzeroed.get_mut(index) else {
            return true;
        };
        let mut now = *waiting & parts;
        *waiting &= !parts;
        let done = *waiting == 0;
        while now != 0 {
            let part = u64::from(now.trailing_zeros());
            now &= now - 1;
            self.extent.zero(start.wrapping_add(part * PART), PART);
        }
        done
    }

    /// The first byte from `offset` on that has to be zeroed when the bank is given back: what was
    /// never zeroed, no guest has touched. Looks a bounded way ahead.
    pub fn next_touched(&self, offset: u64) -> u64 {
        let mut at = offset;
        for _ in 0..MOST_BLOCKS {
            let address = self.ipa.0.wrapping_add(at);
            if at >= self.extent.range().size() {
                break;
            }
            let part = address % BLOCK / PART;
            let untouched = (self.waiting(address) >> part).trailing_ones();
            if untouched == 0 {
                break;
            }
            // Only blocks that the bank has all of wait, so that parts are of one size.
            at += u64::from(untouched) * PART - address % PART;
        }
        at.min(self.extent.range().size())
    }
}

impl Memory {
    /// Maps the RAM: all of it or, with [`Zeroing::OnDemand`], the blocks that hold something of
    /// `images`, those that cannot be mapped as a whole, and one for each table. Gives the guest addresses
    /// of what is mapped, less `images`: they are to be zeroed before the domain starts, and the images
    /// written.
    ///
    /// # Errors
    /// The tables are used up, or there is no such address.
    pub fn prepare(
        &mut self,
        images: &mut [Range],
        zeroing: Zeroing,
    ) -> Result<Vec<Range>, MapError> {
        images.sort_unstable_by_key(|image| image.start());
        let mut to_zero = Vec::new();
        for index in 0..self.banks.len() {
            for run in self.leave_waiting(index, images, zeroing) {
                self.map_bank(index, run)?;
                let mut at = run.start();
                for image in images.iter().filter(|image| image.overlaps(run)) {
                    to_zero.extend(Range::from_bounds(at, image.start()));
                    at = at.max(image.end());
                }
                to_zero.extend(Range::from_bounds(at, run.end()));
            }
        }
        to_zero.retain(|range| !range.is_empty());
        Ok(to_zero)
    }

    /// Zeroes guest addresses `from` to `to`, which are of one bank.
    pub fn zero(&self, from: u64, to: u64) {
        let bank = self.banks.iter().find(|bank| bank.offset(from).is_some());
        if let Some(bank) = bank {
            bank.zero(from, to);
        }
    }

    /// Whether some of the RAM waits to be zeroed.
    pub fn has_unzeroed(&self) -> bool {
        self.unzeroed_blocks != 0
    }

    /// Notes which blocks of a bank wait, and gives what is between them.
    fn leave_waiting(&mut self, index: usize, images: &[Range], zeroing: Zeroing) -> Vec<Range> {
        let Some(bank) = self.banks.get_mut(index) else {
            return Vec::new();
        };
        let all = bank.guest_range();
        let mut runs = vec![];
        let (mut from, mut at) = (all.start(), all.start());
        while at < all.end() {
            let end = (at | (BLOCK - 1)).saturating_add(1).min(all.end());
            let block = Range::from_bounds(at, end).unwrap_or_default();
            if zeroing == Zeroing::OnDemand && bank.can_wait(block, images) {
                bank.set_waiting(at, ALL_PARTS);
                self.unzeroed_blocks += 1;
                runs.extend(Range::from_bounds(from, at));
                from = end;
            }
            at = end;
        }
        runs.extend(Range::from_bounds(from, all.end()));
        runs.retain(|run| !run.is_empty());
        runs
    }

    /// Maps `range` of a bank's guest addresses as RAM.
    fn map_bank(&mut self, index: usize, range: Range) -> Result<(), MapError> {
        let (Some(bank), Some(stage2)) = (self.banks.get(index), &mut self.stage2) else {
            return Ok(());
        };
        let offset = range.start().wrapping_sub(bank.ipa.0);
        let pa = Pa(bank.extent.range().start().wrapping_add(offset));
        let (ipa, size) = (Ipa(range.start()), range.size());
        stage2.map(&mut self.tables, ipa, pa, size, Attributes::RAM)
    }

    /// Whether the block at `address` is RAM that waits to be zeroed.
    pub fn waits(&self, address: Ipa) -> bool {
        self.unzeroed_blocks != 0 && self.waiting_bank(address.0).is_some()
    }

    /// The bank with a waiting block at `address`.
    pub(super) fn waiting_bank(&self, address: u64) -> Option<usize> {
        let has = |bank: &Bank| bank.offset(address).is_some() && bank.waiting(address) != 0;
        self.banks.iter().position(has)
    }

    /// Zeroes a part of the block at `address`, and maps the block if that was the last one. `None` if
    /// it does not wait.
    pub fn zero_part(&mut self, address: Ipa) -> Option<Block> {
        let index = self.waiting_bank(address.0)?;
        let waiting = self.banks.get(index)?.waiting(address.0);
        Some(self.zero_some(index, address.0, waiting & waiting.wrapping_neg()))
    }

    /// Where `address` lies, if its block waits; its part of it is zeroed.
    pub fn bring(&mut self, address: Ipa) -> Option<Pa> {
        let index = self.waiting_bank(address.0)?;
        self.zero_for_use(index, address.0);
        let bank = self.banks.get(index)?;
        let start = bank.extent.range().start();
        Some(Pa(start.wrapping_add(bank.offset(address.0)?)))
    }

    /// Zeroes the part at `address` of a bank if it waits, for a use by its machine address.
    pub(super) fn zero_for_use(&mut self, bank: usize, address: u64) {
        let _ = self.zero_some(bank, address, 1 << (address % BLOCK / PART));
    }

    fn zero_some(&mut self, index: usize, address: u64, parts: u64) -> Block {
        let Some(bank) = self.banks.get_mut(index) else {
            return Block::Waits;
        };
        if !bank.zero_parts(address, parts) {
            return Block::Waits;
        }
        bank.set_plain(address);
        self.unzeroed_blocks = self.unzeroed_blocks.saturating_sub(1);
        if let Some(block) = Range::new(address & !(BLOCK - 1), BLOCK) {
            // Its table is there, and nothing is mapped in it; once the tables are taken apart nobody
            // needs it mapped.
            let mapped = self.map_bank(index, block);
            debug_assert_eq!(mapped, Ok(()));
        }
        Block::Mapped
    }

    /// Zeroes the next part of what waits; `false` if nothing does, or the domain has ended. Looks a
    /// bounded way ahead and goes on there next time.
    pub fn zero_next(&mut self) -> bool {
        if self.unzeroed_blocks == 0 || self.stage2.is_none() {
            return false;
        }
        for _ in 0..MOST_BLOCKS {
            let (index, block) = self.unzeroed_hint;
            let Some(bank) = self.banks.get(index) else {
                self.unzeroed_hint = (0, 0);
                continue;
            };
            match bank.unzeroed.get(block) {
                None => self.unzeroed_hint = (index + 1, 0),
                Some(0) => self.unzeroed_hint = (index, block + 1),
                Some(waiting) => {
                    let part = waiting & waiting.wrapping_neg();
                    let address = (bank.ipa.0 & !(BLOCK - 1)) + block as u64 * BLOCK;
                    let _ = self.zero_some(index, address, part);
                    break;
                }
            }
        }
        true
    }
}
