//! Grants that the domain gives itself: the first domain is number 1 under both hypervisors.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use abi::arm::{GRANT_TABLE, MAGIC, RAM_BANK_0};
use abi::grant::{Copy, CopyEnd, Map, Unmap, copy_flag, entry, map_flag, op};
use abi::hypercall::GRANT_TABLE_OP;
use abi::memory::{AddToPhysmap, space};
use abi::{DomId, PAGE_SIZE, memory};
use support::call::hypercall;

use crate::events::on_memory;
use crate::operation::{Operation, each};

const OWN: DomId = DomId(1);
/// The page that is granted.
const GRANTED: u64 = RAM_BANK_0.start() + (36 << 20);
/// The page that is copied to.
const COPY: u64 = GRANTED + PAGE_SIZE;
/// Where the granted page is mapped: where no RAM is.
const WINDOW: u64 = MAGIC.start() + (1 << 20);
/// The grant's number.
const REFERENCE: u32 = entry::RESERVED;

static GRANTS: AtomicBool = AtomicBool::new(false);

fn grant_once() {
    if GRANTS.load(Relaxed) {
        return;
    }
    GRANTS.store(true, Relaxed);
    let wanted = AddToPhysmap {
        domid: DomId::SELF,
        space: space::GRANT_TABLE,
        gpfn: GRANT_TABLE.start() >> 12,
        ..AddToPhysmap::default()
    };
    on_memory(memory::op::ADD_TO_PHYSMAP, wanted.to_bytes().as_ptr());
    let at = GRANT_TABLE.start() + u64::from(REFERENCE * entry::SIZE);
    // SAFETY: in the grant table, which is mapped and which we reach by atomics alone.
    let place = unsafe { &*(at as *const AtomicU64) };
    let header = u64::from(entry::PERMIT_ACCESS) | u64::from(OWN.0) << 16;
    place.store(header | GRANTED >> 12 << 32, Relaxed);
}

fn on_grants(command: u32, argument: *mut u8) -> u64 {
    hypercall(GRANT_TABLE_OP, [command.into(), argument as u64, 1, 0])
}

/// Gives the statuses of both, 0 if all went well.
fn map_and_unmap() -> u64 {
    grant_once();
    let wanted = Map {
        host_addr: WINDOW,
        flags: map_flag::HOST_MAP,
        gref: REFERENCE,
        dom: OWN,
        ..Map::default()
    };
    let mut argument = wanted.to_bytes();
    let mut result = on_grants(op::MAP_GRANT_REF, argument.as_mut_ptr());
    let mapped = Map::from_bytes(core::hint::black_box(&argument));
    let wanted = Unmap {
        host_addr: WINDOW,
        handle: mapped.handle,
        ..Unmap::default()
    };
    let mut argument = wanted.to_bytes();
    result |= on_grants(op::UNMAP_GRANT_REF, argument.as_mut_ptr());
    let unmapped = Unmap::from_bytes(core::hint::black_box(&argument));
    result | mapped.status as u64 | unmapped.status as u64
}

fn copy(len: u16) -> u64 {
    grant_once();
    let wanted = Copy {
        source: CopyEnd {
            place: REFERENCE.into(),
            domid: OWN,
            offset: 0,
        },
        dest: CopyEnd {
            place: COPY >> 12,
            domid: DomId::SELF,
            offset: 0,
        },
        len,
        flags: copy_flag::SOURCE_GREF,
        ..Copy::default()
    };
    let mut argument = wanted.to_bytes();
    let result = on_grants(op::COPY, argument.as_mut_ptr());
    result | Copy::from_bytes(core::hint::black_box(&argument)).status as u64
}

pub(crate) const OPERATIONS: &[Operation] = &[
    each("grant map and unmap", 128, map_and_unmap),
    each("grant copy of 64 bytes", 256, || copy(64)),
    each("grant copy of 4 KiB", 128, || copy(PAGE_SIZE as u16)),
];
