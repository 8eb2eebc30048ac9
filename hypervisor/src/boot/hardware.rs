//! What the machine has besides memory, as the device tree says: interrupt controller and CPUs.

use abi::{CpuId, Range};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use ::console::Level;
use domcfg::{Enable, HostSpec};
use machine::gic::{self, Gic};
use machine::lock::{Token, Unlocked};
use machine::{Conduit, STACK_BYTES};

use super::Early;
use crate::console::Source;
use crate::system::HostInterrupts;

pub(super) fn open_gic(host: &HostSpec, token: &mut Token<Unlocked>) -> Option<Gic> {
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

/// Starts the other CPUs and gives the logical numbers of those that run.
pub(super) fn start_cpus(
    early: &mut Early,
    conduit: Option<Conduit>,
    order: &[usize],
    most: usize,
    token: &mut Token<Unlocked>,
) -> Vec<CpuId> {
    let mut online = Vec::from([CpuId(0)]);
    for index in order {
        if online.len() >= most.min(usize::from(domcfg::CpuSet::MAX)) {
            break;
        }
        let Some(node) = early.spec.host.cpus.get(*index) else {
            continue;
        };
        let cpu = CpuId(online.len() as u16);
        let result = match (&node.enable, conduit) {
            (Enable::Psci, Some(conduit)) => {
                match early.frames.allocate(STACK_BYTES, abi::PAGE_SIZE) {
                    Some(stack) => machine::start_cpu(conduit, node.mpidr, cpu, stack, token)
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
            Ok(()) => online.push(cpu),
            Err(why) => early.console.print(
                Source::Host(Level::Error),
                format_args!("CPU {:#x} is not started: {why}\n", node.mpidr),
            ),
        }
    }
    online
}
