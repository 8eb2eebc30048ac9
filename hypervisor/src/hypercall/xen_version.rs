//! `xen_version` (public/version.h): the ABI is Xen 4.20's, the texts are this hypervisor's own.

use abi::hypercall::version::{self, compile_info};
use abi::permit::Permit;
use abi::version::{FeatureInfo, PlatformParameters};
use abi::{Errno, feature};

use super::{DONE, Outcome, Result, argument, own, permitted};
use crate::guest_memory;
use crate::run::Cpu;

/// Xen's version whose ABI this is: 4.20.
const XEN_4_20: u64 = 4 << 16 | 20;
/// What follows the version, at most 15 characters.
const EXTRAVERSION: &str = concat!("-euxenite-", env!("CARGO_PKG_VERSION"));
const CAPABILITIES: &str = "xen-3.0-aarch64 xen-3.0-armv7l ";
const CHANGESET: &str = concat!("euxenite ", env!("CARGO_PKG_VERSION"));
/// Instead of what a guest must not know.
const DENIED: &str = "<denied>";
/// Where Xen 4.20's own address space starts on arm64. No guest can use it.
const VIRT_START: u64 = 0x0a00_0020_0000;

#[inline]
pub(super) fn call(cpu: &mut Cpu<'_>, command: u64, at: u64) -> Result {
    // The command is an int of the ABI.
    match u64::from(command as u32) {
        version::VERSION => Ok(Outcome::Done(XEN_4_20)),
        command => describe(cpu, command, at),
    }
}

#[inline(never)]
fn describe(cpu: &mut Cpu<'_>, command: u64, at: u64) -> Result {
    match command {
        version::PAGESIZE if at == 0 => Ok(Outcome::Done(abi::PAGE_SIZE)),
        version::PAGESIZE => Err(Errno::Inval),
        version::GET_FEATURES => features(cpu, at),
        version::EXTRAVERSION => fixed::<{ version::EXTRAVERSION_LEN }>(cpu, at, EXTRAVERSION),
        version::CAPABILITIES => fixed::<{ version::CAPABILITIES_LEN }>(cpu, at, CAPABILITIES),
        version::CHANGESET => fixed::<{ version::CHANGESET_LEN }>(cpu, at, CHANGESET),
        // As Xen does, no more of the field is written than the text.
        version::COMMANDLINE => fixed::<{ DENIED.len() + 1 }>(cpu, at, DENIED),
        version::GUEST_HANDLE => fixed::<{ version::HANDLE_LEN }>(cpu, at, ""),
        version::COMPILE_INFO => compile_info(cpu, at),
        version::PLATFORM_PARAMETERS => {
            let parameters = PlatformParameters {
                virt_start: VIRT_START,
            };
            guest_memory::write(cpu, at, &parameters.to_bytes())?;
            DONE
        }
        version::EXTRAVERSION2 => variable(cpu, at, EXTRAVERSION),
        version::CAPABILITIES2 => variable(cpu, at, CAPABILITIES),
        version::CHANGESET2 => variable(cpu, at, CHANGESET),
        version::BUILD_ID | version::COMMANDLINE2 => Err(Errno::Perm),
        _ => Err(Errno::NoSys),
    }
}

fn features(cpu: &mut Cpu<'_>, at: u64) -> Result {
    let mut info = FeatureInfo::from_bytes(&argument(cpu, at)?);
    if info.submap_idx != 0 {
        return Err(Errno::Inval);
    }
    info.submap = feature::XEN_4_20_DOMU;
    if own(cpu)?.interface.is_direct_mapped {
        info.submap ^= 1 << feature::NOT_DIRECT_MAPPED | 1 << feature::DIRECT_MAPPED;
    }
    if !permitted(cpu, Permit::VcpuRunstate) {
        info.submap &= !(1 << feature::RUNSTATE_PHYS_AREA);
    }
    guest_memory::write(cpu, at, &info.to_bytes())?;
    DONE
}

/// A text in a field of `N` bytes, the last of which stays 0.
fn fixed<const N: usize>(cpu: &mut Cpu<'_>, at: u64, text: &str) -> Result {
    let mut field = [0; N];
    put(&mut field, text);
    guest_memory::write(cpu, at, &field)?;
    DONE
}

fn put(field: &mut [u8], text: &str) {
    let room = field.len().saturating_sub(1);
    for (to, from) in field.iter_mut().take(room).zip(text.bytes()) {
        *to = from;
    }
}

fn compile_info(cpu: &mut Cpu<'_>, at: u64) -> Result {
    let mut info = [0; compile_info::SIZE];
    let fields = [
        (
            compile_info::COMPILER_OFFSET..compile_info::COMPILE_BY_OFFSET,
            "rustc",
        ),
        (
            compile_info::COMPILE_BY_OFFSET..compile_info::COMPILE_DOMAIN_OFFSET,
            "euxenite",
        ),
    ];
    for (place, text) in fields {
        if let Some(field) = info.get_mut(place) {
            put(field, text);
        }
    }
    guest_memory::write(cpu, at, &info)?;
    DONE
}

/// A text behind its length, `struct xen_varbuf`. Without an address the length is the answer.
fn variable(cpu: &mut Cpu<'_>, at: u64, text: &str) -> Result {
    let length = text.len() as u64;
    if at == 0 {
        return Ok(Outcome::Done(length));
    }
    let room = u32::from_le_bytes(argument(cpu, at)?);
    if length > u64::from(room) {
        return Err(Errno::NoBufs);
    }
    let buffer = at.checked_add(4).ok_or(Errno::Fault)?;
    guest_memory::write(cpu, buffer, text.as_bytes())?;
    Ok(Outcome::Done(length))
}
