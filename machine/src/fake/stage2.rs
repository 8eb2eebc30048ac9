//! Stage-2 tables: their memory as on the bare machine, and a TLB that only keeps a record.

use abi::Range;

use super::host::{Record, with_state};
use super::vcpu::Stage2Base;

pub use crate::table_pool::TablePool;

/// Records that translations of `base`'s VMID for `range` were dropped.
pub fn invalidate(base: Stage2Base, range: Range) {
    with_state(|state, _| {
        state.record(Record::Invalidated {
            vmid: base.vmid,
            range,
        })
    });
}

/// Records that this CPU's translations of the loaded vCPU's VMID were dropped.
///
/// # Panics
/// If no vCPU is loaded: the VMID would be anybody's.
pub fn flush_local() {
    with_state(|state, cpu| {
        let resident = state.cpu(cpu).resident;
        assert!(resident.is_some(), "a TLB is flushed for nobody");
        state.record(Record::FlushedLocally(cpu));
    });
}

/// Bits of the physical addresses that this machine has.
pub fn physical_address_bits() -> u32 {
    40
}

/// Records that instructions were made visible.
pub fn synchronise_instructions() {
    with_state(|state, _| state.record(Record::InstructionsSynchronised));
}
