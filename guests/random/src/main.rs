//! Does anything at random, on all its vCPUs at once: hypercalls with good and hostile arguments,
//! accesses to devices and to nothing, system registers, SGIs, PSCI; and scribbles over the pages
//! that it shares with the hypervisor meanwhile. The numbers follow from `seed=`; `count=` is how
//! many operations all vCPUs do together.
//!
//! A guest whose command line says `hostname=dom2` is the neighbour: it does nothing but look, each
//! time its timer fires, whether that was in time and whether its memory is as it left it.
#![no_std]
#![no_main]

mod chance;
mod neighbour;
mod operation;

use core::fmt::Write;
use core::sync::atomic::{AtomicU64, Ordering::SeqCst};

use support::{call, cpu, entry, gic, timer, tree::Tree, uart::Uart};

use chance::Chance;

/// Operations, if the command line does not say.
const COUNT: u64 = 100_000;

static SEED: AtomicU64 = AtomicU64::new(1);
/// Operations of each vCPU.
static EACH: AtomicU64 = AtomicU64::new(0);
static FINISHED: AtomicU64 = AtomicU64::new(0);

#[unsafe(no_mangle)]
extern "C" fn guest_main(tree: usize) -> ! {
    // SAFETY: the boot protocol passes the address of a device tree in memory that is ours.
    let tree = unsafe { Tree::at(tree) };
    let word = |name| {
        let mut words = tree.bootargs().split(' ');
        words.find_map(|word| word.strip_prefix(name))
    };
    let number = |name| word(name).and_then(|text| text.parse().ok());
    if word("hostname=") == Some("dom2") {
        neighbour::watch();
    }
    let (cpus, count) = (tree.cpus() as u64, number("count=").unwrap_or(COUNT));
    let seed = number("seed=").unwrap_or(1);
    SEED.store(seed, SeqCst);
    EACH.store(count / cpus.max(1), SeqCst);
    let _ = writeln!(Uart, "random: {cpus} vCPUs, seed {seed}");
    operation::open();
    for vcpu in 1..cpus as usize {
        let result = entry::start(vcpu, work);
        assert!(result == 0, "vCPU {vcpu} cannot be turned on: {result}");
        // The one before is under way with what it was started with.
        let end = timer::virtual_count() + timer::frequency() / 50;
        while timer::virtual_count() < end {
            cpu::yield_cpu();
        }
    }
    work(0);
    while FINISHED.load(SeqCst) < cpus {
        cpu::yield_cpu();
    }
    let _ = writeln!(
        Uart,
        "\nrandom: {} operations done",
        EACH.load(SeqCst) * cpus
    );
    loop {
        call::power_off();
    }
}

/// What each vCPU does.
fn work(number: usize) {
    gic::enable(number);
    cpu::mask_interrupts();
    let mut chance = Chance::new(SEED.load(SeqCst).wrapping_mul(number as u64 + 1));
    for _ in 0..EACH.load(SeqCst) {
        operation::one(&mut chance, number);
    }
    FINISHED.fetch_add(1, SeqCst);
}
