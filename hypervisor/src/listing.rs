//! Lists that somebody at the console asked for, a line or two at a time: with many domains they are
//! long, and whoever runs beside them does not wait for that.

use ::console::{HELP, Key};
use abi::Port;
use arrayvec::ArrayVec;

use machine::claim::Claim;
use machine::lock::{Lock, Output};

use crate::chores::Chore;
use crate::domain::Domain;
use crate::run::{Cpu, Next};
use crate::statistics;

/// Lists that wait; more are not taken on.
pub const MOST_ASKED: usize = 16;
/// Port numbers of a domain that are looked at for a list.
const PORTS_SHOWN: u32 = 128;
/// And at most in one go.
const PORTS_AT_ONCE: u32 = 16;

/// What is asked for, and how far it has come.
pub struct Listing {
    /// The first is being listed. There is a chore for each, which begins and ends under this lock.
    asked: Lock<ArrayVec<Key, MOST_ASKED>, Output>,
    at: Claim<At>,
}

impl Default for Listing {
    fn default() -> Self {
        Self {
            asked: Lock::new(ArrayVec::new()),
            at: Claim::new(At::default()),
        }
    }
}

/// What comes next of a list.
#[derive(Clone, Copy, Debug, Default)]
struct At {
    /// Which domain, in tree order, if it is about domains.
    domain: usize,
    /// Which line or thing of it.
    item: u32,
}

/// What follows a piece.
enum Then {
    /// The next thing of the same domain, or of a list without domains.
    Item(u32),
    /// The next domain.
    Domain,
    /// Nothing.
    End,
}

/// Lists what `key` stands for, as soon as there is time.
pub fn ask(cpu: &mut Cpu<'_>, key: Key) -> Next {
    let mut asked = cpu.system.listing.asked.lock(&mut cpu.token);
    if asked.try_push(key).is_ok() {
        cpu.system.chores.begin(Chore::List);
    }
    Next::Choose
}

/// Lists a piece, unless another CPU is at it.
pub fn piece(cpu: &mut Cpu<'_>) {
    let system = cpu.system;
    let Some(mut at) = system.listing.at.try_claim() else {
        return;
    };
    let asked = &system.listing.asked;
    let Some(key) = asked.lock(&mut cpu.token).first().copied() else {
        return;
    };
    let then = match (key, system.domains.get(at.domain)) {
        (Key::Help, _) => help(cpu, at.item),
        (Key::Exits, _) => match statistics::show(cpu, at.item) {
            true => Then::Item(at.item + 1),
            false => Then::End,
        },
        (Key::Domains, Some(domain)) => describe(cpu, domain, at.item),
        (Key::Events, Some(domain)) => event_channels(cpu, domain, at.item),
        (Key::Domains | Key::Events, None) | (Key::Reboot, _) => Then::End,
    };
    *at = match then {
        Then::Item(item) => At { item, ..*at },
        Then::Domain => At {
            domain: at.domain + 1,
            item: 0,
        },
        Then::End => {
            let mut asked = asked.lock(&mut cpu.token);
            asked.remove(0);
            system.chores.end(Chore::List);
            At::default()
        }
    };
}

fn say(cpu: &mut Cpu<'_>, message: core::fmt::Arguments<'_>) {
    cpu.system.console.lock(&mut cpu.token).say(message);
}

fn help(cpu: &mut Cpu<'_>, item: u32) -> Then {
    if item == 0 {
        say(
            cpu,
            format_args!("'h' pressed -> showing installed handlers\n"),
        );
    }
    let Some((letter, key, what)) = HELP.get(item as usize) else {
        return Then::End;
    };
    if *key != Key::Exits || statistics::ARE_COUNTED {
        say(
            cpu,
            format_args!(" key '{}' => {what}\n", char::from(*letter)),
        );
    }
    Then::Item(item + 1)
}

/// The open ones of a domain's first event channels, from port `first` on. Pending is what waits for the
/// guest.
fn event_channels(cpu: &mut Cpu<'_>, domain: &Domain, first: u32) -> Then {
    let (fifo, count) = {
        let events = domain.events.lock(&mut cpu.token);
        (events.uses_fifo(), events.port_count())
    };
    let shown = count.min(PORTS_SHOWN);
    if first == 0 {
        let way = if fifo { "FIFO" } else { "2-level" };
        say(
            cpu,
            format_args!(
                "Event channels of {}: {way}, ports 0 to {}\n",
                domain.id,
                shown.saturating_sub(1)
            ),
        );
    }
    let end = shown.min(first.saturating_add(PORTS_AT_ONCE));
    for port in (first..end).map(Port) {
        let (status, pending) = {
            let events = domain.events.lock(&mut cpu.token);
            (events.status(port), events.is_pending(port))
        };
        if let Ok(status) = status
            && status.state.is_open()
        {
            let mark = if pending { "pending" } else { "quiet" };
            say(
                cpu,
                format_args!(
                    "  port {}: {mark}, {:?}, {}\n",
                    port.0, status.state, status.vcpu
                ),
            );
            // A line is enough at once.
            return Then::Item(port.0 + 1);
        }
    }
    if end < shown {
        Then::Item(end)
    } else {
        Then::Domain
    }
}

/// The domain and, from item 1 on, its vCPUs.
fn describe(cpu: &mut Cpu<'_>, domain: &Domain, item: u32) -> Then {
    let Some(vcpu) = item.checked_sub(1) else {
        describe_domain(cpu, domain);
        return Then::Item(1);
    };
    let Some(slot) = domain.vcpus.get(vcpu as usize) else {
        return Then::Domain;
    };
    let power = domain.control.lock(&mut cpu.token).state.power(slot.id);
    let (listed, deliverable) = {
        let devices = domain.devices.lock(&mut cpu.token);
        (
            devices.vgic.in_use(slot.id),
            devices.vgic.has_deliverable(slot.id),
        )
    };
    let home = slot.home().0;
    say(
        cpu,
        format_args!(
            "  {}: {power:?}, CPU {home}, {listed} list registers in use, interrupt to take: {deliverable}\n",
            slot.id
        ),
    );
    Then::Item(item + 1)
}

fn describe_domain(cpu: &mut Cpu<'_>, domain: &Domain) {
    let (state, pauses, bytes, mapped) = {
        let life = domain.control.lock(&mut cpu.token);
        let memory = life.memory.as_ref();
        let bytes = memory.map_or(0, |memory| memory.bytes());
        let mapped = memory.and_then(|memory| Some(memory.stage2.as_ref()?.mapped()));
        (life.state.state(), life.state.pause_count(), bytes, mapped)
    };
    say(
        cpu,
        format_args!(
            "{} ({}): {state:?}, pause count {pauses}, {} KiB, weight {}\n",
            domain.id,
            domain.path,
            bytes >> 10,
            // All of its vCPUs have the same.
            domain.vcpus.first().map_or(0, |slot| slot.weight.get())
        ),
    );
    if let Some(mapped) = mapped {
        say(cpu, format_args!("  stage 2: {mapped:?}\n"));
    }
}
