//! What a guest asks for, checked as far as that goes without any table.

use abi::grant::{Copy, CopyEnd, GrantStatus, Map, Unmap, copy_flag, map_flag};
use abi::{DomId, Gfn, Ipa, PAGE_SIZE};

use crate::maptrack::Handle;
use crate::pins::Access;

/// An entry of `GNTTABOP_map_grant_ref`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapRequest {
    /// Who granted it, as the guest says: `DOMID_SELF` is not resolved, and names nobody.
    pub granter: DomId,
    /// The grant.
    pub gref: u32,
    /// For what.
    pub access: Access,
    /// Where to map it.
    pub gfn: Gfn,
}

impl MapRequest {
    /// Reads the guest's entry.
    ///
    /// # Errors
    /// `BadGntref`: neither for CPUs nor for devices. `GeneralError`: a kind of mapping that Arm
    /// does not have (by page table entry, for user space) or that this hypervisor does not make
    /// (for devices).
    pub fn parse(map: &Map) -> Result<Self, GrantStatus> {
        if map.flags & (map_flag::HOST_MAP | map_flag::DEVICE_MAP) == 0 {
            return Err(GrantStatus::BadGntref);
        }
        let access = match map.flags & !map_flag::READONLY {
            map_flag::HOST_MAP if map.flags & map_flag::READONLY != 0 => Access::Read,
            map_flag::HOST_MAP => Access::Write,
            _ => return Err(GrantStatus::GeneralError),
        };
        let gfn = Ipa(map.host_addr).into();
        Ok(Self {
            granter: map.dom,
            gref: map.gref,
            access,
            gfn,
        })
    }
}

/// An entry of `GNTTABOP_unmap_grant_ref`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnmapRequest {
    /// The mapping.
    pub handle: Handle,
    /// Where it is mapped; `None` to unmap nothing, which is asked for by an address of 0 and
    /// succeeds if there is such a mapping.
    pub gfn: Option<Gfn>,
}

impl UnmapRequest {
    /// Reads the guest's entry.
    pub fn parse(unmap: &Unmap) -> Self {
        let gfn = (unmap.host_addr != 0).then(|| Ipa(unmap.host_addr).into());
        Self {
            handle: Handle(unmap.handle),
            gfn,
        }
    }
}

/// One side of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyPlace {
    /// The caller's own frame.
    Own(Gfn),
    /// What another domain granted to the caller.
    Granted {
        /// That domain, as the guest says: `DOMID_SELF` is not resolved.
        granter: DomId,
        /// The grant.
        gref: u32,
    },
}

/// An entry of `GNTTABOP_copy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CopyRequest {
    /// From where.
    pub source: CopyPlace,
    /// Bytes into the source's page.
    pub source_offset: u32,
    /// To where.
    pub dest: CopyPlace,
    /// Bytes into the destination's page.
    pub dest_offset: u32,
    /// Bytes, at least one. Neither side goes beyond its page.
    pub len: u32,
}

impl CopyRequest {
    /// Reads the guest's entry; `None` if nothing is to be copied, which succeeds (XSA-448).
    ///
    /// # Errors
    /// `PermissionDenied`: a frame that is not the caller's own. `BadCopyArg`: beyond a page.
    pub fn parse(copy: &Copy) -> Result<Option<Self>, GrantStatus> {
        let source = place(&copy.source, copy.flags & copy_flag::SOURCE_GREF)?;
        let dest = place(&copy.dest, copy.flags & copy_flag::DEST_GREF)?;
        let (source_offset, dest_offset) = (copy.source.offset.into(), copy.dest.offset.into());
        let len = u32::from(copy.len);
        // Each is below 65536, so the sums fit.
        let end = u32::max(source_offset, dest_offset) + len;
        if u64::from(end) > PAGE_SIZE {
            return Err(GrantStatus::BadCopyArg);
        }
        Ok((len != 0).then_some(Self {
            source,
            source_offset,
            dest,
            dest_offset,
            len,
        }))
    }
}

fn place(end: &CopyEnd, is_grant: u16) -> Result<CopyPlace, GrantStatus> {
    match (is_grant, end.domid) {
        (0, DomId::SELF) => Ok(CopyPlace::Own(Gfn(end.place))),
        (0, _) => Err(GrantStatus::PermissionDenied),
        // A grant's number is the low half.
        (_, granter) => Ok(CopyPlace::Granted {
            granter,
            gref: end.place as u32,
        }),
    }
}
