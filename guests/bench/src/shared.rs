//! Two vCPUs that share one CPU: every round trip switches from one to the other and back.

use support::{call, cpu, timer};

use crate::{
    operation::{Operation, whole},
    pair::{Mode, enter_mode, round_trips},
};

pub(crate) const OPERATIONS: &[Operation] = &[
    whole(
        "two vCPUs on one CPU: SGI round trip in WFI",
        128,
        |count| round_trips(count, Mode::Wait, cpu::wait_in_wfi),
    )
    .with_exceptions(2),
    whole("two vCPUs on one CPU: yield", 128, |count| {
        enter_mode(Mode::Yield);
        let start = timer::virtual_count();
        let mut result = 0;
        for _ in 0..count {
            result = call::hypercall(29, [0; 4]);
        }
        (timer::virtual_count() - start, result)
    }),
];
