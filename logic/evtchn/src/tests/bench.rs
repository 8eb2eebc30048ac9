//! The test bench: guest pages, and domains to call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use abi::shared_info::{MASK_OFFSET, PENDING_OFFSET, vcpu_info};
use abi::{DomId, Port};

use crate::{Config, Events, SharedPage};

/// A guest page of 4 KiB; a clone is another handle to the same page.
#[derive(Clone)]
pub(crate) struct Page(Arc<[AtomicU32; 1024]>);

impl Page {
    pub(crate) fn new() -> Self {
        Self(Arc::new([const { AtomicU32::new(0) }; 1024]))
    }

    /// Filled with one word.
    pub(crate) fn filled(word: u32) -> Self {
        let page = Self::new();
        page.0.iter().for_each(|at| at.store(word, SeqCst));
        page
    }

    /// How many handles there are.
    pub(crate) fn handles(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    fn word(&self, offset: u32) -> &AtomicU32 {
        assert!(
            offset.is_multiple_of(4) && offset < 4096,
            "access at {offset:#x}"
        );
        &self.0[offset as usize / 4]
    }

    fn update64(&self, offset: u32, change: impl Fn(u64) -> u64) -> u64 {
        assert!(offset.is_multiple_of(8));
        let old = u64::from(self.load32(offset)) | u64::from(self.load32(offset + 4)) << 32;
        self.store32(offset, change(old) as u32);
        self.store32(offset + 4, (change(old) >> 32) as u32);
        old
    }

    /// The guest's bit operations on a bitmap at `base`.
    pub(crate) fn bit(&self, base: u32, bit: u32) -> bool {
        self.load32(base + bit / 32 * 4) & 1 << (bit % 32) != 0
    }

    pub(crate) fn set_bit(&self, base: u32, bit: u32) {
        self.fetch_or32(base + bit / 32 * 4, 1 << (bit % 32));
    }

    pub(crate) fn clear_bit(&self, base: u32, bit: u32) -> bool {
        self.fetch_and32(base + bit / 32 * 4, !(1 << (bit % 32))) & 1 << (bit % 32) != 0
    }
}

impl SharedPage for Page {
    fn load8(&self, offset: u32) -> u8 {
        (self.load32(offset & !3) >> (offset % 4 * 8)) as u8
    }
    fn swap8(&self, offset: u32, value: u8) -> u8 {
        let shift = offset % 4 * 8;
        let word = self.word(offset & !3);
        let change = |old| Some(old & !(0xff << shift) | u32::from(value) << shift);
        (word.fetch_update(SeqCst, SeqCst, change).unwrap() >> shift) as u8
    }
    fn load32(&self, offset: u32) -> u32 {
        self.word(offset).load(SeqCst)
    }
    fn store32(&self, offset: u32, value: u32) {
        self.word(offset).store(value, SeqCst);
    }
    fn fetch_or32(&self, offset: u32, bits: u32) -> u32 {
        self.word(offset).fetch_or(bits, SeqCst)
    }
    fn fetch_and32(&self, offset: u32, bits: u32) -> u32 {
        self.word(offset).fetch_and(bits, SeqCst)
    }
    fn compare_exchange32(&self, offset: u32, current: u32, new: u32) -> Result<u32, u32> {
        self.word(offset)
            .compare_exchange(current, new, SeqCst, SeqCst)
    }
    fn load64(&self, offset: u32) -> u64 {
        self.update64(offset, |old| old)
    }
    fn fetch_or64(&self, offset: u32, bits: u64) -> u64 {
        self.update64(offset, |old| old | bits)
    }
    fn fetch_and64(&self, offset: u32, bits: u64) -> u64 {
        self.update64(offset, |old| old & bits)
    }
}

/// A domain with its shared info page.
pub(crate) struct Domain {
    pub(crate) events: Events<Page>,
    pub(crate) shared_info: Page,
}

pub(crate) const OWN: DomId = DomId(1);
#[allow(dead_code)]
pub(crate) const OTHER: DomId = DomId(2);

impl Domain {
    /// Four vCPUs and no limit but the ABI's.
    pub(crate) fn new(domain: DomId) -> Self {
        Self::limited(domain, u32::MAX)
    }

    pub(crate) fn limited(domain: DomId, max_port: u32) -> Self {
        let shared_info = Page::new();
        let config = Config {
            domain,
            vcpus: 4,
            max_port: Port(max_port),
        };
        Self {
            events: Events::new(config, shared_info.clone()).unwrap(),
            shared_info,
        }
    }

    /// The 2-level consumer of vCPU 0: which ports it finds, as Linux looks for them.
    pub(crate) fn consume(&self) -> Vec<Port> {
        let page = &self.shared_info;
        page.swap8(vcpu_info::UPCALL_PENDING_OFFSET, 0);
        let selected = page.fetch_and64(vcpu_info::PENDING_SEL_OFFSET, 0);
        let ports = (0..4096).filter(|port| selected & 1 << (port / 64) != 0);
        ports
            .filter(|port| !page.bit(MASK_OFFSET, *port) && page.clear_bit(PENDING_OFFSET, *port))
            .map(Port)
            .collect()
    }
}
