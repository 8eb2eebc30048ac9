//! The 2-level ABI: pending and mask bits in the shared info page, and a selector for each vCPU
//! that says which words of them to look at (public/xen.h, `struct shared_info`).

use abi::Port;
use abi::evtchn::two_level::PORTS;
use abi::shared_info::{MASK_OFFSET, PENDING_OFFSET};

use crate::events::Raised;
use crate::page::SharedPage;
use crate::upcall::Info;

/// A port's place: the byte offset of its word in the bitmaps, and its bit. None beyond what the
/// ABI can number (XSA-342): a hypervisor's own port from a FIFO past can lie there.
fn place(port: Port) -> Option<(u32, u64)> {
    (port.0 < PORTS).then_some((port.0 / 64 * 8, 1 << (port.0 % 64)))
}

/// Makes the port pending.
pub(crate) fn set_pending<P: SharedPage>(shared_info: &P, info: &Info<P>, port: Port) -> Raised {
    let Some((word, bit)) = place(port) else {
        return Raised::default();
    };
    if shared_info.fetch_or64(PENDING_OFFSET + word, bit) & bit != 0 {
        return Raised::default();
    }
    // Pending is set before the mask is read; a guest clears the mask before it reads pending, so
    // one of the two sees the other's.
    let is_masked = shared_info.load64(MASK_OFFSET + word) & bit != 0;
    let upcall = !is_masked && info.select(shared_info, port.0 / 64);
    Raised { new: true, upcall }
}

/// Takes the mask off; an event that waited behind it is delivered.
pub(crate) fn unmask<P: SharedPage>(shared_info: &P, info: &Info<P>, port: Port) -> Raised {
    let Some((word, bit)) = place(port) else {
        return Raised::default();
    };
    let was_masked = shared_info.fetch_and64(MASK_OFFSET + word, !bit) & bit != 0;
    let waits = was_masked && is_pending(shared_info, port);
    let upcall = waits && info.select(shared_info, port.0 / 64);
    Raised { new: false, upcall }
}

/// Whether it is pending.
pub(crate) fn is_pending<P: SharedPage>(shared_info: &P, port: Port) -> bool {
    place(port).is_some_and(|(word, bit)| shared_info.load64(PENDING_OFFSET + word) & bit != 0)
}

/// Takes a pending event back.
pub(crate) fn clear_pending<P: SharedPage>(shared_info: &P, port: Port) {
    if let Some((word, bit)) = place(port) {
        shared_info.fetch_and64(PENDING_OFFSET + word, !bit);
    }
}
