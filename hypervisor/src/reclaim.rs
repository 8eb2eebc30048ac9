//! After a domain's end: its memory is zeroed and given back, a bounded piece at a time, by
//! whichever CPU comes by.

use abi::PAGE_SIZE;
use alloc::sync::Arc;
use machine::atomic::Ordering;

use ::console::Level;
use evtchn::{Side, Sweep};
use grant::Mapping;
use lifecycle::{DomainState, Reason};
use machine::frames::Extent;
use machine::heap::Arena;
use machine::lock::{Control, Token, with_two};
use stage2::{Progress as Step, Teardown};

use crate::chores::Chore;
use crate::console::Source;
use crate::domain::{Domain, Life, Page};
use crate::run::Cpu;
use crate::system::System;

/// Bytes zeroed in one go.
const ZERO_BYTES: u64 = 64 << 10;
/// Table entries looked at in one go, and blocks of uses freed.
const TABLE_ENTRIES: u32 = 256;

/// How far taking a domain's memory back has come.
#[derive(Debug)]
pub enum Progress {
    /// It has not begun.
    Idle,
    /// Waiting until no CPU has one of its vCPUs.
    Waiting,
    /// Its event channels are closed.
    Events,
    /// The tables are taken apart.
    Tables(Teardown),
    /// What it mapped of others is given up, from this slot on.
    Mappings(u32),
    /// The last bank is zeroed up to here, in bytes.
    Zeroing(u64),
    /// Another domain has some of it mapped.
    Held,
    /// The banks are given back; the pages that the hypervisor shared with it are zeroed up to here.
    Shared(u64),
    /// So are they. Its tables, and its part of the heap, are left.
    Last,
    /// All is given back.
    Done,
}

/// `domain` has just stopped: says so, moves the focus on, and starts taking its memory back.
pub fn ended(cpu: &mut Cpu<'_>, domain: &Domain) {
    let (reason, destroyed) = {
        let mut life = domain.control.lock(&mut cpu.token);
        let DomainState::Stopped(reason) = life.state.state() else {
            return;
        };
        if reason == Reason::Suspend {
            (reason, false)
        } else {
            // It is stopped, from where it can always be destroyed.
            let _ = life.state.destroy();
            life.reclaim = Progress::Waiting;
            (reason, true)
        }
    };
    say_why(cpu, domain, reason);
    if !destroyed {
        return;
    }
    begin(cpu, domain);
}

/// `domain` could not be built to its end: takes back what it has.
pub fn never_ran(cpu: &mut Cpu<'_>, domain: &Domain) {
    {
        let mut life = domain.control.lock(&mut cpu.token);
        // Nobody but who builds it ends it before it has run.
        let _ = life.state.destroy();
        life.reclaim = Progress::Waiting;
    }
    begin(cpu, domain);
}

/// Has all CPUs take `domain`, which runs no more, apart.
fn begin(cpu: &mut Cpu<'_>, domain: &Domain) {
    // First, so that who finds the domain and is done with it at once finds this counted.
    cpu.system.chores.begin(Chore::Reclaim);
    domain.ending.store(true, Ordering::Release);
    let left = cpu
        .system
        .alive
        .fetch_sub(1, Ordering::Relaxed)
        .saturating_sub(1);
    let switched = cpu.system.console.lock(&mut cpu.token).remove(domain.id);
    if let Some(switched) = switched {
        cpu.system.console.lock(&mut cpu.token).announce(switched);
    }
    if left == 0 {
        cpu.system.console.lock(&mut cpu.token).say(format_args!(
            "All domains have ended. The keys still work: 'h' for help, 'R' to reboot.\n"
        ));
    }
    // CPUs that idle with one of its vCPUs resident let go of it.
    for other in &cpu.system.cpus {
        if other.id != cpu.shared.id && other.online.load(Ordering::Relaxed) {
            cpu.system.kick_to_choose(other);
        }
    }
}

fn say_why(cpu: &mut Cpu<'_>, domain: &Domain, reason: Reason) {
    let why = match reason {
        Reason::PowerOff => "powered off",
        Reason::Reboot => "asked for a reset",
        Reason::Suspend => "suspended",
        Reason::Crash => "crashed",
        Reason::Watchdog => "was stopped by its watchdog",
        Reason::SoftReset => "asked for a soft reset",
        Reason::Other(_) => "stopped",
    };
    let id = domain.id;
    let mut console = cpu.system.console.lock(&mut cpu.token);
    console.say(format_args!(
        "{id} ({}) {why} (reason {}): stopped\n",
        domain.path,
        reason.code()
    ));
}

/// Does a piece of the work for one ended domain.
pub fn step(cpu: &mut Cpu<'_>) {
    let system = cpu.system;
    for domain in system
        .domains
        .iter()
        .filter(|domain| domain.ending.load(Ordering::Acquire))
    {
        match piece(cpu, domain) {
            Piece::More | Piece::Unpin(_) => return,
            Piece::Held => {
                system.chores.end(Chore::Reclaim);
                return;
            }
            Piece::GiveBack(extent) => return give_back(system, extent, cpu),
            Piece::Finished { tables, heap } => {
                give_back(system, tables, cpu);
                let before = machine::heap::size_bytes();
                if let Some(free) = heap.and_then(machine::heap::shrink) {
                    give_back(system, free, cpu);
                }
                let heap = before.saturating_sub(machine::heap::size_bytes());
                system.chores.end(Chore::Reclaim);
                let free = system.frames.lock(&mut cpu.token).free_bytes();
                system.log(
                    &mut cpu.token,
                    Source::Host(Level::Info),
                    format_args!(
                        "{}: memory zeroed and given back, {} KiB of the heap with it, {} MiB free\n",
                        domain.id,
                        heap >> 10,
                        free >> 20
                    ),
                );
                return;
            }
            Piece::Nothing => {}
        }
    }
}

/// The next piece of the work for `domain`; grants that it held are given up many at once.
fn piece(cpu: &mut Cpu<'_>, domain: &Domain) -> Piece {
    let system = cpu.system;
    for _ in 0..BUDGET {
        let piece = {
            let mut life = domain.control.lock(&mut cpu.token);
            let (life, token) = life.split();
            advance(system, domain, life, token)
        };
        match piece {
            Piece::Unpin(mapping) => crate::grants::unpin(cpu, mapping.pin),
            piece => return piece,
        }
    }
    Piece::More
}

enum Piece {
    Nothing,
    More,
    Held,
    Unpin(Mapping),
    GiveBack(Extent),
    Finished { tables: Extent, heap: Option<Arena> },
}

fn give_back(system: &System, extent: Extent, cpu: &mut Cpu<'_>) {
    // What cannot be tracked any more stays zeroed and out of use.
    let _ = system.frames.lock(&mut cpu.token).release(extent);
}

/// Ports closed, and mappings looked at, in one go.
const BUDGET: u32 = 64;

/// Closes some of the domain's event channels; whether that was the last of them.
fn close_events(
    system: &System,
    domain: &Domain,
    nowhere: Page,
    token: &mut Token<Control>,
) -> Step {
    let sweep = domain.events.lock(token).sweep(BUDGET);
    match sweep {
        Sweep::More => Step::More,
        Sweep::Peer { port, domain: peer } => {
            let Some(peer) = system.domain(peer) else {
                return Step::More;
            };
            let closed = with_two(&domain.events, &peer.events, token, |own, peer| {
                own.close(port, Side::Hypervisor, Some(peer))
            });
            // The other end may have closed it just now, and what is closed is passed over.
            let _ = closed;
            Step::More
        }
        Sweep::Done => {
            let retired = domain.events.lock(token).finish_destroy(nowhere);
            drop(retired);
            Step::Done
        }
    }
}

fn advance(system: &System, domain: &Domain, life: &mut Life, token: &mut Token<Control>) -> Piece {
    match &mut life.reclaim {
        Progress::Idle | Progress::Done | Progress::Held => Piece::Nothing,
        Progress::Waiting => {
            // A claim that can be had says that no CPU has the registers.
            if domain
                .vcpus
                .iter()
                .any(|slot| slot.registers.try_claim().is_none())
            {
                return Piece::More;
            }
            for slot in &domain.vcpus {
                let _ = life.state.vcpu_descheduled(slot.id);
            }
            domain.events.lock(token).begin_destroy();
            life.reclaim = Progress::Events;
            Piece::More
        }
        Progress::Events => {
            let nowhere = Page::new(&life.nowhere, 0);
            if close_events(system, domain, nowhere, token) == Step::More {
                return Piece::More;
            }
            match life.memory.as_mut().and_then(|memory| memory.stage2.take()) {
                Some(stage2) => life.reclaim = Progress::Tables(stage2.teardown()),
                None => life.reclaim = Progress::Mappings(0),
            }
            Piece::More
        }
        Progress::Tables(teardown) => {
            let Some(memory) = life.memory.as_mut() else {
                return Piece::Nothing;
            };
            if teardown.step(&mut memory.tables, TABLE_ENTRIES) == Step::Done {
                life.reclaim = Progress::Mappings(0);
            }
            Piece::More
        }
        Progress::Mappings(next) => match life.maptrack.drain(next, BUDGET) {
            Some(mapping) => Piece::Unpin(mapping),
            None => {
                if *next >= life.maptrack.slots() {
                    life.reclaim = Progress::Zeroing(0);
                }
                Piece::More
            }
        },
        Progress::Zeroing(_) => zero_banks(life),
        Progress::Shared(_) => give_up_shared(life),
        Progress::Last => finish(life),
    }
}

/// Zeroes a piece of the last bank, or gives that back.
fn zero_banks(life: &mut Life) -> Piece {
    let (Progress::Zeroing(done), Some(memory)) = (&mut life.reclaim, &mut life.memory) else {
        return Piece::Nothing;
    };
    let Some(bank) = memory.banks.last_mut() else {
        life.reclaim = Progress::Shared(0);
        return Piece::More;
    };
    if Arc::get_mut(&mut bank.extent).is_none() {
        life.reclaim = Progress::Held;
        return Piece::Held;
    }
    // What was never zeroed no guest has had.
    *done = bank.next_touched(*done);
    if *done < bank.extent.range().size() {
        bank.extent.zero(*done, ZERO_BYTES);
        *done += ZERO_BYTES.max(PAGE_SIZE);
        return Piece::More;
    }
    // It may be many pieces of the heap, which no one exit is to free.
    if bank.lent.retire(TABLE_ENTRIES as usize) != 0 {
        return Piece::More;
    }
    *done = 0;
    // It is this one's alone, which was seen under the same lock.
    let bank = memory.banks.pop();
    let extent = bank.and_then(|bank| Arc::into_inner(bank.extent));
    extent.map_or(Piece::More, Piece::GiveBack)
}

/// Zeroes a piece of the pages that the hypervisor shared with the domain, or gives them back. Nothing of
/// the domain is in use any more: what it granted held its banks.
fn give_up_shared(life: &mut Life) -> Piece {
    let (Progress::Shared(done), Some(memory)) = (&mut life.reclaim, &mut life.memory) else {
        return Piece::Nothing;
    };
    if life.maptrack.retire(BUDGET as usize) != 0 {
        return Piece::More;
    }
    life.grants.retire();
    if *done < memory.own.range().size() {
        memory.own.zero(*done, ZERO_BYTES);
        *done += ZERO_BYTES;
        return Piece::More;
    }
    life.reclaim = Progress::Last;
    let own = core::mem::replace(&mut memory.own, life.nowhere.clone());
    Arc::into_inner(own).map_or(Piece::More, Piece::GiveBack)
}

fn finish(life: &mut Life) -> Piece {
    life.reclaim = Progress::Done;
    // Every vCPU was seen off its CPU before, so this is the state to do it in.
    let _ = life.state.reclaimed();
    match life.memory.take() {
        Some(memory) => Piece::Finished {
            tables: memory.tables.pool.into_extent(),
            heap: life.heap.take(),
        },
        None => Piece::Nothing,
    }
}
