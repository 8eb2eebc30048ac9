//! Pins, one by one.

use abi::grant::GrantStatus::{BadGntref, BadPage, GeneralError};
use abi::grant::entry::{
    ACCEPT_TRANSFER, INVALID, PERMIT_ACCESS, READING, READONLY, SUB_PAGE, TRANSITIVE, WRITING,
};
use abi::{DomId, Errno, Gfn};

use super::bench::{Bench, Frame, GRANTER, USER};
use crate::Access::{Read, Write};
use crate::{Config, Grants, SharedFrame, Size};

#[test]
fn status_bits_follow_the_pins_xsa_230() {
    let mut bench = Bench::new();
    bench.frame.permit(9, 77);
    let steps = [Read, Write, Read].map(|access| {
        let pin = bench.pin(9, USER, access).unwrap();
        (pin, bench.frame.flags(9))
    });
    assert_eq!(steps[0].1, PERMIT_ACCESS | READING);
    assert_eq!(steps[1].1, PERMIT_ACCESS | READING | WRITING);
    assert_eq!(bench.grants.pinned(), 3);
    assert_eq!(bench.held(), 1, "one page, however often it is used");
    let [first, write, last] = steps.map(|(pin, _)| pin);
    assert_eq!(bench.grants.page(&write).unwrap().0, Gfn(77));
    assert!(bench.grants.unpin(write).unwrap().is_none());
    assert_eq!(bench.frame.flags(9), PERMIT_ACCESS | READING);
    assert!(bench.grants.unpin(first).unwrap().is_none());
    assert_eq!(bench.frame.flags(9), PERMIT_ACCESS | READING);
    assert_eq!(bench.grants.unpin(last).unwrap().unwrap().0, Gfn(77));
    assert_eq!(bench.frame.flags(9), PERMIT_ACCESS);
    assert_eq!((bench.held(), bench.grants.pinned()), (0, 0));
}

#[test]
fn an_entry_must_grant_what_is_asked_for() {
    for (flags, to, access, expected) in [
        (PERMIT_ACCESS, USER, Write, Ok(())),
        (PERMIT_ACCESS | READONLY, USER, Read, Ok(())),
        (PERMIT_ACCESS | READONLY, USER, Write, Err(GeneralError)),
        (PERMIT_ACCESS, DomId(3), Read, Err(GeneralError)),
        (INVALID, USER, Read, Err(GeneralError)),
        (ACCEPT_TRANSFER, USER, Read, Err(GeneralError)),
        (TRANSITIVE, USER, Read, Err(GeneralError)),
        (PERMIT_ACCESS | SUB_PAGE, USER, Read, Err(GeneralError)),
    ] {
        let mut bench = Bench::new();
        bench.frame.grant(5, to, flags, 10);
        let got = bench.pin(5, USER, access);
        assert_eq!(
            got.as_ref().map(|_| ()),
            expected.as_ref().map(|_| ()),
            "{flags:#x} {to}"
        );
        if got.is_err() {
            assert_eq!(bench.frame.flags(5), flags, "a refused pin leaves no bits");
            assert_eq!((bench.held(), bench.grants.pinned()), (0, 0));
        }
    }
}

#[test]
fn a_grant_must_be_in_the_table() {
    let mut bench = Bench::new();
    for gref in [512, 100_000, u32::MAX] {
        assert_eq!(bench.pin(gref, USER, Read), Err(BadGntref));
    }
}

#[test]
fn a_page_that_is_not_to_be_shared_leaves_nothing_xsa_236() {
    let mut bench = Bench::new();
    bench.frame.permit(0, 1000);
    assert_eq!(bench.pin(0, USER, Write), Err(BadPage));
    assert_eq!(bench.frame.flags(0), PERMIT_ACCESS);
    assert_eq!((bench.held(), bench.grants.pinned()), (0, 0));
}

#[test]
fn a_pinned_entry_that_changed_is_not_pinned_again_xsa_500() {
    let mut bench = Bench::new();
    bench.frame.permit(1, 10);
    let pin = bench.pin(1, USER, Read).unwrap();
    // Another frame, another domain, read-only: each time the use that exists stays as it is.
    bench.frame.grant(1, USER, PERMIT_ACCESS | READING, 11);
    assert_eq!(bench.pin(1, USER, Write), Err(GeneralError));
    assert_eq!(
        bench.frame.flags(1),
        PERMIT_ACCESS | READING,
        "WRITING is taken off again"
    );
    bench.frame.grant(1, DomId(3), PERMIT_ACCESS | READING, 10);
    assert_eq!(bench.pin(1, USER, Read), Err(GeneralError));
    assert_eq!(bench.pin(1, DomId(3), Read), Err(GeneralError));
    bench.frame.grant(1, USER, INVALID, 10);
    assert_eq!(bench.pin(1, USER, Read), Err(GeneralError));
    assert_eq!(bench.grants.page(&pin).unwrap().0, Gfn(10));
    assert!(bench.grants.unpin(pin).unwrap().is_some());
}

#[test]
fn uses_are_counted_as_far_as_that_goes() {
    let mut bench = Bench::new();
    bench.frame.permit(1, 10);
    let pins: Vec<_> = (0..u16::MAX)
        .map(|_| bench.pin(1, USER, Read).unwrap())
        .collect();
    assert_eq!(bench.pin(1, USER, Read), Err(GeneralError));
    let write = bench.pin(1, USER, Write).unwrap();
    for pin in pins.into_iter().chain([write]) {
        assert!(bench.grants.unpin(pin).is_ok());
    }
    assert_eq!((bench.held(), bench.frame.flags(1)), (0, PERMIT_ACCESS));
}

#[test]
fn a_pin_belongs_to_its_table() {
    let (mut bench, mut other) = (Bench::new(), Bench::new());
    bench.frame.permit(1, 10);
    other.grants = Grants::new(Config {
        domain: DomId(8),
        max_frames: 1,
    });
    let pin = bench.pin(1, USER, Read).unwrap();
    assert_eq!((pin.granter(), pin.access()), (GRANTER, Read));
    assert!(other.grants.page(&pin).is_none());
    let pin = other.grants.unpin(pin).unwrap_err();
    assert!(bench.grants.unpin(pin).is_ok());
}

/// A frame whose entry the guest changes before each attempt.
struct Restless(std::cell::Cell<u32>);

impl SharedFrame for Restless {
    fn load32(&self, _: u32) -> u32 {
        u32::from(USER.0) << 16 | u32::from(PERMIT_ACCESS)
    }
    fn fetch_and32(&self, _: u32, _: u32) -> u32 {
        0
    }
    fn compare_exchange32(&self, _: u32, current: u32, _: u32) -> Result<u32, u32> {
        self.0.set(self.0.get() + 1);
        Err(current ^ 1 << 12)
    }
}

#[test]
fn an_entry_that_never_holds_still_is_given_up_xsa_295() {
    let mut grants = Grants::new(Config {
        domain: GRANTER,
        max_frames: 1,
    });
    grants.grow(1, || Some(Restless(0.into()))).unwrap();
    assert_eq!(grants.pin(0, USER, Read, Some), Err(GeneralError));
    assert_eq!(grants.frame(0).unwrap().0.get(), 5);
}

#[test]
fn the_table_grows_to_its_limit_and_remembers_where_it_is_mapped() {
    let mut bench = Bench::new();
    assert_eq!(
        bench.grants.size(),
        Size {
            frames: 1,
            max_frames: 4
        }
    );
    assert_eq!(
        bench.grants.grow(5, || Some(Frame::new())),
        Err(GeneralError)
    );
    assert_eq!(bench.grants.grow(3, || None), Err(GeneralError));
    assert_eq!(bench.grants.grow(4, || Some(Frame::new())), Ok(()));
    assert_eq!(
        bench.grants.grow(2, || panic!("it is large enough")),
        Ok(())
    );
    assert_eq!(bench.grants.size().frames, 4);
    assert!(bench.grants.frame(3).is_some() && bench.grants.frame(4).is_none());
    assert_eq!(bench.grants.frame_gfn(3), None);
    assert_eq!(bench.grants.set_frame_gfn(3, Some(Gfn(7))), None);
    assert_eq!(bench.grants.set_frame_gfn(3, None), Some(Gfn(7)));
    assert_eq!(bench.grants.set_frame_gfn(4, Some(Gfn(7))), None);
    // The new frames' entries can be used.
    bench.grants.frame(3).unwrap().permit(511, 3);
    let pin = bench.pin(4 * 512 - 1, USER, Read).unwrap();
    assert_eq!(bench.grants.page(&pin).unwrap().0, Gfn(3));
}

#[test]
fn version_1_it_is() {
    let answers = [0, 1, 2, 3].map(crate::set_version);
    assert_eq!(
        answers,
        [
            Err(Errno::Inval),
            Ok(1),
            Err(Errno::NoSys),
            Err(Errno::Inval)
        ]
    );
}
