//! A guest's physical address map, and where its kernel, device tree and ramdisk go.
//!
//! Addresses are Xen's (public/arch-arm.h), or the host's for a direct-mapped domain. Placement
//! follows Xen's order of preference: device tree and ramdisk 128 MiB above the start of the
//! first bank, else at its end, else just below the kernel; each in units of 2 MiB.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use abi::{IntId, Ipa, Range, arm};

use crate::kernel::PlainKernel;
use crate::{DomainSpec, Enhanced, Finding, Gic, HostSpec, Severity};

/// Bytes that are set aside for a guest's device tree: its size is at most this.
pub const TREE_BYTES: u64 = UNIT;

/// Device tree and ramdisk are placed in units of this many bytes.
const UNIT: u64 = 2 << 20;
/// Where they go by preference, in bytes above the start of the first bank.
const PREFERRED: u64 = 128 << 20;

/// What a guest finds where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// RAM as the guest sees it; at least one bank. Ascending, but for a direct-mapped domain the
    /// ranges of `xen,static-mem` as they are given. The kernel goes into the first.
    pub banks: Vec<Range>,
    /// For static memory: what lies behind which part of the banks, in the order of
    /// `xen,static-mem`. Empty when RAM comes from the allocator.
    pub backing: Vec<Backing>,
    /// The virtual interrupt controller.
    pub gic: GuestGic,
    /// The emulated UART.
    pub uart: Option<GuestUart>,
    /// What the hypervisor node tells: the grant table's window, then the extended regions, where
    /// nothing is; empty for a domain that is not told of the hypervisor.
    pub hypervisor: Vec<Range>,
}

/// Host memory that is a part of a guest's RAM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backing {
    /// Guest address of the first byte.
    pub ipa: Ipa,
    /// The host's bytes.
    pub host: Range,
}

/// The virtual interrupt controller's registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GuestGic {
    /// Version 2.
    V2 {
        /// GICD.
        distributor: Range,
        /// GICC; the hardware's GICV lies behind it.
        cpu: Range,
    },
    /// Version 3.
    V3 {
        /// GICD.
        distributor: Range,
        /// GICR regions, vCPU 0 first.
        redistributors: Vec<Range>,
    },
}

/// The emulated UART.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestUart {
    /// Its registers.
    pub range: Range,
    /// Its interrupt, an SPI.
    pub interrupt: IntId,
}

/// Where a guest's parts go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// From the kernel's first byte to the end of its BSS.
    pub kernel: Range,
    /// What is set aside for the device tree: [`TREE_BYTES`].
    pub dtb: Range,
    /// The ramdisk's bytes.
    pub initrd: Option<Range>,
    /// Where the first vCPU starts.
    pub entry: Ipa,
}

fn wrong(spec: &DomainSpec, property: &str, message: String) -> Finding {
    Finding {
        severity: Severity::Error,
        path: spec.path.clone(),
        property: (!property.is_empty()).then(|| property.into()),
        message,
    }
}

/// The address map of a domain.
///
/// # Errors
///
/// One line, when the domain does not fit. A domain that [`crate::parse`] accepted fits.
pub fn layout(spec: &DomainSpec, host: &HostSpec) -> Result<Layout, Finding> {
    let (banks, backing) = if spec.direct_map {
        let backing = spec.static_mem.iter().map(|&host| Backing {
            ipa: Ipa(host.start()),
            host,
        });
        (spec.static_mem.clone(), backing.collect())
    } else {
        let banks = usual_banks(spec)?;
        let backing = back(spec, &banks);
        (banks, backing)
    };
    if banks.is_empty() {
        return Err(wrong(spec, "memory", String::from("gives no bank")));
    }
    Ok(Layout {
        backing,
        gic: gic(spec, host)?,
        uart: uart(spec, host)?,
        hypervisor: hypervisor(spec, &banks),
        banks,
    })
}

/// The least bytes of an extended region.
const LEAST_REGION: u64 = 64 << 20;

/// The grant table's window, and the unused rest of each bank that is large enough, from a multiple
/// of 2 MiB on. A direct-mapped domain has no banks whose rest is its own.
fn hypervisor(spec: &DomainSpec, banks: &[Range]) -> Vec<Range> {
    if spec.enhanced == Enhanced::No {
        return Vec::new();
    }
    let mut ranges = Vec::from([arm::GRANT_TABLE]);
    if !spec.direct_map {
        for bank in [arm::RAM_BANK_0, arm::RAM_BANK_1] {
            let used = banks.iter().find(|used| bank.contains(**used));
            let start = used.map_or(bank.start(), |used| used.end());
            let rest = round(start).and_then(|start| Range::from_bounds(start, bank.end()));
            ranges.extend(rest.filter(|rest| rest.size() >= LEAST_REGION));
        }
    }
    ranges
}

/// Checks what can be checked before the kernel is known.
pub(crate) fn check(spec: &DomainSpec, host: &HostSpec) -> Result<(), Finding> {
    let layout = layout(spec, host)?;
    let kernel = PlainKernel {
        kind: crate::kernel::KernelKind::Raw,
        text_offset: 0,
        file_size: spec.kernel.range.size(),
        image_size: spec.kernel.range.size(),
        alignment: abi::PAGE_SIZE,
    };
    place(spec, &layout, &kernel).map(|_| ())
}

fn usual_banks(spec: &DomainSpec) -> Result<Vec<Range>, Finding> {
    let mut left = spec.memory_kib.saturating_mul(1024);
    let mut banks = Vec::new();
    for bank in [arm::RAM_BANK_0, arm::RAM_BANK_1] {
        let size = left.min(bank.size());
        banks.extend(Range::new(bank.start(), size).filter(|bank| !bank.is_empty()));
        left -= size;
    }
    if left != 0 {
        let rule = "is more than a guest's two banks hold (3 GiB and 1016 GiB)";
        return Err(wrong(spec, "memory", String::from(rule)));
    }
    Ok(banks)
}

/// Fills the banks with the static ranges in their order; one that meets a bank's end is split.
fn back(spec: &DomainSpec, banks: &[Range]) -> Vec<Backing> {
    let mut backing = Vec::new();
    let mut banks = banks.iter().copied();
    let mut bank = banks.next();
    for host in &spec.static_mem {
        let mut rest = *host;
        while let Some(free) = bank
            && !rest.is_empty()
        {
            let size = rest.size().min(free.size());
            let split = |range: Range| {
                Some((
                    Range::new(range.start(), size)?,
                    Range::from_bounds(range.start() + size, range.end())?,
                ))
            };
            let (Some((host, after)), Some((_, free_after))) = (split(rest), split(free)) else {
                break;
            };
            backing.push(Backing {
                ipa: Ipa(free.start()),
                host,
            });
            rest = after;
            bank = if free_after.is_empty() {
                banks.next()
            } else {
                Some(free_after)
            };
        }
    }
    backing
}

fn gic(spec: &DomainSpec, host: &HostSpec) -> Result<GuestGic, Finding> {
    Ok(match (&host.gic, spec.direct_map) {
        (Gic::V2 { .. }, false) => GuestGic::V2 {
            distributor: arm::GICV2_DISTRIBUTOR,
            cpu: arm::GICV2_CPU_INTERFACE,
        },
        (Gic::V3 { .. }, false) => GuestGic::V3 {
            distributor: arm::GICV3_DISTRIBUTOR,
            redistributors: [arm::GICV3_REDISTRIBUTORS].into(),
        },
        (
            Gic::V2 {
                distributor, cpu, ..
            },
            true,
        ) => GuestGic::V2 {
            distributor: *distributor,
            cpu: *cpu,
        },
        (
            Gic::V3 {
                distributor,
                redistributors,
                stride,
                ..
            },
            true,
        ) => {
            let stride = stride.unwrap_or(arm::GICV3_REDISTRIBUTOR_STRIDE).max(1);
            let room = redistributors.iter().map(|region| region.size() / stride);
            let room = room.fold(0u64, u64::saturating_add);
            if room < u64::from(spec.vcpus) {
                let rule = format!(
                    "= <{:#x}>: with direct-map at most the host's {room} redistributors",
                    spec.vcpus
                );
                return Err(wrong(spec, "cpus", rule));
            }
            GuestGic::V3 {
                distributor: *distributor,
                redistributors: redistributors.clone(),
            }
        }
    })
}

fn uart(spec: &DomainSpec, host: &HostSpec) -> Result<Option<GuestUart>, Finding> {
    if !spec.vpl011 {
        return Ok(None);
    }
    if !spec.direct_map {
        return Ok(Some(GuestUart {
            range: arm::VPL011,
            interrupt: arm::VPL011_INTERRUPT,
        }));
    }
    let hosts = host.uart.as_ref().and_then(|uart| {
        let range = Range::new(uart.range.start(), arm::VPL011.size())?;
        Some(GuestUart {
            range,
            interrupt: uart.interrupt?,
        })
    });
    match hosts {
        Some(uart) => Ok(Some(uart)),
        None => {
            let rule = "with direct-map needs the host's console UART and its SPI";
            Err(wrong(spec, "vpl011", String::from(rule)))
        }
    }
}

/// Rounds up to 2 MiB; `None` beyond 64 bits.
fn round(bytes: u64) -> Option<u64> {
    bytes.checked_next_multiple_of(UNIT)
}

/// Places kernel, device tree and ramdisk in the first bank.
///
/// # Errors
///
/// One line, when they do not fit.
pub fn place(
    spec: &DomainSpec,
    layout: &Layout,
    kernel: &PlainKernel,
) -> Result<Placement, Finding> {
    let bank = layout.banks.first().copied().unwrap_or_default();
    let ramdisk_size = spec.ramdisk.as_ref().map(|ramdisk| ramdisk.range.size());
    try_place(bank, kernel, ramdisk_size).ok_or_else(|| {
        let message = format!(
            "= {} KiB: the first bank ({} KiB) does not hold the kernel ({} KiB), the device \
             tree (2048 KiB) and the ramdisk ({} KiB)",
            spec.memory_kib,
            bank.size() / 1024,
            kernel.image_size.div_ceil(1024),
            ramdisk_size.unwrap_or(0).div_ceil(1024),
        );
        wrong(spec, "memory", message)
    })
}

fn try_place(bank: Range, kernel: &PlainKernel, ramdisk_size: Option<u64>) -> Option<Placement> {
    let base = bank
        .start()
        .checked_next_multiple_of(kernel.alignment.max(1))?;
    let kernel = Range::new(base.checked_add(kernel.text_offset)?, kernel.image_size)?;
    if !bank.contains(kernel) {
        return None;
    }
    let modules_size = TREE_BYTES.checked_add(round(ramdisk_size.unwrap_or(0))?)?;
    let fits = |start: Option<u64>| {
        let modules = Range::new(start?, modules_size)?;
        (bank.contains(modules) && !modules.overlaps(kernel)).then_some(modules)
    };
    let down = |end: u64| Some(end.checked_sub(modules_size)? / UNIT * UNIT);
    let modules = fits(round(bank.start().checked_add(PREFERRED)?))
        .or_else(|| fits(down(bank.end())))
        .or_else(|| fits(down(kernel.start())))?;
    let dtb = Range::new(modules.start(), TREE_BYTES)?;
    let initrd = match ramdisk_size {
        Some(size) => Some(Range::new(dtb.end(), size)?),
        None => None,
    };
    Some(Placement {
        kernel,
        dtb,
        initrd,
        entry: Ipa(kernel.start()),
    })
}

#[cfg(test)]
mod tests;
