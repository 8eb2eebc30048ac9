//! Scripted guests: what stands for a guest's instructions on the fake machine.
//!
//! A step is a closure. It sees the guest's registers and list registers as the guest would, and
//! either ends in an [`Exit`] or lets the next step follow at once. A guest whose script is at its
//! end computes until an interrupt comes.

use abi::{IntId, Ipa};
use std::boxed::Box;

use super::cpu::TrapWait;
use super::host::{Machine, here};
use super::translation::{Mapped, walk};
use super::vcpu::{El1, Vcpu};
use crate::exit::{
    DataAbort, Direction, Exit, Extend, FetchAbort, Sysreg, SysregAccess, Transfer, Width,
};

/// Which vCPU: its domain's VMID and its MPIDR affinity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct GuestId {
    /// The domain's VMID.
    pub vmid: u8,
    /// The vCPU's affinity.
    pub affinity: u64,
}

/// What a guest does until it stops, or until the next step.
pub type Step = Box<dyn FnOnce(&mut Guest<'_>) -> Option<Exit> + Send>;

/// A resident guest, as its own instructions see it.
pub struct Guest<'a> {
    vcpu: &'a mut Vcpu,
    machine: Machine,
    cpu: abi::CpuId,
}

/// Whether stage 2 does not map the table that the resident guest translates with.
pub(crate) fn table_is_missing() -> bool {
    let (machine, cpu) = here();
    let (table, stage2) = {
        let mut state = machine.shared().state();
        let cpu = state.cpu(cpu);
        (cpu.el1.ttbr0, cpu.stage2)
    };
    let walked = stage2.and_then(|stage2| walk(&machine.shared().ram, stage2, Ipa(table)));
    table != 0 && walked.is_none()
}

/// A word access of a guest with general register 0 or 1 at the other end.
fn word(direction: Direction) -> Transfer {
    match direction {
        Direction::Read => Transfer::load(Width::Word, 0, Extend::Zero),
        Direction::Write => Transfer::store(Width::Word, 0),
    }
}

impl<'a> Guest<'a> {
    pub(crate) fn new(vcpu: &'a mut Vcpu) -> Self {
        let (machine, cpu) = here();
        Self { vcpu, machine, cpu }
    }

    /// Has the guest do `step` next, before the rest of its script.
    pub fn then(&mut self, step: impl FnOnce(&mut Guest<'_>) -> Option<Exit> + Send + 'static) {
        let id = self.vcpu.id();
        let mut state = self.machine.shared().state();
        state
            .scripts
            .entry(id)
            .or_default()
            .push_front(Box::new(step));
    }

    /// A general register.
    pub fn x(&self, index: u8) -> u64 {
        self.vcpu.register(index)
    }

    /// Sets a general register.
    pub fn set_x(&mut self, index: u8, value: u64) {
        self.vcpu.set_register(index, value);
    }

    /// The program counter.
    pub fn pc(&self) -> u64 {
        self.vcpu.pc()
    }

    /// Branches.
    pub fn set_pc(&mut self, pc: u64) {
        self.vcpu.set_pc(pc);
    }

    /// Sets the processor state, as in `SPSR_EL2`.
    pub fn set_pstate(&mut self, pstate: u64) {
        self.vcpu.set_pstate(pstate);
    }

    /// The EL1 registers.
    pub fn el1(&self) -> El1 {
        self.machine.shared().state().cpu(self.cpu).el1
    }

    /// Changes EL1 registers.
    pub fn set_el1(&mut self, change: impl FnOnce(&mut El1)) {
        change(&mut self.machine.shared().state().cpu(self.cpu).el1);
    }

    /// `CNTVCT_EL0`.
    pub fn virtual_count(&self) -> u64 {
        self.machine.now().wrapping_sub(self.vcpu.counter_offset())
    }

    /// Acknowledges an interrupt; `None` if none is pending.
    pub fn acknowledge(&mut self) -> Option<IntId> {
        self.machine
            .shared()
            .state()
            .cpu(self.cpu)
            .guest_acknowledge()
    }

    /// Ends an interrupt.
    ///
    /// # Panics
    /// If it is not active in a list register.
    pub fn end(&mut self, intid: IntId) {
        let found = self.machine.shared().state().cpu(self.cpu).guest_end(intid);
        assert!(
            found,
            "the guest ends {intid:?}, which is not active in a list register"
        );
    }

    /// Ends an interrupt that is active but in no list register: it is counted.
    pub fn end_unlisted(&mut self) {
        self.machine
            .shared()
            .state()
            .cpu(self.cpu)
            .guest_end_unlisted();
    }

    /// `HVC` with x0 to x3 set.
    pub fn hvc(&mut self, immediate: u16, arguments: [u64; 4]) -> Option<Exit> {
        self.set_arguments(arguments);
        let pc = self.pc();
        self.set_pc(pc.wrapping_add(4));
        Some(Exit::Hvc(immediate))
    }

    /// `SMC` with x0 to x3 set.
    pub fn smc(&mut self, immediate: u16, arguments: [u64; 4]) -> Option<Exit> {
        self.set_arguments(arguments);
        Some(Exit::Smc(immediate))
    }

    fn set_arguments(&mut self, arguments: [u64; 4]) {
        for (index, value) in (0..).zip(arguments) {
            self.set_x(index, value);
        }
    }

    /// A load of 32 bits into x0.
    pub fn load(&mut self, address: Ipa) -> Option<Exit> {
        self.access(address, word(Direction::Read))
    }

    /// A store of 32 bits by way of x0.
    pub fn store(&mut self, address: Ipa, value: u32) -> Option<Exit> {
        self.set_x(0, u64::from(value));
        self.access(address, word(Direction::Write))
    }

    /// A load or store with the MMU off: in RAM at once, where the guest's tables map it; an exit
    /// elsewhere.
    pub fn access(&mut self, address: Ipa, transfer: Transfer) -> Option<Exit> {
        if table_is_missing() {
            return Some(Exit::DataAbort(DataAbort {
                virtual_address: address.0,
                ..DataAbort::refused_walk(Ipa(self.el1().ttbr0))
            }));
        }
        match self.translate(address) {
            Some(mapped) => {
                self.access_ram(mapped, transfer);
                None
            }
            None => Some(Exit::DataAbort(DataAbort::refused(address, Some(transfer)))),
        }
    }

    fn translate(&self, address: Ipa) -> Option<Mapped> {
        let stage2 = self.machine.shared().state().cpu(self.cpu).stage2?;
        walk(&self.machine.shared().ram, stage2, address)
    }

    fn access_ram(&mut self, mapped: Mapped, transfer: Transfer) {
        let bytes = transfer.width().bytes() as usize;
        match transfer.direction() {
            Direction::Read => {
                let mut value = [0; 8];
                for (to, from) in value
                    .iter_mut()
                    .zip(self.machine.peek(mapped.address, bytes))
                {
                    *to = from;
                }
                self.set_x(
                    transfer.register(),
                    transfer.extend(u64::from_le_bytes(value)),
                );
            }
            Direction::Write => {
                let value = self.x(transfer.register()).to_le_bytes();
                self.machine
                    .poke(mapped.address, value.get(..bytes).unwrap_or_default());
            }
        }
        let pc = self.pc();
        self.set_pc(pc.wrapping_add(4));
    }

    /// An instruction fetch from `address`: an exit unless the tables map it for that.
    pub fn fetch(&mut self, address: Ipa) -> Option<Exit> {
        const EXECUTE_NEVER: u64 = 1 << 54;
        self.set_pc(address.0);
        let syndrome = match self.translate(address) {
            None => 0x8200_0007,
            Some(mapped) if mapped.descriptor & EXECUTE_NEVER != 0 => 0x8200_000f,
            Some(_) => return None,
        };
        Some(Exit::FetchAbort(FetchAbort {
            address,
            virtual_address: address.0,
            syndrome,
        }))
    }

    /// `MRS x0` of a trapped register.
    pub fn read_register(&mut self, register: Sysreg) -> Option<Exit> {
        let access = SysregAccess::new(register, Direction::Read, 0);
        Some(Exit::Sysreg(access))
    }

    /// `MSR` of a trapped register, by way of x0.
    pub fn write_register(&mut self, register: Sysreg, value: u64) -> Option<Exit> {
        self.set_x(0, value);
        let access = SysregAccess::new(register, Direction::Write, 0);
        Some(Exit::Sysreg(access))
    }

    /// `WFI`: an exit, unless the guest has the CPU to itself.
    pub fn wait(&mut self) -> Option<Exit> {
        (self.trap_wait() != TrapWait::None).then_some(Exit::WaitForInterrupt)
    }

    /// `WFE`: an exit, if others wait for the CPU.
    pub fn wait_for_event(&mut self) -> Option<Exit> {
        (self.trap_wait() == TrapWait::Both).then_some(Exit::WaitForEvent)
    }

    /// Which waiting instructions are exits now.
    pub fn trap_wait(&self) -> TrapWait {
        self.machine.shared().state().cpu(self.cpu).trap_wait
    }

    /// Whether an asynchronous abort waits to be taken.
    pub fn serror_pending(&self) -> bool {
        self.machine.shared().state().cpu(self.cpu).serror_pending
    }
}
