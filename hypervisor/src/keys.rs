//! Keys typed while the hypervisor has the input.

use ::console::{HELP, Key, key};
use machine::Power;

use crate::domain::Domain;
use crate::run::Cpu;

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
        Some(Key::Events) => say(
            cpu,
            format_args!("'e' pressed: reserved for event channels\n"),
        ),
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
    for (letter, _, what) in HELP {
        say(
            cpu,
            format_args!(" key '{}' => {what}\n", char::from(letter)),
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
            "{} ({}): {state:?}, pause count {pauses}, {} KiB\n",
            domain.id,
            domain.path,
            bytes >> 10
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
