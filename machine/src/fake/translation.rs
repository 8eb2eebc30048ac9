//! Stage-2 translation as the hardware does it: a walk of the tables in RAM (Arm ARM D8.2, 4 KiB
//! granule).

use abi::{Ipa, Pa};

use super::physical::Ram;
use super::vcpu::Stage2Base;

/// What a guest address is mapped to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The machine's address.
    pub address: Pa,
    /// The last descriptor of the walk.
    pub descriptor: u64,
}

const ADDRESS: u64 = 0xffff_ffff_f000;

/// Translates `address`; `None` where the walk ends in nothing.
pub(crate) fn walk(ram: &Ram, stage2: Stage2Base, address: Ipa) -> Option<Mapped> {
    let bits = 64 - (stage2.control & 0x3f) as u32;
    if address.0 >> bits != 0 {
        return None;
    }
    // VTCR_EL2.SL0: 0 starts at level 2, 1 at level 1, 2 at level 0.
    let start = 2u32.checked_sub((stage2.control >> 6 & 3) as u32)?;
    let mut table = stage2.root.0;
    for level in start..=3 {
        let shift = 39 - 9 * level;
        // Concatenated root tables make the first index longer.
        let index_bits = if level == start { bits - shift } else { 9 };
        let index = address.0 >> shift & ((1 << index_bits) - 1);
        let descriptor = ram.word(Pa(table + index * 8))?;
        match (descriptor & 3, level) {
            (3, 0..=2) => table = descriptor & ADDRESS,
            (3, 3) | (1, 1 | 2) => {
                let inside = (1u64 << shift) - 1;
                let base = descriptor & ADDRESS & !inside;
                return Some(Mapped {
                    address: Pa(base | address.0 & inside),
                    descriptor,
                });
            }
            _ => return None,
        }
    }
    None
}
