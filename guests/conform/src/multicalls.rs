//! `multicall` (public/xen.h): lists of calls, good and bad. No count is so huge that a hypervisor
//! without a bound runs for ever.

use abi::arm::RAM_BANK_0;
use abi::hypercall::{EVENT_CHANNEL_OP, MULTICALL, MulticallEntry, SCHED_OP, XEN_VERSION};
use support::call::hypercall;

use crate::{
    ask::{UNMAPPED, load64, page, store_bytes},
    say,
};

/// Where lists are.
const LIST: u64 = page(60);

pub(crate) fn print() {
    lists();
    pointers();
    ends();
}

fn put(at: u64, op: u64, args: [u64; 6]) {
    let entry = MulticallEntry {
        op,
        result: 0x7777,
        args,
    };
    store_bytes(at, &entry.to_bytes());
}

fn entry(index: u64) -> u64 {
    LIST + index * MulticallEntry::SIZE as u64
}

fn result(index: u64) -> i64 {
    load64(entry(index) + 8).cast_signed()
}

fn run(list: u64, count: u64) -> i64 {
    hypercall(MULTICALL, [list, count, 0x55, 0x66]).cast_signed()
}

fn lists() {
    let calls = [
        (XEN_VERSION, [0, 0, 0, 0, 0, 0]),
        (XEN_VERSION, [6, UNMAPPED, 0, 0, 0, 0]),
        (XEN_VERSION, [100, 0, 0, 0, 0, 0]),
        (63, [0; 6]),
        (1 << 32 | XEN_VERSION, [0; 6]),
        (u64::MAX, [0; 6]),
        (MULTICALL, [LIST, 1, 0, 0, 0, 0]),
        (EVENT_CHANNEL_OP, [14, UNMAPPED, 0, 0, 0, 0]),
        (SCHED_OP, [0; 6]),
        (XEN_VERSION, [0; 6]),
    ];
    for (index, (op, args)) in (0..).zip(calls) {
        put(entry(index), op, args);
    }
    for count in [0, 1, 10] {
        for (index, (op, args)) in (0..).zip(calls) {
            put(entry(index), op, args);
        }
        let answer = run(LIST, count);
        let results: [i64; 10] = core::array::from_fn(|index| result(index as u64));
        say!(@ format_args!("multicall.count.{count:#x}"), "{answer}: {results:?}");
    }
    for index in 0..60 {
        put(entry(index), XEN_VERSION, [0; 6]);
    }
    let answer = run(LIST, 60);
    let all = (0..60).all(|index| result(index) == 0x4_0014);
    say!("multicall.sixty", "{answer}, all done: {all}");
    // The structure's other fields stay.
    let left = (load64(entry(0)), load64(entry(0) + 16));
    say!("multicall.left_alone", "{left:x?}");
}

fn pointers() {
    for (name, list) in [
        ("null", 0),
        ("nothing", UNMAPPED),
        ("kernel", !0xfff),
        ("far", 1 << 52),
    ] {
        for count in [0, 1, 2] {
            say!(@ format_args!("multicall.at.{name}.{count}"), "{}", run(list, count));
        }
    }
    put(LIST + 1, XEN_VERSION, [0; 6]);
    say!(
        "multicall.unaligned",
        "{} {:#x}",
        run(LIST + 1, 1),
        load64(LIST + 9)
    );
    let uart = abi::arm::VPL011.start();
    say!("multicall.at.uart", "{}", run(uart, 1));
}

/// Lists that go on where nothing is: what comes before is done.
fn ends() {
    let end = RAM_BANK_0.start() + (64 << 20);
    let size = MulticallEntry::SIZE as u64;
    let keep: [u64; 16] = core::array::from_fn(|index| load64(end - 128 + 8 * index as u64));
    for (name, at) in [
        ("whole", end - size),
        ("half", end - size / 2),
        ("result", end - size + 8),
    ] {
        if name == "whole" {
            put(at, XEN_VERSION, [0; 6]);
        }
        let (one, two) = (run(at, 1), run(at, 2));
        say!(@ format_args!("multicall.end.{name}"), "{one} {two}");
    }
    for (value, at) in keep.into_iter().zip((end - 128..).step_by(8)) {
        store_bytes(at, &value.to_le_bytes());
    }
}
