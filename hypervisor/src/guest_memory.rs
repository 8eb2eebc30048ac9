//! Copies between the hypervisor and the resident guest's memory, by the guest's virtual
//! addresses.
//!
//! Each page is translated by the CPU, by both stages and with the guest's own rights, while the
//! domain's lock keeps stage 2 from being changed; what it maps to must be the domain's own memory. A
//! fault is an errno, never an abort at EL2. Data is copied once.

use abi::{Errno, Ipa, PAGE_SIZE, Pa};
use machine::exit::Fault;
use machine::vcpu::{Access, Untranslated};

use crate::domain::{Memory, Registers};
use crate::run::Cpu;
use crate::zeroing;

/// Copies from guest virtual address `from` into `data`. On `Errno::Fault` part of `data` may be
/// filled.
pub fn read(cpu: &mut Cpu<'_>, from: u64, data: &mut [u8]) -> Result<(), Errno> {
    if !is_in_page(from, data.len()) {
        return read_pages(cpu, from, data);
    }
    in_memory(cpu, from, Access::Read, |memory, at| {
        memory.copy(|extent| extent.read_at(at, data))
    })
}

/// Reads the 4-byte little-endian word at guest virtual address `from`: [`read`] of as many bytes.
#[inline(never)]
pub fn read_word(cpu: &mut Cpu<'_>, from: u64) -> Result<u32, Errno> {
    let mut word = 0;
    if is_in_page(from, size_of::<u32>()) {
        in_memory(cpu, from, Access::Read, |memory, at| {
            memory.copy(|extent| match extent.read_word_at(at) {
                Some(read) => {
                    word = read;
                    true
                }
                None => false,
            })
        })?;
        return Ok(word);
    }
    let mut bytes = [0; size_of::<u32>()];
    read(cpu, from, &mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

/// Copies `data` to guest virtual address `to`. On `Errno::Fault` what comes before the fault is
/// written.
pub fn write(cpu: &mut Cpu<'_>, to: u64, data: &[u8]) -> Result<(), Errno> {
    if !is_in_page(to, data.len()) {
        return write_pages(cpu, to, data);
    }
    in_memory(cpu, to, Access::Write, |memory, at| {
        memory.copy(|extent| extent.write_at(at, data))
    })
}

/// Whether that is one byte at least, and all in one page.
#[inline]
fn is_in_page(start: u64, length: usize) -> bool {
    (length as u64).wrapping_sub(1) < PAGE_SIZE - start % PAGE_SIZE
}

#[cold]
fn read_pages(cpu: &mut Cpu<'_>, mut from: u64, mut data: &mut [u8]) -> Result<(), Errno> {
    while !data.is_empty() {
        let here = data.len().min((PAGE_SIZE - from % PAGE_SIZE) as usize);
        let (part, rest) = data.split_at_mut_checked(here).ok_or(Errno::Fault)?;
        read(cpu, from, part)?;
        if !rest.is_empty() {
            from = from.checked_add(here as u64).ok_or(Errno::Fault)?;
        }
        data = rest;
    }
    Ok(())
}

#[cold]
fn write_pages(cpu: &mut Cpu<'_>, mut to: u64, mut data: &[u8]) -> Result<(), Errno> {
    while !data.is_empty() {
        let here = data.len().min((PAGE_SIZE - to % PAGE_SIZE) as usize);
        let (part, rest) = data.split_at_checked(here).ok_or(Errno::Fault)?;
        write(cpu, to, part)?;
        if !rest.is_empty() {
            to = to.checked_add(here as u64).ok_or(Errno::Fault)?;
        }
        data = rest;
    }
    Ok(())
}

/// Lets `copy` have the domain's memory and where in it the guest's `address` lies.
#[inline]
fn in_memory(
    cpu: &mut Cpu<'_>,
    address: u64,
    access: Access,
    copy: impl FnOnce(&Memory, Pa) -> bool,
) -> Result<(), Errno> {
    let (domain, registers, token) = cpu.resident_parts().ok_or(Errno::Fault)?;
    let mut life = domain.control.lock(token);
    let memory = life.memory.as_mut().ok_or(Errno::Fault)?;
    let at = match registers.cpu.locate(address, access) {
        Some(at) => at,
        None => bring(memory, registers, address, access)?,
    };
    if copy(memory, at) {
        Ok(())
    } else {
        Err(Errno::Fault)
    }
}

/// Where the guest's `address` lies, which both stages do not map: in RAM that waits to be zeroed, of
/// which that part is zeroed now. If its tables lie in such RAM, the hardware does not say where: as
/// long as there is some, a slice of it is zeroed and the hypercall made anew.
#[cold]
fn bring(
    memory: &mut Memory,
    registers: &mut Registers,
    address: u64,
    access: Access,
) -> Result<Pa, Errno> {
    match registers.cpu.translate(address, access) {
        Ok(ipa) => memory.bring(ipa).ok_or(Errno::Fault),
        Err(Untranslated::Stage1) => Err(Errno::Fault),
        Err(Untranslated::Stage2) if memory.zero_next() => Err(Errno::Restart),
        Err(Untranslated::Stage2) => Err(Errno::Fault),
    }
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

/// Whether the resident guest's tables have at `address` what an access needs, or soon will: one that
/// faulted while they were changed, or as RAM is not zeroed yet, is to be made anew.
#[cold]
pub fn is_mapped(cpu: &mut Cpu<'_>, address: Ipa, need: Need) -> bool {
    let Some((domain, _)) = cpu.resident() else {
        return false;
    };
    if zeroing::slice_at(cpu, domain, address) {
        return true;
    }
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
                    .and_then(Result::ok)
                    .is_none_or(|address| is_mapped(cpu, address, self.need))
            }
            Fault::Other => false,
        }
    }
}
