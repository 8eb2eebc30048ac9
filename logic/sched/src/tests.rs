//! The policy seen from outside: what a CPU does with the vCPUs it is given.

mod queue;
mod shares;
mod sleepers;

use abi::{CpuId, DomId, VcpuId};

use crate::{Kick, RunQueue, Timing, VcpuKey, VirtualTime, Weight};

const TIMING: Timing = Timing::NANOSECONDS;
const MS: u64 = 1_000_000;

fn key(domain: u16) -> VcpuKey {
    VcpuKey {
        domain: DomId(domain),
        vcpu: VcpuId(0),
    }
}

fn queue<const N: usize>() -> RunQueue<N> {
    RunQueue::new(CpuId(0), TIMING)
}

fn add<const N: usize>(queue: &mut RunQueue<N>, domain: u16, now: u64) -> Kick {
    queue
        .enqueue(key(domain), Weight::DEFAULT, VirtualTime::NEW, now)
        .unwrap()
}
