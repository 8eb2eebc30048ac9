//! Where a vCPU learns that it has events: its `vcpu_info`.
//!
//! vCPU 0 has one in the shared info page. Every vCPU may register one of its own, once
//! (`VCPUOP_register_vcpu_info`, public/vcpu.h). A vCPU without one gets no upcall; what is pending
//! for it then is seen when it registers, since that makes it look at everything.

use abi::shared_info::{VCPU_INFO_OFFSET, vcpu_info};
use abi::{Errno, PAGE_SIZE, VcpuId};

use crate::events::Events;
use crate::notify::Notify;
use crate::page::SharedPage;

/// Where a vCPU's `vcpu_info` is.
pub(crate) enum Info<P> {
    /// It has none.
    Nowhere,
    /// In the shared info page.
    Shared,
    /// In a page of the guest, at this offset.
    Registered(P, u32),
}

impl<P: SharedPage> Info<P> {
    fn locate<'a>(&'a self, shared_info: &'a P) -> Option<(&'a P, u32)> {
        match self {
            Self::Nowhere => None,
            Self::Shared => Some((shared_info, VCPU_INFO_OFFSET)),
            Self::Registered(page, offset) => Some((page, *offset)),
        }
    }

    /// Says that there are events; true if that is news to the guest.
    pub(crate) fn raise(&self, shared_info: &P) -> bool {
        // The guest clears this before it looks for events; what was made pending before is seen
        // by that look, or by the next, which this causes.
        self.locate(shared_info).is_some_and(|(page, offset)| {
            page.swap8(offset + vcpu_info::UPCALL_PENDING_OFFSET, 1) == 0
        })
    }

    /// Sets selector bit `word` (2-level); true if that is news to the guest.
    pub(crate) fn select(&self, shared_info: &P, word: u32) -> bool {
        let bit = 1 << (word % 64);
        self.locate(shared_info).is_some_and(|(page, offset)| {
            page.fetch_or64(offset + vcpu_info::PENDING_SEL_OFFSET, bit) & bit == 0
        })
    }
}

impl<P: SharedPage> Events<P> {
    /// What [`Events::register_vcpu_info`] checks before a page is needed.
    ///
    /// # Errors
    /// `NoEnt`: no such vCPU. `NxIo`: `offset` is not a multiple of 8, or the structure would not
    /// end in the page (XSA-327). `Busy`: it has one already.
    pub fn check_vcpu_info(&self, vcpu: u32, offset: u32) -> Result<VcpuId, Errno> {
        let (id, entry) = self.vcpu(vcpu).ok_or(Errno::NoEnt)?;
        let last = PAGE_SIZE as u32 - vcpu_info::SIZE;
        if offset > last || !offset.is_multiple_of(vcpu_info::ALIGN) {
            return Err(Errno::NxIo);
        }
        match entry.info {
            Info::Registered(..) => Err(Errno::Busy),
            _ => Ok(id),
        }
    }

    /// Moves the vCPU's `vcpu_info` to `offset` of `page`. What it held moves along; then all
    /// selector bits are set and an upcall is raised, so that nothing gets lost.
    ///
    /// # Errors
    /// As [`Events::check_vcpu_info`].
    pub fn register_vcpu_info(&mut self, vcpu: u32, page: P, offset: u32) -> Result<Notify, Errno> {
        let id = self.check_vcpu_info(vcpu, offset)?;
        let shared_info = &self.shared_info;
        let entry = self.vcpus.get_mut(usize::from(id.0)).ok_or(Errno::NoEnt)?;
        for at in (0..vcpu_info::SIZE).step_by(4) {
            let old = entry.info.locate(shared_info);
            let old = old.map_or(0, |(old, base)| old.load32(base + at));
            page.store32(offset + at, old);
        }
        page.fetch_or64(offset + vcpu_info::PENDING_SEL_OFFSET, u64::MAX);
        entry.info = Info::Registered(page, offset);
        entry.info.raise(shared_info);
        let upcall = Some(id);
        Ok(Notify {
            upcall,
            ..Notify::NONE
        })
    }

    /// Whether the vCPU was told of events and has not begun to look at them: the level of the
    /// upcall interrupt's line.
    pub fn upcall_pending(&self, vcpu: VcpuId) -> bool {
        let Some((_, entry)) = self.vcpu(vcpu.0.into()) else {
            return false;
        };
        let info = entry.info.locate(&self.shared_info);
        info.is_some_and(|(page, base)| page.load8(base + vcpu_info::UPCALL_PENDING_OFFSET) != 0)
    }
}
