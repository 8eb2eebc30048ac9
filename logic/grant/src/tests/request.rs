//! What guests ask for.

use abi::grant::GrantStatus::{BadCopyArg, BadGntref, GeneralError, PermissionDenied};
use abi::grant::{Copy, CopyEnd, Map, Unmap, copy_flag, map_flag};
use abi::{DomId, Gfn};
use proptest::prelude::*;

use crate::{Access, Batch, CopyPlace, CopyRequest, Handle, MapRequest, UnmapRequest};

#[test]
fn a_mapping_is_for_cpus() {
    let host = map_flag::HOST_MAP;
    for (flags, expected) in [
        (host, Ok(Access::Write)),
        (host | map_flag::READONLY, Ok(Access::Read)),
        (0, Err(BadGntref)),
        (map_flag::READONLY, Err(BadGntref)),
        (map_flag::DEVICE_MAP, Err(GeneralError)),
        (host | map_flag::DEVICE_MAP, Err(GeneralError)),
        (host | map_flag::CONTAINS_PTE, Err(GeneralError)),
        (host | map_flag::APPLICATION_MAP, Err(GeneralError)),
        (host | 1 << 31, Err(GeneralError)),
    ] {
        let map = Map {
            host_addr: 0x5432,
            flags,
            gref: 9,
            dom: DomId(3),
            ..Map::default()
        };
        let got = MapRequest::parse(&map);
        assert_eq!(
            got.map(|request| request.access),
            expected,
            "flags {flags:#x}"
        );
        if let Ok(request) = got {
            assert_eq!(
                (request.gfn, request.gref, request.granter),
                (Gfn(5), 9, DomId(3))
            );
        }
    }
}

#[test]
fn an_unmap_at_0_unmaps_nothing() {
    let unmap = Unmap {
        host_addr: 0x3000,
        handle: 4,
        ..Unmap::default()
    };
    let expected = UnmapRequest {
        handle: Handle(4),
        gfn: Some(Gfn(3)),
    };
    assert_eq!(UnmapRequest::parse(&unmap), expected);
    assert_eq!(
        UnmapRequest::parse(&Unmap {
            host_addr: 0,
            ..unmap
        })
        .gfn,
        None
    );
}

#[test]
fn a_copy_needs_grants_or_ones_own_frames() {
    let granted = CopyEnd {
        place: 0xffff_0000_0005,
        domid: DomId(3),
        offset: 0,
    };
    let own = CopyEnd {
        place: 7,
        domid: DomId::SELF,
        offset: 0,
    };
    let copy = |source, dest, flags| {
        CopyRequest::parse(&Copy {
            source,
            dest,
            len: 1,
            flags,
            status: 0,
        })
        .map(|request| request.map(|request| (request.source, request.dest)))
    };
    let there = CopyPlace::Granted {
        granter: DomId(3),
        gref: 5,
    };
    let here = CopyPlace::Own(Gfn(7));
    let (from, to) = (copy_flag::SOURCE_GREF, copy_flag::DEST_GREF);
    assert_eq!(copy(granted, own, from), Ok(Some((there, here))));
    assert_eq!(copy(own, granted, to), Ok(Some((here, there))));
    assert_eq!(copy(granted, granted, from | to), Ok(Some((there, there))));
    assert_eq!(copy(own, own, 0), Ok(Some((here, here))));
    assert_eq!(copy(granted, own, 0), Err(PermissionDenied));
    assert_eq!(copy(own, granted, 0), Err(PermissionDenied));
}

proptest! {
    #[test]
    fn no_copy_leaves_its_pages(source: u16, dest: u16, len: u16) {
        let end = |offset| CopyEnd { place: 7, domid: DomId::SELF, offset };
        let copy =
            Copy { source: end(source), dest: end(dest), len, ..Copy::default() };
        let fits = |offset| u32::from(offset) + u32::from(len) <= 4096;
        match CopyRequest::parse(&copy) {
            Ok(Some(request)) => {
                prop_assert!(fits(source) && fits(dest) && len != 0);
                prop_assert_eq!(request.len, u32::from(len));
                prop_assert_eq!(request.source_offset, u32::from(source));
                prop_assert_eq!(request.dest_offset, u32::from(dest));
            }
            Ok(None) => prop_assert_eq!(len, 0),
            Err(status) => {
                prop_assert_eq!(status, BadCopyArg);
                prop_assert!(!fits(source) || !fits(dest));
            }
        }
    }

    #[test]
    fn a_batch_does_each_request_once_however_it_is_cut_xsa_318(
        count in 0_u32..40,
        budgets in prop::collection::vec(0_u32..5, 0..60),
    ) {
        let mut batch = Batch::new(count);
        let mut done = Vec::new();
        for mut budget in budgets {
            let given = budget;
            let before = done.len();
            while let Some(index) = batch.take(&mut budget) {
                done.push(index);
            }
            prop_assert!((done.len() - before) as u32 == given || batch.is_done());
        }
        let mut rest = u32::MAX;
        while let Some(index) = batch.take(&mut rest) {
            done.push(index);
        }
        prop_assert!(batch.is_done());
        prop_assert_eq!(done, (0..count).collect::<Vec<_>>());
    }
}

#[test]
fn a_zero_copy_beyond_the_page_is_still_refused_and_inside_succeeds_xsa_448() {
    let end = |offset| CopyEnd {
        place: 7,
        domid: DomId::SELF,
        offset,
    };
    let copy = |offset| Copy {
        source: end(offset),
        dest: end(0),
        ..Copy::default()
    };
    assert_eq!(CopyRequest::parse(&copy(4096)), Ok(None));
    assert_eq!(CopyRequest::parse(&copy(4097)), Err(BadCopyArg));
}
