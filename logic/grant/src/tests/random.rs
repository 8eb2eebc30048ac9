//! Random maps, unmaps and copies while the granting guest writes what it likes.

use abi::grant::entry::{PERMIT_ACCESS, READING, READONLY, WRITING};
use abi::{DomId, Gfn};
use proptest::prelude::*;

use super::bench::{Bench, USER};
use crate::{Access, Handle, Mapping, Maptrack, Pin};

const GREFS: u32 = 4;

#[derive(Clone, Copy, Debug)]
enum Step {
    Guest {
        index: u32,
        to: u16,
        flags: u16,
        frame: u32,
    },
    Map {
        gref: u32,
        user: u16,
        writes: bool,
        gfn: u64,
    },
    Unmap {
        handle: u32,
        gfn: u64,
    },
    Copy {
        gref: u32,
        writes: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let gref = || prop_oneof![9 => 0..GREFS, 1 => any::<u32>()];
    // Often what grants, at times anything.
    let flags = prop_oneof![
        6 => Just(PERMIT_ACCESS),
        2 => Just(PERMIT_ACCESS | READONLY),
        1 => Just(PERMIT_ACCESS | READING | WRITING),
        2 => any::<u16>(),
    ];
    let frame = prop_oneof![0..3_u32, 999..1002_u32];
    prop_oneof![
        3 => (0..GREFS, 2..4_u16, flags, frame)
            .prop_map(|(index, to, flags, frame)| Step::Guest { index, to, flags, frame }),
        6 => (gref(), 2..4_u16, any::<bool>(), 0..4_u64)
            .prop_map(|(gref, user, writes, gfn)| Step::Map { gref, user, writes, gfn }),
        5 => (0..12_u32, 0..4_u64).prop_map(|(handle, gfn)| Step::Unmap { handle, gfn }),
        3 => (gref(), any::<bool>()).prop_map(|(gref, writes)| Step::Copy { gref, writes }),
    ]
}

struct World {
    bench: Bench,
    maptrack: Maptrack,
    mapped: u32,
}

impl World {
    fn run(&mut self, step: Step) {
        match step {
            Step::Guest {
                index,
                to,
                flags,
                frame,
            } => {
                self.bench.frame.grant(index, DomId(to), flags, frame);
            }
            Step::Map {
                gref,
                user,
                writes,
                gfn,
            } => self.map(gref, DomId(user), writes, gfn),
            Step::Unmap { handle, gfn } => {
                if let Ok(mapping) = self.maptrack.take(Handle(handle), Gfn(gfn)) {
                    self.unpin(mapping.pin);
                    self.mapped -= 1;
                }
            }
            Step::Copy { gref, writes } => {
                if let Ok(pin) = self.bench.pin(gref, USER, access(writes)) {
                    assert!(self.bench.grants.page(&pin).is_some());
                    self.unpin(pin);
                }
            }
        }
        assert_eq!(self.bench.grants.pinned(), self.mapped);
        assert_eq!(self.maptrack.used(), self.mapped);
        assert!(self.bench.held() <= self.mapped as usize);
        assert_eq!(self.bench.held() == 0, self.mapped == 0);
    }

    fn map(&mut self, gref: u32, user: DomId, writes: bool, gfn: u64) {
        let Ok(handle) = self.maptrack.reserve() else {
            return;
        };
        match self.bench.pin(gref, user, access(writes)) {
            Ok(pin) => {
                let mapping = Mapping { pin, gfn: Gfn(gfn) };
                self.maptrack.fill(handle, mapping).unwrap();
                self.mapped += 1;
            }
            Err(_) => self.maptrack.cancel(handle),
        }
    }

    fn unpin(&mut self, pin: Pin) {
        assert!(self.bench.grants.unpin(pin).is_ok());
    }
}

fn access(writes: bool) -> Access {
    if writes { Access::Write } else { Access::Read }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// XSA-218, 224, 379, 394: whatever is mapped and unmapped in whatever order, nothing is held
    /// once nothing is mapped, and something is as long as something is.
    #[test]
    fn references_are_zero_after_all_unmaps(steps in prop::collection::vec(step(), 0..150)) {
        let mut world = World { bench: Bench::new(), maptrack: Maptrack::new(10), mapped: 0 };
        for step in steps {
            world.run(step);
        }
        let mut from = 0;
        while from < world.maptrack.slots() {
            if let Some(mapping) = world.maptrack.drain(&mut from, 16) {
                world.unpin(mapping.pin);
            }
        }
        prop_assert_eq!(world.bench.grants.pinned(), 0);
        prop_assert_eq!(world.bench.held(), 0);
        // Entries that nobody uses can be used again.
        for gref in 0..GREFS {
            world.bench.frame.permit(gref, 1);
            let pin = world.bench.pin(gref, USER, Access::Write).unwrap();
            world.unpin(pin);
            prop_assert_eq!(world.bench.frame.flags(gref), PERMIT_ACCESS);
        }
    }
}
