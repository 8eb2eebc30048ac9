//! Event channels and vCPUs that are turned off and on.

use abi::arm::EVENT_UPCALL;
use abi::evtchn::{Reset, op};
use abi::hypercall::{EVENT_CHANNEL_OP, VCPU_OP};
use abi::vcpu::{self, RegisterVcpuInfo};
use abi::{DomId, Errno, Port, psci};

use crate::bench::{Bench, Setup, Who};
use crate::event_channels::{enable_upcall, taken};
use crate::xen::{
    ARGUMENT, ARRAY, SHARED, call, enhanced, events, failed, get, on_port, open_ipi, put,
};

const A: Who = (1, 0);

#[test]
fn an_event_for_a_vcpu_that_is_off_interrupts_it_once_it_is_on() {
    let mut bench = Setup::with(vec![enhanced(1, 2)]).boot();
    let second = (1, 1);
    let on = |bench: &mut Bench| {
        let arguments = [abi::arm::vcpu_affinity(1), crate::bench::ENTRY, 0];
        assert_eq!(bench.hvc(A, psci::CPU_ON_64, arguments), 0);
        enable_upcall(bench, second);
    };
    let own = RegisterVcpuInfo {
        mfn: SHARED >> 12,
        offset: 64,
        ..RegisterVcpuInfo::default()
    };
    let register = vcpu::op::REGISTER_VCPU_INFO.into();
    put(&mut bench, A, ARGUMENT, &own.to_bytes());
    let arguments = [register, 1, ARGUMENT, 0, 0];
    assert_eq!(call(&mut bench, A, VCPU_OP, arguments), 0);
    assert_eq!(get::<1>(&mut bench, A, SHARED + 64), [1]);
    let port = open_ipi(&mut bench, A, 1);
    on(&mut bench);
    assert_eq!(taken(&mut bench, second), Some(EVENT_UPCALL));
    // It was seen to; an event comes while the vCPU is off.
    put(&mut bench, A, SHARED + 64, &[0; 16]);
    bench.run(second, |guest| {
        guest.hvc(0, [psci::CPU_OFF.into(), 0, 0, 0])
    });
    bench.settle();
    assert_eq!(on_port(&mut bench, A, op::SEND, port), 0);
    on(&mut bench);
    assert_eq!(taken(&mut bench, second), Some(EVENT_UPCALL));
    assert_eq!(taken(&mut bench, second), None, "once");
    // Without events there is none.
    put(&mut bench, A, SHARED + 64, &[0; 16]);
    bench.run(second, |guest| {
        guest.hvc(0, [psci::CPU_OFF.into(), 0, 0, 0])
    });
    bench.settle();
    on(&mut bench);
    assert_eq!(taken(&mut bench, second), None);
}

#[test]
fn a_reset_that_its_vcpu_abandons_is_done_by_another() {
    let mut bench = Setup::with(vec![enhanced(1, 2)]).boot();
    let second = (1, 1);
    let on = [abi::arm::vcpu_affinity(1), crate::bench::ENTRY, 0];
    bench.hvc(A, psci::CPU_ON_64, on);
    for _ in 0..200 {
        open_ipi(&mut bench, A, 0);
    }
    let reset = Reset { dom: DomId::SELF }.to_bytes();
    put(&mut bench, A, ARRAY, &reset);
    // The first bit of it is done, then the vCPU does something else for good.
    let arguments = [op::RESET.into(), ARRAY, 0, 0, 0];
    crate::xen::begin(&mut bench, second, EVENT_CHANNEL_OP, arguments);
    assert_eq!(bench.pc(second), crate::bench::ENTRY, "it is continued");
    bench.run(second, |guest| {
        guest.hvc(0, [psci::CPU_OFF.into(), 0, 0, 0])
    });
    bench.settle();
    assert_eq!(
        events(&mut bench, A, op::RESET, reset).0,
        failed(Errno::Busy)
    );
    assert_eq!(events(&mut bench, A, op::RESET, reset).0, 0);
    assert_eq!(open_ipi(&mut bench, A, 0), Port(1));
    // Nothing of it is left over to the first one.
    bench.hvc(A, psci::CPU_ON_64, on);
    assert_eq!(events(&mut bench, second, op::RESET, reset).0, 0);
    assert_eq!(open_ipi(&mut bench, A, 0), Port(1));
}
