//! A kernel that is resumed from hibernation, on a hypervisor that has learned FIFO event channels
//! since. First the boot kernel: it looks what there is and uses FIFO if it is offered. Then, with
//! memory as it was when it went to sleep, the resumed kernel, which knows 2-level alone: it sends
//! itself events and looks whether it hears them.
//!
//! The last line says which: `hibernate: N of 100 events heard`.
#![no_std]
#![no_main]

use core::fmt::Write;
use core::sync::atomic::{AtomicU8, AtomicU64, Ordering::SeqCst};

use abi::arm::{EVENT_UPCALL, MAGIC, RAM_BANK_0};
use abi::evtchn::{BindIpi, ExpandArray, InitControl, OnePort, op};
use abi::hypercall::{EVENT_CHANNEL_OP, MEMORY_OP};
use abi::memory::{self, AddToPhysmap, space};
use abi::shared_info::{PENDING_OFFSET, vcpu_info};
use abi::{DomId, PAGE_SIZE, Port};
use support::{call, cpu, gic, uart::Uart};

/// Where the shared info page is mapped: where no RAM is.
const SHARED_INFO: u64 = MAGIC.start();
/// The boot kernel's control block and event words, which are not in the resumed one's memory image.
const CONTROL: u64 = RAM_BANK_0.start() + (24 << 20);
/// GICR_ISENABLER0.
const ENABLE: u64 = 0x1_0100;
/// Events that the resumed kernel sends itself.
const EVENTS: u32 = 100;

#[unsafe(no_mangle)]
extern "C" fn guest_main(_tree: usize) -> ! {
    gic::enable(0);
    gic::write(gic::redistributor(0, ENABLE), 1 << EVENT_UPCALL.0);
    let offered = boot_kernel();
    let _ = writeln!(
        Uart,
        "hibernate: FIFO is {}offered",
        if offered { "" } else { "not " }
    );
    let heard = resumed_kernel();
    let _ = writeln!(Uart, "hibernate: {heard} of {EVENTS} events heard");
    loop {
        call::power_off();
    }
}

fn events<const N: usize>(command: u32, mut structure: [u8; N]) -> (i64, [u8; N]) {
    let at = structure.as_mut_ptr() as u64;
    let result = call::hypercall(EVENT_CHANNEL_OP, [command.into(), at, 0, 0]);
    // SAFETY: our own; volatile, as the hypervisor wrote it.
    (result.cast_signed(), unsafe {
        (&raw const structure).read_volatile()
    })
}

/// Maps the shared info page; takes FIFO if there is FIFO, as Linux does: any error means 2-level.
fn boot_kernel() -> bool {
    let result = map_shared_info(SHARED_INFO);
    assert!(
        result == 0,
        "the shared info page cannot be mapped: {result}"
    );
    let control = InitControl {
        control_gfn: CONTROL / PAGE_SIZE,
        ..InitControl::default()
    };
    if events(op::INIT_CONTROL, control.to_bytes()).0 != 0 {
        return false;
    }
    let array_gfn = CONTROL / PAGE_SIZE + 1;
    events(op::EXPAND_ARRAY, ExpandArray { array_gfn }.to_bytes());
    true
}

fn map_shared_info(at: u64) -> i64 {
    let wanted = AddToPhysmap {
        domid: DomId::SELF,
        space: space::SHARED_INFO,
        gpfn: at / PAGE_SIZE,
        ..AddToPhysmap::default()
    };
    let bytes = wanted.to_bytes();
    let command = memory::op::ADD_TO_PHYSMAP.into();
    call::hypercall(MEMORY_OP, [command, bytes.as_ptr() as u64, 0, 0]).cast_signed()
}

/// Binds a port anew, as a kernel does on resume, and counts what arrives by the 2-level ABI.
fn resumed_kernel() -> u32 {
    // Its image has the page mapped where it was; where another kernel had mapped it elsewhere, this
    // is what it would meet.
    let _ = writeln!(
        Uart,
        "hibernate: a second mapping: {}",
        map_shared_info(SHARED_INFO + PAGE_SIZE)
    );
    let bind = BindIpi {
        vcpu: 0,
        port: Port(0),
    };
    let (result, bytes) = events(op::BIND_IPI, bind.to_bytes());
    assert!(result == 0, "no port: {result}");
    let port = BindIpi::from_bytes(&bytes).port;
    (0..EVENTS).filter(|_| is_heard(port)).count() as u32
}

/// Sends an event and looks whether it arrived, as an interrupt and as a pending bit.
fn is_heard(port: Port) -> bool {
    let upcall = byte(vcpu_info::UPCALL_PENDING_OFFSET);
    upcall.store(0, SeqCst);
    word(vcpu_info::PENDING_SEL_OFFSET).store(0, SeqCst);
    let (result, _) = events(op::SEND, OnePort { port }.to_bytes());
    assert!(result == 0, "an event cannot be sent: {result}");
    cpu::unmask_interrupts();
    cpu::mask_interrupts();
    let bit = 1 << (port.0 % 64);
    word(PENDING_OFFSET + port.0 / 64 * 8).fetch_and(!bit, SeqCst) & bit != 0
}

fn byte(offset: u32) -> &'static AtomicU8 {
    // SAFETY: in the shared info page, which is mapped and which we reach by atomics alone.
    unsafe { &*((SHARED_INFO + u64::from(offset)) as *const AtomicU8) }
}

fn word(offset: u32) -> &'static AtomicU64 {
    // SAFETY: as above, and aligned.
    unsafe { &*((SHARED_INFO + u64::from(offset)) as *const AtomicU64) }
}
