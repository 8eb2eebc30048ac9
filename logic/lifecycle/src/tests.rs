//! Tests of the state machines: by name, and every interleaving of a small world.

mod interleavings;
mod pauses;
mod power;
mod shutdown;
mod world;

use abi::{VcpuId, VcpuSet};

use crate::{Block, Domain, Effects, Entry};

const V0: VcpuId = VcpuId(0);
const V1: VcpuId = VcpuId(1);
const V2: VcpuId = VcpuId(2);

const ENTRY: Entry = Entry {
    address: 0x4000_0000,
    context: 0x4800_0000,
};

/// A running domain, the first `on` vCPUs of `count` on.
fn running(count: u16, on: u16) -> Domain {
    let mut domain = Domain::new(count).unwrap();
    let _ = domain.start(ENTRY).unwrap();
    domain.take_entry(V0).unwrap();
    for vcpu in 1..on {
        let _ = domain
            .cpu_on(V0, abi::arm::vcpu_affinity(vcpu), 0x1000, 0)
            .unwrap();
        domain.take_entry(VcpuId(vcpu)).unwrap();
    }
    domain
}

/// Sends a request of `vcpu` to a device model.
fn send(domain: &mut Domain, vcpu: VcpuId) {
    assert!(domain.may_send_io(vcpu));
    domain.block(vcpu, Block::Io);
}

fn set(vcpus: &[VcpuId]) -> VcpuSet {
    vcpus
        .iter()
        .fold(VcpuSet::EMPTY, |set, &vcpu| set.union(VcpuSet::of(vcpu)))
}

fn wakes(vcpus: &[VcpuId]) -> Effects {
    Effects {
        wake: set(vcpus),
        ..Effects::NONE
    }
}

fn deschedules(vcpus: &[VcpuId]) -> Effects {
    Effects {
        deschedule: set(vcpus),
        ..Effects::NONE
    }
}
