//! Prints what the hypervisor answers, one answer a line: `conform: section.item = answer`.
//!
//! `cargo xtask conform` boots this guest under two hypervisors and compares the lines. So an
//! answer holds nothing that differs from boot to boot: no address of the guest's own, no time.
//! An exception is an answer as well: `esr=...`. The command line chooses: `only=section`.
#![no_std]
#![no_main]

mod answer;
mod arm_calls;
mod ask;
mod delivery;
mod endings;
mod entry_state;
mod event_states;
mod events;
mod faults;
mod fifo;
mod forms;
mod generated_tree;
mod gic_registers;
mod grant_copies;
mod grants;
mod hypercalls;
mod identification;
mod memory_calls;
mod multicalls;
mod pointers;
mod power;
mod registers;
mod scheduling;
mod stage_one;
mod timers;
mod uart_registers;

use core::fmt::Write;

use support::{call, tree::Tree, uart::Uart};

/// What prints a section; some need the guest's device tree.
type Section = fn(Tree);

/// The sections in their order, by name.
const SECTIONS: [(&str, Section); 20] = [
    ("entry", entry_state::print),
    ("tree", generated_tree::print),
    ("id", |_| identification::print()),
    ("sysreg", |_| registers::print()),
    ("smccc", |_| arm_calls::print()),
    ("power", |_| power::print()),
    ("uart", |_| uart_registers::print()),
    ("gic", |_| gic_registers::print()),
    ("timer", |_| timers::print()),
    ("fault", |_| faults::print()),
    ("form", |_| forms::print()),
    ("hypercall", |_| hypercalls::print()),
    ("memory", |_| memory_calls::print()),
    ("event", |_| {
        event_states::print("event");
        events::close_all();
    }),
    ("deliver", |_| delivery::print()),
    ("fifo", |_| fifo::print()),
    ("grant", |_| grants::print()),
    ("multicall", |_| multicalls::print()),
    ("pointer", |_| pointers::print()),
    ("sched", |_| scheduling::print()),
];

#[unsafe(no_mangle)]
extern "C" fn guest_main(tree: usize) -> ! {
    // SAFETY: the boot protocol passes the address of a device tree in memory that is ours.
    let tree = unsafe { Tree::at(tree) };
    let word = |name| {
        let mut words = tree.bootargs().split(' ');
        words.find_map(|word| word.strip_prefix(name))
    };
    let only = word("only=");
    let _ = writeln!(Uart, "conform: begin");
    if only == Some("stop") {
        let number = word("hostname=dom").and_then(|number| number.parse().ok());
        endings::run(number.unwrap_or(1));
        loop {
            call::power_off();
        }
    }
    for (name, print) in SECTIONS {
        if only.is_none_or(|only| only == name) {
            print(tree);
        }
    }
    let _ = writeln!(Uart, "conform: end");
    loop {
        call::power_off();
    }
}
