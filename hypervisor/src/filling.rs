//! Building domains side by side: CPUs that idle fill the RAM of those that do not run yet, and each
//! domain starts as soon as its own is filled, while others' still is.
//!
//! A CPU that has guests to run leaves that to one that idles. Where none does, its guests and the
//! filling take turns of a millisecond each; within a turn interrupts are taken between two pieces.

use alloc::string::String;
use alloc::sync::Arc;
use machine::atomic::Ordering;

use ::console::Level;
use lifecycle::Effects;
use machine::timer;

use crate::chores::Chore;
use crate::console::Source;
use crate::domain::Domain;
use crate::domain::filling::{Filling, Over};
use crate::domain::image::{NO_MEMORY, Progress};
use crate::domain::workspace::Spare;
use crate::reclaim;
use crate::run::Cpu;
use crate::statistics::Cause;
use crate::system::System;
use crate::timeline;

/// Turns for each second.
const TURNS_PER_SECOND: u64 = 1000;

/// Whose turn it is on a CPU that has guests to run as well; until the counter is there.
#[derive(Clone, Copy, Debug)]
pub enum Turn {
    /// Its guests'.
    Guests(u64),
    /// The filling's.
    Filling(u64),
}

impl Default for Turn {
    fn default() -> Self {
        Self::Guests(0)
    }
}

/// Whether a CPU with guests to run gives this moment to the filling, of which a piece is done then.
#[cold]
pub fn take_turn(cpu: &mut Cpu<'_>) -> bool {
    let now = timer::now();
    let later = now.saturating_add(timer::frequency() / TURNS_PER_SECOND);
    let turn = match cpu.turn {
        Turn::Guests(until) if now < until => return false,
        Turn::Guests(_) => Turn::Filling(later),
        Turn::Filling(until) if now < until => cpu.turn,
        Turn::Filling(_) => Turn::Guests(later),
    };
    // A CPU that idles fills anyway, and is not asked here.
    let has_guests = cpu.shared.queue.lock(&mut cpu.token).runnable() != 0;
    let fills = has_guests && matches!(turn, Turn::Filling(_)) && !is_left_to_others(cpu);
    if !fills || !piece(cpu) {
        cpu.turn = Turn::Guests(later);
        return false;
    }
    if matches!(cpu.turn, Turn::Guests(_)) {
        // Nobody's time is charged meanwhile.
        cpu.leave();
        cpu.shared.queue.lock(&mut cpu.token).pause(timer::now());
    }
    cpu.turn = turn;
    true
}

/// Has a CPU that idles do the work, if there is one.
fn is_left_to_others(cpu: &Cpu<'_>) -> bool {
    let mut others = cpu.system.cpus.iter();
    let idle = others.find(|other| {
        other.id != cpu.shared.id
            && other.online.load(Ordering::Relaxed)
            && other.idle.load(Ordering::Relaxed)
    });
    if let Some(idle) = idle {
        cpu.system.gic.kick(idle.id);
    }
    idle.is_some()
}

/// Fills a piece of the first domain that waits for it and that no other CPU is at; `false` if there is
/// none.
pub fn piece(cpu: &mut Cpu<'_>) -> bool {
    let system = cpu.system;
    if !system.chores.has(Chore::Fill) {
        return false;
    }
    for domain in &system.domains {
        let Some(mut claimed) = domain.filling.try_claim() else {
            continue;
        };
        let Some(filling) = claimed.as_mut() else {
            continue;
        };
        let mark = cpu.shared.statistics.mark();
        let Some(progress) = step(cpu, filling) else {
            continue;
        };
        cpu.shared.statistics.since(mark, Cause::Filling);
        if progress == Ok(Progress::More) {
            return true;
        }
        let Some(filling) = claimed.take() else {
            return true;
        };
        drop(claimed);
        end(cpu, domain, *filling, progress);
        return true;
    }
    false
}

/// Fills a piece; `None` if what that needs is not there now.
fn step(cpu: &mut Cpu<'_>, filling: &mut Filling) -> Option<Result<Progress, String>> {
    if !filling.lacks_workspace() {
        return Some(filling.step());
    }
    let spare = cpu.system.workspaces.lock(&mut cpu.token).take();
    match spare {
        Spare::Here(workspace) => {
            filling.unpack_in(workspace);
            Some(Ok(Progress::More))
        }
        Spare::Later => None,
        Spare::Never => Some(Err(String::from(NO_MEMORY))),
    }
}

fn end(cpu: &mut Cpu<'_>, domain: &Domain, filling: Filling, progress: Result<Progress, String>) {
    let system = cpu.system;
    let Over {
        memory,
        entry,
        workspace,
        modules,
        began,
    } = filling.into_over();
    if let Some(workspace) = workspace {
        let mut workspaces = system.workspaces.lock(&mut cpu.token);
        workspaces.give_back(workspace);
    }
    for module in modules.into_iter().flatten() {
        // The last domain that is made from it gives it back.
        if let Some(module) = Arc::into_inner(module) {
            // What cannot be tracked stays out of use.
            let _ = system.frames.lock(&mut cpu.token).release_module(module);
        }
    }
    match progress {
        Ok(_) => {
            timeline::filled(&mut system.console.lock(&mut cpu.token), domain.id, began);
            // Who runs here next is chosen behind this anyhow.
            let _ = cpu.change_life_of(domain, |life| {
                if memory.has_unzeroed() {
                    domain.unzeroed.store(true, Ordering::Relaxed);
                    system.unzeroed.fetch_add(1, Ordering::Relaxed);
                }
                life.memory = Some(memory);
                // It was just built, which is the state to start it from.
                life.state.start(entry).unwrap_or(Effects::NONE)
            });
        }
        Err(error) => {
            system.log(
                &mut cpu.token,
                Source::Host(Level::Error),
                format_args!("{}: {error}: not built\n", domain.path),
            );
            domain.control.lock(&mut cpu.token).memory = Some(memory);
            reclaim::never_ran(cpu, domain);
        }
    }
    if system.chores.end(Chore::Fill) == 0 {
        give_workspaces_back(cpu, system);
    }
}

/// Nothing is unpacked any more.
fn give_workspaces_back(cpu: &mut Cpu<'_>, system: &System) {
    let (workspaces, arena) = system.workspaces.lock(&mut cpu.token).end();
    drop(workspaces);
    if let Some(free) = arena.and_then(machine::heap::shrink) {
        let _ = system.frames.lock(&mut cpu.token).release(free);
    }
}
