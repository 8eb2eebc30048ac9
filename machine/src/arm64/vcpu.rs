//! Running a guest: a function that returns why it stopped.
//!
//! A [`Vcpu`]'s general registers are in memory whenever EL2 runs; its EL1 registers, FP/SIMD
//! registers and list registers stay in the CPU while it is *resident*, across exits, and are
//! moved by [`Vcpu::load`] and [`Vcpu::save`] only.

use core::arch::global_asm;
use core::mem::offset_of;

use abi::{Ipa, Pa};

use super::fpsimd::FpSimd;
use super::gic::{CpuInterface, Gic};
use super::sysreg::{isb, read, write};
use crate::exit::{self, Exit};
use crate::pstate::{self, Handler};

/// Everything that a physical CPU must hold for a guest to run.
#[repr(C, align(16))]
pub struct Vcpu {
    x: [u64; 31],
    pc: u64,
    pstate: u64,
    /// What EL2 needs again behind the guest's run, while that lasts: x29, x30, x19 and the stack pointer.
    host: [u64; 4],
    el1: El1,
    fp: FpSimd,
    cpu_interface: CpuInterface,
    affinity: u64,
    stage2: Stage2Base,
    counter_offset: u64,
    /// A virtual SError is pending, of a saved vCPU.
    serror: bool,
    /// `VDISR_EL2`: an SError that an `ESB` of the guest's has put off.
    deferred_serror: u64,
}

/// What `VTTBR_EL2` and `VTCR_EL2` hold for a domain.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Stage2Base {
    /// The root table(s).
    pub root: Pa,
    /// The VMID, 8 bits.
    pub vmid: u8,
    /// `VTCR_EL2`.
    pub control: u64,
}

/// `SPSR_EL2` at the first entry: EL1h, D A I F masked.
const PSTATE_START: u64 = 0x3c5;
/// `PSTATE.SS`, in `SPSR_EL2`.
const SINGLE_STEP: u64 = 1 << 21;
/// `SCTLR_EL1` at the first entry, as on Xen.
const SCTLR_START: u64 = 0x00c5_0078;

macro_rules! el1_registers {
    ($([$first:ident = $first_name:literal, $second:ident = $second_name:literal])*
     $last:ident = $last_name:literal) => {
        #[derive(Default)]
        #[repr(C)]
        struct El1 { $($first: u64, $second: u64,)* $last: u64 }

        impl El1 {
            // Two at a time, which are stored and loaded by one instruction.
            fn save(&mut self) {
                $((self.$first, self.$second) = (read!($first_name), read!($second_name));)*
                self.$last = read!($last_name);
            }

            fn load(&self) {
                $(
                    let (first, second) = (self.$first, self.$second);
                    write!($first_name, first);
                    write!($second_name, second);
                )*
                write!($last_name, self.$last);
            }
        }
    };
}

el1_registers! {
    [sp_el0 = "sp_el0", sp_el1 = "sp_el1"]
    [elr = "elr_el1", spsr = "spsr_el1"]
    [sctlr = "sctlr_el1", cpacr = "cpacr_el1"]
    [ttbr0 = "ttbr0_el1", ttbr1 = "ttbr1_el1"]
    [tcr = "tcr_el1", esr = "esr_el1"]
    [far = "far_el1", afsr0 = "afsr0_el1"]
    [afsr1 = "afsr1_el1", mair = "mair_el1"]
    [amair = "amair_el1", vbar = "vbar_el1"]
    [contextidr = "contextidr_el1", tpidr_el0 = "tpidr_el0"]
    [tpidrro_el0 = "tpidrro_el0", tpidr_el1 = "tpidr_el1"]
    [cntkctl = "cntkctl_el1", par = "par_el1"]
    [csselr = "csselr_el1", cntv_cval = "cntv_cval_el0"]
    cntv_ctl = "cntv_ctl_el0"
}

/// What an address translation of the resident guest's gives.
macro_rules! translation {
    ($stages:literal, $address:expr) => {{
        const FAULT: u64 = 1;
        const PAGE: u64 = 0x000f_ffff_ffff_f000;
        let address: u64 = $address;
        let kept = read!("par_el1");
        // SAFETY: an address translation changes PAR_EL1 only, which is put back below.
        unsafe {
            core::arch::asm!(concat!("at ", $stages, ", {}"), in(reg) address, options(nostack));
        }
        isb();
        let result = read!("par_el1");
        write!("par_el1", kept);
        if result & FAULT == 0 {
            Ok(result & PAGE | address & 0xfff)
        } else {
            Err(result)
        }
    }};
}

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
            host: [0; 4],
            el1: El1::default(),
            fp: FpSimd::default(),
            cpu_interface: CpuInterface::default(),
            affinity,
            stage2,
            counter_offset,
            serror: false,
            deferred_serror: 0,
        }
    }

    /// The state in which a CPU starts: at `entry` with `argument` in x0, MMU off, everything else
    /// 0. Not while resident.
    pub fn reset(&mut self, entry: u64, argument: u64) {
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
    #[inline]
    pub fn register(&self, index: u8) -> u64 {
        self.x.get(index as usize).copied().unwrap_or(0)
    }

    /// Sets general register `index`; 31 is the zero register.
    #[inline]
    pub fn set_register(&mut self, index: u8, value: u64) {
        if let Some(register) = self.x.get_mut(index as usize) {
            *register = value;
        }
    }

    /// The program counter.
    pub fn pc(&self) -> u64 {
        self.pc
    }

    /// The processor state, as in `SPSR_EL2`.
    pub fn pstate(&self) -> u64 {
        self.pstate
    }

    /// Goes on behind the instruction that the last exit trapped. The vCPU must be resident.
    #[inline]
    pub fn skip_instruction(&mut self) {
        if self.is_32_bit() {
            return self.skip_32_bit();
        }
        self.pc = self.pc.wrapping_add(4);
        // PSTATE.SS and .BTYPE belong to the instruction that is now done.
        self.pstate &= !(SINGLE_STEP | 3 << 10);
    }

    #[cold]
    fn skip_32_bit(&mut self) {
        let (pc, pstate) = pstate::behind_32_bit(read!("esr_el2"), self.pc, self.pstate);
        self.pc = pc;
        self.pstate = pstate & !SINGLE_STEP;
    }

    /// Goes back to the instruction behind which the PC is.
    pub fn rewind_instruction(&mut self) {
        self.pc = self.pc.wrapping_sub(4);
    }

    /// Makes this vCPU the resident one of this CPU: all its registers but the general ones go
    /// into the CPU. The one before it must have been saved.
    pub fn load(&mut self, gic: &Gic) {
        write!("vmpidr_el2", 1 << 31 | self.affinity);
        write!("cntvoff_el2", self.counter_offset);
        write!("vtcr_el2", self.stage2.control);
        write!(
            "vttbr_el2",
            u64::from(self.stage2.vmid) << 48 | self.stage2.root.0
        );
        self.el1.load();
        self.fp.load();
        gic.load(&self.cpu_interface);
        if self.serror {
            super::cpu::pend_serror();
        }
        if super::cpu::has_ras() {
            write!("S3_4_C12_C1_1", self.deferred_serror); // VDISR_EL2
        }
        isb();
    }

    /// Takes this vCPU's registers out of the CPU. It must be the resident one. Its timer no
    /// longer fires: only behind this its physical interrupt may lose the active state.
    pub fn save(&mut self, gic: &Gic) {
        self.el1.save();
        write!("cntv_ctl_el0", 0);
        self.fp.save();
        gic.save(&mut self.cpu_interface);
        self.serror = super::cpu::take_serror();
        if super::cpu::has_ras() {
            self.deferred_serror = read!("S3_4_C12_C1_1"); // VDISR_EL2
        }
        isb();
    }

    /// When this vCPU's virtual timer would fire, in physical counter ticks; `None` if it is off,
    /// masked. Of a saved vCPU.
    pub fn timer_deadline(&self) -> Option<u64> {
        (self.el1.cntv_ctl & 3 == 1).then(|| self.el1.cntv_cval.saturating_add(self.counter_offset))
    }

    /// Runs the guest until something needs the hypervisor. It must be the resident vCPU.
    #[inline]
    pub fn run(&mut self) -> Exit {
        // SAFETY: `enter_guest` keeps x19 and the stack, and all other registers are declared to be
        // lost (FP/SIMD registers are not used at EL2). The frame is this vCPU's, borrowed mutably
        // for the whole run, and whatever SP_EL2 points to until the guest stops. That the guest
        // cannot reach memory of EL2 rests on code outside this crate: on `Stage2Base` being that of
        // tables in a `TablePool`, and on what is written into these mapping only RAM of an `Extent`
        // that the domain owns, which is released after all TLB entries for it are dropped, and
        // devices that do not write memory on their own. `logic/stage2` and `hypervisor::domain` keep
        // to that.
        match unsafe { enter(self) } {
            // No exception between the vector and here, so all syndrome registers are the guest's.
            syndrome if syndrome & ASYNCHRONOUS == 0 => {
                exit::decode(syndrome, || (read!("far_el2"), read!("hpfar_el2")))
            }
            INTERRUPT => Exit::Interrupt,
            _ => Exit::SError {
                syndrome: read!("esr_el2"),
            },
        }
    }

    /// Delivers a synchronous exception to the guest's EL1, as the hardware would (Arm ARM
    /// D1.3): `syndrome` becomes `ESR_EL1`, `address` `FAR_EL1`. The vCPU must be resident.
    pub fn inject(&mut self, syndrome: u64, address: u64) {
        const FROM_CURRENT_SP0: u64 = 0x000;
        const FROM_CURRENT_SPX: u64 = 0x200;
        const FROM_LOWER_64: u64 = 0x400;
        const FROM_LOWER_32: u64 = 0x600;
        let offset = match self.pstate & 0x1f {
            0x10..=0x1f => FROM_LOWER_32,
            0x0 => FROM_LOWER_64,
            mode if mode & 1 == 0 => FROM_CURRENT_SP0,
            _ => FROM_CURRENT_SPX,
        };
        write!("esr_el1", syndrome);
        write!("far_el1", address);
        write!("elr_el1", self.pc);
        write!("spsr_el1", self.pstate);
        self.pc = read!("vbar_el1").wrapping_add(offset);
        let handler = Handler {
            system_control: read!("sctlr_el1"),
            processor: read!("id_aa64pfr1_el1"),
            memory_model: read!("id_aa64mmfr1_el1"),
        };
        self.pstate = handler.state(self.pstate);
    }

    /// Passes an asynchronous external abort on to the resident guest, which takes it as soon as
    /// it has unmasked it (`HCR_EL2.VSE`, Arm ARM D1.3.6). It stays pending across [`Vcpu::save`]
    /// and [`Vcpu::load`].
    pub fn inject_serror(&mut self) {
        super::cpu::pend_serror();
    }

    /// Where the resident guest's own stage 1 maps the EL1 virtual address `address` for `access`;
    /// an error if it does not, or not with that right (`AT S1E1R`, `AT S1E1W`; Arm ARM D8.15).
    pub fn translate(&mut self, address: u64, access: Access) -> Result<Ipa, Untranslated> {
        /// PAR_EL1.S: the fault is stage 2's, on the walk.
        const STAGE_2: u64 = 1 << 9;
        match access {
            Access::Read => translation!("s1e1r", address),
            Access::Write => translation!("s1e1w", address),
        }
        .map(Ipa)
        .map_err(|result| match result & STAGE_2 {
            0 => Untranslated::Stage1,
            _ => Untranslated::Stage2,
        })
    }

    /// Where both its stages map it, and allow `access` (`AT S12E1R`, `AT S12E1W`): that is so for as
    /// long as its stage-2 tables are kept from being changed.
    #[inline]
    pub fn locate(&mut self, address: u64, access: Access) -> Option<Pa> {
        match access {
            Access::Read => translation!("s12e1r", address),
            Access::Write => translation!("s12e1w", address),
        }
        .ok()
        .map(Pa)
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

/// What a guest wants to do with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Load from it.
    Read,
    /// Store to it.
    Write,
}

/// What the vectors give instead of a syndrome, which has bits 55:0 only (Arm ARM D24.2.37).
const ASYNCHRONOUS: u64 = 1 << 63;
const INTERRUPT: u64 = ASYNCHRONOUS;
const SERROR: u64 = ASYNCHRONOUS | 1;

unsafe extern "C" {
    fn enter_guest(frame: *mut Vcpu) -> u64;
}

/// Calls `enter_guest`, which keeps hardly any register: what the caller needs it stores itself, which
/// is less than what a function has to keep. Gives `ESR_EL2`, [`INTERRUPT`] or [`SERROR`].
///
/// # Safety
/// `frame` is that of the resident vCPU, and nobody else's meanwhile.
#[inline(always)]
unsafe fn enter(frame: *mut Vcpu) -> u64 {
    let stopped;
    // SAFETY: as this function's.
    unsafe {
        core::arch::asm!(
            "bl {enter_guest}",
            enter_guest = sym enter_guest,
            inout("x0") frame as u64 => stopped,
            out("x1") _, out("x2") _, out("x3") _, out("x4") _, out("x5") _, out("x6") _,
            out("x7") _, out("x8") _, out("x9") _, out("x10") _, out("x11") _, out("x12") _,
            out("x13") _, out("x14") _, out("x15") _, out("x16") _, out("x17") _, out("x18") _,
            out("x20") _, out("x21") _, out("x22") _, out("x23") _, out("x24") _, out("x25") _,
            out("x26") _, out("x27") _, out("x28") _, out("x30") _,
        );
    }
    stopped
}

// While a guest runs SP_EL2 is its frame, so that the vectors need no register to find it. EL2's own
// stack pointer is in the frame meanwhile. In between nothing uses the stack, and an exception of EL2's
// own takes a stack that it knows.
global_asm!(
    r#"
    .text
    .balign 64
    .global enter_guest
enter_guest:
    stp     x29, x30, [x0, #{host}]
    mov     x1, sp
    stp     x19, x1, [x0, #({host} + 16)]
    mov     sp, x0
    ldp     x1, x2, [x0, #{pc}]
    msr     elr_el2, x1
    msr     spsr_el2, x2
    ldp     x2, x3, [x0, #16]
    ldp     x4, x5, [x0, #32]
    ldp     x6, x7, [x0, #48]
    ldp     x8, x9, [x0, #64]
    ldp     x10, x11, [x0, #80]
    ldp     x12, x13, [x0, #96]
    ldp     x14, x15, [x0, #112]
    ldp     x16, x17, [x0, #128]
    ldp     x18, x19, [x0, #144]
    ldp     x20, x21, [x0, #160]
    ldp     x22, x23, [x0, #176]
    ldp     x24, x25, [x0, #192]
    ldp     x26, x27, [x0, #208]
    ldp     x28, x29, [x0, #224]
    ldr     x30, [x0, #240]
    ldp     x0, x1, [x0]
    eret
    dsb     nsh                     // no speculation past the return (straight-line speculation)
    isb

    // All of it in the vector, which has room for 32 instructions: 24 of them.
    .macro  guest_vector reason:vararg
    .balign 128
    stp     x0, x1, [sp]
    stp     x2, x3, [sp, #16]
    stp     x4, x5, [sp, #32]
    stp     x6, x7, [sp, #48]
    stp     x8, x9, [sp, #64]
    stp     x10, x11, [sp, #80]
    stp     x12, x13, [sp, #96]
    stp     x14, x15, [sp, #112]
    stp     x16, x17, [sp, #128]
    stp     x18, x19, [sp, #144]
    stp     x20, x21, [sp, #160]
    stp     x22, x23, [sp, #176]
    stp     x24, x25, [sp, #192]
    stp     x26, x27, [sp, #208]
    stp     x28, x29, [sp, #224]
    str     x30, [sp, #240]
    mrs     x1, elr_el2
    mrs     x2, spsr_el2
    stp     x1, x2, [sp, #{pc}]
    \reason
    ldp     x29, x30, [sp, #{host}]
    ldp     x19, x1, [sp, #({host} + 16)]
    mov     sp, x1
    ret
    .endm

    .macro  own_vector kind
    .balign 128
    mov     x0, #\kind
    b       own_exception
    .endm

own_exception:
    mrs     x1, esr_el2
    mrs     x2, elr_el2
    mrs     x3, far_el2
    // The stack may be what is broken: the boot stack is free by now.
    adrp    x4, __boot_stack_end
    add     x4, x4, :lo12:__boot_stack_end
    mov     sp, x4
    bl      {own_exception}
    b       park

    .balign 2048
    .global vectors
vectors:
    own_vector 0
    own_vector 1
    own_vector 2
    own_vector 3
    own_vector 4
    own_vector 5
    own_vector 6
    own_vector 7
    guest_vector mrs x0, esr_el2
    guest_vector mov x0, #{interrupt}
    guest_vector mov x0, #{interrupt}
    guest_vector mov x0, #{serror}
    guest_vector mrs x0, esr_el2
    guest_vector mov x0, #{interrupt}
    guest_vector mov x0, #{interrupt}
    guest_vector mov x0, #{serror}
"#,
    pc = const offset_of!(Vcpu, pc),
    host = const offset_of!(Vcpu, host),
    interrupt = const INTERRUPT,
    serror = const SERROR,
    own_exception = sym super::boot::own_exception,
);
