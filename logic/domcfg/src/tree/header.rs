//! The blob's header and where its blocks are.

use super::{MAX_BLOB, MAX_RESERVATIONS, u32_at};
use crate::TreeError;

const MAGIC: u32 = 0xd00d_feed;
const HEADER_BYTES: usize = 40;
const VERSION: u32 = 17;

/// The three blocks, each inside the blob.
pub(super) struct Blocks<'b> {
    pub(super) structure: &'b [u8],
    pub(super) strings: &'b [u8],
    /// Whole entries, without the terminator.
    pub(super) reservations: &'b [u8],
}

/// Checks the header.
pub(super) fn blocks(given: &[u8]) -> Result<Blocks<'_>, TreeError> {
    match u32_at(given, 4) {
        Some(total) if u32_at(given, 0) == Some(MAGIC) && total as usize > MAX_BLOB => {
            Err(TreeError::TooLarge(total))
        }
        _ => blocks_of_any_size(given),
    }
}

/// The same, of a blob that may be longer than is accepted.
pub(super) fn blocks_of_any_size(given: &[u8]) -> Result<Blocks<'_>, TreeError> {
    let field = |index: usize| u32_at(given, index * 4).unwrap_or(0);
    if given.len() < 4 || given.len() < HEADER_BYTES && field(0) == MAGIC {
        return Err(TreeError::Truncated {
            needed: HEADER_BYTES as u32,
            given: given.len(),
        });
    }
    if field(0) != MAGIC {
        return Err(TreeError::BadMagic(field(0)));
    }
    let total = field(1);
    if (total as usize) < HEADER_BYTES {
        return Err(TreeError::Header("total size is smaller than the header"));
    }
    let Some(blob) = given.get(..total as usize) else {
        return Err(TreeError::Truncated {
            needed: total,
            given: given.len(),
        });
    };
    if field(5) < VERSION || field(6) > VERSION {
        return Err(TreeError::Version {
            version: field(5),
            compatible: field(6),
        });
    }
    if field(2) % 4 != 0 || field(4) % 8 != 0 {
        return Err(TreeError::Header("a block is not aligned"));
    }
    let structure = block(blob, field(2), field(9))
        .ok_or(TreeError::Header("the structure block is outside the blob"))?;
    let strings = block(blob, field(3), field(8))
        .ok_or(TreeError::Header("the strings block is outside the blob"))?;
    let reservations = reservations(blob, field(4))
        .ok_or(TreeError::Header("the memory reservation block has no end"))?;
    Ok(Blocks {
        structure,
        strings,
        reservations,
    })
}

fn block(blob: &[u8], offset: u32, size: u32) -> Option<&[u8]> {
    if (offset as usize) < HEADER_BYTES {
        return None;
    }
    blob.get(offset as usize..)?.get(..size as usize)
}

fn reservations(blob: &[u8], offset: u32) -> Option<&[u8]> {
    if (offset as usize) < HEADER_BYTES {
        return None;
    }
    let all = blob.get(offset as usize..)?;
    let count = all
        .chunks_exact(16)
        .take(MAX_RESERVATIONS + 1)
        .position(|entry| entry.iter().all(|&byte| byte == 0))?;
    all.get(..count * 16)
}
