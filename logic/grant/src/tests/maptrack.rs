//! Handles.

use abi::Gfn;
use abi::grant::GrantStatus::{BadHandle, GeneralError, NoSpace};

use super::bench::{Bench, USER};
use crate::{Access, Handle, Mapping, Maptrack};

fn mapping(bench: &mut Bench, gfn: u64) -> Mapping {
    bench.frame.permit(1, 10);
    Mapping {
        pin: bench.pin(1, USER, Access::Read).unwrap(),
        gfn: Gfn(gfn),
    }
}

#[test]
fn a_mapping_ends_once_and_where_it_is() {
    let (mut bench, mut maptrack) = (Bench::new(), Maptrack::new(300));
    let handle = maptrack.reserve().unwrap();
    assert_eq!(
        maptrack.take(handle, Gfn(5)),
        Err(BadHandle),
        "not made yet"
    );
    assert!(!maptrack.has(handle));
    maptrack.fill(handle, mapping(&mut bench, 5)).unwrap();
    assert!(maptrack.has(handle));
    assert_eq!(maptrack.take(handle, Gfn(6)), Err(GeneralError));
    let taken = maptrack.take(handle, Gfn(5)).unwrap();
    assert_eq!(taken.gfn, Gfn(5));
    assert_eq!(maptrack.take(handle, Gfn(5)), Err(BadHandle));
    assert_eq!(maptrack.used(), 0);
    for handle in [127, 128, u32::MAX] {
        assert_eq!(maptrack.take(Handle(handle), Gfn(5)), Err(BadHandle));
    }
}

#[test]
fn handles_end_and_come_back() {
    let (mut bench, mut maptrack) = (Bench::new(), Maptrack::new(300));
    let handles: Vec<_> = (0..300).map(|_| maptrack.reserve().unwrap()).collect();
    let mut numbers: Vec<_> = handles.iter().map(|handle| handle.0).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 300);
    assert_eq!(maptrack.reserve(), Err(NoSpace));
    maptrack.cancel(handles[17]);
    maptrack.cancel(handles[17]);
    assert_eq!(maptrack.used(), 299);
    assert_eq!(maptrack.reserve(), Ok(handles[17]));
    assert_eq!(maptrack.reserve(), Err(NoSpace));
    let mapping = mapping(&mut bench, 1);
    maptrack.fill(handles[3], mapping).unwrap();
    maptrack.cancel(handles[3]);
    assert!(
        maptrack.has(handles[3]),
        "a mapping that was made is not cancelled"
    );
    let second = super::maptrack::mapping(&mut bench, 2);
    assert!(maptrack.fill(handles[3], second).is_err());
}

#[test]
fn the_end_takes_every_mapping_with_any_budget_xsa_380() {
    for budget in [1, 7, 1000] {
        let (mut bench, mut maptrack) = (Bench::new(), Maptrack::new(300));
        for gfn in 0..260 {
            let handle = maptrack.reserve().unwrap();
            if gfn % 3 != 0 {
                maptrack.fill(handle, mapping(&mut bench, gfn)).unwrap();
            } else {
                maptrack.cancel(handle);
            }
        }
        let expected = maptrack.used();
        let (mut from, mut taken) = (0, 0);
        while from < maptrack.slots() {
            while let Some(mapping) = maptrack.drain(&mut from, budget) {
                assert!(bench.grants.unpin(mapping.pin).is_ok());
                taken += 1;
            }
        }
        assert_eq!((taken, maptrack.used(), bench.held()), (expected, 0, 0));
    }
}
