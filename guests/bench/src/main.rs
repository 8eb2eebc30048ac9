//! Measures what each operation costs, in instructions.
//!
//! Under QEMU's `-icount shift=0,sleep=off` one instruction is one nanosecond of virtual time, so
//! the counter tells instructions, of the guest and of the hypervisor together. Each operation is
//! repeated, and the loop's own share is measured as well and printed beside. `cargo xtask bench`
//! boots this guest and reads its lines.
//!
//! The command line chooses: `bench=single` (the default) for what one vCPU does alone,
//! `bench=pair` for two vCPUs on CPUs of their own, `bench=shared` for two on one CPU,
//! `bench=start` for nothing but the moment of the first instruction, `bench=scale` for `single` in
//! the first of many guests while all other vCPUs sleep, `bench=ports` for event channels with as many
//! ports bound as `ports=` says; `only=word` for the operations whose names
//! contain the word (`_` stands for a space).
#![no_std]
#![no_main]

mod calls;
mod controller;
mod event_pair;
mod events;
mod fifo;
mod grants;
mod many_ports;
mod memory;
mod operation;
mod pair;
mod scale;
mod serial;
mod shared;
mod single_timer;
mod traps;

use core::fmt::Write;

use operation::{Operation, Sample};
use support::{call, cpu, entry, gic, timer, tree::Tree, uart::Uart};

/// The operations that one vCPU does alone.
const SINGLE: [&[Operation]; 9] = [
    calls::OPERATIONS,
    events::OPERATIONS,
    traps::OPERATIONS,
    serial::OPERATIONS,
    controller::OPERATIONS,
    single_timer::OPERATIONS,
    memory::OPERATIONS,
    grants::OPERATIONS,
    // Behind all others, as what it changes stays.
    fifo::OPERATIONS,
];

#[unsafe(no_mangle)]
extern "C" fn guest_main(tree: usize) -> ! {
    // SAFETY: the boot protocol passes the address of a device tree in memory that is ours.
    let tree = unsafe { Tree::at(tree) };
    let bootargs = tree.bootargs();
    let cpus = tree.cpus();
    let _ = writeln!(
        Uart,
        "bench: begin; frequency={}; cpus={cpus}; power_on={}",
        timer::frequency(),
        entry::record().physical_count,
    );
    let only = word(bootargs, "only=").unwrap_or("");
    cpu::unmask_interrupts();
    match word(bootargs, "bench=").unwrap_or("single") {
        "start" => {}
        "pair" if cpus > 1 => {
            gic::enable(0);
            pair::start_helper();
            run(pair::OPERATIONS, only);
            run(event_pair::OPERATIONS, only);
        }
        "shared" if cpus > 1 => {
            gic::enable(0);
            pair::start_helper();
            run(shared::OPERATIONS, only);
        }
        "ports" => {
            gic::enable(0);
            let wanted = word(bootargs, "ports=").and_then(|count| count.parse().ok());
            many_ports::open(wanted.unwrap_or(16));
            run(many_ports::OPERATIONS, only);
        }
        "scale" => {
            gic::enable(0);
            if word(bootargs, "hostname=") != Some("dom1") {
                scale::sleep();
            }
            scale::settle(cpus);
            SINGLE.iter().for_each(|operations| run(operations, only));
        }
        _ => {
            gic::enable(0);
            SINGLE.iter().for_each(|operations| run(operations, only));
        }
    }
    let _ = writeln!(Uart, "bench: end");
    loop {
        call::power_off();
    }
}

fn run(operations: &[Operation], only: &str) {
    for operation in operations.iter().filter(|one| one.is_named(only)) {
        let exceptions = cpu::block(0)
            .sync_count
            .load(core::sync::atomic::Ordering::Relaxed);
        let Sample { ticks, own, result } = operation.measure();
        let _ = writeln!(
            Uart,
            "bench: {}; n={}; ticks={ticks}; own={own}; result={result:#x}",
            operation.name, operation.repeats
        );
        operation.report_stray_exceptions(exceptions);
    }
}

/// The rest of the word of the command line that starts with `key`.
fn word(bootargs: &'static str, key: &str) -> Option<&'static str> {
    bootargs.split(' ').find_map(|word| word.strip_prefix(key))
}
