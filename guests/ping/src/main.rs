//! Two of these, connected by a static event channel, send each other events and count in a page
//! that the first one grants to the second. An event that got lost stops them.
//!
//! `hostname=dom1` plays the first part, any other name the second. The first end is port 10, the
//! second 11. `count=` is how many round trips. The ABI of the events is 2-level.
#![no_std]
#![no_main]

mod channel;
mod grant;

use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use support::{call, timer, tree::Tree, uart::Uart};

use channel::{Channel, Controller};

/// Round trips, if the command line does not say.
const COUNT: u64 = 100_000;

/// What the two share: how far each is.
#[repr(C)]
struct Shared {
    ping: AtomicU64,
    pong: AtomicU64,
}

#[unsafe(no_mangle)]
extern "C" fn guest_main(tree: usize) -> ! {
    // SAFETY: the boot protocol passes the address of a device tree in memory that is ours.
    let tree = unsafe { Tree::at(tree) };
    let word = |name| {
        let mut words = tree.bootargs().split(' ');
        words.find_map(|word| word.strip_prefix(name))
    };
    let count = word("count=").and_then(|text| text.parse().ok());
    let count = count.unwrap_or(COUNT);
    let controller = match tree.address_of("arm,gic-400") {
        Some(_) => Controller::V2,
        None => Controller::V3,
    };
    if word("hostname=") == Some("dom1") {
        first(count, controller);
    } else {
        second(count, controller);
    }
    loop {
        call::power_off();
    }
}

/// Sends and waits for the answer.
fn first(count: u64, controller: Controller) {
    let mut channel = Channel::open(10, controller);
    let page = shared(grant::grant_to(2));
    let started = timer::virtual_count();
    for number in 1..=count {
        page.ping.store(number, SeqCst);
        channel.send();
        while page.pong.load(SeqCst) != number {
            channel.wait();
        }
    }
    let ticks = timer::virtual_count() - started;
    let us = ticks * 1_000_000 / timer::frequency() / count.max(1);
    // The other one's line goes first, so that neither lands in the other.
    let end = timer::virtual_count() + timer::frequency() / 4;
    while timer::virtual_count() < end {}
    let _ = writeln!(
        Uart,
        "ping: {count} round trips, {} events taken, {us} us each",
        channel.taken
    );
}

/// Waits and answers.
fn second(count: u64, controller: Controller) {
    let mut channel = Channel::open(11, controller);
    // The first event is nobody's. The grant is there at the latest with the one after it.
    let page = loop {
        if let Some(page) = grant::map_from(1) {
            break shared(page);
        }
        channel.wait();
    };
    let mut number = 0;
    while number < count {
        let seen = page.ping.load(SeqCst);
        if seen == number {
            channel.wait();
            continue;
        }
        number = seen;
        page.pong.store(number, SeqCst);
        channel.send();
    }
    let _ = writeln!(
        Uart,
        "pong: {number} answers, {} events taken",
        channel.taken
    );
}

fn shared(page: usize) -> &'static Shared {
    // SAFETY: a page of RAM that nothing else here uses, and both guests by atomics alone.
    unsafe { &*(page as *const Shared) }
}
