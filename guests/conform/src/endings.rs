//! Calls that end a domain, or are told so: one for each domain, by its number. A domain says what it will
//! ask, and what it was answered if it still runs; the first only waits until that is over.

use core::fmt::Write;

use abi::hypercall::SCHED_OP;
use abi::psci;
use abi::sched::{Shutdown, Watchdog, op, reason};
use support::{call::smccc, cpu, gic, timer, uart::Uart};

use crate::ask::{UNMAPPED, call};
use crate::say;

/// Arm DEN0022, 5.12.
const SYSTEM_RESET2_64: u64 = 0xc400_0012;
/// How long the first domain waits, in seconds: longer than the watchdog.
const WAIT_S: u64 = 3;

/// A question by its name, and what is answered if the domain still runs.
type Ending = (&'static str, fn() -> i64);

/// What the domains from the second on ask, in their order.
const ENDINGS: [Ending; 16] = [
    ("shutdown.power_off", || shut_down(reason::POWEROFF)),
    ("shutdown.reboot", || shut_down(reason::REBOOT)),
    ("shutdown.suspend", || shut_down(reason::SUSPEND)),
    ("shutdown.crash", || shut_down(reason::CRASH)),
    ("shutdown.watchdog", || shut_down(reason::WATCHDOG)),
    ("shutdown.soft_reset", || shut_down(reason::SOFT_RESET)),
    ("shutdown.0x6", || shut_down(6)),
    ("shutdown.0xff", || shut_down(0xff)),
    ("shutdown.0x100", || shut_down(0x100)),
    ("shutdown.all_ones", || shut_down(u32::MAX)),
    ("shutdown.bad_pointer", || {
        support::call::hypercall(SCHED_OP, [op::SHUTDOWN.into(), UNMAPPED, 0, 0]).cast_signed()
    }),
    ("shutdown_code.0x77_then_off", || {
        let code = Shutdown { reason: 0x77 };
        let recorded = call(SCHED_OP, op::SHUTDOWN_CODE, code.to_bytes());
        recorded.say(format_args!("stop.shutdown_code"));
        shut_down(reason::POWEROFF)
    }),
    ("system_reset2", || {
        smccc(SYSTEM_RESET2_64, [0; 3])[0].cast_signed()
    }),
    ("system_reset", || {
        smccc(u64::from(psci::SYSTEM_RESET), [0; 3])[0].cast_signed()
    }),
    ("last_cpu_off", || {
        smccc(u64::from(psci::CPU_OFF), [0; 3])[0].cast_signed()
    }),
    ("watchdog", || {
        let watchdog = Watchdog { id: 0, timeout: 1 };
        let set = call(SCHED_OP, op::WATCHDOG, watchdog.to_bytes());
        set.say(format_args!("stop.watchdog.set"));
        wait(WAIT_S - 1);
        0
    }),
];

/// Domains that this takes.
const DOMAINS: usize = ENDINGS.len() + 1;

/// Does the part of domain `number`, from 1 on.
pub(crate) fn run(number: usize) {
    gic::enable(0);
    cpu::mask_interrupts();
    let Some((name, ending)) = number.checked_sub(2).and_then(|index| ENDINGS.get(index)) else {
        say!("stop.domains", "{DOMAINS}");
        wait(WAIT_S);
        let _ = writeln!(Uart, "conform: end");
        return;
    };
    say!(@ format_args!("stop.{name}"), "asked");
    let _ = writeln!(Uart, "conform: end");
    let answer = ending();
    say!(@ format_args!("stop.{name}.goes_on"), "{answer}");
    loop {
        cpu::wait_for_interrupt();
    }
}

fn shut_down(reason: u32) -> i64 {
    call(SCHED_OP, op::SHUTDOWN, Shutdown { reason }.to_bytes()).result
}

/// Waits for `seconds` of virtual time, in which the emulator need not count instructions.
fn wait(seconds: u64) {
    let end = timer::virtual_count() + seconds * timer::frequency();
    timer::set_virtual(end);
    while timer::virtual_count() < end {
        cpu::wait_for_interrupt();
    }
}
