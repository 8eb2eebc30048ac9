//! Hypercalls with a structure: made, and printed with what they changed of it.

use core::fmt;

use abi::arm::RAM_BANK_0;
use abi::hypercall::EVENT_CHANNEL_OP;
use abi::{DomId, PAGE_SIZE};
use support::call::hypercall;

use crate::say;

/// The guest's own number: it is the only one.
pub(crate) const OWN: DomId = DomId(1);
/// In no bank of RAM.
pub(crate) const UNMAPPED: u64 = 0x0900_0000;

/// Numbers that domain ids may be mistaken for, with names.
pub(crate) const DOMAINS: [(&str, DomId); 10] = [
    ("self", DomId::SELF),
    ("own", OWN),
    ("dom0", DomId(0)),
    ("dom2", DomId(2)),
    ("io", DomId::IO),
    ("xen", DomId::XEN),
    ("invalid", DomId::INVALID),
    ("any", DomId(0x7ff5)),
    ("idle", DomId::IDLE),
    ("all_ones", DomId(u16::MAX)),
];

/// Page `index` of those that the sections play with: far behind the image, far before the tree.
pub(crate) const fn page(index: u64) -> u64 {
    RAM_BANK_0.start() + (24 << 20) + index * PAGE_SIZE
}

/// The frame of an address.
pub(crate) const fn frame(address: u64) -> u64 {
    address / PAGE_SIZE
}

/// The 64 bits at `address`.
pub(crate) fn load64(address: u64) -> u64 {
    // SAFETY: the callers name memory of ours; volatile, as the hypervisor writes it.
    unsafe { (address as *const u64).read_volatile() }
}

/// Writes 64 bits.
pub(crate) fn store64(address: u64, value: u64) {
    // SAFETY: as above.
    unsafe { (address as *mut u64).write_volatile(value) }
}

/// The byte at `address`.
pub(crate) fn load8(address: u64) -> u8 {
    // SAFETY: as above.
    unsafe { (address as *const u8).read_volatile() }
}

/// Writes a byte.
pub(crate) fn store8(address: u64, value: u8) {
    // SAFETY: as above.
    unsafe { (address as *mut u8).write_volatile(value) }
}

/// The 32 bits at `address`.
pub(crate) fn load32(address: u64) -> u32 {
    // SAFETY: as above.
    unsafe { (address as *const u32).read_volatile() }
}

/// Writes 32 bits.
pub(crate) fn store32(address: u64, value: u32) {
    // SAFETY: as above.
    unsafe { (address as *mut u32).write_volatile(value) }
}

/// Writes bytes.
pub(crate) fn store_bytes(address: u64, bytes: &[u8]) {
    for (at, byte) in (address..).zip(bytes) {
        // SAFETY: as above.
        unsafe { (at as *mut u8).write_volatile(*byte) }
    }
}

/// Fills a page of ours.
pub(crate) fn fill(address: u64, value: u64) {
    for offset in (0..PAGE_SIZE).step_by(8) {
        store64(address + offset, value);
    }
}

/// What a call came to.
#[derive(Clone, Copy)]
pub(crate) struct Reply<const N: usize> {
    /// Its result.
    pub(crate) result: i64,
    before: [u8; N],
    /// The structure as the call left it.
    pub(crate) after: [u8; N],
}

/// Makes a call of a sub-operation with a structure.
pub(crate) fn call<const N: usize>(number: u64, command: u32, structure: [u8; N]) -> Reply<N> {
    call_with(number, structure, |at| [command.into(), at, 1, 0])
}

/// The same with arguments made of the structure's address.
pub(crate) fn call_with<const N: usize>(
    number: u64,
    structure: [u8; N],
    arguments: impl FnOnce(u64) -> [u64; 4],
) -> Reply<N> {
    #[repr(align(8))]
    struct Aligned<const N: usize>([u8; N]);
    let mut place = Aligned(structure);
    let at = place.0.as_mut_ptr() as u64;
    let result = hypercall(number, arguments(at)).cast_signed();
    // SAFETY: our own; volatile, as the hypervisor wrote it.
    let after = unsafe { (&raw const place.0).read_volatile() };
    Reply {
        result,
        before: structure,
        after,
    }
}

/// An event channel operation.
pub(crate) fn event<const N: usize>(command: u32, structure: [u8; N]) -> Reply<N> {
    call(EVENT_CHANNEL_OP, command, structure)
}

impl<const N: usize> Reply<N> {
    /// Prints it.
    pub(crate) fn say(self, item: fmt::Arguments<'_>) -> Self {
        say!(@ item, "{self}");
        self
    }

    /// The word at `offset` of the structure.
    pub(crate) fn word(&self, offset: usize) -> u32 {
        word(&self.after, offset)
    }
}

impl<const N: usize> fmt::Display for Reply<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.result)?;
        for offset in (0..N).step_by(4) {
            let (before, after) = (word(&self.before, offset), word(&self.after, offset));
            if before != after {
                write!(f, ", {offset}: {after:#x}")?;
            }
        }
        Ok(())
    }
}

fn word(bytes: &[u8], offset: usize) -> u32 {
    let mut word = [0; 4];
    for (to, from) in word.iter_mut().zip(bytes.iter().skip(offset)) {
        *to = *from;
    }
    u32::from_le_bytes(word)
}
