//! A page that a guest and the hypervisor use at the same time.

use alloc::sync::Arc;

use abi::Pa;
use machine::frames::{Extent, HeldPage};

/// A page of RAM, held: the RAM is not given back while there is a handle to it.
#[derive(Clone, Debug)]
pub struct Page(HeldPage);

impl Page {
    /// The page at `offset` of `extent`, a multiple of the page size.
    pub fn new(extent: &Arc<Extent>, offset: u64) -> Self {
        Self(HeldPage::new(extent, offset))
    }

    /// Where it is.
    pub fn address(&self) -> Pa {
        self.0.address()
    }

    /// Copies from `offset` of the page into `data`; `false` if it does not fit.
    #[must_use]
    pub fn read(&self, offset: u32, data: &mut [u8]) -> bool {
        self.0.extent().read(self.at(offset), data)
    }

    /// Copies `data` to `offset` of the page; `false` if it does not fit.
    #[must_use]
    pub fn write(&self, offset: u32, data: &[u8]) -> bool {
        self.0.extent().write(self.at(offset), data)
    }

    /// Copies `bytes` from `offset` to `to_offset` of `to`; `false` if they do not fit.
    #[must_use]
    pub fn copy_to(&self, offset: u32, to: &Self, to_offset: u32, bytes: u32) -> bool {
        self.0.copy_to(offset, &to.0, to_offset, bytes)
    }

    #[inline]
    fn at(&self, offset: u32) -> u64 {
        self.0.offset().wrapping_add(u64::from(offset))
    }
}

impl evtchn::SharedPage for Page {
    #[inline]
    fn load8(&self, offset: u32) -> u8 {
        self.0.load8(offset)
    }
    #[inline]
    fn swap8(&self, offset: u32, value: u8) -> u8 {
        self.0.swap8(offset, value)
    }
    #[inline]
    fn load32(&self, offset: u32) -> u32 {
        self.0.load32(offset)
    }
    #[inline]
    fn store32(&self, offset: u32, value: u32) {
        self.0.store32(offset, value);
    }
    #[inline]
    fn fetch_or32(&self, offset: u32, bits: u32) -> u32 {
        self.0.fetch_or32(offset, bits)
    }
    #[inline]
    fn fetch_and32(&self, offset: u32, bits: u32) -> u32 {
        self.0.fetch_and32(offset, bits)
    }
    #[inline]
    fn compare_exchange32(&self, offset: u32, current: u32, new: u32) -> Result<u32, u32> {
        self.0.compare_exchange32(offset, current, new)
    }
    #[inline]
    fn load64(&self, offset: u32) -> u64 {
        self.0.load64(offset)
    }
    #[inline]
    fn fetch_or64(&self, offset: u32, bits: u64) -> u64 {
        self.0.fetch_or64(offset, bits)
    }
    #[inline]
    fn fetch_and64(&self, offset: u32, bits: u64) -> u64 {
        self.0.fetch_and64(offset, bits)
    }
}

impl grant::SharedFrame for Page {
    fn load32(&self, offset: u32) -> u32 {
        self.0.load32(offset)
    }
    fn fetch_and32(&self, offset: u32, bits: u32) -> u32 {
        self.0.fetch_and32(offset, bits)
    }
    fn compare_exchange32(&self, offset: u32, current: u32, new: u32) -> Result<u32, u32> {
        self.0.compare_exchange32(offset, current, new)
    }
}
