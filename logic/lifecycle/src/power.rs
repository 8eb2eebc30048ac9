//! What a guest's PSCI calls do (Arm DEN0022 5.4 to 5.20).
//!
//! No call takes effect unless the domain is running: one that comes when it is stopping is not
//! made, and its instruction is executed after a resume, like a refused I/O request.

use abi::{VcpuId, VcpuSet, arm, psci};

use crate::vcpu::{Entry, Power};
use crate::{Domain, DomainState, Effects, Reason};

/// Why a PSCI call was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PsciError {
    /// No such vCPU, or an argument is wrong.
    InvalidParameters,
    /// The entry address is none for AArch64.
    InvalidAddress,
    /// Other vCPUs are not off.
    Denied,
    /// The vCPU is on.
    AlreadyOn,
    /// The vCPU was turned on, but has not run yet.
    OnPending,
    /// Not for the guest: the domain is stopping or stopped. Leave the program counter at the
    /// instruction, and the CPU.
    NotRunning,
}

impl PsciError {
    /// The code for x0; `None` for [`NotRunning`](Self::NotRunning), which has none.
    pub const fn code(self) -> Option<i32> {
        match self {
            Self::InvalidParameters => Some(psci::INVALID_PARAMETERS),
            Self::InvalidAddress => Some(psci::INVALID_ADDRESS),
            Self::Denied => Some(psci::DENIED),
            Self::AlreadyOn => Some(psci::ALREADY_ON),
            Self::OnPending => Some(psci::ON_PENDING),
            Self::NotRunning => None,
        }
    }
}

/// What `AFFINITY_INFO` returns, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Affinity {
    /// At least one vCPU of it is on.
    On = 0,
    /// All are off, or there are none.
    Off = 1,
    /// None is on, but one is about to be.
    OnPending = 2,
}

/// The affinity fields of an MPIDR: Aff3 in bits 39:32, Aff2 to Aff0 in bits 23:0.
const AFFINITY_FIELDS: u64 = 0xff_00ff_ffff;
/// Bit 0 of an entry address asks for T32, which a 64-bit guest does not have.
const T32: u64 = 1;

impl Domain {
    /// `CPU_ON`: turns on the vCPU whose affinity is `target`, at `entry` with `context` in x0.
    pub fn cpu_on(
        &mut self,
        caller: VcpuId,
        target: u64,
        entry: u64,
        context: u64,
    ) -> Result<Effects, PsciError> {
        self.check_caller(caller)?;
        let target = self.vcpu_of(target).ok_or(PsciError::InvalidParameters)?;
        check_entry(entry)?;
        match self.power(target) {
            Power::On => return Err(PsciError::AlreadyOn),
            Power::OnPending(_) => return Err(PsciError::OnPending),
            Power::Off => {}
        }
        Ok(self.change(|domain| {
            domain.set_power(
                target,
                Power::OnPending(Entry {
                    address: entry,
                    context,
                }),
            );
        }))
    }

    /// `CPU_OFF`: turns the caller off. When it was the last one, the domain stops (power off).
    pub fn cpu_off(&mut self, caller: VcpuId) -> Result<Effects, PsciError> {
        self.check_caller(caller)?;
        if self.others_off(caller) {
            let effects = self.shutdown(Reason::PowerOff, VcpuSet::EMPTY);
            self.set_power(caller, Power::Off);
            return Ok(effects);
        }
        Ok(self.change(|domain| domain.set_power(caller, Power::Off)))
    }

    /// `AFFINITY_INFO` of the vCPUs whose affinity matches `target` from `lowest_level` (0 to 3) up.
    ///
    /// As on Xen, levels above 0 are answered and an affinity that matches no vCPU is off.
    pub fn affinity_info(&self, target: u64, lowest_level: u64) -> Result<Affinity, PsciError> {
        let ignored: u64 = match lowest_level {
            0 => 0,
            1 => 0xff,
            2 => 0xffff,
            3 => 0xff_ffff,
            _ => return Err(PsciError::InvalidParameters),
        };
        // The usual question is about one.
        if lowest_level == 0 {
            let vcpu = self.vcpu_of(target & AFFINITY_FIELDS);
            return Ok(match vcpu.map(|vcpu| self.power(vcpu)) {
                Some(Power::On) => Affinity::On,
                Some(Power::OnPending(_)) => Affinity::OnPending,
                Some(Power::Off) | None => Affinity::Off,
            });
        }
        let (mut on, mut pending) = (false, false);
        let fields = AFFINITY_FIELDS & !ignored;
        for vcpu in self.all().iter() {
            if (arm::vcpu_affinity(vcpu.0) ^ target) & fields == 0 {
                on |= self.power(vcpu) == Power::On;
                pending |= matches!(self.power(vcpu), Power::OnPending(_));
            }
        }
        Ok(match (on, pending) {
            (true, _) => Affinity::On,
            (false, true) => Affinity::OnPending,
            (false, false) => Affinity::Off,
        })
    }

    /// `SYSTEM_OFF`: stops the domain; `in_flight` as for [`Domain::shutdown`].
    pub fn system_off(&mut self, caller: VcpuId, in_flight: VcpuSet) -> Result<Effects, PsciError> {
        self.check_caller(caller)?;
        Ok(self.shutdown(Reason::PowerOff, in_flight))
    }

    /// `SYSTEM_RESET`: stops the domain, to be restarted; `in_flight` as for [`Domain::shutdown`].
    pub fn system_reset(
        &mut self,
        caller: VcpuId,
        in_flight: VcpuSet,
    ) -> Result<Effects, PsciError> {
        self.check_caller(caller)?;
        Ok(self.shutdown(Reason::Reboot, in_flight))
    }

    /// `SYSTEM_SUSPEND`: stops the domain; after a resume the caller starts at `entry` with `context`
    /// in x0. All other vCPUs must be off.
    pub fn system_suspend(
        &mut self,
        caller: VcpuId,
        entry: u64,
        context: u64,
    ) -> Result<Effects, PsciError> {
        self.check_caller(caller)?;
        check_entry(entry)?;
        if !self.others_off(caller) {
            return Err(PsciError::Denied);
        }
        let effects = self.shutdown(Reason::Suspend, VcpuSet::EMPTY);
        self.set_power(
            caller,
            Power::OnPending(Entry {
                address: entry,
                context,
            }),
        );
        Ok(effects)
    }

    fn check_caller(&self, caller: VcpuId) -> Result<(), PsciError> {
        if self.state != DomainState::Running {
            return Err(PsciError::NotRunning);
        }
        match self.power(caller) {
            Power::On => Ok(()),
            Power::Off | Power::OnPending(_) => Err(PsciError::InvalidParameters),
        }
    }

    fn others_off(&self, caller: VcpuId) -> bool {
        self.set_of(|id, vcpu| id != caller && vcpu.power != Power::Off)
            .is_empty()
    }

    fn vcpu_of(&self, affinity: u64) -> Option<VcpuId> {
        // The inverse of `vcpu_affinity` for what it gives, and anything for the rest.
        let vcpu = VcpuId(((affinity >> 8 & 0xff) << 4 | affinity & 0xf) as u16);
        (self.all().contains(vcpu) && arm::vcpu_affinity(vcpu.0) == affinity).then_some(vcpu)
    }

    fn set_power(&mut self, vcpu: VcpuId, power: Power) {
        if let Some(vcpu) = self.vcpu_mut(vcpu) {
            vcpu.power = power;
        }
    }
}

fn check_entry(entry: u64) -> Result<(), PsciError> {
    if entry & T32 == 0 {
        Ok(())
    } else {
        Err(PsciError::InvalidAddress)
    }
}
