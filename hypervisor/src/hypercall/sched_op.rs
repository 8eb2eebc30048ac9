//! `sched_op` (public/sched.h): giving the CPU away, waiting, and ending.

use abi::sched::{POLL_MAX_PORTS, Poll, RemoteShutdown, Shutdown, Watchdog, op};
use abi::{Errno, Port, VcpuSet};
use evtchn::Polled;
use lifecycle::{Timeout, WatchdogError};
use machine::timer;

use super::{DONE, Outcome, Result, argument, own};
use crate::guest_memory;
use crate::run::{Cpu, Next};

#[inline(never)]
pub(super) fn call(cpu: &mut Cpu<'_>, command: u64, at: u64) -> Result {
    // The command is an int of the ABI.
    match command as u32 {
        op::YIELD => {
            cpu.shared.queue.lock(&mut cpu.token).yield_now();
            Ok(Outcome::DoneThen(0, Next::Choose))
        }
        op::BLOCK => {
            let next = cpu.wait();
            Ok(Outcome::DoneThen(0, next))
        }
        op::SHUTDOWN => {
            let reason = Shutdown::from_bytes(&argument(cpu, at)?).reason;
            shut_down(cpu, reason)
        }
        op::POLL => poll(cpu, at),
        op::REMOTE_SHUTDOWN => {
            let remote = RemoteShutdown::from_bytes(&argument(cpu, at)?).domain_id;
            match cpu.system.domain(remote) {
                Some(_) => Err(Errno::Perm),
                None => Err(Errno::Srch),
            }
        }
        op::SHUTDOWN_CODE => {
            let reason = Shutdown::from_bytes(&argument(cpu, at)?).reason;
            cpu.with_life(|life, _| life.state.record_reason((reason as u8).into()));
            DONE
        }
        op::WATCHDOG => watchdog(cpu, at),
        // For the domain with the hardware, which does not exist.
        op::PIN_OVERRIDE => Err(Errno::Perm),
        _ => Err(Errno::NoSys),
    }
}

/// Stops the domain. Reasons are cut to 8 bits; one that was recorded before goes first.
fn shut_down(cpu: &mut Cpu<'_>, reason: u32) -> Result {
    let reason = (reason as u8).into();
    let stopped =
        cpu.change_life(|life, _| Ok::<_, Errno>(life.state.shutdown(reason, VcpuSet::EMPTY)));
    match stopped {
        Some(Ok(next)) => Ok(Outcome::DoneThen(0, next)),
        _ => Err(Errno::Srch),
    }
}

/// Sets a watchdog: gives the number of a new one, and 0 for one that there is.
fn watchdog(cpu: &mut Cpu<'_>, at: u64) -> Result {
    let Watchdog { id, timeout } = Watchdog::from_bytes(&argument(cpu, at)?);
    let now = timer::now();
    let timeout = match timeout {
        0 => Timeout::Never { now },
        seconds => Timeout::At(
            timer::frequency()
                .saturating_mul(seconds.into())
                .saturating_add(now),
        ),
    };
    let domain = own(cpu)?;
    let set = {
        let mut life = domain.control.lock(&mut cpu.token);
        let set = life.watchdogs.set(id, timeout);
        cpu.system.alarm.follow(domain, &life.watchdogs);
        set
    };
    cpu.arm_timer();
    match set {
        Ok(answer) => Ok(Outcome::Done(answer.into())),
        Err(WatchdogError::NoSuch) => Err(Errno::Inval),
        // As on Xen, whose answer is an unsigned int there.
        Err(WatchdogError::NoneLeft) => Ok(Outcome::Done((Errno::NoSpc.as_result() as u32).into())),
    }
}

fn poll(cpu: &mut Cpu<'_>, at: u64) -> Result {
    let wanted = Poll::from_bytes(&argument(cpu, at)?);
    if wanted.nr_ports > POLL_MAX_PORTS {
        return Err(Errno::Inval);
    }
    let mut bytes = [0; 4 * POLL_MAX_PORTS as usize];
    let mut ports = [Port(0); POLL_MAX_PORTS as usize];
    let count = wanted.nr_ports as usize;
    let (Some(bytes), Some(ports)) = (bytes.get_mut(..4 * count), ports.get_mut(..count)) else {
        return Err(Errno::Inval);
    };
    guest_memory::read(cpu, wanted.ports, bytes)?;
    for (port, bytes) in ports.iter_mut().zip(bytes.as_chunks().0) {
        *port = Port(u32::from_le_bytes(*bytes));
    }
    let (_, vcpu) = cpu.resident().ok_or(Errno::Srch)?;
    let begun = own(cpu)?.events.lock(&mut cpu.token).poll(vcpu, ports)?;
    if begun == Polled::Ready {
        return DONE;
    }
    let deadline = (wanted.timeout != 0).then(|| ticks(wanted.timeout));
    let next = if deadline.is_some_and(|deadline| deadline <= timer::now()) {
        Next::Run
    } else {
        // Who is named to be woken before this sleeps is seen by the sleeper's look at its flag.
        cpu.wait_until(deadline)
    };
    if next == Next::Run {
        own(cpu)?.events.lock(&mut cpu.token).end_poll(vcpu);
    }
    Ok(Outcome::DoneThen(0, next))
}

/// System time in counter ticks, rounded up.
fn ticks(ns: u64) -> u64 {
    const SECOND: u64 = 1_000_000_000;
    let frequency = timer::frequency();
    let whole = (ns / SECOND).saturating_mul(frequency);
    let part = (ns % SECOND).saturating_mul(frequency).div_ceil(SECOND);
    whole.saturating_add(part)
}
