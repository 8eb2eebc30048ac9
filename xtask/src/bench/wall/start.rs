//! From the start of the emulator until two bare-metal guests on one CPU have said their first lines.
//!
//! The emulator's own share, which is the same for both, is measured with a program of five
//! instructions in the hypervisor's place: same machine, tree and modules, and the time until its
//! first letter comes.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};

use super::{
    Subject, in_turn,
    machine::Machine,
    pairs::{Pairs, Spread, Unit},
    repeated,
};
use crate::{
    guest_files::System,
    paths::Paths,
    progress::Work,
    qemu,
    run::{self, Files, Guests, Hypervisor, Request, Source},
};

const GUESTS: u32 = 2;
/// Runs are short, and so vary more.
const STARTS_PER_PAIR: u32 = 3;
const LIMIT: Duration = Duration::from_secs(30);
/// What the guest says first (`guests/bench`).
const FIRST_LINE: &str = "bench: begin";
/// Writes a line's end to the UART of QEMU's machine, and waits for ever.
const LETTER: [u32; 5] = [
    0xd2a1_2001, // mov x1, #0x9000000
    0x5280_0140, // mov w0, #0xa
    0xb900_0020, // str w0, [x1]
    0xd503_207f, // wfi
    0x17ff_ffff, // b -4
];

/// Times `count` pairs' worth of starts.
pub(super) fn measure(
    paths: &Paths,
    xen: &Subject,
    euxenite: &Subject,
    guest: &Path,
    count: u32,
) -> Result<Vec<Pairs>> {
    let folder = paths.root().join("target/bench/letter");
    fs::create_dir_all(&folder)?;
    let image = folder.join("hypervisor");
    fs::write(&image, LETTER.map(u32::to_le_bytes).concat())?;
    let letter = Subject {
        name: "letter",
        image,
    };
    let count = count * STARTS_PER_PAIR;
    let mut alone = Vec::new();
    let seconds = in_turn(count, [xen, euxenite], |subject, title| {
        let work = Work::start(format!("two guests' start, {title}"));
        if subject.name == xen.name {
            let name = "QEMU's own start";
            alone.push(repeated(name, || once(paths, &letter, guest, ("", 1)))?);
        }
        let seconds = once(paths, subject, guest, (FIRST_LINE, GUESTS as usize))?;
        work.done(&format!("{seconds:.2} s"));
        Ok(seconds)
    })?;
    let own = Spread::of(alone.into_iter()).context("QEMU's own start was not timed")?;
    let unit = Unit::Seconds;
    let net = seconds.iter().map(|pair| pair.map(|one| one - own.median));
    let net = Pairs {
        name: format!("the same less QEMU's own {}", unit.show(own.median)),
        unit,
        seconds: net.collect(),
    };
    let whole = Pairs {
        name: "two guests of 256 MiB on one CPU".into(),
        unit,
        seconds,
    };
    Ok(vec![whole, net])
}

/// Seconds from the start of the emulator until `wanted` came so many times.
fn once(paths: &Paths, subject: &Subject, guest: &Path, wanted: (&str, usize)) -> Result<f64> {
    let files = Files {
        hypervisor: subject.image.clone(),
        system: System {
            kernel: guest.to_path_buf(),
            ramdisk: None,
            bootargs: "",
        },
        others: Default::default(),
    };
    let folder = paths.root().join("target/bench").join(subject.name);
    let start = run::start(&request(subject), files, &folder.join("wall-start"))?;
    let (text, count) = wanted;
    let mut machine = Machine::start(&start)?;
    let lines = machine.wait_for(text, count, LIMIT)?;
    let last = lines.iter().rfind(|line| line.text.contains(text));
    Ok(last.context("no line")?.at_seconds)
}

fn request(subject: &Subject) -> Request {
    Request {
        machine: qemu::Machine {
            cpus: 1,
            gic: 3,
            cpu: "cortex-a57".into(),
        },
        guests: Guests {
            count: GUESTS,
            vcpus: 1,
            memory_mib: 256,
            append: "bench=start".into(),
            source: Source::Bare,
        },
        hypervisor: Hypervisor::File(subject.image.clone()),
        // Nobody has the input, so lines come whole.
        xen_args: "console=dtuart conswitch=ax".into(),
        tree: None,
        edits: Vec::new(),
        qemu_args: vec!["-no-reboot".into()],
    }
}
