//! A page that one guest grants and the other maps (public/grant_table.h, version 1).

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use abi::arm::{GRANT_TABLE, MAGIC, RAM_BANK_0};
use abi::grant::{Map, entry, map_flag, op};
use abi::hypercall::GRANT_TABLE_OP;
use abi::memory::space;
use abi::{DomId, PAGE_SIZE};
use support::call;

use crate::channel::add_to_physmap;

/// The page that is granted: RAM far behind the guest's image.
const GRANTED: u64 = RAM_BANK_0.start() + (64 << 20);
/// Where it is mapped by the other: where no RAM is.
const WINDOW: u64 = MAGIC.start() + PAGE_SIZE;
/// The grant's number.
const REFERENCE: u32 = entry::RESERVED;

/// Grants a page to domain `to`, and gives its address.
pub(crate) fn grant_to(to: u16) -> usize {
    let result = add_to_physmap(space::GRANT_TABLE, GRANT_TABLE.start());
    assert!(result == 0, "the grant table cannot be mapped: {result}");
    let at = GRANT_TABLE.start() + u64::from(REFERENCE * entry::SIZE);
    // SAFETY: in the grant table, which is mapped and which we reach by atomics alone.
    let place = unsafe { &*(at as *const AtomicU64) };
    let header = u64::from(entry::PERMIT_ACCESS) | u64::from(to) << 16;
    place.store(header | GRANTED >> 12 << 32, SeqCst);
    GRANTED as usize
}

/// Maps the page that domain `from` granted, if it has done so, and gives its address.
pub(crate) fn map_from(from: u16) -> Option<usize> {
    let wanted = Map {
        host_addr: WINDOW,
        flags: map_flag::HOST_MAP,
        gref: REFERENCE,
        dom: DomId(from),
        ..Map::default()
    };
    let mut argument = wanted.to_bytes();
    let command = op::MAP_GRANT_REF.into();
    let result = call::hypercall(
        GRANT_TABLE_OP,
        [command, argument.as_mut_ptr() as u64, 1, 0],
    );
    let status = Map::from_bytes(&argument).status;
    (result == 0 && status == 0).then_some(WINDOW as usize)
}
