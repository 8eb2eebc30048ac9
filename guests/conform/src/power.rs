//! Turning vCPUs on and off (Arm DEN0022), on a guest with two vCPUs.

use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use abi::{arm, psci};
use support::{call, cpu, entry, gic, read_register, timer, write_register};

use crate::say;

/// Set by the second vCPU when it runs; cleared by the first to let it go.
static RUNNING: AtomicU64 = AtomicU64::new(0);
/// What the second vCPU finds in its registers.
static FOUND: [AtomicU64; 8] = [const { AtomicU64::new(0) }; 8];

const SECOND: u64 = 1;

pub(crate) fn print() {
    gic::enable(0);
    cpu::mask_interrupts();
    refused();
    say!("power.affinity_before", "{}", call::affinity_info(SECOND));
    say!("power.cpu_on", "{}", entry::start(1, second));
    wait_until(1);
    say!("power.affinity_while_on", "{}", call::affinity_info(SECOND));
    say!("power.cpu_on_again", "{}", entry::start(1, second));
    found();
    RUNNING.store(0, SeqCst);
    for _ in 0..1000 {
        pause();
        if call::affinity_info(SECOND) != 0 {
            break;
        }
    }
    say!(
        "power.affinity_after_off",
        "{}",
        call::affinity_info(SECOND)
    );
    say!("power.cpu_on_after_off", "{}", entry::start(1, second));
    wait_until(1);
    RUNNING.store(0, SeqCst);
    suspend();
}

fn refused() {
    let on = |function: u32, target, entry| call::smccc(function.into(), [target, entry, 0])[0];
    let entry = arm::RAM_BANK_0.start();
    let cases = [
        ("self", 0, entry),
        ("self_unmapped_entry", 0, 0x900_0000),
        ("missing_target", 2, entry),
        ("far_target", 0x1_0000_0000, entry),
        ("target_with_res1", 0x8000_0002, entry),
        ("all_ones_target", u64::MAX, entry),
        ("missing_target_bad_entry", 7, 1),
    ];
    for (name, target, entry) in cases {
        let wide = on(psci::CPU_ON_64, target, entry);
        let narrow = on(psci::CPU_ON_32, target, entry);
        say!(@ format_args!("power.cpu_on.{name}"), "{wide:#x} {narrow:#x}");
    }
    // An odd entry address is wrong: AArch64 instructions are words.
    say!(
        "power.cpu_on.odd_entry",
        "{:#x}",
        on(psci::CPU_ON_64, SECOND, entry + 1)
    );
}

fn second(number: usize) {
    let registers = [
        read_register!("sctlr_el1"),
        read_register!("mpidr_el1"),
        read_register!("cpacr_el1"),
        read_register!("cntkctl_el1"),
        read_register!("cntv_ctl_el0"),
        read_register!("ttbr0_el1"),
        read_register!("tcr_el1"),
        number as u64,
    ];
    for (place, value) in FOUND.iter().zip(registers) {
        place.store(value, SeqCst);
    }
    RUNNING.store(1, SeqCst);
    gic::enable(number);
    while RUNNING.load(SeqCst) == 1 {
        pause();
    }
}

fn found() {
    let names = [
        "sctlr_el1",
        "mpidr_el1",
        "cpacr_el1",
        "cntkctl_el1",
        "cntv_ctl_el0",
        "ttbr0_el1",
        "tcr_el1",
        "x0",
    ];
    for (name, value) in names.iter().zip(&FOUND) {
        say!(@ format_args!("power.second.{name}"), "{:#x}", value.load(SeqCst));
    }
    let record = entry::secondary_record();
    say!(
        "power.second.x1_to_x30",
        "{:#x}",
        record.others.load(SeqCst)
    );
    say!(
        "power.second.spsel",
        "{:#x}",
        record.stack_select.load(SeqCst)
    );
    say!("power.second.daif", "{:#x}", record.daif.load(SeqCst));
}

/// `CPU_SUSPEND` to a standby state ends with an interrupt, here the virtual timer's.
fn suspend() {
    for (name, function, state) in [
        ("standby_64", psci::CPU_SUSPEND_64, 0),
        ("standby_32", psci::CPU_SUSPEND_32, 0),
        ("power_down", psci::CPU_SUSPEND_64, 1 << 16),
        ("reserved_bits", psci::CPU_SUSPEND_64, u64::MAX),
    ] {
        timer::set_virtual(timer::virtual_count() + 20_000);
        let answer = call::smccc(function.into(), [state, arm::RAM_BANK_0.start() + 1, 0])[0];
        let waited = read_register!("cntv_ctl_el0") & 4 != 0;
        write_register!("cntv_ctl_el0", 0);
        say!(@ format_args!("power.cpu_suspend.{name}"), "{answer:#x}, waited: {waited}");
        drain();
    }
    let answer = call::smccc(
        psci::SYSTEM_SUSPEND_64.into(),
        [arm::RAM_BANK_0.start() + 1, 0, 0],
    );
    say!("power.system_suspend.odd_entry", "{:#x}", answer[0]);
}

/// Takes what is pending.
pub(crate) fn drain() {
    cpu::unmask_interrupts();
    cpu::mask_interrupts();
}

fn wait_until(value: u64) {
    while RUNNING.load(SeqCst) != value {
        pause();
    }
}

/// Lets the other vCPU run, be it on this CPU: sleeps for a little.
fn pause() {
    timer::set_virtual(timer::virtual_count() + 6000);
    cpu::wait_for_interrupt();
    write_register!("cntv_ctl_el0", 0);
    drain();
}
