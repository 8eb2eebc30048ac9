//! Events between two vCPUs on CPUs of their own: both handle what they get, and one answers.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

use abi::Port;
use abi::arm::EVENT_UPCALL;
use abi::hypercall::VCPU_OP;
use abi::vcpu::{RegisterVcpuInfo, op};
use support::call::hypercall;
use support::cpu::{self, Block};
use support::{gic, timer};

use crate::events::{self, ENABLE, SHARED_INFO, send};
use crate::fifo;
use crate::operation::{Operation, whole};
use crate::pair::{HELPER, Mode, enter_mode, leave_mode};

/// Where the helper's `vcpu_info` is, in a page.
const INFO: u64 = abi::arm::RAM_BANK_0.start() + (33 << 20);

/// The port that interrupts the helper; 0 until it is opened.
static QUESTION: AtomicU32 = AtomicU32::new(0);
/// The port that interrupts vCPU 0.
static ANSWER: AtomicU32 = AtomicU32::new(0);
static USES_FIFO: AtomicBool = AtomicBool::new(false);

pub(crate) const OPERATIONS: &[Operation] = &[
    whole("event round trip, both spinning", 256, |count| {
        round_trips(count, Mode::EventSpin, cpu::wait_spinning)
    })
    .with_exceptions(2),
    whole("event round trip, other idle", 256, |count| {
        round_trips(count, Mode::EventWait, cpu::wait_spinning)
    })
    .with_exceptions(2),
    whole("event round trip, both in WFI", 256, |count| {
        round_trips(count, Mode::EventWait, cpu::wait_in_wfi)
    })
    .with_exceptions(2),
    whole("FIFO event round trip, both spinning", 256, |count| {
        change_to_fifo();
        round_trips(count, Mode::EventSpin, cpu::wait_spinning)
    })
    .with_exceptions(2),
    whole("FIFO event round trip, other idle", 256, |count| {
        change_to_fifo();
        round_trips(count, Mode::EventWait, cpu::wait_spinning)
    })
    .with_exceptions(2),
    whole("FIFO event round trip, both in WFI", 256, |count| {
        change_to_fifo();
        round_trips(count, Mode::EventWait, cpu::wait_in_wfi)
    })
    .with_exceptions(2),
];

fn open() {
    if QUESTION.load(SeqCst) != 0 {
        return;
    }
    ANSWER.store(events::port().0, SeqCst);
    gic::write(gic::redistributor(HELPER, ENABLE), 1 << EVENT_UPCALL.0);
    QUESTION.store(events::bind(HELPER as u32).0, SeqCst);
}

/// The helper's part before it gets events: as on Xen nobody else may tell where its `vcpu_info` is.
/// The second time it has one already.
pub(crate) fn prepare() {
    let wanted = RegisterVcpuInfo {
        mfn: INFO >> 12,
        ..RegisterVcpuInfo::default()
    };
    let argument = wanted.to_bytes();
    let command = op::REGISTER_VCPU_INFO.into();
    hypercall(
        VCPU_OP,
        [command, HELPER as u64, argument.as_ptr() as u64, 0],
    );
    take(HELPER);
}

fn change_to_fifo() {
    open();
    fifo::start(2);
    USES_FIFO.store(true, SeqCst);
}

fn port(of: &AtomicU32) -> Port {
    Port(of.load(SeqCst))
}

/// Takes the event that vCPU `number` got.
fn take(number: usize) {
    let (info, port) = match number {
        HELPER => (INFO, port(&QUESTION)),
        _ => (SHARED_INFO, port(&ANSWER)),
    };
    if USES_FIFO.load(SeqCst) {
        fifo::take(number as u32, info, port);
    } else {
        events::take(info, port);
    }
}

fn round_trips(count: u32, mode: Mode, wait: fn(&Block, u64)) -> (u64, u64) {
    open();
    enter_mode(mode);
    let block = cpu::block(0);
    let question = port(&QUESTION);
    let start = timer::virtual_count();
    let mut result = 0;
    for _ in 0..count {
        let seen = block.interrupts();
        result |= send(question);
        wait(block, seen);
        take(0);
    }
    let ticks = timer::virtual_count() - start;
    leave_mode(|| {
        send(question);
    });
    (ticks, result)
}

/// The helper's part: answers what comes behind interrupt number `seen`, until it is not to go on.
pub(crate) fn answer(mut seen: u64, wait: fn(&Block, u64), goes_on: impl Fn() -> bool) {
    let block = cpu::block(HELPER);
    loop {
        wait(block, seen);
        seen = block.interrupts();
        take(HELPER);
        if !goes_on() {
            return;
        }
        send(port(&ANSWER));
    }
}
