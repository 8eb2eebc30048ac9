//! Loads and stores that the abort syndrome does not describe (Arm ARM C4.1.94).
//!
//! As on Xen only the post-indexed forms are emulated, `ldr`/`str` of a general register with an
//! immediate; pairs, exclusives and pre-indexed forms abort.

use machine::exit::{Direction, Extend, Transfer, Width};

/// A post-indexed access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostIndexed {
    /// The access itself.
    pub transfer: Transfer,
    /// The base register, 0 to 30.
    pub base: u8,
    /// What is added to it behind the access, in bytes.
    pub offset: i64,
}

/// Decodes `instruction` if it is a post-indexed load or store of a general register, its base not
/// the stack pointer and not the register that is loaded.
pub fn post_indexed(instruction: u32) -> Option<PostIndexed> {
    // size 111 0 00 opc 0 imm9 01 Rn Rt
    if instruction & 0x3f20_0c00 != 0x3800_0400 {
        return None;
    }
    let register = (instruction & 0x1f) as u8;
    let base = (instruction >> 5 & 0x1f) as u8;
    let size = instruction >> 30;
    let width = match size {
        0 => Width::Byte,
        1 => Width::Half,
        2 => Width::Word,
        _ => Width::Double,
    };
    let transfer = match (instruction >> 22 & 3, size) {
        (0, _) => Transfer::store(width, register),
        (1, _) => Transfer::load(width, register, Extend::Zero),
        (2, 0..=2) => Transfer::load(width, register, Extend::SignTo64),
        (3, 0..=1) => Transfer::load(width, register, Extend::SignTo32),
        _ => return None,
    };
    if base == 31 || (base == register && transfer.direction() == Direction::Read) {
        return None;
    }
    let immediate = i64::from(instruction >> 12 & 0x1ff);
    let offset = if immediate >= 0x100 {
        immediate - 0x200
    } else {
        immediate
    };
    Some(PostIndexed {
        transfer,
        base,
        offset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_the_table_are_decoded() {
        // ldr w0, [x1], #4
        let load = post_indexed(0xb840_4420).unwrap();
        assert_eq!((load.base, load.offset), (1, 4));
        assert_eq!(
            (load.transfer.width(), load.transfer.register()),
            (Width::Word, 0)
        );
        assert_eq!(load.transfer.direction(), Direction::Read);
        // str x2, [x3], #-8
        let store = post_indexed(0xf81f_8462).unwrap();
        assert_eq!((store.base, store.offset), (3, -8));
        assert_eq!(
            (store.transfer.direction(), store.transfer.width()),
            (Direction::Write, Width::Double)
        );
        // ldrsb x4, [x5], #1
        let signed = post_indexed(0x3880_14a4).unwrap();
        assert_eq!(signed.transfer.extend(0xff), u64::MAX);
    }

    #[test]
    fn everything_else_is_refused() {
        // ldr w0, [x1, #4]! (pre-indexed), ldp w0, w2, [x1], #8, ldr w0, [sp], #4, ldr x1, [x1], #8
        for instruction in [0xb840_4c20, 0x28c1_0820, 0xb840_47e0, 0xf840_8421, 0] {
            assert_eq!(post_indexed(instruction), None, "{instruction:#x}");
        }
    }
}
