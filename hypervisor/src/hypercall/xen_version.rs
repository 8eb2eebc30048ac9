//! `xen_version` (public/version.h).

use abi::Errno;
use abi::hypercall::version;

use super::{Outcome, Result};
use crate::guest_memory;
use crate::run::Cpu;

/// Xen's version whose ABI this is: 4.20.
const XEN_4_20: u64 = 4 << 16 | 20;

pub(super) fn call(cpu: &mut Cpu<'_>, command: u64, argument: u64) -> Result {
    // The command is an int of the ABI.
    match u64::from(command as u32) {
        version::VERSION => Ok(Outcome::Done(XEN_4_20)),
        version::PAGESIZE => Ok(Outcome::Done(abi::PAGE_SIZE)),
        version::EXTRAVERSION => {
            let mut text = [0; 16];
            let name = concat!("-euxenite-", env!("CARGO_PKG_VERSION")).as_bytes();
            // The last byte stays 0.
            for (to, from) in text.iter_mut().take(15).zip(name) {
                *to = *from;
            }
            guest_memory::write(cpu, argument, &text)?;
            Ok(Outcome::Done(0))
        }
        _ => Err(Errno::NoSys),
    }
}
