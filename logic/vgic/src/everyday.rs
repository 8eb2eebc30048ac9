//! Short ways to the registers that guests use every day: aligned words with the groups, enables and
//! priorities of interrupts that nothing is on, and the types.
//!
//! Each gives up where the access could fail or concern anybody's list registers; then the long way
//! ([`Vgic::read_distributor`] and its like) is to be taken, and means the same.

use crate::access::Width;
use crate::bank::Bank;
use crate::config::Version;
use crate::model::{Vgic, implemented};
use abi::VcpuId;

/// Blocks of 32 registers with a bit for each interrupt, and those with its priority, by `offset >> 7`.
const GROUP: u32 = 1;
const SET_ENABLE: u32 = 2;
const CLEAR_ENABLE: u32 = 3;
const PRIORITY_FIRST: u32 = 8;
const PRIORITY_LAST: u32 = 15;

/// `GICD_TYPER`.
const DISTRIBUTOR_TYPE: u32 = 0x4;
/// `GICR_TYPER`.
const REDISTRIBUTOR_TYPE: u32 = 0x8;
/// The frame of a redistributor's private interrupts.
const PRIVATE_FRAME: u32 = 0x1_0000;

/// The implemented bits of four priorities.
const PRIORITY_MASKS: u32 = 0xf8f8_f8f8;

impl Vgic {
    /// A read of a word of the distributor; `None` if that takes the long way.
    #[inline]
    pub fn peek_distributor(&self, offset: u32) -> Option<u32> {
        if offset == DISTRIBUTOR_TYPE {
            return Some(self.distributor_type);
        }
        self.spi(word_of(offset))?.bank.peek(offset)
    }

    /// A write of a word of the distributor. Whether it is done; if not, it takes the long way.
    #[inline]
    #[must_use]
    pub fn poke_distributor(&mut self, offset: u32, value: u32) -> bool {
        let word = word_of(offset);
        match self.spi_mut(word) {
            Some(spi) => spi.bank.poke(offset, value, implemented(word)),
            None => false,
        }
    }

    /// A read of `target`'s redistributor; `None` if that takes the long way.
    #[inline]
    pub fn peek_redistributor(&self, target: VcpuId, offset: u32, width: Width) -> Option<u64> {
        let state = self.vcpu(target)?;
        if self.version == Version::V2 {
            return None;
        }
        if offset == REDISTRIBUTOR_TYPE {
            let register = self.redistributor_type(target);
            return match width {
                Width::Double => Some(register),
                Width::Word => Some(register & 0xffff_ffff),
                Width::Byte | Width::Half => None,
            };
        }
        let offset = offset.wrapping_sub(PRIVATE_FRAME);
        if width != Width::Word || word_of(offset) != 0 {
            return None;
        }
        state.private.peek(offset).map(u64::from)
    }

    /// A write of a word of `target`'s redistributor. Whether it is done; if not, it takes the long
    /// way.
    #[inline]
    #[must_use]
    pub fn poke_redistributor(&mut self, target: VcpuId, offset: u32, value: u32) -> bool {
        let offset = offset.wrapping_sub(PRIVATE_FRAME);
        if self.version == Version::V2 || word_of(offset) != 0 {
            return false;
        }
        match self.vcpu_mut(target) {
            Some(state) => state.private.poke(offset, value, u32::MAX),
            None => false,
        }
    }
}

/// The word of interrupts that the register at `offset` is of, if it is one of those below.
const fn word_of(offset: u32) -> usize {
    let shift = if offset >> 7 < PRIORITY_FIRST { 2 } else { 5 };
    (offset >> shift & 31) as usize
}

impl Bank {
    /// Reads the word at `offset`, of this bank.
    #[inline(always)]
    fn peek(&self, offset: u32) -> Option<u32> {
        if offset & 3 != 0 {
            return None;
        }
        match offset >> 7 {
            GROUP => Some(self.group),
            SET_ENABLE | CLEAR_ENABLE => Some(self.enabled),
            PRIORITY_FIRST..=PRIORITY_LAST => {
                let first = (offset & 31) as usize;
                let four = self.priority.get(first..)?.first_chunk()?;
                Some(u32::from_le_bytes(*four))
            }
            _ => None,
        }
    }

    /// Writes the word at `offset`, of this bank, of whose interrupts `exist` do. Whether it is done.
    #[inline(always)]
    fn poke(&mut self, offset: u32, value: u32, exist: u32) -> bool {
        if offset & 3 != 0 {
            return false;
        }
        match offset >> 7 {
            SET_ENABLE if self.is_quiet(value & !self.enabled) => self.enabled |= value & exist,
            CLEAR_ENABLE if self.is_quiet(value & self.enabled) => self.enabled &= !value,
            PRIORITY_FIRST..=PRIORITY_LAST => {
                let four = 0xf << (offset & 31);
                if exist & four != four || !self.is_quiet(four) {
                    return false;
                }
                let rest = self.priority.get_mut((offset & 31) as usize..);
                let Some(priorities) = rest.and_then(|rest| rest.first_chunk_mut()) else {
                    return false;
                };
                *priorities = (value & PRIORITY_MASKS).to_le_bytes();
            }
            _ => return false,
        }
        true
    }

    /// Whether nothing is on with `bits`: none is pending by any of its causes, active, or in a list
    /// register, so that their settings concern nobody yet.
    const fn is_quiet(&self, bits: u32) -> bool {
        (self.latched | self.carried | self.line | self.active | self.listed) & bits == 0
    }
}
