//! One thing done at random. What would end the guest or stop a vCPU for good is left out; all else
//! is in.

use core::arch::asm;
use core::ptr;

use abi::arm::{GICV3_DISTRIBUTOR, GRANT_TABLE, MAGIC, RAM_BANK_0, VPL011};
use abi::hypercall::{
    CONSOLE_IO, EVENT_CHANNEL_OP, GRANT_TABLE_OP, HVM_OP, MEMORY_OP, MULTICALL, SCHED_OP, VCPU_OP,
    VM_ASSIST, XEN_VERSION,
};
use abi::{PAGE_SIZE, psci};
use support::{call, cpu, gic, read_register, timer, uart, write_register};

use crate::chance::Chance;

/// Pages for structures, lists, control blocks and event words: nothing of the guest's is in them.
const PLAY: u64 = RAM_BANK_0.start() + (16 << 20);
const PLAY_PAGES: u64 = 64;
/// Where the pages shared with the hypervisor are mapped at first.
const SHARED: u64 = MAGIC.start();

/// Maps what is shared with the hypervisor, for the scribbling to have a target.
pub(crate) fn open() {
    for (space, index, at) in [(0_u64, 0_u64, SHARED), (1, 0, GRANT_TABLE.start())] {
        let structure = [0x7ff0 | space << 32, index, at / PAGE_SIZE];
        call::hypercall(MEMORY_OP, [7, structure.as_ptr() as u64, 0, 0]);
    }
}

/// Does one thing on vCPU `number`.
pub(crate) fn one(chance: &mut Chance, number: usize) {
    match chance.below(16) {
        0..5 => structured(chance),
        5 => plain(chance),
        6 | 7 => scribble(chance),
        8 | 9 => device(chance),
        10 => nothing(chance),
        11 => sgi(chance),
        12 => power(chance),
        13 => registers(chance),
        14 => many(chance),
        _ => wait(chance, number),
    }
}

/// A frame that is none of the guest's own code or stacks.
fn frame(chance: &mut Chance) -> u64 {
    match chance.below(8) {
        0..4 => PLAY / PAGE_SIZE + chance.below(PLAY_PAGES),
        4 => MAGIC.start() / PAGE_SIZE + chance.below(64),
        5 => GRANT_TABLE.start() / PAGE_SIZE + chance.below(8),
        6 => chance.of([
            0,
            0x0900_0000 >> 12,
            1 << 35,
            1 << 36,
            u64::MAX,
            u64::MAX >> 12,
        ]),
        _ => 0x10_0000_0000 + chance.below(1 << 20),
    }
}

/// An address in the pages to play with, now and then elsewhere.
fn address(chance: &mut Chance) -> u64 {
    let inside = PLAY + chance.below(PLAY_PAGES * PAGE_SIZE - 4096);
    match chance.below(16) {
        0..9 => inside & !7,
        9 => inside,
        10 => (inside & !(PAGE_SIZE - 1)) + PAGE_SIZE - chance.below(40),
        11 => SHARED + chance.below(PAGE_SIZE),
        12 => chance.of([
            0,
            0x0900_0000,
            VPL011.start(),
            GICV3_DISTRIBUTOR.start(),
            1 << 40,
            1 << 63,
        ]),
        13 => u64::MAX - chance.below(64),
        14 => RAM_BANK_0.start() + (32 << 20) - chance.below(64),
        _ => chance.bits(),
    }
}

fn store(at: u64, value: u64) {
    // SAFETY: the callers write to pages to play with, or the exception is skipped.
    unsafe { ptr::write_volatile(at as *mut u64, value) };
}

/// A word as structures have them: domains, ports, frames, flags.
fn field(chance: &mut Chance) -> u64 {
    match chance.below(8) {
        0 | 1 => 0x7ff0 | chance.below(3) << 16 | chance.below(64) << 32,
        2 => 0x7ff0 | 0x7ff0 << 16,
        3 => frame(chance),
        4 => address(chance),
        5 => chance.below(8) | chance.below(8) << 32,
        6 => 1 | chance.below(16) << 16 | frame(chance) << 32,
        _ => chance.number(),
    }
}

/// A hypercall with a structure made of likely words.
fn structured(chance: &mut Chance) {
    let at = address(chance);
    if (PLAY..PLAY + PLAY_PAGES * PAGE_SIZE - 128).contains(&at) {
        for word in 0..8 {
            store((at & !7) + 8 * word, field(chance));
        }
    }
    let calls = [
        EVENT_CHANNEL_OP,
        EVENT_CHANNEL_OP,
        EVENT_CHANNEL_OP,
        MEMORY_OP,
        MEMORY_OP,
        GRANT_TABLE_OP,
        GRANT_TABLE_OP,
        HVM_OP,
        XEN_VERSION,
        VCPU_OP,
        SCHED_OP,
        CONSOLE_IO,
    ];
    let number = chance.of(calls);
    let count = chance.below(12);
    let arguments = match number {
        SCHED_OP => return schedule(chance, at),
        VCPU_OP => [chance.of([5, 10, 14]), chance.below(6), at, 0],
        // Reading alone: what is written would hide what matters.
        CONSOLE_IO => [1, chance.number(), at, 0],
        // RAM that is given up could be this code.
        MEMORY_OP => match chance.of([2, 3, 4, 6, 6, 6, 7, 14, 15, 23]) {
            6 => return populate(chance),
            command @ (7 | 15) => {
                if !(PLAY..PLAY + PLAY_PAGES * PAGE_SIZE - 128).contains(&at) {
                    return;
                }
                // The frame is a word of its own: never one of the code.
                let place = if command == 7 { 16 } else { 8 };
                store((at & !7) + place, frame(chance));
                [command, at & !7, 0, 0]
            }
            23 => return batch(chance),
            command => [command, at, 0, 0],
        },
        // What is copied or mapped goes to the pages to play with, or nowhere.
        GRANT_TABLE_OP => return grants(chance),
        _ => [chance.below(16), at, count, 0],
    };
    call::hypercall(number, arguments);
}

/// Maps shared pages, many at once, where they do no harm.
fn batch(chance: &mut Chance) {
    let indices: [u64; 24] = core::array::from_fn(|_| chance.below(70));
    let frames: [u64; 24] = core::array::from_fn(|_| frame(chance));
    let mut errors = [0_u64; 12];
    let lists = [
        indices.as_ptr() as u64,
        frames.as_ptr() as u64,
        errors.as_mut_ptr() as u64,
    ];
    let header = 0x7ff0 | chance.below(6) << 16 | chance.below(25) << 32;
    let structure = [header, lists[0], lists[1], lists[2]];
    call::hypercall(MEMORY_OP, [23, structure.as_ptr() as u64, 0, 0]);
}

/// Gets pages back that were taken out or mapped over, so that there is something to play with.
fn populate(chance: &mut Chance) {
    let frames: [u64; 4] = core::array::from_fn(|_| PLAY / PAGE_SIZE + chance.below(PLAY_PAGES));
    let structure = [frames.as_ptr() as u64, 1 + chance.below(4), 0, 0x7ff0];
    call::hypercall(MEMORY_OP, [6, structure.as_ptr() as u64, 0, 0]);
}

/// Polls and yields; nothing that ends the guest or sleeps for ever.
fn schedule(chance: &mut Chance, at: u64) {
    timer::set_virtual(timer::virtual_count() + chance.below(20_000));
    let command = chance.of([0, 0, 3, 3, 3, 4, 7, 8, 100]);
    if command == 3 {
        let poll = [
            address(chance),
            chance.below(130),
            1 + chance.below(1 << 20),
        ];
        call::hypercall(SCHED_OP, [3, poll.as_ptr() as u64, 0, 0]);
    } else {
        call::hypercall(SCHED_OP, [command, at, 0, 0]);
    }
}

/// Grants to oneself, mapped where nothing else is, in batches.
fn grants(chance: &mut Chance) {
    let mut batch = [0_u64; 40];
    let window = MAGIC.start() + 0x10_0000 + chance.below(16) * PAGE_SIZE;
    let gref = chance.of([8, 9, 10, 511, 512, 99_999]);
    let own = chance.of([1, 1, 1, 2, 0x7ff0]);
    for entry in batch.chunks_exact_mut(5) {
        entry.copy_from_slice(&[window, chance.number(), gref, chance.number(), own]);
    }
    let command = chance.of([0, 0, 1, 1, 2, 5, 6, 8, 9, 10, 11, 12, 20]);
    match command {
        0 => batch[..4].copy_from_slice(&[window, chance.of([2, 6, 0, 3]) | gref << 32, own, 0]),
        1 => batch[..3].copy_from_slice(&[window, 0, chance.below(200)]),
        5 => {
            let frame = || PLAY / PAGE_SIZE + gref % PLAY_PAGES;
            let ends = [
                frame(),
                0x7ff0 | chance.below(5000) << 16,
                frame() + 1,
                0x7ff0,
                chance.below(5000),
            ];
            batch[..5].copy_from_slice(&ends);
        }
        2 => batch[..3].copy_from_slice(&[own | chance.below(3) << 32, 0, PLAY]),
        _ => {}
    }
    let count = chance.of([0, 1, 1, 1, 3, 8, 0x8000_0000]);
    let count = if command == 5 { 1 } else { count };
    call::hypercall(
        GRANT_TABLE_OP,
        [command, batch.as_mut_ptr() as u64, count, 0],
    );
    let at = GRANT_TABLE.start() + gref % 512 * 8;
    store(
        at,
        1 | own << 16 | (PLAY / PAGE_SIZE + chance.below(PLAY_PAGES)) << 32,
    );
}

/// Numbers that are no calls, or of calls that are not for guests.
fn plain(chance: &mut Chance) {
    let number = chance.of([7, 19, 27, 33, 35, 36, 39, 41, 42, 48, 63, 1 << 32, u64::MAX]);
    call::hypercall(
        number,
        [
            chance.number(),
            address(chance),
            chance.number(),
            chance.bits(),
        ],
    );
    call::hypercall(VM_ASSIST, [chance.below(3), chance.below(8), 0, 0]);
}

/// Words that the hypervisor reads or writes at the same time: pending bits, masks, control blocks,
/// event words, grant entries, run states.
fn scribble(chance: &mut Chance) {
    let own = PLAY + chance.below(PLAY_PAGES) * PAGE_SIZE;
    let page = chance.of([SHARED, GRANT_TABLE.start(), own]);
    for _ in 0..8 {
        let value = match chance.below(3) {
            0 => chance.bits(),
            // Event words: flags and links.
            1 => {
                chance.below(16) << 60
                    | chance.below(64) << 32
                    | chance.below(16) << 28
                    | chance.below(64)
            }
            _ => 0,
        };
        store(page + chance.below(512) * 8, value);
    }
}

/// Registers of the UART and of the interrupt controller, in any width. What is written to the data
/// register would be printed.
fn device(chance: &mut Chance) {
    let (base, span) = chance.of([
        (uart::register(4), 0xffc),
        (gic::distributor(0), 0x1_0000),
        (gic::redistributor(0, 0), 0x8_0000),
    ]);
    let mut at = base + chance.below(span);
    if chance.below(4) != 0 {
        at &= !3;
    }
    // SAFETY: registers of devices; what aborts is skipped.
    unsafe {
        match chance.below(6) {
            0 => _ = ptr::read_volatile(at as *const u8),
            1 => asm!("ldrh {v:w}, [{a}]", v = out(reg) _, a = in(reg) at),
            2 => asm!("ldr {v:w}, [{a}]", v = inout(reg) 0_u64 => _, a = in(reg) at),
            3 => asm!("ldr {v}, [{a}]", v = inout(reg) 0_u64 => _, a = in(reg) at),
            4 => asm!("str {v:w}, [{a}]", v = in(reg) chance.bits(), a = in(reg) at),
            _ => asm!("strb {v:w}, [{a}]", v = in(reg) chance.bits(), a = in(reg) at),
        }
    }
}

/// Addresses with nothing behind them.
fn nothing(chance: &mut Chance) {
    let at = chance.of([
        0,
        0x0900_0000,
        0x2200_2000,
        0x3a00_0000,
        1 << 32,
        1 << 39,
        1 << 43,
    ]);
    let at = at + (chance.below(PAGE_SIZE) & !7);
    // SAFETY: aborts are skipped.
    unsafe {
        asm!("ldr {v}, [{a}]", v = inout(reg) 0_u64 => _, a = in(reg) at);
        asm!("ldp {v}, {w}, [{a}]", v = inout(reg) 0_u64 => _, w = inout(reg) 0_u64 => _, a = in(reg) at);
        asm!("prfm pldl1keep, [{a}]", a = in(reg) at);
    }
}

fn sgi(chance: &mut Chance) {
    let value = match chance.below(4) {
        0 => chance.bits(),
        1 => chance.below(16) << 24 | 1 << 40,
        _ => chance.below(16) << 24 | chance.below(16),
    };
    gic::send_sgi(value);
    take();
}

/// Calls that end neither the guest nor a vCPU.
fn power(chance: &mut Chance) {
    let any = chance.bits() | 1 << 20;
    let function = chance.of([
        psci::VERSION.into(),
        psci::AFFINITY_INFO_64.into(),
        psci::CPU_ON_64.into(),
        0x8000_0000,
        0x8000_0001,
        0x8400_000a,
        0x8400_ff01,
        0xc600_0000,
        0x8500_ff01,
        any,
    ]);
    if function == u64::from(psci::CPU_ON_64) {
        // All are on, so none is started; a place to start at is given nevertheless: an odd one.
        call::smccc(function, [chance.number(), chance.bits() | 1, 0]);
    } else {
        call::smccc(
            function,
            [chance.number(), chance.number(), chance.number()],
        );
    }
}

fn registers(chance: &mut Chance) {
    let value = chance.bits();
    match chance.below(10) {
        0 => _ = read_register!("actlr_el1"),
        1 => _ = read_register!("S3_0_C0_C7_7"),
        2 => _ = read_register!("S3_7_C15_C15_7"),
        3 => _ = read_register!("pmccntr_el0"),
        4 => write_register!("pmcr_el0", value),
        5 => write_register!("cntp_cval_el0", value),
        6 => write_register!("cntp_ctl_el0", value & 3),
        7 => write_register!("S3_0_C12_C11_7", value),
        8 => write_register!("S3_0_C12_C11_6", value),
        _ => write_register!("dbgbcr0_el1", 0),
    }
    write_register!("cntp_ctl_el0", 0);
}

/// A list of calls that say nothing, and lists that are none.
fn many(chance: &mut Chance) {
    let list = PLAY + chance.below(PLAY_PAGES - 1) * PAGE_SIZE;
    let count = chance.below(40);
    for entry in 0..count {
        let at = list + 64 * entry;
        let number = chance.of([XEN_VERSION, EVENT_CHANNEL_OP, HVM_OP, 63, MULTICALL]);
        for (word, value) in [number, 0, chance.below(14), address(chance), 1, 0]
            .into_iter()
            .enumerate()
        {
            store(at + 8 * word as u64, value);
        }
    }
    call::hypercall(MULTICALL, [list, count, 0, 0]);
    call::hypercall(
        MULTICALL,
        [address(chance) | 1 << 62, chance.number(), 0, 0],
    );
}

/// Waits a little for an interrupt of its own timer.
fn wait(chance: &mut Chance, number: usize) {
    gic::write(
        gic::redistributor(number, 0x1_0100),
        1 << 27 | 1 << 30 | 1 << 31 | 0xffff,
    );
    timer::set_virtual(timer::virtual_count() + chance.below(5000));
    if chance.below(4) == 0 && read_register!("cntv_ctl_el0") & 1 != 0 {
        // It comes at the latest with the timer.
        while read_register!("cntv_ctl_el0") & 4 == 0 {
            cpu::yield_cpu();
        }
    }
    write_register!("cntv_ctl_el0", 0);
    take();
}

/// Takes one interrupt and ends it. None is ever let in by itself: one that stays asserted, which
/// anything here may bring about, would be all that the vCPU does from then on.
fn take() {
    let intid = read_register!("S3_0_C12_C12_0");
    write_register!("S3_0_C12_C12_1", intid);
}
