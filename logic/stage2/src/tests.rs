//! Tests of the planner over a table memory that checks the rules.

mod fake;

use abi::{Ipa, Pa};

use self::fake::FakeMemory;
use crate::{Attributes, Format, Stage2};

#[test]
fn maps_in_the_largest_blocks_that_fit() {
    let format = Format::default();
    let mut mem = FakeMemory::new(format, 16);
    let mut stage2 = Stage2::new(mem.root(), format).unwrap();
    stage2
        .map(
            &mut mem,
            Ipa(0x3fff_f000),
            Pa(0x7fff_f000),
            (1 << 30) + 0x20_1000,
            Attributes::RAM,
        )
        .unwrap();
    let mapped = stage2.mapped();
    assert_eq!(
        (mapped.blocks_1g, mapped.blocks_2m, mapped.pages_4k),
        (1, 1, 1)
    );
}
