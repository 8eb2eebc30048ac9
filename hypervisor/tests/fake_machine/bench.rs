//! A machine with a booted system on it, and its CPUs in the test's hands.

use std::sync::atomic::Ordering;
use std::sync::mpsc;

use abi::{CpuId, DomId, Pa, VcpuId};
use hypervisor::domain::{Domain, Registers, Slot};
use hypervisor::run::{Cpu, Next};
use hypervisor::system::System;
use hypervisor::{boot, filling, interrupts};
use machine::Boot;
use machine::exit::Exit;
use machine::guest::{Guest, GuestId};
use machine::host::{FREQUENCY_HZ, Machine, Parts};
use machine::vcpu::El1;

use crate::trees::{Node, domain, gicv2, gicv3, host, module, with_domains};

/// The most turns that anything here takes.
const MOST_TURNS: usize = 20_000;
/// Where the first kernel lies; the others follow.
pub(crate) const KERNELS: u32 = 0x4200_0000;
/// Bytes of a kernel.
pub(crate) const KERNEL_BYTES: u32 = 0x1000;
/// Where a guest starts: at its RAM's start, as its kernel is raw.
pub(crate) const ENTRY: u64 = 0x4000_0000;

/// What to boot.
pub(crate) struct Setup {
    pub(crate) gic: Node,
    pub(crate) parts: Parts,
    pub(crate) command_line: &'static str,
    pub(crate) domains: Vec<Node>,
    /// What else the boot loader puts into RAM.
    pub(crate) loaded: Vec<(u64, Vec<u8>)>,
}

/// A vCPU: its domain's number and its own.
pub(crate) type Who = (u16, u16);

/// A domain of 4 MiB with this many vCPUs; the kernel lies where `number` says.
pub(crate) fn small(number: u32, vcpus: u32) -> Node {
    let start = KERNELS + (number - 1) * KERNEL_BYTES;
    let kernel = module("multiboot,kernel", start, KERNEL_BYTES);
    domain(&format!("domU{number}"))
        .remove("module@48000000")
        .cells("cpus", &[vcpus])
        .cells("memory", &[0, 4096])
        .child(kernel)
}

impl Setup {
    /// Two CPUs, GICv3, and two domains with one vCPU each.
    pub(crate) fn two() -> Self {
        Self::with(vec![small(1, 1), small(2, 1)])
    }

    /// One domain with this many vCPUs on as many CPUs.
    pub(crate) fn one(vcpus: u32) -> Self {
        let setup = Self::with(vec![small(1, vcpus)]);
        setup.cpus(vcpus as u16)
    }

    pub(crate) fn with(domains: Vec<Node>) -> Self {
        Self {
            gic: gicv3(),
            parts: Parts::default(),
            command_line: "guest_loglvl=all",
            domains,
            loaded: Vec::new(),
        }
    }

    pub(crate) fn cpus(mut self, cpus: u16) -> Self {
        self.parts.cpus = cpus;
        self
    }

    pub(crate) fn list_registers(mut self, count: u8) -> Self {
        self.parts.list_registers = count;
        self
    }

    pub(crate) fn load(mut self, at: u64, content: Vec<u8>) -> Self {
        self.loaded.push((at, content));
        self
    }

    pub(crate) fn gicv2(mut self) -> Self {
        self.gic = gicv2();
        self
    }

    pub(crate) fn command_line(mut self, line: &'static str) -> Self {
        self.command_line = line;
        self
    }

    /// The host's device tree.
    pub(crate) fn tree(self) -> Node {
        let (line, cpus) = (self.command_line, self.parts.cpus);
        let ram = self.parts.ram_bytes as u32;
        let host = host(self.gic)
            .edit("memory@40000000", |node| {
                node.cells("reg", &[0, 0x4000_0000, 0, ram])
            })
            .edit("chosen", |node| node.text("xen,xen-bootargs", line))
            .edit("cpus", |node| match cpus {
                1 => node.remove("cpu@1"),
                _ => (2..u32::from(cpus)).fold(node, |node, number| {
                    let cpu = Node::new(&format!("cpu@{number}"))
                        .text("device_type", "cpu")
                        .text("compatible", "arm,cortex-a57")
                        .cells("reg", &[number])
                        .text("enable-method", "psci");
                    node.child(cpu)
                }),
            });
        with_domains(host, self.domains)
    }

    /// A machine with the kernels in its RAM, and the start of a boot on it.
    pub(crate) fn power_on(self) -> (Machine, Boot) {
        self.power_on_reserving(&[])
    }

    /// The same, with a reservation block (start and size) in the tree.
    pub(crate) fn power_on_reserving(self, reserved: &[(u64, u64)]) -> (Machine, Boot) {
        let machine = Machine::new(self.parts);
        for number in 0..self.domains.len() as u32 {
            let at = Pa(u64::from(KERNELS + number * KERNEL_BYTES));
            machine.poke(at, &[number as u8 + 1; KERNEL_BYTES as usize]);
        }
        for (at, content) in &self.loaded {
            machine.poke(Pa(*at), content);
        }
        let boot = Boot::new(&machine, &self.tree().blob_reserving(reserved));
        (machine, boot)
    }

    /// Boots, up to where the CPUs start to run guests.
    pub(crate) fn start(self) -> (Machine, &'static System) {
        fill(build(self.power_on()))
    }

    /// Boots, up to where the CPUs start to fill domains.
    pub(crate) fn unfilled(self) -> (Machine, &'static System) {
        build(self.power_on())
    }

    /// Boots.
    pub(crate) fn boot(self) -> Bench {
        Bench::of(self.start())
    }
}

impl Bench {
    /// A machine and its system.
    pub(crate) fn of((machine, system): (Machine, &'static System)) -> Self {
        let cpus = (0..system.cpus.len() as u16).map(|cpu| Turning::new(&machine, system, cpu));
        let cpus = cpus.collect();
        Bench {
            cpus,
            system,
            machine,
        }
    }
}

/// Boots a machine, up to where the CPUs start to fill domains.
pub(crate) fn build((machine, mut start): (Machine, Boot)) -> (Machine, &'static System) {
    let early = boot::prepare(&mut start);
    let ready = boot::build_system(early, start.token());
    // For good, as on the machine.
    let system: &'static System = Box::leak(Box::new(ready.system));
    boot::start(system, ready.timeline, start.token());
    (machine, system)
}

/// Has the first CPU fill all domains, and start them.
pub(crate) fn fill((machine, system): (Machine, &'static System)) -> (Machine, &'static System) {
    machine.enter(CpuId(0));
    let mut cpu = Cpu::new(system, CpuId(0), machine.token()).unwrap();
    while filling::piece(&mut cpu) {}
    (machine, system)
}

/// A CPU in the hands of this thread.
pub(crate) struct Turning {
    machine: Machine,
    cpu: Cpu<'static>,
    /// Whether a guest is resident and goes on.
    runs: bool,
    /// Whether it waits for an interrupt.
    waits: bool,
}

impl Turning {
    /// Brings CPU `number` up.
    pub(crate) fn new(machine: &Machine, system: &'static System, number: u16) -> Self {
        let id = CpuId(number);
        machine.enter(id);
        let interrupts = system.interrupts;
        let private = [
            interrupts.virtual_timer,
            interrupts.timer,
            interrupts.maintenance,
        ];
        assert!(id == CpuId(0) || system.gic.start_cpu(id, &private));
        let cpu = Cpu::new(system, id, machine.token()).unwrap();
        Self {
            machine: machine.clone(),
            cpu,
            runs: false,
            waits: false,
        }
    }

    /// One turn: the CPU chooses, or runs its guest once.
    pub(crate) fn turn(&mut self) -> Turn {
        let id = self.cpu.shared.id;
        self.machine.enter(id);
        if self.waits {
            if !self.machine.has_pending(id) {
                return Turn::Idled;
            }
            self.waits = false;
            let _ = interrupts::handle(&mut self.cpu);
            self.cpu.shared.idle.store(false, Ordering::SeqCst);
        }
        if self.runs {
            self.runs = self.cpu.step() == Next::Run;
            return Turn::Ran;
        }
        self.runs = self.cpu.choose();
        if self.runs {
            return Turn::Chose;
        }
        self.cpu.idle();
        self.waits = self.machine.take_waited(id);
        // The call returns on the fake machine; while a CPU really waits, it is seen to.
        self.cpu.shared.idle.store(self.waits, Ordering::SeqCst);
        Turn::Idled
    }
}

/// What a CPU did in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turn {
    /// It found a guest to run.
    Chose,
    /// A guest ran and stopped.
    Ran,
    /// It had nothing to run.
    Idled,
}

/// A booted system.
pub(crate) struct Bench {
    pub(crate) machine: Machine,
    pub(crate) system: &'static System,
    cpus: Vec<Turning>,
}

/// Which vCPU of the machine `who` is.
pub(crate) fn id((domain, vcpu): Who) -> GuestId {
    GuestId {
        vmid: domain as u8,
        affinity: abi::arm::vcpu_affinity(vcpu),
    }
}

impl Bench {
    /// One turn of a CPU: it chooses, or runs its guest once.
    pub(crate) fn turn(&mut self, cpu: u16) -> Turn {
        self.cpus[usize::from(cpu)].turn()
    }

    /// A turn of every CPU.
    pub(crate) fn round(&mut self) {
        for cpu in 0..self.cpus.len() as u16 {
            self.turn(cpu);
        }
    }

    /// Rounds until all that was started is done: a few in which nobody has an interrupt, a step of
    /// its script or memory to give back.
    pub(crate) fn settle(&mut self) {
        let mut quiet = 0;
        for rounds in 1..MOST_TURNS {
            self.round();
            // Beside guests that compute, a piece of what else is to be done comes each millisecond.
            if rounds % 8 == 0 && self.system.chores.is_any() {
                self.machine.advance(FREQUENCY_HZ / 1000);
            }
            let cpus = 0..self.cpus.len() as u16;
            let pending = cpus
                .into_iter()
                .any(|cpu| self.machine.has_pending(CpuId(cpu)));
            quiet = if pending || self.system.chores.is_any() {
                0
            } else {
                quiet + 1
            };
            if quiet == 6 {
                return;
            }
        }
        panic!("the system does not settle");
    }

    /// Has `who` do a step of its script, as soon as it comes to run.
    pub(crate) fn run(
        &mut self,
        who: Who,
        step: impl FnOnce(&mut Guest<'_>) -> Option<Exit> + Send + 'static,
    ) {
        self.machine.script(id(who), step);
        for rounds in 0..MOST_TURNS {
            if self.machine.steps_left(id(who)) == 0 {
                return;
            }
            self.round();
            // Others that compute use up their time.
            if rounds % 50 == 49 {
                self.machine.advance(FREQUENCY_HZ / 1000);
            }
        }
        panic!("{who:?} does not come to run");
    }

    /// Asks `who` for something that it sees.
    pub(crate) fn ask<T: Send + 'static>(
        &mut self,
        who: Who,
        question: impl FnOnce(&mut Guest<'_>) -> T + Send + 'static,
    ) -> T {
        let (sender, receiver) = mpsc::channel();
        self.run(who, move |guest| {
            sender.send(question(guest)).unwrap();
            None
        });
        receiver.recv().unwrap()
    }

    /// A call by `HVC #0`; its x0 behind it.
    pub(crate) fn hvc(&mut self, who: Who, function: u32, arguments: [u64; 3]) -> u64 {
        let [a, b, c] = arguments;
        self.run(who, move |guest| {
            guest.hvc(0, [u64::from(function), a, b, c])
        });
        self.registers(who, |registers| registers.cpu.register(0))
    }

    /// A load of 32 bits by `who`.
    pub(crate) fn load(&mut self, who: Who, address: u64) -> u32 {
        self.run(who, move |guest| guest.load(abi::Ipa(address)));
        self.registers(who, |registers| registers.cpu.register(0)) as u32
    }

    /// A store of 32 bits by `who`.
    pub(crate) fn store(&mut self, who: Who, address: u64, value: u32) {
        self.run(who, move |guest| guest.store(abi::Ipa(address), value));
    }

    /// `who` writes `text` to its UART.
    pub(crate) fn print(&mut self, who: Who, text: &str) {
        for byte in text.bytes() {
            self.store(who, abi::arm::VPL011.start(), u32::from(byte));
        }
    }

    /// `who` waits for an interrupt.
    pub(crate) fn wait(&mut self, who: Who) {
        self.run(who, |guest| guest.wait());
    }

    /// The registers of `who`, wherever they are.
    pub(crate) fn registers<T>(&mut self, who: Who, look: impl FnOnce(&mut Registers) -> T) -> T {
        let (domain, slot) = (self.domain(who.0), self.slot(who));
        if let Some(mut registers) = slot.registers.try_claim() {
            return look(&mut registers);
        }
        let here = Some((domain.id, slot.id));
        let turning = self.cpus.iter_mut().find(|turning| {
            turning
                .cpu
                .resident()
                .map(|(domain, vcpu)| (domain.id, vcpu))
                == here
        });
        turning.unwrap().cpu.with_registers(look).unwrap()
    }

    /// The EL1 registers of `who`.
    pub(crate) fn el1(&mut self, who: Who) -> El1 {
        self.ask(who, |guest| guest.el1())
    }

    /// The program counter of `who`.
    pub(crate) fn pc(&mut self, who: Who) -> u64 {
        self.registers(who, |registers| registers.cpu.pc())
    }

    pub(crate) fn domain(&self, number: u16) -> &'static Domain {
        self.system.domain(DomId(number)).unwrap()
    }

    pub(crate) fn slot(&self, (domain, vcpu): Who) -> &'static Slot {
        self.domain(domain).slot(VcpuId(vcpu)).unwrap()
    }

    /// On which CPU `who` is resident.
    pub(crate) fn cpu_of(&self, who: Who) -> Option<CpuId> {
        let cpus = (0..self.cpus.len() as u16).map(CpuId);
        cpus.into_iter()
            .find(|cpu| self.machine.resident(*cpu) == Some(id(who)))
    }

    /// What came out of the serial line since this was last asked, its lines ended by `\n` alone.
    pub(crate) fn output(&mut self) -> String {
        self.machine.take_output().replace("\r\n", "\n")
    }

    /// Types, and lets the system take it.
    pub(crate) fn type_in(&mut self, text: &str) {
        self.machine.type_in(text.as_bytes());
        self.settle();
    }

    /// Moves the counter on, and lets the system see it.
    pub(crate) fn advance(&mut self, ticks: u64) {
        self.machine.advance(ticks);
        self.settle();
    }
}
