//! `event_channel_op` (public/event_channel.h), what both ABIs have.
//!
//! Channels between domains come from the boot device tree. As on Xen with its default policy for
//! Arm, guests make channels within themselves alone: everything else is `EPERM`.

use abi::evtchn::{
    AllocUnbound, BindInterdomain, BindIpi, BindVcpu, BindVirq, OnePort, Reset, Status, op, status,
};
#[cfg(feature = "fifo-evtchn")]
use abi::permit::Permit;
use abi::{DomId, Errno, Port};
use evtchn::{Closed, GlobalVirqs, PortStatus, Sent, Side, State, Sweep, Wanted};
use machine::lock::with_two;

#[cfg(feature = "fifo-evtchn")]
use super::permitted;
use super::{DONE, Outcome, Result, argument, own, own_by_id};
use crate::domain::Domain;
use crate::run::{Cpu, Next};
use crate::{events, guest_memory};

/// Ports closed in one go of a reset.
const RESET_BUDGET: u32 = 64;

/// The commonest goes past the others, which need more of the stack and registers.
#[inline]
pub(super) fn call(cpu: &mut Cpu<'_>, command: u64, at: u64) -> Result {
    // The command is an int of the ABI.
    match command as u32 {
        op::SEND => send(cpu, at),
        _ => call_seldom(cpu, command, at),
    }
}

#[inline(never)]
fn call_seldom(cpu: &mut Cpu<'_>, command: u64, at: u64) -> Result {
    match command as u32 {
        op::UNMASK => {
            let port = Port(guest_memory::read_word(cpu, at)?);
            let domain = own(cpu)?;
            let unmasked = domain.events.lock(&mut cpu.token).unmask(port);
            match &unmasked {
                Ok(notify) => done(events::notify(cpu, domain, notify)),
                Err(errno) => Err(*errno),
            }
        }
        op::ALLOC_UNBOUND => alloc_unbound(cpu, at),
        op::BIND_INTERDOMAIN => bind_interdomain(cpu, at),
        op::BIND_VIRQ => {
            let mut bind = BindVirq::from_bytes(&argument(cpu, at)?);
            let domain = own(cpu)?;
            // What is global has no handler without a domain for that.
            let handler = GlobalVirqs::NotHandled;
            bind.port = domain
                .events
                .lock(&mut cpu.token)
                .bind_virq(bind.virq, bind.vcpu, handler)?;
            hand_out(cpu, at, &bind.to_bytes(), bind.port)
        }
        op::BIND_IPI => {
            let mut bind = BindIpi::from_bytes(&argument(cpu, at)?);
            bind.port = own(cpu)?.events.lock(&mut cpu.token).bind_ipi(bind.vcpu)?;
            hand_out(cpu, at, &bind.to_bytes(), bind.port)
        }
        op::BIND_PIRQ => argument::<12>(cpu, at).and(Err(Errno::OpNotSupp)),
        op::CLOSE => {
            let port = OnePort::from_bytes(&argument(cpu, at)?).port;
            close(cpu, port).map(|()| Outcome::Done(0))
        }
        op::STATUS => show_status(cpu, at),
        op::BIND_VCPU => {
            let bind = BindVcpu::from_bytes(&argument(cpu, at)?);
            let domain = own(cpu)?;
            domain
                .events
                .lock(&mut cpu.token)
                .bind_vcpu(bind.port, bind.vcpu)?;
            DONE
        }
        op::RESET => reset(cpu, at),
        #[cfg(feature = "fifo-evtchn")]
        fifo @ (op::INIT_CONTROL | op::EXPAND_ARRAY | op::SET_PRIORITY)
            if permitted(cpu, Permit::FifoEvtchn) =>
        {
            super::fifo_op::call(cpu, fifo, at)
        }
        _ => Err(Errno::NoSys),
    }
}

/// A call that gives 0, behind which the CPU may have to choose anew.
pub(super) fn done(next: Next) -> Result {
    Ok(Outcome::DoneThen(0, next))
}

#[inline(never)]
fn send(cpu: &mut Cpu<'_>, at: u64) -> Result {
    let port = Port(guest_memory::read_word(cpu, at)?);
    let domain = own(cpu)?;
    let sent = domain.events.lock(&mut cpu.token).send(port, Side::Guest);
    match &sent {
        Ok(Sent::Delivered(notify)) => done(events::notify(cpu, domain, notify)),
        Ok(Sent::Peer {
            domain: peer,
            port: end,
        }) => {
            let Some(peer) = cpu.system.domain(*peer) else {
                return DONE;
            };
            let received = peer
                .events
                .lock(&mut cpu.token)
                .receive(*end, domain.id, port);
            match &received {
                Sent::Delivered(notify) => done(events::notify(cpu, peer, notify)),
                _ => DONE,
            }
        }
        // No part of the hypervisor takes events yet.
        Ok(Sent::Consumed(_) | Sent::Dropped) => DONE,
        Err(errno) => Err(*errno),
    }
}

/// Tells the guest of a port that was opened for it. A guest that cannot be told does not have it.
fn hand_out(cpu: &mut Cpu<'_>, at: u64, bytes: &[u8], port: Port) -> Result {
    if let Err(errno) = guest_memory::write(cpu, at, bytes) {
        let _ = close(cpu, port);
        return Err(errno);
    }
    DONE
}

fn alloc_unbound(cpu: &mut Cpu<'_>, at: u64) -> Result {
    let mut alloc = AllocUnbound::from_bytes(&argument(cpu, at)?);
    let domain = own_by_id(cpu, alloc.dom)?;
    own_by_id(cpu, alloc.remote_dom)?;
    alloc.port = domain
        .events
        .lock(&mut cpu.token)
        .alloc_unbound(Wanted::Lowest, domain.id)?;
    hand_out(cpu, at, &alloc.to_bytes(), alloc.port)
}

fn bind_interdomain(cpu: &mut Cpu<'_>, at: u64) -> Result {
    let mut bind = BindInterdomain::from_bytes(&argument(cpu, at)?);
    let domain = own(cpu)?;
    if bind.remote_dom != DomId::SELF && bind.remote_dom != domain.id {
        let remote = cpu.system.domain(bind.remote_dom).ok_or(Errno::Srch)?;
        return refuse_remote(cpu, domain, remote, bind.remote_port);
    }
    let (port, notify) = domain.events.lock(&mut cpu.token).bind_interdomain(
        Wanted::Lowest,
        None,
        bind.remote_port,
    )?;
    bind.local_port = port;
    let next = events::notify(cpu, domain, &notify);
    match hand_out(cpu, at, &bind.to_bytes(), port) {
        Ok(_) => done(next),
        // The notification has been made all the same.
        Err(errno) => Ok(Outcome::DoneThen(errno.as_result() as u64, next)),
    }
}

/// A port of another domain: one that does not wait for the caller is told apart, as on Xen.
fn refuse_remote(cpu: &mut Cpu<'_>, own: &Domain, remote: &Domain, port: Port) -> Result {
    let status = remote.events.lock(&mut cpu.token).status(port)?;
    if status.state == (State::Unbound { remote: own.id }) {
        Err(Errno::Perm)
    } else {
        Err(Errno::Inval)
    }
}

fn close(cpu: &mut Cpu<'_>, port: Port) -> core::result::Result<(), Errno> {
    let domain = own(cpu)?;
    let closed = domain
        .events
        .lock(&mut cpu.token)
        .close(port, Side::Guest, None)?;
    let Closed::NeedsPeer(peer) = closed else {
        return Ok(());
    };
    let peer = cpu.system.domain(peer).ok_or(Errno::Inval)?;
    let closed = with_two(&domain.events, &peer.events, &mut cpu.token, |own, peer| {
        own.close(port, Side::Guest, Some(peer))
    });
    match closed {
        Some(Ok(Closed::Done)) => Ok(()),
        Some(Err(errno)) => Err(errno),
        // It leads somewhere else by now.
        _ => Err(Errno::Inval),
    }
}

fn show_status(cpu: &mut Cpu<'_>, at: u64) -> Result {
    let mut bytes = argument(cpu, at)?;
    let mut answer = Status::from_bytes(&bytes);
    let domain = own_by_id(cpu, answer.dom)?;
    let PortStatus { state, vcpu } = domain.events.lock(&mut cpu.token).status(answer.port)?;
    answer.vcpu = vcpu.0.into();
    answer.status = match state {
        State::Closed | State::Reserved => status::CLOSED,
        State::Unbound { remote } => {
            answer.detail = with_domain(answer.detail, remote);
            status::UNBOUND
        }
        State::Interdomain { remote, port } => {
            answer.detail = with_domain(answer.detail, remote);
            answer.remote_port = port;
            status::INTERDOMAIN
        }
        State::Virq { virq } => {
            answer.detail = virq.into();
            status::VIRQ
        }
        State::Ipi => status::IPI,
    };
    answer.write_to(&mut bytes);
    guest_memory::write(cpu, at, &bytes)?;
    DONE
}

/// The word whose lower half is a domain's number, and whose upper half is padding that stays.
const fn with_domain(word: u32, domain: DomId) -> u32 {
    word & !0xffff | domain.0 as u32
}

/// Closes all ports, a bit at a time. Which reset a vCPU is at is kept in its registers.
fn reset(cpu: &mut Cpu<'_>, at: u64) -> Result {
    let domain = own(cpu)?;
    let begun = cpu.with_registers(|registers| registers.reset).flatten();
    let running = begun.filter(|begun| {
        let events = domain.events.lock(&mut cpu.token);
        events.is_running(*begun)
    });
    let reset = match running {
        Some(reset) => reset,
        // A new one, or one that another vCPU took over.
        None => {
            let target = Reset::from_bytes(&argument(cpu, at)?).dom;
            own_by_id(cpu, target)?;
            let reset = domain.events.lock(&mut cpu.token).begin_reset()?;
            cpu.with_registers(|registers| registers.reset = Some(reset));
            reset
        }
    };
    let mut budget = RESET_BUDGET;
    loop {
        let sweep = domain.events.lock(&mut cpu.token).sweep(budget);
        match sweep {
            Sweep::More => return Ok(Outcome::Again),
            Sweep::Done => break,
            Sweep::Peer { port, domain: peer } => close_with_peer(cpu, domain, port, peer),
        }
        budget = budget.saturating_sub(1);
        if budget == 0 {
            return Ok(Outcome::Again);
        }
    }
    cpu.with_registers(|registers| registers.reset = None);
    let retired = domain.events.lock(&mut cpu.token).finish_reset(reset)?;
    drop(retired);
    DONE
}

fn close_with_peer(cpu: &mut Cpu<'_>, domain: &Domain, port: Port, peer: DomId) {
    let Some(peer) = cpu.system.domain(peer) else {
        return;
    };
    let closed = with_two(&domain.events, &peer.events, &mut cpu.token, |own, peer| {
        own.close(port, Side::Hypervisor, Some(peer))
    });
    // Whatever it led to by now, the next look finds it.
    let _ = closed;
}
