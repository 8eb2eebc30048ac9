//! The table's version. It never changes, so nothing has to be undone (XSA-255, 486, 501).

use abi::Errno;

/// The only version that there is: `GNTTABOP_get_version` says so.
pub const VERSION: u32 = 1;

/// `GNTTABOP_set_version`: the version that is in effect then.
///
/// # Errors
/// `NoSys`: version 2, as Xen says with a limit of 1, its default on Arm. `Inval`: no such version.
pub fn set_version(version: u32) -> Result<u32, Errno> {
    match version {
        VERSION => Ok(VERSION),
        2 => Err(Errno::NoSys),
        _ => Err(Errno::Inval),
    }
}
