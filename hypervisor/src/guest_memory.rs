//! Copies between the hypervisor and the resident guest's memory, by the guest's virtual
//! addresses.
//!
//! Each page is translated by the guest's own stage 1, with the guest's own rights; what it maps to
//! must be the domain's RAM. A fault is an errno, never an abort at EL2. Data is copied once.

use abi::{Errno, Ipa, PAGE_SIZE};
use machine::exit::Fault;
use machine::vcpu::Access;

use crate::domain::Memory;
use crate::run::Cpu;

/// Copies from guest virtual address `from` into `data`. On `Errno::Fault` part of `data` may be
/// filled.
pub fn read(cpu: &mut Cpu<'_>, from: u64, data: &mut [u8]) -> Result<(), Errno> {
    each_page(cpu, from, data.len(), Access::Read, |memory, ipa, part| {
        data.get_mut(part)
            .is_some_and(|data| memory.read(ipa, data))
    })
}

/// Copies `data` to guest virtual address `to`. On `Errno::Fault` what comes before the fault is
/// written.
pub fn write(cpu: &mut Cpu<'_>, to: u64, data: &[u8]) -> Result<(), Errno> {
    each_page(cpu, to, data.len(), Access::Write, |memory, ipa, part| {
        data.get(part).is_some_and(|data| memory.write(ipa, data))
    })
}

/// What an access needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Something is mapped.
    Mapping,
    /// It may be written, too.
    Writing,
    /// It may be executed.
    Execution,
}

/// Whether the resident guest's tables have at `address` what an access needs: one that faulted while
/// they were changed is to be made anew.
#[cold]
pub fn is_mapped(cpu: &mut Cpu<'_>, address: Ipa, need: Need) -> bool {
    let Some((domain, _)) = cpu.resident() else {
        return false;
    };
    let life = domain.control.lock(&mut cpu.token);
    let translation = life
        .memory
        .as_ref()
        .and_then(|memory| memory.translate(address));
    translation.is_some_and(|found| match need {
        Need::Mapping => true,
        Need::Writing => found.attributes.access == stage2::Access::ReadWrite,
        Need::Execution => found.attributes.execute == stage2::Execute::Yes,
    })
}

/// An access that stage 2 refused.
#[derive(Clone, Copy, Debug)]
pub struct Refused {
    /// The guest physical address, as HPFAR_EL2 tells it.
    pub address: Ipa,
    /// The guest virtual address.
    pub virtual_address: u64,
    /// Why.
    pub syndrome: u64,
    /// What the access needs.
    pub need: Need,
}

impl Refused {
    /// Whether it is to be made anew: it met tables that were being changed, and they allow it now. What
    /// was missing may be there for less than the access wants: then it comes back as refused, which
    /// takes what it needs.
    pub fn is_settled(&self, cpu: &mut Cpu<'_>) -> bool {
        let is_walk = self.syndrome & machine::exit::S1_TABLE_WALK != 0;
        match Fault::of(self.syndrome) {
            Fault::Missing => is_mapped(cpu, self.address, Need::Mapping),
            // Hardware that updates access flags writes to stage-1 tables.
            Fault::Refused if is_walk => is_mapped(cpu, self.address, Need::Writing),
            // HPFAR_EL2 does not hold then (Arm ARM D24.2.66): the guest's stage 1 tells. If that does not
            // map it any more, the guest gets a fault of its own.
            Fault::Refused => {
                let translated = cpu.with_registers(|registers| {
                    let registers = &mut registers.cpu;
                    registers.translate(self.virtual_address, Access::Read)
                });
                translated
                    .flatten()
                    .is_none_or(|address| is_mapped(cpu, address, self.need))
            }
            Fault::Other => false,
        }
    }
}

fn each_page(
    cpu: &mut Cpu<'_>,
    start: u64,
    length: usize,
    access: Access,
    mut copy: impl FnMut(&Memory, Ipa, core::ops::Range<usize>) -> bool,
) -> Result<(), Errno> {
    let (domain, _) = cpu.resident().ok_or(Errno::Fault)?;
    let mut done = 0;
    while done < length {
        let address = start.checked_add(done as u64).ok_or(Errno::Fault)?;
        let in_page = (PAGE_SIZE - address % PAGE_SIZE) as usize;
        let here = in_page.min(length - done);
        let ipa = cpu
            .with_registers(|registers| registers.cpu.translate(address, access))
            .flatten()
            .ok_or(Errno::Fault)?;
        let life = domain.control.lock(&mut cpu.token);
        let memory = life.memory.as_ref().ok_or(Errno::Fault)?;
        if !copy(memory, ipa, done..done + here) {
            return Err(Errno::Fault);
        }
        done += here;
    }
    Ok(())
}
