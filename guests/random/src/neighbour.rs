//! The neighbour: its timer must fire in time, and its memory must be its own.

use core::fmt::Write;

use abi::arm::RAM_BANK_0;
use support::{cpu, gic, read_register, timer, uart::Uart, write_register};

/// Its pages, far behind the image.
const START: u64 = RAM_BANK_0.start() + (16 << 20);
const BYTES: u64 = 1 << 20;
/// How late a tick may be, in microseconds. The emulator is to count instructions as time
/// (`-icount`), for its threads wait for a CPU of a busy host.
const LATE_US: u64 = 10_000;

/// Looks for ever.
pub(crate) fn watch() -> ! {
    gic::enable(0);
    cpu::mask_interrupts();
    let word = |index: u64| (START + 8 * index) as *mut u64;
    let value = |index: u64| index.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for index in 0..BYTES / 8 {
        // SAFETY: RAM of ours that nothing else here uses.
        unsafe { word(index).write_volatile(value(index)) };
    }
    let (mut ticks, mut late, mut wrong, mut latest) = (0_u64, 0_u64, 0_u64, 0_u64);
    let _ = writeln!(Uart, "neighbour: watching");
    loop {
        let due = timer::virtual_count() + timer::frequency() / 100;
        timer::set_virtual(due);
        while read_register!("cntv_ctl_el0") & 4 == 0 {
            cpu::wait_for_interrupt();
        }
        write_register!("cntv_ctl_el0", 0);
        cpu::unmask_interrupts();
        cpu::mask_interrupts();
        let by = timer::virtual_count() - due;
        latest = latest.max(by);
        late += u64::from(by > timer::frequency() * LATE_US / 1_000_000);
        for index in (ticks % 64..BYTES / 8).step_by(64) {
            // SAFETY: as above.
            wrong += u64::from(unsafe { word(index).read_volatile() } != value(index));
        }
        ticks += 1;
        if ticks % 500 == 0 {
            let us = latest * 1_000_000 / timer::frequency();
            let verdict = if late == 0 && wrong == 0 {
                "all well"
            } else {
                "DISTURBED"
            };
            let _ = writeln!(
                Uart,
                "neighbour: {verdict}, {ticks} ticks, {late} late, {wrong} wrong, latest {us} us"
            );
        }
    }
}
