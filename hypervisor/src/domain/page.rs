//! A page that a guest and the hypervisor use at the same time.

use alloc::sync::Arc;

use abi::Pa;
use machine::frames::Extent;

/// A page of RAM, held: the RAM is not given back while there is a handle to it.
#[derive(Clone, Debug)]
pub struct Page {
    extent: Arc<Extent>,
    /// Its first byte in the extent.
    offset: u64,
}

impl Page {
    /// The page at `offset` of `extent`, a multiple of the page size.
    pub fn new(extent: &Arc<Extent>, offset: u64) -> Self {
        let extent = extent.clone();
        Self { extent, offset }
    }

    /// Where it is.
    pub fn address(&self) -> Pa {
        Pa(self.extent.range().start().wrapping_add(self.offset))
    }

    /// Copies from `offset` of the page into `data`; `false` if it does not fit.
    #[must_use]
    pub fn read(&self, offset: u32, data: &mut [u8]) -> bool {
        self.extent.read(self.at(offset), data)
    }

    /// Copies `data` to `offset` of the page; `false` if it does not fit.
    #[must_use]
    pub fn write(&self, offset: u32, data: &[u8]) -> bool {
        self.extent.write(self.at(offset), data)
    }

    /// Copies `bytes` from `offset` to `to_offset` of `to`; `false` if they do not fit.
    #[must_use]
    pub fn copy_to(&self, offset: u32, to: &Self, to_offset: u32, bytes: u32) -> bool {
        let (from, at) = (self.at(offset), to.at(to_offset));
        self.extent.copy_to(from, &to.extent, at, bytes.into())
    }

    #[inline]
    fn at(&self, offset: u32) -> u64 {
        self.offset.wrapping_add(u64::from(offset))
    }
}

impl evtchn::SharedPage for Page {
    #[inline]
    fn load8(&self, offset: u32) -> u8 {
        self.extent.load8(self.at(offset))
    }
    #[inline]
    fn swap8(&self, offset: u32, value: u8) -> u8 {
        self.extent.swap8(self.at(offset), value)
    }
    #[inline]
    fn load32(&self, offset: u32) -> u32 {
        self.extent.load32(self.at(offset))
    }
    #[inline]
    fn store32(&self, offset: u32, value: u32) {
        self.extent.store32(self.at(offset), value);
    }
    #[inline]
    fn fetch_or32(&self, offset: u32, bits: u32) -> u32 {
        self.extent.fetch_or32(self.at(offset), bits)
    }
    #[inline]
    fn fetch_and32(&self, offset: u32, bits: u32) -> u32 {
        self.extent.fetch_and32(self.at(offset), bits)
    }
    #[inline]
    fn compare_exchange32(&self, offset: u32, current: u32, new: u32) -> Result<u32, u32> {
        self.extent
            .compare_exchange32(self.at(offset), current, new)
    }
    #[inline]
    fn load64(&self, offset: u32) -> u64 {
        self.extent.load64(self.at(offset))
    }
    #[inline]
    fn fetch_or64(&self, offset: u32, bits: u64) -> u64 {
        self.extent.fetch_or64(self.at(offset), bits)
    }
    #[inline]
    fn fetch_and64(&self, offset: u32, bits: u64) -> u64 {
        self.extent.fetch_and64(self.at(offset), bits)
    }
}

impl grant::SharedFrame for Page {
    fn load32(&self, offset: u32) -> u32 {
        self.extent.load32(self.at(offset))
    }
    fn fetch_and32(&self, offset: u32, bits: u32) -> u32 {
        self.extent.fetch_and32(self.at(offset), bits)
    }
    fn compare_exchange32(&self, offset: u32, current: u32, new: u32) -> Result<u32, u32> {
        self.extent
            .compare_exchange32(self.at(offset), current, new)
    }
}
