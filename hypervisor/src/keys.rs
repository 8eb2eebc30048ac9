//! Keys typed while the hypervisor has the input.

use ::console::{Key, key};
use machine::Power;

use crate::listing;
use crate::run::{Cpu, Next};

/// Obeys a key.
pub fn press(cpu: &mut Cpu<'_>, byte: u8) -> Next {
    match key(byte) {
        Some(Key::Reboot) => {
            reboot(cpu);
            Next::Run
        }
        Some(list) => listing::ask(cpu, list),
        None => Next::Run,
    }
}

fn reboot(cpu: &mut Cpu<'_>) {
    let say = |cpu: &mut Cpu<'_>, message: &str| {
        let mut console = cpu.system.console.lock(&mut cpu.token);
        console.say(format_args!("{message}\n"));
    };
    say(cpu, "'R' pressed -> rebooting machine");
    cpu.system.console.lock(&mut cpu.token).drain();
    match cpu.system.conduit {
        Some(conduit) => conduit.power(Power::Reset),
        None => say(cpu, "no firmware to ask for it"),
    }
}
