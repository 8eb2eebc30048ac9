//! Hypercalls, PSCI and the SMC calling convention.

use abi::{hypercall as numbers, psci, smccc};
use support::call::{hypercall, smccc};

use crate::operation::{Operation, each};

/// A number that no hypercall has.
const UNKNOWN: u64 = 63;
/// `__HYPERVISOR_sched_op`, whose operation 0 is to yield.
const SCHED_OP: u64 = 29;

static TEXT: [u8; 128] = {
    let mut text = [b'.'; 128];
    text[127] = b'\n';
    text
};

pub(crate) const OPERATIONS: &[Operation] = &[
    each("null hypercall", 1024, || {
        hypercall(numbers::XEN_VERSION, [0; 4])
    }),
    each("unknown hypercall", 1024, || hypercall(UNKNOWN, [0; 4])),
    each("PSCI version", 1024, || {
        smccc(psci::VERSION.into(), [0; 3])[0]
    }),
    each("SMCCC version", 1024, || {
        smccc(smccc::VERSION.into(), [0; 3])[0]
    }),
    each("affinity_info", 1024, || {
        smccc(psci::AFFINITY_INFO_64.into(), [0; 3])[0]
    }),
    each("yield alone", 256, || hypercall(SCHED_OP, [0; 4])),
    each("console_io 128 bytes", 64, || {
        let text = TEXT.as_ptr() as u64;
        hypercall(
            numbers::CONSOLE_IO,
            [numbers::console_io::WRITE, 128, text, 0],
        )
    }),
];
