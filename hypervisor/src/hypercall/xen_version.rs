//! `xen_version` (public/version.h): what needs no guest memory.

use abi::Errno;
use abi::hypercall::version;

/// Xen's version whose ABI this is: 4.20.
const XEN_4_20: u64 = 4 << 16 | 20;

/// Answers the sub-operation `command`.
pub(super) fn call(command: u64) -> Result<u64, Errno> {
    // Xen takes the command as an int.
    match u64::from(command as u32) {
        version::VERSION => Ok(XEN_4_20),
        version::PAGESIZE => Ok(abi::PAGE_SIZE),
        _ => Err(Errno::NoSys),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_as_xen_4_20() {
        assert_eq!(call(0), Ok(0x0004_0014));
        assert_eq!(call(7), Ok(4096));
        assert_eq!(call(99), Err(Errno::NoSys));
    }
}
