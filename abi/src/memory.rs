//! `memory_op` (public/memory.h), what exists on Arm.

use crate::DomId;
use crate::wire::wire;

/// Sub-operations, `XENMEM_*`: the low [`OP_BITS`] bits of the command.
pub mod op {
    /// [`Reservation`](super::Reservation).
    pub const INCREASE_RESERVATION: u32 = 0;
    /// [`Reservation`](super::Reservation).
    pub const DECREASE_RESERVATION: u32 = 1;
    /// The machine's highest frame; no argument.
    pub const MAXIMUM_RAM_PAGE: u32 = 2;
    /// [`Domain`](super::Domain).
    pub const CURRENT_RESERVATION: u32 = 3;
    /// [`Domain`](super::Domain).
    pub const MAXIMUM_RESERVATION: u32 = 4;
    /// [`Reservation`](super::Reservation).
    pub const POPULATE_PHYSMAP: u32 = 6;
    /// [`AddToPhysmap`](super::AddToPhysmap).
    pub const ADD_TO_PHYSMAP: u32 = 7;
    /// Two reservations.
    pub const EXCHANGE: u32 = 11;
    /// [`Domain`](super::Domain).
    pub const MAXIMUM_GPFN: u32 = 14;
    /// [`RemoveFromPhysmap`](super::RemoveFromPhysmap).
    pub const REMOVE_FROM_PHYSMAP: u32 = 15;
    /// [`AddToPhysmapBatch`](super::AddToPhysmapBatch).
    pub const ADD_TO_PHYSMAP_BATCH: u32 = 23;
    /// [`Reservation`](super::Reservation).
    pub const CLAIM_PAGES: u32 = 24;
    /// The virtual NUMA topology.
    pub const GET_VNUMAINFO: u32 = 26;
    /// Memory reserved for devices.
    pub const RESERVED_DEVICE_MEMORY_MAP: u32 = 27;
    /// [`AcquireResource`](super::AcquireResource).
    pub const ACQUIRE_RESOURCE: u32 = 28;
}

/// Bits of the command that hold the sub-operation; progress of a restarted call is above.
pub const OP_BITS: u32 = 6;

/// What is mapped by `ADD_TO_PHYSMAP`, `XENMAPSPACE_*`.
pub mod space {
    /// The shared info page.
    pub const SHARED_INFO: u32 = 0;
    /// A frame of the grant table.
    pub const GRANT_TABLE: u32 = 1;
    /// A frame of the domain's own.
    pub const GMFN: u32 = 2;
    /// A range of them.
    pub const GMFN_RANGE: u32 = 3;
    /// A frame of another domain; batches only.
    pub const GMFN_FOREIGN: u32 = 4;
    /// A device's registers.
    pub const DEV_MMIO: u32 = 5;
}

/// `XENMEM_resource_*`.
pub mod resource {
    /// Frames of an ioreq server.
    pub const IOREQ_SERVER: u16 = 0;
    /// Frames of the grant table.
    pub const GRANT_TABLE: u16 = 1;
}

wire! {
    /// `struct xen_memory_reservation`.
    Reservation: 32 {
        /// In: guest address of the list of frames, u64 each; out for what was allocated.
        extent_start: u64 = 0,
        /// In: how many.
        nr_extents: u64 = 8,
        /// In: log2 of each one's pages.
        extent_order: u32 = 16,
        /// In: `XENMEMF_*`.
        mem_flags: u32 = 20,
        /// In.
        domid: DomId = 24,
    }

    /// Argument of the operations that ask about a domain.
    Domain: 2 {
        /// In.
        domid: DomId = 0,
    }

    /// Argument of `ADD_TO_PHYSMAP`.
    AddToPhysmap: 24 {
        /// In: whose map to change.
        domid: DomId = 0,
        /// In: pages, for [`space::GMFN_RANGE`].
        size: u16 = 2,
        /// In: one of [`space`].
        space: u32 = 4,
        /// In: index in that space.
        idx: u64 = 8,
        /// In: the guest frame.
        gpfn: u64 = 16,
    }

    /// Argument of `ADD_TO_PHYSMAP_BATCH`.
    AddToPhysmapBatch: 32 {
        /// In: whose map to change.
        domid: DomId = 0,
        /// In: one of [`space`].
        space: u16 = 2,
        /// In: how many pages.
        size: u16 = 4,
        /// In: whose frames, for [`space::GMFN_FOREIGN`]; 0 else.
        foreign_domid: DomId = 6,
        /// In: guest address of the indices, u64 each.
        idxs: u64 = 8,
        /// In: guest address of the guest frames, u64 each.
        gpfns: u64 = 16,
        /// Out: guest address of the results, i32 each.
        errs: u64 = 24,
    }

    /// Argument of `REMOVE_FROM_PHYSMAP`.
    RemoveFromPhysmap: 16 {
        /// In: whose map to change.
        domid: DomId = 0,
        /// In: the guest frame.
        gpfn: u64 = 8,
    }

    /// Argument of `ACQUIRE_RESOURCE`.
    AcquireResource: 32 {
        /// In: whose resource.
        domid: DomId = 0,
        /// In: one of [`resource`].
        kind: u16 = 2,
        /// In: which one.
        id: u32 = 4,
        /// In and out: frames.
        nr_frames: u32 = 8,
        /// Must be 0.
        pad: u32 = 12,
        /// In: the first frame of the resource.
        frame: u64 = 16,
        /// In and out: guest address of the list of frames, u64 each.
        frame_list: u64 = 24,
    }
}
