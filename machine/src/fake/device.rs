//! Device registers: a name for a device's addresses; the fake drivers touch none.

use abi::Range;

use crate::lock::{Before, Table, Token};

/// A device's registers. `None` when the range is not below 2^47, as on the bare machine.
pub fn map_device<R: Before<Table>>(range: Range, token: &mut Token<R>) -> Option<Registers> {
    let _ = token;
    (range.end() <= 1 << 47).then_some(Registers { range })
}

/// Mapped device registers.
#[derive(Clone, Copy, Debug)]
pub struct Registers {
    range: Range,
}

impl Registers {
    /// Bytes.
    pub fn size(&self) -> u64 {
        self.range.size()
    }
}
