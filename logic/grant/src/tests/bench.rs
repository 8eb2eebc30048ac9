//! The test bench.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

use abi::grant::entry::PERMIT_ACCESS;
use abi::{DomId, Gfn};

use crate::{Config, Grants, SharedFrame};

pub(crate) const GRANTER: DomId = DomId(1);
pub(crate) const USER: DomId = DomId(2);

/// A frame of the table.
#[derive(Clone)]
pub(crate) struct Frame(Arc<[AtomicU32; 1024]>);

impl Frame {
    pub(crate) fn new() -> Self {
        Self(Arc::new([const { AtomicU32::new(0) }; 1024]))
    }

    /// The guest writes an entry: the frame first, then the flags, as the header asks.
    pub(crate) fn grant(&self, index: u32, to: DomId, flags: u16, frame: u32) {
        self.0[index as usize * 2 + 1].store(frame, SeqCst);
        self.0[index as usize * 2].store(u32::from(to.0) << 16 | u32::from(flags), SeqCst);
    }

    pub(crate) fn permit(&self, index: u32, frame: u32) {
        self.grant(index, USER, PERMIT_ACCESS, frame);
    }

    /// The guest reads the flags.
    pub(crate) fn flags(&self, index: u32) -> u16 {
        self.0[index as usize * 2].load(SeqCst) as u16
    }
}

impl SharedFrame for Frame {
    fn load32(&self, offset: u32) -> u32 {
        self.0[offset as usize / 4].load(SeqCst)
    }
    fn fetch_and32(&self, offset: u32, bits: u32) -> u32 {
        self.0[offset as usize / 4].fetch_and(bits, SeqCst)
    }
    fn compare_exchange32(&self, offset: u32, current: u32, new: u32) -> Result<u32, u32> {
        self.0[offset as usize / 4].compare_exchange(current, new, SeqCst, SeqCst)
    }
}

/// A granted page that is held.
#[derive(Debug)]
pub(crate) struct Page(pub(crate) Gfn, #[allow(dead_code)] Arc<()>);

/// A granting domain with one frame of entries.
pub(crate) struct Bench {
    pub(crate) grants: Grants<Frame, Page>,
    pub(crate) frame: Frame,
    holders: Arc<()>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let frame = Frame::new();
        let mut grants = Grants::new(Config {
            domain: GRANTER,
            max_frames: 4,
        });
        grants.grow(1, || Some(frame.clone())).unwrap();
        Self {
            grants,
            frame,
            holders: Arc::new(()),
        }
    }

    /// How many pages are held.
    pub(crate) fn held(&self) -> usize {
        Arc::strong_count(&self.holders) - 1
    }

    /// Pins a grant; frames from 1000 on are not to be shared.
    pub(crate) fn pin(
        &mut self,
        gref: u32,
        user: DomId,
        access: crate::Access,
    ) -> Result<crate::Pin, abi::grant::GrantStatus> {
        let holders = &self.holders;
        let acquire = |gfn: Gfn| (gfn.0 < 1000).then(|| Page(gfn, holders.clone()));
        self.grants.pin(gref, user, access, acquire)
    }
}
