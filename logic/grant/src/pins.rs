//! What is in use of a granted page.

use abi::grant::entry::{READING, WRITING};
use abi::{DomId, Gfn};

/// What a page is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

/// One use of a granted page. It is worth one count, so it cannot be copied; only
/// [`crate::Grants::unpin`] takes it.
#[must_use]
#[derive(Debug, PartialEq, Eq)]
pub struct Pin {
    pub(crate) granter: DomId,
    pub(crate) gref: u32,
    pub(crate) access: Access,
}

impl Pin {
    /// Whose page it is.
    pub fn granter(&self) -> DomId {
        self.granter
    }

    /// For what.
    pub fn access(&self) -> Access {
        self.access
    }
}

/// The uses of one grant.
#[derive(Clone, Copy, Default)]
pub(crate) struct Pins {
    readers: u16,
    writers: u16,
}

impl Pins {
    /// One more; `None` if they cannot be counted.
    pub(crate) fn with(self, access: Access) -> Option<Self> {
        let mut pins = self;
        let count = pins.count(access);
        *count = count.checked_add(1)?;
        Some(pins)
    }

    /// One less; `None` if there is none.
    pub(crate) fn without(self, access: Access) -> Option<Self> {
        let mut pins = self;
        let count = pins.count(access);
        *count = count.checked_sub(1)?;
        Some(pins)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.readers == 0 && self.writers == 0
    }

    /// The status bits that the guest must not see with these pins (XSA-230).
    pub(crate) fn absent_flags(self) -> u16 {
        match (self.is_empty(), self.writers) {
            (true, _) => READING | WRITING,
            (false, 0) => WRITING,
            (false, _) => 0,
        }
    }

    fn count(&mut self, access: Access) -> &mut u16 {
        match access {
            Access::Read => &mut self.readers,
            Access::Write => &mut self.writers,
        }
    }
}

/// A grant in use.
pub(crate) struct Active<F> {
    pub(crate) pins: Pins,
    /// Who uses it.
    pub(crate) user: DomId,
    /// What the entry said when the first use began.
    pub(crate) gfn: Gfn,
    /// The page, held.
    pub(crate) page: F,
}
