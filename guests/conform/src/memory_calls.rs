//! `memory_op` (public/memory.h): what is mapped where, and pages given up and got back.

use abi::DomId;
use abi::arm::{GRANT_TABLE, MAGIC, RAM_BANK_0, VPL011};
use abi::hypercall::MEMORY_OP;
use abi::memory::{
    AddToPhysmap, AddToPhysmapBatch, Domain, RemoveFromPhysmap, Reservation, op, space,
};
use support::call::hypercall;

use crate::{
    answer::{attempt, attempt_only},
    ask::{DOMAINS, Reply, UNMAPPED, call, frame, load32, load64, page, store64},
    say,
};

/// Where nothing is.
const HOLE: u64 = MAGIC.start() + 0x10_0000;

pub(crate) fn print() {
    numbers();
    domains();
    adding();
    shared_info();
    batch();
    reservations();
}

fn add(domid: DomId, space: u32, idx: u64, at: u64) -> Reply<24> {
    let structure = AddToPhysmap {
        domid,
        space,
        idx,
        gpfn: frame(at),
        ..AddToPhysmap::default()
    };
    call(MEMORY_OP, op::ADD_TO_PHYSMAP, structure.to_bytes())
}

fn remove(domid: DomId, gpfn: u64) -> Reply<16> {
    let structure = RemoveFromPhysmap { domid, gpfn };
    call(MEMORY_OP, op::REMOVE_FROM_PHYSMAP, structure.to_bytes())
}

/// Every sub-operation with a pointer to nothing, and with progress that no call made.
fn numbers() {
    for command in (0..32).chain([40, 63]) {
        let answer = |command| hypercall(MEMORY_OP, [command, UNMAPPED, 0, 0]).cast_signed();
        // The machine's highest frame is not the guest's business.
        if command != 2 {
            say!(@ format_args!("memory.unmapped.{command}"), "{}", answer(command));
            let progress = answer(command | 5 << 6);
            say!(@ format_args!("memory.unmapped_progress.{command}"), "{progress}");
        }
        let far = answer(command | 1 << 63);
        say!(@ format_args!("memory.unmapped_far_progress.{command}"), "{far}");
    }
}

fn domains() {
    for (name, domid) in DOMAINS {
        for (of, command) in [("current", 3), ("maximum", 4), ("gpfn", 14)] {
            let reply = call(MEMORY_OP, command, Domain { domid }.to_bytes());
            reply.say(format_args!("memory.{of}.{name}"));
        }
        if domid != DomId::SELF && domid != crate::ask::OWN {
            let reply = add(domid, space::SHARED_INFO, 0, HOLE);
            reply.say(format_args!("memory.add.in.{name}"));
            remove(domid, frame(HOLE)).say(format_args!("memory.remove.in.{name}"));
        }
    }
    let exchange = Reservation {
        domid: DomId::SELF,
        ..Reservation::default()
    }
    .to_bytes();
    call(MEMORY_OP, op::CLAIM_PAGES, exchange).say(format_args!("memory.claim_pages"));
    call(MEMORY_OP, op::EXCHANGE, [0_u8; 80]).say(format_args!("memory.exchange"));
    call(MEMORY_OP, op::GET_VNUMAINFO, [0_u8; 64]).say(format_args!("memory.vnumainfo"));
    let reply = call(MEMORY_OP, op::RESERVED_DEVICE_MEMORY_MAP, [0_u8; 32]);
    reply.say(format_args!("memory.reserved_device_memory"));
    call(MEMORY_OP, op::ACQUIRE_RESOURCE, [0_u8; 32]).say(format_args!("memory.acquire_resource"));
}

/// Spaces, indices and places.
fn adding() {
    for space in (0..8).chain([0x1_0000, u32::MAX]) {
        for idx in [1_u64, 64, 1 << 32, 1 << 63, u64::MAX] {
            let reply = add(DomId::SELF, space, idx, HOLE);
            reply.say(format_args!("memory.add.{space:#x}.index.{idx:#x}"));
            remove(DomId::SELF, frame(HOLE));
        }
    }
    for (name, gpfn) in places() {
        // Nothing can be printed while something else is where the UART is.
        let spaces = if name == "uart" { 0..0 } else { 0..2 };
        for space in spaces {
            let structure = AddToPhysmap {
                domid: DomId::SELF,
                space,
                gpfn,
                ..AddToPhysmap::default()
            };
            let reply = call(MEMORY_OP, op::ADD_TO_PHYSMAP, structure.to_bytes());
            reply.say(format_args!("memory.add.{space}.at.{name}"));
            if reply.result == 0 {
                remove(DomId::SELF, gpfn).say(format_args!("memory.add.{space}.removed.{name}"));
            }
        }
        remove(DomId::SELF, gpfn).say(format_args!("memory.remove.{name}"));
    }
}

fn places() -> [(&'static str, u64); 10] {
    [
        ("zero", 0),
        ("nothing", frame(UNMAPPED)),
        ("uart", frame(VPL011.start())),
        ("grant_window", frame(GRANT_TABLE.start())),
        ("behind_ram", frame(RAM_BANK_0.start() + (64 << 20))),
        ("40_bits", frame((1 << 40) - 4096)),
        ("behind_40_bits", frame(1 << 40)),
        ("48_bits", frame(1 << 47)),
        ("52_bits", frame(1 << 52)),
        ("all_ones", u64::MAX),
    ]
}

/// The shared info page: once, over RAM, moved.
fn shared_info() {
    let own = DomId::SELF;
    say!("memory.info.first", "{}", add(own, 0, 0, HOLE));
    say!("memory.info.same_again", "{}", add(own, 0, 0, HOLE));
    say!(
        "memory.info.second_place",
        "{}",
        add(own, 0, 0, HOLE + 4096)
    );
    say!("memory.info.grant_over_it", "{}", add(own, 1, 0, HOLE));
    say!("memory.info.anew", "{}", add(own, 0, 0, HOLE + 4096));
    for at in [HOLE, HOLE + 4096, HOLE] {
        remove(own, frame(at));
    }
    let ram = page(8);
    store64(ram, 0x1234);
    say!("memory.info.over_ram", "{}", add(own, 0, 0, ram));
    say!("memory.info.not_the_ram", "{}", load64(ram) == 0x1234);
    say!(
        "memory.info.over_ram_removed",
        "{}",
        remove(own, frame(ram))
    );
    say!("memory.info.then_nothing", "{}", attempt(|| load64(ram)));
    say!("memory.info.remove_again", "{}", remove(own, frame(ram)));
    say!(
        "memory.info.restored",
        "{}",
        reserve(op::POPULATE_PHYSMAP, &[frame(ram)], 0)
    );
    say!(
        "memory.info.ram_again",
        "{}",
        attempt(|| u64::from(load32(ram + 64)))
    );
}

fn batch() {
    let lists = page(9);
    let (indices, frames, errors) = (lists, lists + 1024, lists + 2048);
    let run = |space: u16, size: u16, domid: DomId, foreign: DomId| {
        let structure = AddToPhysmapBatch {
            domid,
            space,
            size,
            foreign_domid: foreign,
            idxs: indices,
            gpfns: frames,
            errs: errors,
        };
        call(MEMORY_OP, op::ADD_TO_PHYSMAP_BATCH, structure.to_bytes())
    };
    for index in 0..64 {
        store64(indices + 8 * index, index);
        store64(frames + 8 * index, frame(HOLE) + index);
    }
    for (name, space, size) in [
        ("info", 0, 3),
        ("grant", 1, 4),
        ("grant_many", 1, 40),
        ("none", 0, 0),
    ] {
        for index in 0..64 {
            store64(errors + 8 * index, 0x7777_7777_7777_7777);
            store64(indices + 8 * index, index);
            store64(frames + 8 * index, frame(HOLE) + index);
        }
        let reply = run(space, size, DomId::SELF, DomId(0));
        let found = [0, 4, 8, 12, 16, 152, 156, 160].map(|at| load32(errors + at).cast_signed());
        say!(@ format_args!("memory.batch.{name}"), "{reply}: {found:?}");
        for index in 0..64 {
            remove(DomId::SELF, frame(HOLE) + index);
        }
    }
    for space in [2, 3, 4, 5, 6, u16::MAX] {
        for (name, foreign) in DOMAINS {
            let reply = run(space, 1, DomId::SELF, foreign);
            reply.say(format_args!("memory.batch.{space:#x}.of.{name}"));
        }
    }
    for (name, domid) in DOMAINS {
        run(0, 0, domid, DomId(0)).say(format_args!("memory.batch.in.{name}"));
    }
}

fn reserve(command: u32, frames: &[u64], order: u32) -> Reply<32> {
    let structure = Reservation {
        extent_start: frames.as_ptr() as u64,
        nr_extents: frames.len() as u64,
        extent_order: order,
        mem_flags: 0,
        domid: DomId::SELF,
    };
    call(MEMORY_OP, command, structure.to_bytes())
}

fn reservations() {
    let ram = frame(page(16));
    let hole = frame(HOLE);
    say!(
        "memory.decrease.one",
        "{}",
        reserve(op::DECREASE_RESERVATION, &[ram], 0)
    );
    let now = |of| call(MEMORY_OP, of, Domain { domid: DomId::SELF }.to_bytes());
    say!("memory.decrease.current", "{}", now(3));
    say!("memory.decrease.maximum", "{}", now(4));
    say!("memory.decrease.gone", "{}", attempt(|| load64(ram * 4096)));
    say!(
        "memory.decrease.twice",
        "{}",
        reserve(op::DECREASE_RESERVATION, &[ram], 0)
    );
    say!(
        "memory.decrease.good_and_bad",
        "{}",
        reserve(op::DECREASE_RESERVATION, &[ram + 1, hole, ram + 2], 0)
    );
    say!(
        "memory.decrease.uart",
        "{}",
        reserve(op::DECREASE_RESERVATION, &[frame(VPL011.start())], 0)
    );
    say!(
        "memory.decrease.all_ones",
        "{}",
        reserve(op::DECREASE_RESERVATION, &[u64::MAX], 0)
    );
    say!(
        "memory.populate.one",
        "{}",
        reserve(op::POPULATE_PHYSMAP, &[ram], 0)
    );
    say!(
        "memory.populate.is_there",
        "{}",
        attempt_only(|| load64(ram * 4096))
    );
    say!(
        "memory.populate.two",
        "{}",
        reserve(op::POPULATE_PHYSMAP, &[ram + 1, ram + 2], 0)
    );
    say!(
        "memory.populate.too_many",
        "{}",
        reserve(op::POPULATE_PHYSMAP, &[hole], 0)
    );
    say!("memory.populate.current", "{}", now(3));
    say!(
        "memory.increase.one",
        "{}",
        reserve(op::INCREASE_RESERVATION, &[ram], 0)
    );
    for order in [9, 10, 18, 31, 32, 64, u32::MAX] {
        for (name, command) in [("decrease", 1), ("populate", 6), ("increase", 0)] {
            let reply = reserve(command, &[hole], order);
            reply.say(format_args!("memory.{name}.order.{order:#x}"));
        }
    }
    for nr_extents in [0, 1 << 26, (1 << 32) + 1, 1 << 58, u64::MAX] {
        for (name, command) in [("decrease", 1), ("populate", 6), ("increase", 0)] {
            let structure = Reservation {
                extent_start: UNMAPPED,
                nr_extents,
                domid: DomId::SELF,
                ..Reservation::default()
            };
            let reply = call(MEMORY_OP, command, structure.to_bytes());
            reply.say(format_args!("memory.{name}.extents.{nr_extents:#x}"));
        }
    }
    for (name, domid) in DOMAINS {
        for (what, command) in [("decrease", 1), ("populate", 6), ("increase", 0)] {
            let structure = Reservation {
                domid,
                nr_extents: 1,
                extent_start: UNMAPPED,
                ..Reservation::default()
            };
            let reply = call(MEMORY_OP, command, structure.to_bytes());
            reply.say(format_args!("memory.{what}.in.{name}"));
        }
    }
}
