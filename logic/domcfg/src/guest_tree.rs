//! Writes the device tree that a guest sees: the nodes, names and properties that Xen's
//! dom0less code generates, in its order, so that a guest cannot tell the two apart. One property
//! is added: `/chosen/rng-seed`, if the host has one (see [`crate::seed`]).
//!
//! Addresses and sizes have two cells each. Bindings: Linux
//! `Documentation/devicetree/bindings`, arm,gic, arm,gic-v3, arm,arch_timer, arm,psci,
//! arm,sbsa-uart.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use abi::arm::PHANDLE_GIC;
use abi::{IntId, Range, arm};
use vm_fdt::FdtWriter;

use crate::layout::{GuestGic, GuestUart, Layout, TREE_BYTES};
use crate::{DomainSpec, Finding, HostSpec, Severity};

/// Trigger flags in the third cell of an interrupt: level high.
const LEVEL_HIGH: u32 = 4;
/// Trigger flags in the third cell of an interrupt: level low.
const LEVEL_LOW: u32 = 8;
/// The CPU mask of the GICv2 binding: Xen sets it for every interrupt.
const ALL_CPUS: u32 = 0xf00;
/// Cells of an address and of a size.
const CELLS: u32 = 2;

type Written = Result<(), vm_fdt::Error>;

/// Writes the device tree of a domain. `initrd` is where the ramdisk was placed.
///
/// # Errors
///
/// One line, when the tree cannot be written or is larger than [`TREE_BYTES`].
pub fn write(
    spec: &DomainSpec,
    host: &HostSpec,
    layout: &Layout,
    initrd: Option<Range>,
) -> Result<Vec<u8>, Finding> {
    let wrong = |message: String| Finding {
        severity: Severity::Error,
        path: spec.path.clone(),
        property: None,
        message,
    };
    let blob = tree(spec, host, layout, initrd)
        .map_err(|error| wrong(format!("its device tree cannot be written: {error}")))?;
    if blob.len() as u64 > TREE_BYTES {
        return Err(wrong(format!(
            "its device tree has {} bytes: too large",
            blob.len()
        )));
    }
    Ok(blob)
}

fn tree(
    spec: &DomainSpec,
    host: &HostSpec,
    layout: &Layout,
    initrd: Option<Range>,
) -> Result<Vec<u8>, vm_fdt::Error> {
    let mut fdt = FdtWriter::new()?;
    let root = fdt.begin_node("")?;
    fdt.property_u32("#address-cells", CELLS)?;
    fdt.property_u32("#size-cells", CELLS)?;
    chosen(&mut fdt, spec, host, initrd)?;
    cpus(&mut fdt, spec, host)?;
    memory(&mut fdt, &layout.banks)?;
    interrupt_controller(&mut fdt, &layout.gic)?;
    timer(&mut fdt, host)?;
    if !layout.hypervisor.is_empty() {
        hypervisor(&mut fdt, &layout.hypervisor)?;
    }
    psci(&mut fdt)?;
    if let Some(uart) = &layout.uart {
        sbsa_uart(&mut fdt, uart)?;
    }
    fdt.end_node(root)?;
    fdt.finish()
}

fn reg(fdt: &mut FdtWriter, ranges: &[Range]) -> Written {
    let cells: Vec<u64> = ranges
        .iter()
        .flat_map(|range| [range.start(), range.size()])
        .collect();
    fdt.property_array_u64("reg", &cells)
}

fn chosen(
    fdt: &mut FdtWriter,
    spec: &DomainSpec,
    host: &HostSpec,
    initrd: Option<Range>,
) -> Written {
    let node = fdt.begin_node("chosen")?;
    if let Some(bootargs) = &spec.bootargs {
        fdt.property_string("bootargs", bootargs)?;
    }
    if let Some(initrd) = initrd {
        fdt.property_u64("linux,initrd-start", initrd.start())?;
        fdt.property_u64("linux,initrd-end", initrd.end())?;
    }
    if let Some(seed) = &host.rng_seed {
        fdt.property("rng-seed", seed.for_guest(spec.id).bytes())?;
    }
    fdt.end_node(node)
}

fn cpus(fdt: &mut FdtWriter, spec: &DomainSpec, host: &HostSpec) -> Written {
    let cpus = fdt.begin_node("cpus")?;
    fdt.property_u32("#address-cells", 1)?;
    fdt.property_u32("#size-cells", 0)?;
    for vcpu in 0..spec.vcpus {
        let affinity = arm::vcpu_affinity(vcpu);
        let node = fdt.begin_node(&format!("cpu@{affinity:x}"))?;
        if let Some(first) = host.cpus.first() {
            fdt.property("compatible", &first.compatible_list)?;
            if let Some(hz) = first.clock_frequency {
                fdt.property_u32("clock-frequency", hz)?;
            }
        }
        fdt.property_string("device_type", "cpu")?;
        // Below 2^32: a vCPU's affinity has two fields.
        fdt.property_u32("reg", affinity as u32)?;
        fdt.property_string("enable-method", "psci")?;
        fdt.end_node(node)?;
    }
    fdt.end_node(cpus)
}

fn memory(fdt: &mut FdtWriter, banks: &[Range]) -> Written {
    let first = banks.first().map_or(0, |bank| bank.start());
    let node = fdt.begin_node(&format!("memory@{first:x}"))?;
    fdt.property_string("device_type", "memory")?;
    reg(fdt, banks)?;
    fdt.end_node(node)
}

fn interrupt_controller(fdt: &mut FdtWriter, gic: &GuestGic) -> Written {
    let (distributor, compatible) = match gic {
        GuestGic::V2 { distributor, .. } => (distributor, "arm,gic-400"),
        GuestGic::V3 { distributor, .. } => (distributor, "arm,gic-v3"),
    };
    let node = fdt.begin_node(&format!("interrupt-controller@{:x}", distributor.start()))?;
    fdt.property_u32("#address-cells", 0)?;
    fdt.property_u32("#interrupt-cells", 3)?;
    fdt.property_null("interrupt-controller")?;
    fdt.property_string("compatible", compatible)?;
    match gic {
        GuestGic::V2 { distributor, cpu } => reg(fdt, &[*distributor, *cpu])?,
        GuestGic::V3 {
            distributor,
            redistributors,
        } => {
            fdt.property_u32("#redistributor-regions", redistributors.len() as u32)?;
            let mut ranges = Vec::from([*distributor]);
            ranges.extend_from_slice(redistributors);
            reg(fdt, &ranges)?;
        }
    }
    fdt.property_u32("linux,phandle", PHANDLE_GIC)?;
    fdt.property_phandle(PHANDLE_GIC)?;
    fdt.end_node(node)
}

/// The three cells of an interrupt.
fn interrupt(id: IntId, flags: u32) -> [u32; 3] {
    if id.is_private() {
        [1, id.0.saturating_sub(16), ALL_CPUS | flags]
    } else {
        [0, id.0.saturating_sub(IntId::FIRST_SPI), ALL_CPUS | flags]
    }
}

fn timer(fdt: &mut FdtWriter, host: &HostSpec) -> Written {
    let node = fdt.begin_node("timer")?;
    fdt.property_string("compatible", "arm,armv8-timer")?;
    let ids = [
        arm::SECURE_PHYSICAL_TIMER,
        arm::PHYSICAL_TIMER,
        arm::VIRTUAL_TIMER,
    ];
    let cells: Vec<u32> = ids
        .iter()
        .flat_map(|&id| interrupt(id, LEVEL_LOW))
        .collect();
    fdt.property_array_u32("interrupts", &cells)?;
    fdt.property_u32("interrupt-parent", PHANDLE_GIC)?;
    if let Some(hz) = host.timer.clock_frequency {
        fdt.property_u32("clock-frequency", hz)?;
    }
    fdt.end_node(node)
}

/// The node by which a kernel knows that it runs on Xen (`xen,xen` binding of Linux).
fn hypervisor(fdt: &mut FdtWriter, ranges: &[Range]) -> Written {
    let node = fdt.begin_node("hypervisor")?;
    fdt.property("compatible", b"xen,xen-4.20\0xen,xen\0")?;
    reg(fdt, ranges)?;
    fdt.property_array_u32("interrupts", &interrupt(arm::EVENT_UPCALL, LEVEL_LOW))?;
    fdt.property_u32("interrupt-parent", PHANDLE_GIC)?;
    fdt.end_node(node)
}

fn psci(fdt: &mut FdtWriter) -> Written {
    let node = fdt.begin_node("psci")?;
    fdt.property("compatible", b"arm,psci-1.0\0arm,psci-0.2\0arm,psci\0")?;
    fdt.property_string("method", "hvc")?;
    fdt.property_u32("cpu_off", 1)?;
    fdt.property_u32("cpu_on", 2)?;
    fdt.end_node(node)
}

fn sbsa_uart(fdt: &mut FdtWriter, uart: &GuestUart) -> Written {
    let node = fdt.begin_node(&format!("sbsa-uart@{:x}", uart.range.start()))?;
    fdt.property_string("compatible", "arm,sbsa-uart")?;
    reg(fdt, &[uart.range])?;
    fdt.property_array_u32("interrupts", &interrupt(uart.interrupt, LEVEL_HIGH))?;
    fdt.property_u32("interrupt-parent", PHANDLE_GIC)?;
    fdt.property_u32("current-speed", 115_200)?;
    fdt.end_node(node)
}

#[cfg(test)]
mod tests;
