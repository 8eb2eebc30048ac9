//! Running a scripted guest: a function that returns why it stopped.
//!
//! As on the bare machine the EL1 registers are in the CPU while a vCPU is resident; that it is
//! loaded, run and saved in turn, and on one CPU, is asserted.

use abi::{Ipa, Pa};

use super::gic::{CpuInterface, Gic};
use super::guest::{Guest, GuestId};
use super::host::{here, with_state};
use super::translation::walk;
use crate::exit::Exit;
use crate::pstate::Handler;

/// Everything that a physical CPU must hold for a guest to run.
pub struct Vcpu {
    x: [u64; 31],
    pc: u64,
    pstate: u64,
    el1: El1,
    cpu_interface: CpuInterface,
    affinity: u64,
    stage2: Stage2Base,
    counter_offset: u64,
    serror: bool,
}

/// What `VTTBR_EL2` and `VTCR_EL2` hold for a domain.
#[derive(Clone, Copy, Debug)]
pub struct Stage2Base {
    /// The root table(s).
    pub root: Pa,
    /// The VMID, 8 bits.
    pub vmid: u8,
    /// `VTCR_EL2`.
    pub control: u64,
}

/// The EL1 registers that the hypervisor touches or a test looks at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct El1 {
    /// `SCTLR_EL1`.
    pub sctlr: u64,
    /// `TTBR0_EL1`: the one table of a guest that has an MMU; 0 if it is off.
    pub ttbr0: u64,
    /// `VBAR_EL1`.
    pub vbar: u64,
    /// `ESR_EL1`.
    pub esr: u64,
    /// `FAR_EL1`.
    pub far: u64,
    /// `ELR_EL1`.
    pub elr: u64,
    /// `SPSR_EL1`.
    pub spsr: u64,
    /// `CNTV_CVAL_EL0`.
    pub cntv_cval: u64,
    /// `CNTV_CTL_EL0`, ENABLE and IMASK.
    pub cntv_ctl: u64,
}

/// `SPSR_EL2` at the first entry: EL1h, D A I F masked.
const PSTATE_START: u64 = 0x3c5;
/// `SCTLR_EL1` at the first entry, as on Xen.
const SCTLR_START: u64 = 0x00c5_0078;

impl Vcpu {
    /// A vCPU with all registers 0, that is to be [`Vcpu::reset`] before it runs.
    ///
    /// `affinity` is its MPIDR affinity value; `counter_offset` what its virtual counter lags
    /// behind the physical one.
    pub fn new(affinity: u64, stage2: Stage2Base, counter_offset: u64) -> Self {
        Self {
            x: [0; 31],
            pc: 0,
            pstate: PSTATE_START,
            el1: El1::default(),
            cpu_interface: CpuInterface::default(),
            affinity,
            stage2,
            counter_offset,
            serror: false,
        }
    }

    pub(crate) fn id(&self) -> GuestId {
        GuestId {
            vmid: self.stage2.vmid,
            affinity: self.affinity,
        }
    }

    fn is_resident(&self) -> bool {
        with_state(|state, cpu| state.cpu(cpu).resident) == Some(self.id())
    }

    /// The state in which a CPU starts: at `entry` with `argument` in x0, MMU off, everything else
    /// 0. Not while resident.
    pub fn reset(&mut self, entry: u64, argument: u64) {
        let id = self.id();
        let resident = with_state(|state, _| state.cpus.iter().any(|cpu| cpu.resident == Some(id)));
        assert!(!resident, "{id:?} is reset while it is resident");
        *self = Self::new(self.affinity, self.stage2, self.counter_offset);
        self.el1.sctlr = SCTLR_START;
        self.pc = entry;
        self.x[0] = argument;
    }

    /// Sets what the virtual counter lags behind the physical one. Not while resident.
    pub fn set_counter_offset(&mut self, ticks: u64) {
        self.counter_offset = ticks;
    }

    /// What the virtual counter lags behind the physical one.
    pub fn counter_offset(&self) -> u64 {
        self.counter_offset
    }

    /// General register `index`; 31 is the zero register.
    pub fn register(&self, index: u8) -> u64 {
        self.x.get(index as usize).copied().unwrap_or(0)
    }

    /// Sets general register `index`; 31 is the zero register.
    pub fn set_register(&mut self, index: u8, value: u64) {
        if let Some(register) = self.x.get_mut(index as usize) {
            *register = value;
        }
    }

    /// The program counter.
    pub fn pc(&self) -> u64 {
        self.pc
    }

    pub(crate) fn set_pc(&mut self, pc: u64) {
        self.pc = pc;
    }

    /// The processor state, as in `SPSR_EL2`.
    pub fn pstate(&self) -> u64 {
        self.pstate
    }

    pub(crate) fn set_pstate(&mut self, pstate: u64) {
        self.pstate = pstate;
    }

    /// Goes on behind a trapped instruction of four bytes.
    pub fn skip_instruction(&mut self) {
        self.pc = self.pc.wrapping_add(4);
        self.pstate &= !(1 << 21 | 3 << 10);
    }

    /// Goes back to the instruction behind which the PC is.
    pub fn rewind_instruction(&mut self) {
        self.pc = self.pc.wrapping_sub(4);
    }

    /// Makes this vCPU the resident one of this CPU.
    ///
    /// # Panics
    /// If the one before it was not saved, or it is resident elsewhere.
    pub fn load(&mut self, gic: &Gic) {
        gic.load(&self.cpu_interface);
        let id = self.id();
        with_state(|state, cpu| {
            let elsewhere = state
                .cpus
                .iter()
                .position(|other| other.resident == Some(id));
            assert_eq!(elsewhere, None, "{id:?} is loaded twice");
            let cpu = state.cpu(cpu);
            assert_eq!(cpu.resident, None, "{id:?} is loaded over another");
            cpu.resident = Some(id);
            cpu.el1 = self.el1;
            cpu.stage2 = Some(self.stage2);
            cpu.counter_offset = self.counter_offset;
            cpu.serror_pending = self.serror;
        });
    }

    /// Takes this vCPU's registers out of the CPU. Its timer no longer fires.
    ///
    /// # Panics
    /// If it is not the resident one, or list registers still hold something of it.
    pub fn save(&mut self, gic: &Gic) {
        assert!(
            self.is_resident(),
            "{:?} is saved but not resident",
            self.id()
        );
        with_state(|state, cpu| {
            let cpu = state.cpu(cpu);
            let left = cpu
                .list_registers
                .iter()
                .any(|register| *register >> 62 != 0);
            assert!(!left, "list registers outlive their guest");
            self.el1 = cpu.el1;
            cpu.el1.cntv_ctl = 0;
            self.serror = core::mem::take(&mut cpu.serror_pending);
            cpu.resident = None;
            cpu.stage2 = None;
        });
        gic.save(&mut self.cpu_interface);
    }

    /// When this vCPU's virtual timer would fire, in physical counter ticks; `None` if it is off,
    /// masked. Of a saved vCPU.
    pub fn timer_deadline(&self) -> Option<u64> {
        (self.el1.cntv_ctl & 3 == 1).then(|| self.el1.cntv_cval.saturating_add(self.counter_offset))
    }

    /// Runs the guest until something needs the hypervisor: a pending interrupt comes first, then
    /// what the script says. At the script's end the guest computes until it is interrupted, which
    /// is an exit without a pending interrupt here.
    ///
    /// # Panics
    /// If it is not the resident vCPU.
    pub fn run(&mut self) -> Exit {
        assert!(
            self.is_resident(),
            "{:?} runs but is not resident",
            self.id()
        );
        super::cpu::point();
        if with_state(|state, cpu| state.next_pending(cpu)).is_some() {
            return Exit::Interrupt;
        }
        let id = self.id();
        loop {
            let step = with_state(|state, _| state.scripts.get_mut(&id)?.pop_front());
            let Some(step) = step else {
                return Exit::Interrupt;
            };
            if let Some(exit) = step(&mut Guest::new(self)) {
                return exit;
            }
        }
    }

    /// Delivers a synchronous exception to the guest's EL1, as the hardware would. The vCPU must
    /// be resident.
    pub fn inject(&mut self, syndrome: u64, address: u64) {
        assert!(self.is_resident(), "{:?} is not resident", self.id());
        let offset = match self.pstate & 0x1f {
            0x10..=0x1f => 0x600,
            0x0 => 0x400,
            mode if mode & 1 == 0 => 0x000,
            _ => 0x200,
        };
        let (pc, pstate) = (self.pc, self.pstate);
        let (vbar, system_control) = with_state(|state, cpu| {
            let el1 = &mut state.cpu(cpu).el1;
            el1.esr = syndrome;
            el1.far = address;
            el1.elr = pc;
            el1.spsr = pstate;
            (el1.vbar, el1.sctlr)
        });
        self.pc = vbar.wrapping_add(offset);
        let handler = Handler {
            system_control,
            ..Handler::default()
        };
        self.pstate = handler.state(pstate);
    }

    /// Passes an asynchronous external abort on to the resident guest.
    pub fn inject_serror(&mut self) {
        super::cpu::pend_serror();
    }

    /// Where the guest's stage 1 maps virtual `address`: a scripted guest's tables map every address
    /// to itself, if stage 2 maps the one at `TTBR0_EL1`; its MMU is off if that is 0. A fault from
    /// the upper half on.
    pub fn translate(&mut self, address: u64, access: Access) -> Result<Ipa, Untranslated> {
        let _ = access;
        with_state(|state, _| state.translations += 1);
        if super::guest::table_is_missing() {
            return Err(Untranslated::Stage2);
        }
        (address >> 48 == 0)
            .then_some(Ipa(address))
            .ok_or(Untranslated::Stage1)
    }

    /// Where both its stages map it, and allow `access`.
    ///
    /// # Panics
    /// If it is not resident.
    pub fn locate(&mut self, address: u64, access: Access) -> Option<Pa> {
        assert!(self.is_resident(), "{:?} is not loaded", self.id());
        let address = self.translate(address, access).ok()?;
        let found = walk(&here().0.shared().ram, self.stage2, address)?;
        // S2AP.
        let right = match access {
            Access::Read => 1 << 6,
            Access::Write => 1 << 7,
        };
        (found.descriptor & right != 0).then_some(found.address)
    }

    /// Whether the guest runs 32-bit code.
    pub fn is_32_bit(&self) -> bool {
        self.pstate & 0x10 != 0
    }

    /// Whether the guest runs at EL0.
    pub fn in_user_mode(&self) -> bool {
        self.pstate & 0xf == 0
    }
}

pub use crate::exit::Untranslated;

/// What a guest would do at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Load from it.
    Read,
    /// Store to it.
    Write,
}
