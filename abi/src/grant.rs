//! Grant tables, version 1 (public/grant_table.h).

use crate::DomId;
use crate::wire::{Field, wire};

/// Sub-operations of `grant_table_op`, `GNTTABOP_*`. Each takes an array of its structure.
pub mod op {
    /// [`Map`](super::Map).
    pub const MAP_GRANT_REF: u32 = 0;
    /// [`Unmap`](super::Unmap).
    pub const UNMAP_GRANT_REF: u32 = 1;
    /// [`SetupTable`](super::SetupTable).
    pub const SETUP_TABLE: u32 = 2;
    /// Debugging.
    pub const DUMP_TABLE: u32 = 3;
    /// Not for translated guests.
    pub const TRANSFER: u32 = 4;
    /// [`Copy`](super::Copy).
    pub const COPY: u32 = 5;
    /// [`QuerySize`](super::QuerySize).
    pub const QUERY_SIZE: u32 = 6;
    /// Not for translated guests.
    pub const UNMAP_AND_REPLACE: u32 = 7;
    /// [`SetVersion`](super::SetVersion).
    pub const SET_VERSION: u32 = 8;
    /// Version 2 alone.
    pub const GET_STATUS_FRAMES: u32 = 9;
    /// [`GetVersion`](super::GetVersion).
    pub const GET_VERSION: u32 = 10;
    /// [`SwapGrantRef`](super::SwapGrantRef).
    pub const SWAP_GRANT_REF: u32 = 11;
    /// [`CacheFlush`](super::CacheFlush).
    pub const CACHE_FLUSH: u32 = 12;
}

/// An entry of the table: `flags` u16 at 0, `domid` u16 at 2, `frame` u32 at 4.
pub mod entry {
    /// Bytes of an entry.
    pub const SIZE: u32 = 8;
    /// Entries in a frame of the table.
    pub const PER_FRAME: u32 = 512;
    /// `GTF_type_mask`: the entry's type in the flags.
    pub const TYPE_MASK: u16 = 3;
    /// `GTF_invalid`: grants nothing.
    pub const INVALID: u16 = 0;
    /// `GTF_permit_access`: `domid` may map and access `frame`.
    pub const PERMIT_ACCESS: u16 = 1;
    /// `GTF_accept_transfer`.
    pub const ACCEPT_TRANSFER: u16 = 2;
    /// `GTF_transitive`: not in version 1.
    pub const TRANSITIVE: u16 = 3;
    /// `GTF_readonly`: reading alone is granted.
    pub const READONLY: u16 = 1 << 2;
    /// `GTF_reading`: the hypervisor says that it is mapped for reading.
    pub const READING: u16 = 1 << 3;
    /// `GTF_writing`: the hypervisor says that it is mapped for writing.
    pub const WRITING: u16 = 1 << 4;
    /// `GTF_sub_page`: not in version 1.
    pub const SUB_PAGE: u16 = 1 << 8;
    /// `GNTTAB_NR_RESERVED_ENTRIES`: set aside for tools.
    pub const RESERVED: u32 = 8;
    /// `GNTTAB_RESERVED_CONSOLE`.
    pub const CONSOLE: u32 = 0;
    /// `GNTTAB_RESERVED_XENSTORE`.
    pub const XENSTORE: u32 = 1;
}

/// Flags of a mapping, `GNTMAP_*`.
pub mod map_flag {
    /// For devices.
    pub const DEVICE_MAP: u32 = 1 << 0;
    /// For the CPUs.
    pub const HOST_MAP: u32 = 1 << 1;
    /// Reading alone.
    pub const READONLY: u32 = 1 << 2;
    /// For user space as well (x86).
    pub const APPLICATION_MAP: u32 = 1 << 3;
    /// By page table entry (x86).
    pub const CONTAINS_PTE: u32 = 1 << 4;
}

/// Flags of a copy, `GNTCOPY_*`.
pub mod copy_flag {
    /// The source is a grant, otherwise a frame.
    pub const SOURCE_GREF: u16 = 1 << 0;
    /// The destination is a grant, otherwise a frame.
    pub const DEST_GREF: u16 = 1 << 1;
}

/// How an entry of a batch ended, `GNTST_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i16)]
pub enum GrantStatus {
    /// Done.
    Okay = 0,
    /// None of the others.
    GeneralError = -1,
    /// No such domain.
    BadDomain = -2,
    /// No such grant, or not one for this.
    BadGntref = -3,
    /// No such mapping.
    BadHandle = -4,
    /// The address is not one to map at, or not that of the mapping.
    BadVirtAddr = -5,
    /// Not the address of the device mapping.
    BadDevAddr = -6,
    /// No room for devices' mappings.
    NoDeviceSpace = -7,
    /// Not allowed.
    PermissionDenied = -8,
    /// The frame does not do.
    BadPage = -9,
    /// The copy crosses the end of a page.
    BadCopyArg = -10,
    /// The frame's number is too high.
    AddressTooBig = -11,
    /// Not done, try again.
    Again = -12,
    /// No room (handles).
    NoSpace = -13,
}

wire! {
    /// Entry of a `MAP_GRANT_REF`.
    Map: 32 {
        /// In: the guest physical address to map at.
        host_addr: u64 = 0,
        /// In: [`map_flag`].
        flags: u32 = 8,
        /// In: the grant.
        gref: u32 = 12,
        /// In: who granted it.
        dom: DomId = 16,
        /// Out: [`GrantStatus`].
        status: i16 = 18,
        /// Out: the mapping's number, for the unmap.
        handle: u32 = 20,
        /// Out: the address for devices.
        dev_bus_addr: u64 = 24,
    }

    /// Entry of an `UNMAP_GRANT_REF`.
    Unmap: 24 {
        /// In: where it is mapped, or 0.
        host_addr: u64 = 0,
        /// In: where devices see it, or 0.
        dev_bus_addr: u64 = 8,
        /// In: from the map.
        handle: u32 = 16,
        /// Out: [`GrantStatus`].
        status: i16 = 20,
    }

    /// Argument of `SETUP_TABLE`.
    SetupTable: 24 {
        /// In.
        dom: DomId = 0,
        /// In: frames wanted.
        nr_frames: u32 = 4,
        /// Out: [`GrantStatus`].
        status: i16 = 8,
        /// In: guest address of the list to fill, u64 each.
        frame_list: u64 = 16,
    }

    /// One side of a copy.
    CopyEnd: 16 {
        /// In: the grant (bits 31:0) or the frame, as the flags say.
        place: u64 = 0,
        /// In: who granted it, or whose frame it is.
        domid: DomId = 8,
        /// In: bytes into the page.
        offset: u16 = 10,
    }

    /// Entry of a `COPY`.
    Copy: 40 {
        /// In.
        source: CopyEnd = 0,
        /// In.
        dest: CopyEnd = 16,
        /// In: bytes.
        len: u16 = 32,
        /// In: [`copy_flag`].
        flags: u16 = 34,
        /// Out: [`GrantStatus`].
        status: i16 = 36,
    }

    /// Argument of `QUERY_SIZE`.
    QuerySize: 16 {
        /// In.
        dom: DomId = 0,
        /// Out: frames that the table has.
        nr_frames: u32 = 4,
        /// Out: frames that it may have.
        max_nr_frames: u32 = 8,
        /// Out: [`GrantStatus`].
        status: i16 = 12,
    }

    /// Argument of `SET_VERSION`.
    SetVersion: 4 {
        /// In and out.
        version: u32 = 0,
    }

    /// Argument of `GET_VERSION`.
    GetVersion: 8 {
        /// In.
        dom: DomId = 0,
        /// Not used.
        pad: u16 = 2,
        /// Out.
        version: u32 = 4,
    }

    /// Entry of a `SWAP_GRANT_REF`.
    SwapGrantRef: 12 {
        /// In.
        ref_a: u32 = 0,
        /// In.
        ref_b: u32 = 4,
        /// Out: [`GrantStatus`].
        status: i16 = 8,
    }

    /// Entry of a `CACHE_FLUSH`.
    CacheFlush: 16 {
        /// In: the address for devices, or the grant, as `op` says.
        place: u64 = 0,
        /// In: bytes into the page.
        offset: u16 = 8,
        /// In: bytes.
        length: u16 = 10,
        /// In: bit 0 clean, bit 1 invalidate, bit 31 `place` is a grant.
        op: u32 = 12,
    }
}

impl Field for CopyEnd {
    // Field by field, and not as an array of bytes in between.
    fn get(bytes: &[u8], offset: usize) -> Self {
        Self {
            place: Field::get(bytes, offset),
            domid: Field::get(bytes, offset + 8),
            offset: Field::get(bytes, offset + 10),
        }
    }
    fn put(self, bytes: &mut [u8], offset: usize) {
        self.place.put(bytes, offset);
        self.domid.put(bytes, offset + 8);
        self.offset.put(bytes, offset + 10);
    }
}
