//! A domain suspends itself while one of its vCPUs is on its way from one CPU's queue to another's.

use abi::hypercall::SCHED_OP;
use abi::sched::{op, reason};
use abi::{Ipa, arm::vcpu_affinity, hypercall, psci};

use crate::bench::{ENTRY, Setup, Who, id};
use crate::interleave::Pair;
use crate::xen::{ARGUMENT, enhanced};

const A: Who = (1, 0);
const C: Who = (1, 2);

/// A runs on the first CPU, in whose queue C waits; the other CPU has not looked for work yet.
fn crowded() -> Pair {
    let mut pair = Pair::new(Setup::with(vec![enhanced(1, 3)]));
    pair.script(A, |guest| {
        guest.hvc(0, [u64::from(psci::CPU_ON_64), vcpu_affinity(2), ENTRY, 0])
    });
    pair.script(A, |guest| guest.store(Ipa(ARGUMENT), reason::SUSPEND));
    pair.play(&[], [4, 0]);
    assert_eq!(pair.machine.steps_left(id(A)), 0);
    pair
}

/// Orders in which the second CPU looks for work, and finds C, while A suspends the domain.
fn schedules() -> impl Iterator<Item = [usize; 2]> {
    (4..=7).flat_map(|first| (15..=25).map(move |second| [first, second]))
}

#[test]
fn a_vcpu_that_is_taken_over_while_its_domain_suspends_does_not_run_on() {
    for switches in schedules() {
        let mut pair = crowded();
        pair.script(A, |guest| {
            guest.set_x(16, SCHED_OP);
            guest.hvc(
                hypercall::HVC_IMMEDIATE,
                [op::SHUTDOWN.into(), ARGUMENT, 0, 0],
            )
        });
        pair.play(&switches, [1, 2]);
        pair.script(C, |_| None);
        pair.settle(&[]);
        assert_eq!(pair.machine.steps_left(id(C)), 1, "{switches:?}");
    }
}
