//! Physical interrupts: each is an exit, or ends an idle wait.

use ::console::{Input, Target};
use machine::atomic::Ordering;
use machine::gic::KICK;
use vuart::Received;

use crate::keys;
use crate::mmio;
use crate::run::{Cpu, Next};

/// The most typed bytes taken in one go.
const MOST_TYPED: usize = 32;

/// Takes the pending interrupt. There is hardly ever a second one; it would be the next exit.
pub fn handle(cpu: &mut Cpu<'_>) -> Next {
    let system = cpu.system;
    let Some(interrupt) = system.gic.acknowledge() else {
        return Next::Run;
    };
    let intid = interrupt.intid();
    cpu.shared.statistics.is_about(u64::from(intid.0));
    system.gic.drop_priority(interrupt);
    let interrupts = &system.interrupts;
    let next = if intid == interrupts.virtual_timer {
        if let Some(next) = cpu.virtual_timer_fired() {
            // The guest itself ends it.
            return next;
        }
        Next::Choose
    } else if intid == KICK {
        machine::cpu::stop_if_panicked();
        // Acquire: pairs with the release in `System::kick_to_choose`.
        let choose = &cpu.shared.choose;
        if choose.load(Ordering::Acquire) && choose.swap(false, Ordering::Acquire) {
            Next::Choose
        } else {
            Next::Run
        }
    } else if intid == interrupts.timer {
        cpu.timer_fired()
    } else if intid == interrupts.maintenance {
        cpu.refill()
    } else if Some(intid) == interrupts.uart {
        uart(cpu)
    } else {
        Next::Run
    };
    system.gic.deactivate(interrupt);
    next
}

/// The console's UART has input, or room for output.
fn uart(cpu: &mut Cpu<'_>) -> Next {
    let mut next = Next::Run;
    for _ in 0..MOST_TYPED {
        let input = cpu.system.console.lock(&mut cpu.token).input();
        let Some(input) = input else { break };
        if typed(cpu, input) == Next::Choose {
            next = Next::Choose;
        }
    }
    cpu.system.console.lock(&mut cpu.token).pump();
    if release(cpu) == Next::Choose {
        Next::Choose
    } else {
        next
    }
}

fn typed(cpu: &mut Cpu<'_>, input: Input) -> Next {
    match input {
        Input::Held => Next::Run,
        Input::Switched(switched) => {
            cpu.system.console.lock(&mut cpu.token).announce(switched);
            Next::Run
        }
        Input::Deliver {
            to: Target::Hypervisor,
            bytes,
        } => {
            let mut next = Next::Run;
            for byte in bytes.as_bytes() {
                if keys::press(cpu, *byte) == Next::Choose {
                    next = Next::Choose;
                }
            }
            next
        }
        Input::Deliver {
            to: Target::Domain(id),
            bytes,
        } => {
            let Some(domain) = cpu.system.domain(id) else {
                return Next::Run;
            };
            let wake = {
                let mut devices = domain.devices.lock(&mut cpu.token);
                devices.with_uart(domain, |uart| {
                    for byte in bytes.as_bytes() {
                        // A guest that does not read loses what its UART has no room for; the
                        // UART counts that and shows it as an overrun.
                        let _: Received = uart.receive(*byte);
                    }
                })
            };
            cpu.wake(domain, wake)
        }
    }
}

/// Lets domains write again that were held while the output was congested.
fn release(cpu: &mut Cpu<'_>) -> Next {
    let mut next = Next::Run;
    for _ in 0..cpu.system.domains.len() {
        let released = cpu.system.console.lock(&mut cpu.token).take_released();
        let Some(domain) = released.and_then(|id| cpu.system.domain(id)) else {
            break;
        };
        if mmio::release(cpu, domain) == Next::Choose {
            next = Next::Choose;
        }
    }
    next
}
