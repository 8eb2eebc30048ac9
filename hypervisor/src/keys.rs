//! Keys typed while the hypervisor has the input.

use ::console::{HELP, Key, key};
use machine::Power;

use abi::Port;

use crate::domain::Domain;
use crate::run::Cpu;
use crate::statistics;

/// Port numbers of a domain that are looked at for a key. More would be too long for an exit.
const PORTS_SHOWN: u32 = 128;

/// Obeys a key.
pub fn press(cpu: &mut Cpu<'_>, byte: u8) {
    match key(byte) {
        Some(Key::Help) => help(cpu),
        Some(Key::Domains) => {
            let system = cpu.system;
            for domain in &system.domains {
                describe(cpu, domain);
            }
        }
        Some(Key::Events) => {
            let system = cpu.system;
            for domain in &system.domains {
                event_channels(cpu, domain);
            }
        }
        Some(Key::Exits) => statistics::show(cpu),
        Some(Key::Reboot) => reboot(cpu),
        None => {}
    }
}

fn say(cpu: &mut Cpu<'_>, message: core::fmt::Arguments<'_>) {
    cpu.system.console.lock(&mut cpu.token).say(message);
}

fn help(cpu: &mut Cpu<'_>) {
    say(
        cpu,
        format_args!("'h' pressed -> showing installed handlers\n"),
    );
    let built = |key: Key| key != Key::Exits || statistics::ARE_COUNTED;
    for (letter, _, what) in HELP.iter().filter(|(_, key, _)| built(*key)) {
        say(
            cpu,
            format_args!(" key '{}' => {what}\n", char::from(*letter)),
        );
    }
}

fn reboot(cpu: &mut Cpu<'_>) {
    say(cpu, format_args!("'R' pressed -> rebooting machine\n"));
    cpu.system.console.lock(&mut cpu.token).drain();
    match cpu.system.conduit {
        Some(conduit) => conduit.power(Power::Reset),
        None => say(cpu, format_args!("no firmware to ask for it\n")),
    }
}

/// The open ones of a domain's first event channels. Pending is what waits for the guest.
fn event_channels(cpu: &mut Cpu<'_>, domain: &Domain) {
    let (fifo, count) = {
        let events = domain.events.lock(&mut cpu.token);
        (events.uses_fifo(), events.port_count())
    };
    let way = if fifo { "FIFO" } else { "2-level" };
    let shown = count.min(PORTS_SHOWN);
    say(
        cpu,
        format_args!(
            "Event channels of {}: {way}, ports 0 to {}\n",
            domain.id,
            shown.saturating_sub(1)
        ),
    );
    for port in (0..shown).map(Port) {
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
        }
    }
}

fn describe(cpu: &mut Cpu<'_>, domain: &Domain) {
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
    for slot in &domain.vcpus {
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
    }
}
