//! Event channels with the FIFO ABI while many ports are bound, through the lowest and the highest of
//! them. Nothing else is measured in that boot.

use core::fmt::Write;
use core::sync::atomic::{AtomicU32, Ordering::Relaxed};

use abi::Port;
use abi::evtchn::fifo::WORDS_PER_PAGE;
use support::uart::Uart;

use crate::events::{alloc_and_close, bind, send};
use crate::fifo;
use crate::operation::{Operation, each};

/// The highest port that is bound.
static HIGHEST: AtomicU32 = AtomicU32::new(0);

/// Changes to FIFO and binds ports until so many are bound; says how many are.
pub(crate) fn open(wanted: u32) {
    let first = fifo::own_port();
    for page in 1..=wanted / WORDS_PER_PAGE {
        fifo::expand(page.into());
    }
    let mut bound = 1;
    HIGHEST.store(first.0, Relaxed);
    while bound < wanted {
        let port = bind(0);
        if port == Port(0) {
            break;
        }
        HIGHEST.store(port.0, Relaxed);
        bound += 1;
    }
    let _ = writeln!(Uart, "bench: ports; bound={bound}");
}

fn lowest() -> Port {
    fifo::own_port()
}

fn highest() -> Port {
    Port(HIGHEST.load(Relaxed))
}

/// Nothing is pending before and after: what stays on the queue would have the next port linked
/// behind it, and no interrupt come.
fn handled(port: Port) -> u64 {
    let result = fifo::handled(port);
    fifo::take_own(port);
    result
}

pub(crate) const OPERATIONS: &[Operation] = &[
    each(
        "to oneself, handled, lowest port",
        256,
        || handled(lowest()),
    ),
    each("to oneself, handled, highest port", 256, || {
        handled(highest())
    }),
    each("unmask, lowest port", 512, || fifo::unmask(lowest())),
    each("unmask, highest port", 512, || fifo::unmask(highest())),
    each("status, lowest port", 512, || fifo::status(lowest())),
    each("status, highest port", 512, || fifo::status(highest())),
    each("alloc and close", 256, alloc_and_close),
    // These leave something pending, so they are the last.
    each("already pending, lowest port", 512, || send(lowest())),
    each("already pending, highest port", 512, || send(highest())),
];
