//! After a domain's end: its memory is zeroed and given back, a bounded piece at a time, by
//! whichever CPU comes by.

use abi::PAGE_SIZE;
use machine::atomic::Ordering;

use ::console::Level;
use lifecycle::{DomainState, Reason};
use machine::frames::Extent;
use stage2::{Progress as Step, Teardown};

use crate::console::Source;
use crate::domain::{Domain, Life};
use crate::run::Cpu;
use crate::system::System;

/// Bytes zeroed in one go.
const ZERO_BYTES: u64 = 64 << 10;
/// Table entries looked at in one go.
const TABLE_ENTRIES: u32 = 512;

/// How far taking a domain's memory back has come.
#[derive(Debug)]
pub enum Progress {
    /// It has not begun.
    Idle,
    /// Waiting until no CPU has one of its vCPUs.
    Waiting,
    /// The tables are taken apart.
    Tables(Teardown),
    /// The last bank is zeroed up to here, in bytes.
    Zeroing(u64),
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
    cpu.system.reclaims.fetch_add(1, Ordering::Release);
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
        let finished = {
            let mut life = domain.control.lock(&mut cpu.token);
            let (life, _) = life.split();
            advance(domain, life)
        };
        match finished {
            Piece::More => return,
            Piece::GiveBack(extent) => return give_back(system, extent, cpu),
            Piece::Finished(pool) => {
                give_back(system, pool, cpu);
                system.reclaims.fetch_sub(1, Ordering::Relaxed);
                let free = system.frames.lock(&mut cpu.token).free_bytes();
                system.log(
                    &mut cpu.token,
                    Source::Host(Level::Info),
                    format_args!(
                        "{}: memory zeroed and given back, {} MiB free\n",
                        domain.id,
                        free >> 20
                    ),
                );
                return;
            }
            Piece::Nothing => {}
        }
    }
}

enum Piece {
    Nothing,
    More,
    GiveBack(Extent),
    Finished(Extent),
}

fn give_back(system: &System, extent: Extent, cpu: &mut Cpu<'_>) {
    // What cannot be tracked any more stays zeroed and out of use.
    let _ = system.frames.lock(&mut cpu.token).release(extent);
}

fn advance(domain: &Domain, life: &mut Life) -> Piece {
    match &mut life.reclaim {
        Progress::Idle | Progress::Done => Piece::Nothing,
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
            match life.memory.as_mut().and_then(|memory| memory.stage2.take()) {
                Some(stage2) => life.reclaim = Progress::Tables(stage2.teardown()),
                None => life.reclaim = Progress::Zeroing(0),
            }
            Piece::More
        }
        Progress::Tables(teardown) => {
            let Some(memory) = life.memory.as_mut() else {
                return Piece::Nothing;
            };
            if teardown.step(&mut memory.tables, TABLE_ENTRIES) == Step::Done {
                life.reclaim = Progress::Zeroing(0);
            }
            Piece::More
        }
        Progress::Zeroing(done) => {
            let Some(memory) = life.memory.as_mut() else {
                return Piece::Nothing;
            };
            if let Some(bank) = memory.banks.last() {
                if *done < bank.extent.range().size() {
                    bank.extent.zero(*done, ZERO_BYTES);
                    *done += ZERO_BYTES.max(PAGE_SIZE);
                    return Piece::More;
                }
                *done = 0;
            }
            match memory.banks.pop() {
                Some(bank) => Piece::GiveBack(bank.extent),
                None => finish(life),
            }
        }
    }
}

fn finish(life: &mut Life) -> Piece {
    life.reclaim = Progress::Done;
    // Every vCPU was seen off its CPU before, so this is the state to do it in.
    let _ = life.state.reclaimed();
    match life.memory.take() {
        Some(memory) => Piece::Finished(memory.tables.pool.into_extent()),
        None => Piece::Nothing,
    }
}
