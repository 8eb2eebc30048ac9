//! Seeds of the guests' random numbers, from the seed that the boot loader gave the host.
//!
//! A kernel that finds `/chosen/rng-seed` (Devicetree Specification, `/chosen`; Linux
//! `Documentation/devicetree/bindings`, chosen) has random numbers from its first instruction on;
//! one that does not asks the processor again and again whether it has some, which are exits.
//!
//! Invariant: no two guests get the same bytes, none gets the host's, and none can tell another's
//! or the host's from its own. The derivation is the one-step one of NIST SP 800-56C (4.1, option
//! 1), counter, secret, fixed information, with BLAKE2s-256 (RFC 7693) as its hash function.

use alloc::vec::Vec;
use core::fmt;
use core::hint::black_box;

use abi::DomId;
use blake2::{Blake2s256, Digest};

/// What the derived bytes are for, so that those for another purpose differ.
const LABEL: &[u8] = b"euxenite guest rng-seed 1";
/// The counter of the first, and only, block of derived bytes.
const FIRST_BLOCK: u32 = 1;
/// The most bytes that a guest gets: a kernel needs no more (Linux: 256 bits).
const MOST_BYTES: usize = 32;

/// The host's seed. Not shown when printed.
#[derive(Clone, PartialEq, Eq)]
pub struct HostSeed(Vec<u8>);

/// A guest's seed. Not shown when printed.
pub struct GuestSeed {
    bytes: [u8; MOST_BYTES],
    len: usize,
}

impl HostSeed {
    /// `None` for an empty property, which is no seed, and for one that is only zeros, which says
    /// that the boot loader had none.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        bytes
            .iter()
            .any(|byte| *byte != 0)
            .then(|| Self(bytes.to_vec()))
    }

    /// The seed of the guest `domain`: no longer than the host's, as a kernel takes each byte for
    /// eight bits that nobody can guess.
    pub fn for_guest(&self, domain: DomId) -> GuestSeed {
        let hash = Blake2s256::new()
            .chain_update(FIRST_BLOCK.to_be_bytes())
            .chain_update(&self.0)
            .chain_update(LABEL)
            .chain_update(domain.0.to_be_bytes());
        GuestSeed {
            bytes: hash.finalize().into(),
            len: self.0.len().min(MOST_BYTES),
        }
    }
}

impl GuestSeed {
    /// The bytes, 1 to 32.
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Overwrites `bytes`, which nobody reads afterwards.
pub fn erase(bytes: &mut [u8]) {
    bytes.fill(0);
    // As if somebody did: otherwise the compiler leaves the writes out.
    black_box(bytes);
}

impl Drop for HostSeed {
    fn drop(&mut self) {
        erase(&mut self.0);
    }
}

impl Drop for GuestSeed {
    fn drop(&mut self) {
        erase(&mut self.bytes);
    }
}

impl fmt::Debug for HostSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HostSeed({} bytes)", self.0.len())
    }
}

impl fmt::Debug for GuestSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GuestSeed({} bytes)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(bytes: &[u8]) -> HostSeed {
        HostSeed::new(bytes).unwrap()
    }

    #[test]
    fn guests_get_bytes_of_their_own() {
        let host = seed(&[7; 32]);
        let (first, second) = (host.for_guest(DomId(1)), host.for_guest(DomId(2)));
        assert_ne!(first.bytes(), second.bytes());
        assert_ne!(first.bytes(), [7; 32]);
        assert_eq!(first.bytes(), host.for_guest(DomId(1)).bytes());
        assert_ne!(first.bytes(), seed(&[8; 32]).for_guest(DomId(1)).bytes());
    }

    #[test]
    fn the_derivation_is_the_documented_one() {
        // printf of "\0\0\0\1", 32 times "\7", label and "\0\1" through python3's hashlib.blake2s.
        let expected = [
            0x95, 0x77, 0x02, 0x95, 0x2a, 0x95, 0x3e, 0xd9, 0xef, 0x34, 0xba, 0x10, 0xab, 0xbe,
            0xc5, 0xac, 0x83, 0x9d, 0xd1, 0xd6, 0xd6, 0x92, 0x5a, 0x26, 0xc8, 0x00, 0xa1, 0x87,
            0x2f, 0xd6, 0x93, 0x3d,
        ];
        assert_eq!(seed(&[7; 32]).for_guest(DomId(1)).bytes(), expected);
    }

    #[test]
    fn a_guest_gets_no_more_bytes_than_there_were() {
        assert_eq!(seed(&[1; 8]).for_guest(DomId(1)).bytes().len(), 8);
        assert_eq!(seed(&[1; 64]).for_guest(DomId(1)).bytes().len(), 32);
    }

    #[test]
    fn nothing_is_no_seed() {
        assert_eq!(HostSeed::new(&[]), None);
        assert_eq!(HostSeed::new(&[0; 32]), None);
    }

    #[test]
    fn printing_shows_none_of_it() {
        let text = alloc::format!("{:?}", seed(&[7; 32]));
        assert_eq!(text, "HostSeed(32 bytes)");
    }
}
