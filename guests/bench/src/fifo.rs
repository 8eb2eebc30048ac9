//! Event channels with the FIFO ABI. There is no way back: these are the last that are measured.

use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering::Relaxed};

use abi::evtchn::fifo::{
    HEADS_OFFSET, LINKED, PENDING, PRIORITY_DEFAULT, READY_OFFSET, WORDS_PER_PAGE,
};
use abi::evtchn::{ExpandArray, InitControl, OnePort, Status, op};
use abi::{DomId, PAGE_SIZE, Port};
use support::cpu;

use crate::events::{SHARED_INFO, alloc_and_close, bind, on_events, port, send};
use crate::operation::{Operation, each};

/// Where the vCPUs' control blocks are, in a page.
const CONTROL: u64 = abi::arm::RAM_BANK_0.start() + (34 << 20);
/// Bytes from one block to the next.
const STRIDE: u32 = 128;
/// Where the event words are.
const WORDS: u64 = abi::arm::RAM_BANK_0.start() + (35 << 20);
/// The most ports that are opened.
const MOST_PORTS: u32 = 100_000;

/// The ABI was changed.
static STARTED: AtomicBool = AtomicBool::new(false);
/// All ports are open that can be.
static FULL: AtomicBool = AtomicBool::new(false);

/// Changes to FIFO, for that many vCPUs.
pub(crate) fn start(vcpus: u32) {
    if STARTED.load(Relaxed) {
        return;
    }
    STARTED.store(true, Relaxed);
    for vcpu in 0..vcpus {
        let wanted = InitControl {
            control_gfn: CONTROL >> 12,
            offset: vcpu * STRIDE,
            vcpu,
            ..InitControl::default()
        };
        on_events(op::INIT_CONTROL, wanted.to_bytes().as_ptr());
    }
    expand(0);
}

/// Gives the page of event words number `page`.
pub(crate) fn expand(page: u64) -> u64 {
    let wanted = ExpandArray {
        array_gfn: (WORDS + page * PAGE_SIZE) >> 12,
    };
    on_events(op::EXPAND_ARRAY, wanted.to_bytes().as_ptr())
}

/// Takes what is pending on the port off vCPU `vcpu`'s queue, as a handler does.
pub(crate) fn take(vcpu: u32, info: u64, port: Port) {
    let block = CONTROL + u64::from(vcpu * STRIDE);
    let head = block + u64::from(HEADS_OFFSET + 4 * PRIORITY_DEFAULT);
    // SAFETY: in pages that nobody uses but events, and aligned.
    let (upcall, ready, head, word) = unsafe {
        (
            &*(info as *const AtomicU8),
            &*((block + u64::from(READY_OFFSET)) as *const AtomicU32),
            &*(head as *const AtomicU32),
            &*((WORDS + 4 * u64::from(port.0)) as *const AtomicU32),
        )
    };
    upcall.store(0, Relaxed);
    ready.swap(0, Relaxed);
    core::hint::black_box(head.load(Relaxed));
    word.fetch_and(!(PENDING | LINKED), Relaxed);
}

/// The port for events to oneself, with FIFO.
pub(crate) fn own_port() -> Port {
    let port = port();
    start(1);
    port
}

/// The port, with all others open that may be.
fn among_all() -> Port {
    let port = own_port();
    if !FULL.load(Relaxed) {
        FULL.store(true, Relaxed);
        let pages = MOST_PORTS.div_ceil(WORDS_PER_PAGE);
        (1..u64::from(pages)).for_each(|page| {
            expand(page);
        });
        while (1..MOST_PORTS).contains(&bind(0).0) {}
        // One is left for those who open one.
        crate::events::close(Port(2));
    }
    port
}

/// As [`take`] for the only vCPU.
pub(crate) fn take_own(port: Port) {
    take(0, SHARED_INFO, port);
}

/// Sends to the port and waits for the interrupt; it stays pending.
pub(crate) fn handled(port: Port) -> u64 {
    let block = cpu::block(0);
    take_own(port);
    let seen = block.interrupts();
    let result = send(port);
    cpu::wait_spinning(block, seen);
    result
}

pub(crate) fn unmask(port: Port) -> u64 {
    on_events(op::UNMASK, OnePort { port }.to_bytes().as_ptr())
}

pub(crate) fn status(port: Port) -> u64 {
    let wanted = Status {
        dom: DomId::SELF,
        port,
        ..Status::default()
    };
    on_events(op::STATUS, wanted.to_bytes().as_ptr())
}

pub(crate) const OPERATIONS: &[Operation] = &[
    each(
        "FIFO event to oneself, handled",
        256,
        || handled(own_port()),
    ),
    each("FIFO event, already pending", 512, || send(own_port())),
    each("FIFO event unmask", 512, || unmask(own_port())),
    each(
        "FIFO event to oneself, handled, all ports open",
        256,
        || handled(among_all()),
    ),
    each("FIFO event, already pending, all ports open", 512, || {
        send(among_all())
    }),
    each("FIFO event unmask, all ports open", 512, || {
        unmask(among_all())
    }),
    each("FIFO event status, all ports open", 512, || {
        status(among_all())
    }),
    each("FIFO event alloc and close, all ports open", 256, || {
        among_all();
        alloc_and_close()
    }),
];
