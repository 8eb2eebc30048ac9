//! What is not permitted is answered as an unknown operation is, and before any argument is read: by
//! its time and its effects, too, a guest cannot tell the two apart.

use abi::evtchn::op as event_op;
use abi::hypercall::{
    CONSOLE_IO, EVENT_CHANNEL_OP, GRANT_TABLE_OP, HVM_OP, MEMORY_OP, MULTICALL, VCPU_OP, VM_ASSIST,
    XEN_VERSION,
};
use abi::memory::{AddToPhysmap, AddToPhysmapBatch, op as memory, space};
use abi::permit::Permit;
use abi::version::FeatureInfo;
use abi::{DomId, Errno, feature, version};

use crate::bench::{Bench, Setup, Who};
use crate::xen::{ARGUMENT, SHARED, UNMAPPED, call, enhanced, failed, get, operate, put};

const A: Who = (1, 0);
/// A number that no call has, and an operation that none has.
const UNKNOWN: u64 = 63;

/// A domain without `permit`.
fn without(permit: Permit) -> Bench {
    let permits = format!("all\0-{}\0", permit.name());
    let domain = enhanced(1, 1).bytes("euxenite,permit", permits.as_bytes());
    Setup::with(vec![domain, enhanced(2, 1)]).boot()
}

/// Calls that are hidden without a permit, each with an unknown one of the same form.
fn hidden(permit: Permit) -> Vec<(u64, Vec<u64>, u64, u64)> {
    let fifo = [
        event_op::INIT_CONTROL,
        event_op::EXPAND_ARRAY,
        event_op::SET_PRIORITY,
    ];
    let all = |number| vec![(number, (0..16).collect(), UNKNOWN, 0)];
    match permit {
        Permit::FifoEvtchn => {
            let commands = fifo.map(u64::from).to_vec();
            vec![(EVENT_CHANNEL_OP, commands, EVENT_CHANNEL_OP, UNKNOWN)]
        }
        Permit::EvtchnUpcallVector => vec![(HVM_OP, vec![23], HVM_OP, UNKNOWN)],
        Permit::GrantTable => all(GRANT_TABLE_OP),
        Permit::ConsoleIo => all(CONSOLE_IO),
        Permit::Multicall => all(MULTICALL),
        Permit::VcpuRunstate => vec![(VCPU_OP, vec![5], VCPU_OP, 62)],
    }
}

#[test]
fn what_is_hidden_is_answered_as_what_there_is_not_and_nothing_is_read() {
    for permit in Permit::ALL {
        let mut bench = without(*permit);
        for (number, commands, other, unknown) in hidden(*permit) {
            // vcpu_op's second argument is a vCPU.
            let second = |at: u64| if number == VCPU_OP { 0 } else { at };
            for at in [ARGUMENT, UNMAPPED, 0] {
                let wanted = [unknown, second(at), at, 1, 2];
                let (expected, _) = observed(&mut bench, other, wanted);
                let errno = if number == VCPU_OP {
                    Errno::Inval
                } else {
                    Errno::NoSys
                };
                assert_eq!(expected, failed(errno));
                for command in &commands {
                    let (result, reads) =
                        observed(&mut bench, number, [*command, second(at), at, 1, 2]);
                    assert_eq!(result, expected, "{} {number} {command}", permit.name());
                    assert_eq!(reads, 0, "{} reads an argument", permit.name());
                }
            }
        }
    }
}

/// A call's result, and how often guest memory was looked at for it.
fn observed(bench: &mut Bench, number: u64, arguments: [u64; 5]) -> (i64, u64) {
    put(bench, A, ARGUMENT, &[0x5a; 64]);
    bench.machine.take_translations();
    let result = call(bench, A, number, arguments);
    let reads = bench.machine.take_translations();
    assert_eq!(get::<64>(bench, A, ARGUMENT), [0x5a; 64]);
    let rest = bench.registers(A, |registers| {
        [1, 2, 3, 4].map(|index| registers.cpu.register(index))
    });
    assert_eq!(rest, arguments[1..]);
    (result, reads)
}

#[test]
fn a_call_that_is_permitted_reads_its_argument() {
    let mut bench = without(Permit::ConsoleIo);
    let (_, reads) = observed(&mut bench, EVENT_CHANNEL_OP, [4, ARGUMENT, 0, 0, 0]);
    assert_eq!(reads, 1);
}

#[test]
fn without_grants_their_space_is_an_unknown_one() {
    let mut bench = without(Permit::GrantTable);
    for domid in [DomId::SELF, DomId(2), DomId(9)] {
        let results = [space::GRANT_TABLE, 77].map(|space| {
            let one = AddToPhysmap {
                domid,
                space,
                gpfn: SHARED >> 12,
                ..AddToPhysmap::default()
            };
            let batch = AddToPhysmapBatch {
                domid,
                space: space as u16,
                size: 1,
                idxs: UNMAPPED,
                ..AddToPhysmapBatch::default()
            };
            let one = operate(
                &mut bench,
                A,
                MEMORY_OP,
                memory::ADD_TO_PHYSMAP,
                one.to_bytes(),
            );
            let batch = operate(
                &mut bench,
                A,
                MEMORY_OP,
                memory::ADD_TO_PHYSMAP_BATCH,
                batch.to_bytes(),
            );
            (one.0, batch.0)
        });
        assert_eq!(results[0], results[1], "{domid}");
        assert_eq!(results[0].0, failed(Errno::NoSys));
    }
}

#[test]
fn without_run_states_their_assist_and_feature_are_not_there() {
    let mut bench = without(Permit::VcpuRunstate);
    for command in 0..3 {
        for kind in [5, 6] {
            let result = call(&mut bench, A, VM_ASSIST, [command, kind, 0, 0, 0]);
            assert_eq!(result, failed(Errno::Inval));
        }
    }
    let wanted = FeatureInfo::default().to_bytes();
    let command = version::GET_FEATURES as u32;
    let (_, bytes) = operate(&mut bench, A, XEN_VERSION, command, wanted);
    let shown = FeatureInfo::from_bytes(&bytes).submap;
    let all = feature::XEN_4_20_DOMU;
    assert_eq!(shown, all & !(1 << feature::RUNSTATE_PHYS_AREA));
}
