//! From the device tree to running domains: parse all, validate all, build all.

use abi::{CpuId, Range};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use machine::atomic::{AtomicBool, AtomicU32};

use ::console::{Focus, Level, SwitchKey, Thresholds, Timestamps};
use domcfg::{Conduit as TreeConduit, LogLevels, Severity, SystemSpec, UartKind};
use machine::frames::{Frames, Module};
use machine::gic::{Gic, Trigger};
use machine::lock::{Lock, Token, Unlocked};
use machine::uart::{Kind, Uart};
use machine::{BOOT_STACK_BYTES, Boot, Conduit};

use crate::chores::Chores;
use crate::console::{Console, Source, Style};
use crate::domain::Domain;
use crate::run;
use crate::schedule::Queue;
use crate::system::{Cpu, HostInterrupts, SYSTEM, System};
use crate::timeline::Timeline;

mod domains;
mod hardware;

use domains::{build_all, give_back_tree, grow_heap, workspaces};
use hardware::{cpu_order, host_interrupts, open_gic, private, start_cpus};

/// Heap that a CPU's queue and the rest of its state take.
const HEAP_PER_CPU: u64 = 64 << 10;

/// What is known once the memory is set up.
pub struct Early {
    spec: SystemSpec,
    console: Console,
    timeline: Timeline,
    frames: Box<Frames>,
    tree: Option<Module>,
    image: Range,
    total_bytes: u64,
}

fn info(console: &mut Console, message: fmt::Arguments<'_>) {
    console.print(Source::Host(Level::Info), message);
}

/// The boot CPU's start, on the boot stack.
pub fn boot(mut boot: Boot) -> ! {
    let mut early = prepare(&mut boot);
    let Some(stack) = early.frames.allocate(BOOT_STACK_BYTES, abi::PAGE_SIZE) else {
        stop(&mut early.console, format_args!("no memory for a stack\n"))
    };
    boot.onto_stack(stack, early, go_on)
}

/// Reads the device tree, opens the console and finds the RAM. Halts where it cannot go on.
pub fn prepare(boot: &mut Boot) -> Early {
    let mut timeline = Timeline::start();
    let spec = match domcfg::parse(boot.device_tree()) {
        Ok(spec) => spec,
        Err(error) => {
            boot.early_message(&format!("(XEN) {error}\r\n(XEN) halted\r\n"));
            machine::cpu::halt()
        }
    };
    timeline.mark("device tree parsed");
    let mut console = open_console(&spec, boot.token());
    banner(&mut console, &spec);
    say_findings(&mut console, &spec);
    let host = &spec.host;
    let memory = match boot.memory(&host.memory, &host.reserved, &host.modules) {
        Ok(memory) => memory,
        Err(error) => stop(
            &mut console,
            format_args!("memory cannot be used: {error:?}\n"),
        ),
    };
    let frames = memory.frames;
    let free = frames.free_bytes();
    info(
        &mut console,
        format_args!(
            "System RAM: {} MiB, {} MiB free; image at {}\n",
            memory.total_bytes >> 20,
            free >> 20,
            memory.image
        ),
    );
    timeline.mark("memory mapped");
    Early {
        spec,
        console,
        timeline,
        frames,
        tree: memory.tree,
        image: memory.image,
        total_bytes: memory.total_bytes,
    }
}

fn stop(console: &mut Console, why: fmt::Arguments<'_>) -> ! {
    console.say(why);
    console.drain();
    machine::cpu::halt()
}

fn open_console(spec: &SystemSpec, token: &mut Token<Unlocked>) -> Console {
    let line = &spec.command_line;
    let wanted = line.console != domcfg::ConsoleDevice::None;
    let uart = spec.host.uart.as_ref().filter(|_| wanted).and_then(|uart| {
        let kind = match uart.kind {
            UartKind::Pl011 => Kind::Pl011,
            UartKind::Sbsa => Kind::Sbsa,
        };
        let registers = machine::map_device(uart.range, token)?;
        let uart = Uart::new(registers, kind)?;
        machine::set_panic_uart(&uart);
        Some(uart)
    });
    let thresholds = |levels: LogLevels| Thresholds {
        lower: levels.lower,
        upper: levels.upper,
    };
    let timestamps = match line.timestamps {
        domcfg::Timestamps::None => Timestamps::None,
        domcfg::Timestamps::Date => Timestamps::Date,
        domcfg::Timestamps::DateMs => Timestamps::DateMs,
        domcfg::Timestamps::Boot => Timestamps::Boot,
        domcfg::Timestamps::Raw => Timestamps::Raw,
    };
    let style = Style {
        host: thresholds(line.loglvl),
        guest: thresholds(line.guest_loglvl),
        timestamps,
    };
    let mut conswitch = String::new();
    conswitch.extend(line.conswitch.letter);
    if line.conswitch.start == domcfg::StartFocus::Hypervisor && !conswitch.is_empty() {
        conswitch.push('x');
    }
    // The parser accepted it, so this is never the default by mistake.
    let key = SwitchKey::parse(&conswitch).unwrap_or(SwitchKey::DEFAULT);
    Console::new(uart, Focus::new(key), style)
}

fn banner(console: &mut Console, spec: &SystemSpec) {
    let version = env!("CARGO_PKG_VERSION");
    info(
        console,
        format_args!("Euxenite {version} (arm64), a hypervisor with Xen 4.20's guest interface\n"),
    );
    info(
        console,
        format_args!("Command line: {}\n", spec.command_line.raw),
    );
    if let Some(uart) = &spec.host.uart {
        info(
            console,
            format_args!("Console: {} at {}\n", uart.path, uart.range),
        );
    }
}

fn say_findings(console: &mut Console, spec: &SystemSpec) {
    let line = &spec.command_line;
    let without_effect = [
        ("sync_console", line.sync_console),
        ("console_to_ring", line.console_to_ring),
        ("noreboot", line.noreboot),
    ];
    for (option, _) in without_effect.iter().filter(|(_, given)| *given) {
        console.print(
            Source::Host(Level::Warning),
            format_args!("option {option}: has no effect here\n"),
        );
    }
    for finding in &spec.findings {
        let level = match finding.severity {
            Severity::Error => Level::Error,
            Severity::Note => Level::Warning,
        };
        console.print(Source::Host(level), format_args!("{finding}\n"));
    }
    if spec.is_refused() {
        stop(
            console,
            format_args!("config=strict: nothing is booted, as there are errors\n"),
        );
    }
}

/// The boot CPU on its own stack: sets the root, lets the other CPUs in, and runs, which fills the
/// domains and starts them.
fn go_on(mut token: Token<Unlocked>, early: Early) -> ! {
    let Ready { system, timeline } = build_system(early, &mut token);
    // For good; on the heap, as room for it in the image would be bytes to load.
    let system: &'static System = Box::leak(Box::new(system));
    let _ = SYSTEM.set(system);
    start(system, timeline, &mut token);
    machine::cpu::send_event();
    run::run(system, CpuId(0), token)
}

/// A system whose domains are to be filled and started.
pub struct Ready {
    /// The root.
    pub system: System,
    /// The stages so far.
    pub timeline: Timeline,
}

/// Starts the interrupt controller and the other CPUs, and builds the domains.
pub fn build_system(mut early: Early, token: &mut Token<Unlocked>) -> Ready {
    let gic = match open_gic(&mut early.spec.host, token) {
        Some(gic) => gic,
        None => stop(
            &mut early.console,
            format_args!("the GIC's registers cannot be mapped\n"),
        ),
    };
    let interrupts = host_interrupts(&early.spec.host);
    if !gic.start_cpu(CpuId(0), &private(interrupts)) {
        stop(
            &mut early.console,
            format_args!("the GIC has no redistributor for the boot CPU\n"),
        );
    }
    let version = if matches!(gic, Gic::V2(_)) { 2 } else { 3 };
    info(
        &mut early.console,
        format_args!("GICv{version}: {} list registers\n", gic.list_registers()),
    );
    early.timeline.mark("interrupt controller ready");
    let order = cpu_order(&early.spec.host);
    let conduit = early.spec.host.psci.map(|conduit| match conduit {
        TreeConduit::Smc => Conduit::Smc,
        TreeConduit::Hvc => Conduit::Hvc,
    });
    let most = usize::from(early.spec.command_line.maxcpus.unwrap_or(u16::MAX));
    let online = start_cpus(&mut early, &gic, conduit, &order, most, token);
    info(
        &mut early.console,
        format_args!("Brought up {} CPUs\n", online.len()),
    );
    early.timeline.mark("CPUs started");
    if !grow_heap(&mut early.frames, online.len() as u64 * HEAP_PER_CPU) {
        stop(
            &mut early.console,
            format_args!("no memory for the CPUs' queues\n"),
        );
    }
    let domains = build_all(&mut early, &gic, interrupts, online.len());
    forget_seed(&mut early);
    give_back_tree(&mut early);
    early.timeline.mark("domains set up");
    assemble(early, gic, interrupts, conduit, online, domains)
}

/// Erases what the boot loader gave to make random numbers from: the guests have theirs by now.
fn forget_seed(early: &mut Early) {
    if early.spec.host.rng_seed.take().is_none() {
        early.console.print(
            Source::Host(Level::Debug),
            format_args!("no /chosen/rng-seed: guests start without one\n"),
        );
    }
}

/// What all CPUs will share. (Not inlined, so that the stack does not hold what is moved here and what is moved
/// while domains are built at the same time.)
#[inline(never)]
fn assemble(
    mut early: Early,
    gic: Gic,
    interrupts: HostInterrupts,
    conduit: Option<Conduit>,
    online: Vec<CpuId>,
    mut domains: Vec<Domain>,
) -> Ready {
    let cpus: Box<[Cpu]> = online
        .into_iter()
        .map(|id| Cpu {
            id,
            queue: Lock::new(Queue::new(id)),
            idle: AtomicBool::new(false),
            online: AtomicBool::new(false),
            choose: AtomicBool::new(false),
            statistics: Default::default(),
        })
        .collect();
    let guests: u64 = early
        .spec
        .accepted()
        .map(|spec| spec.memory_kib << 10)
        .sum();
    let built: u64 = domains.len() as u64;
    // What the domains are made from comes back.
    let free = early.frames.free_bytes() + early.frames.lent_bytes();
    let kept = early
        .total_bytes
        .saturating_sub(free)
        .saturating_sub(guests);
    let reserved: u64 = early
        .spec
        .host
        .reserved
        .iter()
        .map(|range| range.size())
        .sum();
    info(
        &mut early.console,
        format_args!(
            "Memory: {} KiB kept for the hypervisor (image {} KiB, heap {} KiB), {} MiB given to {built} guests, {} MiB free\n",
            kept.saturating_sub(reserved) >> 10,
            early.image.size() >> 10,
            machine::heap::size_bytes() >> 10,
            guests >> 20,
            free >> 20,
        ),
    );
    let workspaces = workspaces(&mut early.frames, &mut domains, cpus.len());
    let system = System {
        gic,
        interrupts,
        conduit,
        cpus,
        alarm: Default::default(),
        unzeroed: AtomicU32::new(0),
        chores: Chores::filling(domains.len() as u32),
        listing: Default::default(),
        workspaces: Lock::new(workspaces),
        alive: AtomicU32::new(domains.len() as u32),
        domains: domains.into_boxed_slice(),
        console: Lock::new(early.console),
        frames: Lock::new(early.frames),
        trap_wait: early.spec.command_line.vwfi == domcfg::Vwfi::Trap,
    };
    Ready {
        system,
        timeline: early.timeline,
    }
}

/// Starts the console's input; the domains start as they are filled.
pub fn start(system: &System, mut timeline: Timeline, token: &mut Token<Unlocked>) {
    if let Some(uart) = system.interrupts.uart {
        system.gic.enable_shared(uart, Trigger::Level);
    }
    timeline.mark("CPUs let in");
    {
        let mut console = system.console.lock(token);
        console.listen();
        timeline.print(&mut console);
        let switched = console.focus.start();
        console.announce(switched);
    }
}

/// Every other CPU's start, on its own stack.
pub fn secondary(id: CpuId, token: Token<Unlocked>) -> ! {
    let system = loop {
        if let Some(system) = SYSTEM.get() {
            break system;
        }
        machine::cpu::wait_for_event();
    };
    if !system.gic.start_cpu(id, &private(system.interrupts)) {
        machine::cpu::halt()
    }
    run::run(system, id, token)
}

/// The console UART of a tree, for a message before anything works; allocates nothing.
pub fn find_uart(tree: &[u8]) -> Option<u64> {
    domcfg::early_uart(tree)
}
