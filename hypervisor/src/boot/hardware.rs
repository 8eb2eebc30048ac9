//! What the machine has besides memory, as the device tree says: interrupt controller and CPUs.

use abi::{CpuId, Range};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use ::console::Level;
use domcfg::{CpuSet, Enable, HostSpec};
use machine::arrival::{self, Arrival};
use machine::gic::{self, Gic};
use machine::lock::{Token, Unlocked};
use machine::{Conduit, STACK_BYTES};

use super::Early;
use crate::console::Source;
use crate::system::HostInterrupts;

pub(super) fn open_gic(host: &mut HostSpec, token: &mut Token<Unlocked>) -> Option<Gic> {
    settle_pages(&mut host.gic, token)?;
    let frames = match &host.gic {
        domcfg::Gic::V2 {
            distributor,
            cpu,
            hyp,
            ..
        } => gic::Frames::V2 {
            distributor: machine::map_device(*distributor, token)?,
            cpu: machine::map_device(cpu_interface(*cpu)?, token)?,
            hypervisor: machine::map_device(*hyp, token)?,
        },
        domcfg::Gic::V3 {
            distributor,
            redistributors,
            stride,
            ..
        } => {
            let mut regions = Vec::new();
            for region in redistributors {
                regions.push(machine::map_device(*region, token)?);
            }
            gic::frames_v3(machine::map_device(*distributor, token)?, regions, *stride)
        }
    };
    Gic::new(frames)
}

/// Finds out whether a GICv2's pages are repeated.
fn settle_pages(controller: &mut domcfg::Gic, token: &mut Token<Unlocked>) -> Option<()> {
    if let domcfg::Gic::V2 { cpu, .. } = controller
        && let cpu = *cpu
        && controller.may_repeat_pages()
    {
        let cpu = machine::map_device(cpu, token)?;
        let [first, last] =
            [0, domcfg::Gic::LAST_REPETITION].map(|page| gic::cpu_interface_identity(&cpu, page));
        controller.settle(first, last);
    }
    Some(())
}

/// GICv2's CPU interface with all its registers: trees of some boards name the first page only.
fn cpu_interface(named: Range) -> Option<Range> {
    Range::new(named.start(), named.size().max(gic::CPU_INTERFACE_BYTES))
}

pub(super) fn host_interrupts(host: &HostSpec) -> HostInterrupts {
    let maintenance = match host.gic {
        domcfg::Gic::V2 { maintenance, .. } | domcfg::Gic::V3 { maintenance, .. } => maintenance,
    };
    HostInterrupts {
        virtual_timer: host.timer.virt,
        timer: host.timer.hyp,
        maintenance,
        uart: host.uart.as_ref().and_then(|uart| uart.interrupt),
    }
}

pub(super) fn private(interrupts: HostInterrupts) -> [abi::IntId; 3] {
    [
        interrupts.virtual_timer,
        interrupts.timer,
        interrupts.maintenance,
    ]
}

/// The numbers of the nodes of all CPUs but the boot CPU, in the order of the logical numbers.
pub(super) fn cpu_order(host: &HostSpec) -> Vec<usize> {
    let own = machine::cpu::affinity();
    let boot = host.cpus.iter().position(|cpu| cpu.mpidr == own);
    (0..host.cpus.len())
        .filter(|index| Some(*index) != boot)
        .collect()
}

/// How long the CPUs that firmware starts may take until they are here, all together.
const START_SECONDS: u64 = 1;

/// Starts the other CPUs, waits for them, and gives the logical numbers of those that run.
pub(super) fn start_cpus(
    early: &mut Early,
    gic: &Gic,
    conduit: Option<Conduit>,
    order: &[usize],
    most: usize,
    token: &mut Token<Unlocked>,
) -> Vec<CpuId> {
    let mut asked = Vec::new();
    for index in order {
        if asked.len() + 1 >= most.min(usize::from(CpuSet::MAX)) {
            break;
        }
        let Some(node) = early.spec.host.cpus.get(*index) else {
            continue;
        };
        let mpidr = node.mpidr;
        let place = CpuId(asked.len() as u16 + 1);
        let result = match (&node.enable, conduit) {
            _ if !gic.serves(place, mpidr) => Err(String::from(
                "the interrupt controller has no interface for it",
            )),
            (Enable::Psci, Some(conduit)) => {
                match early.frames.allocate(STACK_BYTES, abi::PAGE_SIZE) {
                    Some(stack) => machine::start_cpu(conduit, mpidr, place, stack, token)
                        .map_err(|error| format!("PSCI error {}", error.0)),
                    None => Err(String::from("no memory for its stack")),
                }
            }
            (Enable::Psci, None) => Err(String::from("the tree has no PSCI node")),
            (Enable::Other(method), _) => {
                Err(format!("enable-method \"{method}\" is not supported"))
            }
        };
        match result {
            Ok(arrival) => asked.push((mpidr, arrival)),
            Err(why) => not_started(early, mpidr, &why),
        }
    }
    let_in(early, &asked)
}

/// Gives numbers, without gaps, to the CPUs that come.
fn let_in(early: &mut Early, asked: &[(u64, &Arrival)]) -> Vec<CpuId> {
    // Some firmware leaves the frequency 0.
    let second = machine::timer::frequency().max(1_000_000);
    let arrivals = asked.iter().map(|(_, arrival)| *arrival);
    arrival::wait_for(arrivals, START_SECONDS * second);
    let mut online = Vec::from([CpuId(0)]);
    for (mpidr, arrival) in asked {
        let cpu = CpuId(online.len() as u16);
        if arrival.admit(cpu) {
            online.push(cpu);
        } else {
            let why = format!("firmware started it, but it has not come in {START_SECONDS} s");
            not_started(early, *mpidr, &why);
        }
    }
    say_unmet(early, online.len());
    online
}

/// Names the vCPUs that are to run only where there is no CPU, as not all were started: they may run
/// anywhere.
fn say_unmet(early: &mut Early, online: usize) {
    let there = u128::MAX
        .checked_shl(online as u32)
        .map_or(u128::MAX, |above| !above);
    for domain in early.spec.accepted() {
        for (vcpu, affinity) in domain.affinity.iter().enumerate() {
            if affinity.is_some_and(|CpuSet(wanted)| wanted & there == 0) {
                early.console.print(
                    Source::Host(Level::Warning),
                    format_args!(
                        "{}: hard-affinity of vCPU {vcpu}: no such CPU was started; it may use all\n",
                        domain.path
                    ),
                );
            }
        }
    }
}

fn not_started(early: &mut Early, mpidr: u64, why: &str) {
    early.console.print(
        Source::Host(Level::Error),
        format_args!("CPU {mpidr:#x} is not started: {why}\n"),
    );
}
