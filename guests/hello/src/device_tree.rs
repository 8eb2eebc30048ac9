//! Finding the command line in the guest's device tree (Devicetree Specification 0.4, chapter 5).

use core::slice;

const MAGIC: u32 = 0xd00d_feed;
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;

/// A flattened device tree.
pub(crate) struct DeviceTree {
    blob: &'static [u8],
}

impl DeviceTree {
    /// The tree at `address`; an empty one where there is none.
    ///
    /// # Safety
    /// `address` is that of readable memory that does not change, for as many bytes as a header
    /// there says.
    pub(crate) unsafe fn at(address: usize) -> Self {
        // SAFETY: the caller says so.
        let header = unsafe { slice::from_raw_parts(address as *const u8, 8) };
        let (magic, size) = (word(header, 0), word(header, 4));
        let size = if magic == Some(MAGIC) {
            size.unwrap_or(0)
        } else {
            0
        };
        // SAFETY: as above.
        let blob = unsafe { slice::from_raw_parts(address as *const u8, size as usize) };
        Self { blob }
    }

    /// The property `bootargs`, which only `/chosen` has.
    pub(crate) fn bootargs(&self) -> Option<&'static str> {
        let mut at = word(self.blob, 8)? as usize;
        let strings = word(self.blob, 12)? as usize;
        loop {
            let token = word(self.blob, at)?;
            at += 4;
            match token {
                BEGIN_NODE => at = (at + text(self.blob, at)?.len() + 1).next_multiple_of(4),
                END_NODE | NOP => {}
                PROPERTY => {
                    let size = word(self.blob, at)? as usize;
                    let name = strings + word(self.blob, at + 4)? as usize;
                    if text(self.blob, name)? == "bootargs" {
                        return text(self.blob, at + 8);
                    }
                    at = (at + 8 + size).next_multiple_of(4);
                }
                _ => return None,
            }
        }
    }
}

fn word(blob: &[u8], at: usize) -> Option<u32> {
    let bytes = blob.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// The text that ends with a zero byte.
fn text(blob: &'static [u8], at: usize) -> Option<&'static str> {
    let rest = blob.get(at..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    core::str::from_utf8(rest.get(..end)?).ok()
}
