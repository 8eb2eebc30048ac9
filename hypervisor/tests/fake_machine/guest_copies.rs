//! Copies to and from a guest's memory: what lies in one page and what does not.

use abi::hypercall::{CONSOLE_IO, MEMORY_OP, XEN_VERSION};
use abi::memory::{Reservation, op};
use abi::{DomId, Errno, PAGE_SIZE, version};

use crate::bench::{Bench, ENTRY, Who};
use crate::xen::{ARRAY, UNMAPPED, call, failed, get, operate, put, two};

const A: Who = (1, 0);
/// Two pages behind each other whose RAM is not.
const PAIR: u64 = ENTRY + 0x20_0000;
const LENGTH: usize = version::CHANGESET_LEN;

fn change(bench: &mut Bench, command: u32, address: u64) {
    put(bench, A, ARRAY, &(address / PAGE_SIZE).to_le_bytes());
    let wanted = Reservation {
        extent_start: ARRAY,
        nr_extents: 1,
        domid: DomId::SELF,
        ..Reservation::default()
    };
    let (done, _) = operate(bench, A, MEMORY_OP, command, wanted.to_bytes());
    assert_eq!(done, 1);
}

/// The pages of the pair change places.
fn exchange(bench: &mut Bench) {
    let (first, second) = (PAIR, PAIR + PAGE_SIZE);
    change(bench, op::DECREASE_RESERVATION, first);
    change(bench, op::DECREASE_RESERVATION, second);
    // The lowest page comes first.
    change(bench, op::POPULATE_PHYSMAP, second);
    change(bench, op::POPULATE_PHYSMAP, first);
}

fn changeset(bench: &mut Bench, to: u64) -> i64 {
    call(bench, A, XEN_VERSION, [version::CHANGESET, to, 0, 0, 0])
}

#[test]
fn a_copy_across_pages_is_the_copy_within_one() {
    let mut bench = two();
    exchange(&mut bench);
    assert_eq!(changeset(&mut bench, PAIR), 0);
    let text: [u8; LENGTH] = get(&mut bench, A, PAIR);
    assert_ne!(text, [0; LENGTH]);
    for before in 0..=LENGTH as u64 + 1 {
        let start = PAIR + PAGE_SIZE - before;
        put(&mut bench, A, start - 1, &[0xaa; LENGTH + 2]);
        assert_eq!(changeset(&mut bench, start), 0);
        let around: [u8; LENGTH + 2] = get(&mut bench, A, start - 1);
        assert_eq!(around[1..=LENGTH], text, "{before}");
        assert_eq!((around[0], around[LENGTH + 1]), (0xaa, 0xaa), "{before}");
    }
}

#[test]
fn what_is_read_across_pages_is_what_is_there() {
    let mut bench = two();
    exchange(&mut bench);
    let text = b"0123456789abcdefghijklmnopqrstuvwxyz\n";
    for before in 0..=text.len() as u64 {
        let start = PAIR + PAGE_SIZE - before;
        put(&mut bench, A, start, text);
        bench.output();
        let length = text.len() as u64;
        assert_eq!(call(&mut bench, A, CONSOLE_IO, [0, length, start, 0, 0]), 0);
        assert_eq!(bench.output().as_bytes(), text, "{before}");
    }
}

#[test]
fn a_copy_ends_where_a_page_is_missing() {
    let mut bench = two();
    let end = PAIR + PAGE_SIZE;
    change(&mut bench, op::DECREASE_RESERVATION, end);
    assert_eq!(changeset(&mut bench, PAIR), 0);
    let text: [u8; LENGTH] = get(&mut bench, A, PAIR);
    assert_eq!(changeset(&mut bench, end - LENGTH as u64), 0);
    let fault = failed(Errno::Fault);
    assert_eq!(changeset(&mut bench, end), fault);
    assert_eq!(changeset(&mut bench, end - 16), fault);
    let written: [u8; 16] = get(&mut bench, A, end - 16);
    assert_eq!(written, text[..16], "what comes before");
    change(&mut bench, op::POPULATE_PHYSMAP, end);
    assert_eq!(changeset(&mut bench, end - 16), 0);
}

#[test]
fn nothing_can_be_copied_anywhere_and_the_last_byte_nowhere() {
    let mut bench = two();
    for (length, from, expected) in [
        (0, UNMAPPED, 0),
        (0, u64::MAX, 0),
        (1, u64::MAX, failed(Errno::Fault)),
        (2, u64::MAX, failed(Errno::Fault)),
        (4096, u64::MAX - 4095, failed(Errno::Fault)),
    ] {
        let result = call(&mut bench, A, CONSOLE_IO, [0, length, from, 0, 0]);
        assert_eq!(result, expected, "{length} from {from:#x}");
    }
}
