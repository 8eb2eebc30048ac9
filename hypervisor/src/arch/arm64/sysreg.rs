//! Trapped system registers: what is emulated, and how.
//!
//! A table by encoding. What is not in it is undefined for a guest (Arm ARM D1.4).

use abi::arm;
use machine::exit::{Direction, Sysreg, SysregAccess};
use machine::timer as host_timer;
use vgic::{Cause, Level};

use crate::domain::Emulated;
use crate::run::{Cpu, Next};

const ACTLR_EL1: Sysreg = Sysreg::new(3, 0, 1, 0, 1);
const ICC_SGI1R_EL1: Sysreg = Sysreg::new(3, 0, 12, 11, 5);
const ICC_ASGI1R_EL1: Sysreg = Sysreg::new(3, 0, 12, 11, 6);
const ICC_SGI0R_EL1: Sysreg = Sysreg::new(3, 0, 12, 11, 7);
const ICC_SRE_EL1: Sysreg = Sysreg::new(3, 0, 12, 12, 5);
const CNTP_TVAL_EL0: Sysreg = Sysreg::new(3, 3, 14, 2, 0);
const CNTP_CTL_EL0: Sysreg = Sysreg::new(3, 3, 14, 2, 1);
const CNTP_CVAL_EL0: Sysreg = Sysreg::new(3, 3, 14, 2, 2);
const OSLSR_EL1: Sysreg = Sysreg::new(2, 0, 1, 1, 4);

/// What `ACTLR_EL1` reads as: the implementation defined control register has no bit that a guest may
/// set.
const NO_CONTROL: u64 = 0;

/// What a trapped access comes to.
enum Outcome {
    /// A read gives this; a write is done.
    Done(u64),
    /// There is no such register.
    Undefined,
}

/// Emulates a trapped access of the resident guest.
#[inline]
pub fn emulate(cpu: &mut Cpu<'_>, access: SysregAccess) -> Next {
    match (access.register(), access.direction()) {
        (ICC_SGI1R_EL1, Direction::Write) => send_sgi(cpu, access.general()),
        (CNTP_TVAL_EL0 | CNTP_CTL_EL0 | CNTP_CVAL_EL0, _) => physical_timer(cpu, access),
        (register, Direction::Read) => match cpu.identification.of(register) {
            Some(value) => {
                finish(cpu, access, value);
                Next::Run
            }
            None if register == ACTLR_EL1 => {
                finish(cpu, access, NO_CONTROL);
                Next::Run
            }
            None => emulate_seldom(cpu, access),
        },
        _ => emulate_seldom(cpu, access),
    }
}

#[inline(never)]
fn send_sgi(cpu: &mut Cpu<'_>, general: u8) -> Next {
    let value = cpu.with_registers(|registers| {
        registers.cpu.skip_instruction();
        registers.cpu.register(general)
    });
    match value {
        Some(value) => cpu.send_sgi(value),
        None => Next::Choose,
    }
}

#[inline(never)]
fn emulate_seldom(cpu: &mut Cpu<'_>, access: SysregAccess) -> Next {
    let outcome = match access.direction() {
        Direction::Read => read(access.register()),
        Direction::Write => write(access.register()),
    };
    match outcome {
        Outcome::Done(value) => {
            finish(cpu, access, value);
            Next::Run
        }
        Outcome::Undefined => {
            cpu.report(format_args!(
                "{} of system register {}: undefined\n",
                if access.direction() == Direction::Read {
                    "read"
                } else {
                    "write"
                },
                access.register()
            ));
            cpu.inject_undefined();
            Next::Run
        }
    }
}

#[inline]
fn finish(cpu: &mut Cpu<'_>, access: SysregAccess, value: u64) {
    if access.direction() == Direction::Read {
        cpu.with_registers(|registers| registers.cpu.set_register(access.general(), value));
    }
    cpu.skip_instruction();
}

fn read(register: Sysreg) -> Outcome {
    match register {
        ICC_SRE_EL1 => Outcome::Done(7),
        // The OS lock is implemented and never locked.
        OSLSR_EL1 => Outcome::Done(1 << 3),
        _ if is_debug(register) => Outcome::Done(0),
        _ => Outcome::Undefined,
    }
}

fn write(register: Sysreg) -> Outcome {
    match register {
        ACTLR_EL1 | ICC_SRE_EL1 => Outcome::Done(0),
        // Group 0 and the other security state's group 1: no interrupt of theirs exists.
        ICC_SGI0R_EL1 | ICC_ASGI1R_EL1 => Outcome::Done(0),
        _ if is_set_way(register) || is_debug(register) => Outcome::Done(0),
        _ => Outcome::Undefined,
    }
}

/// `DC ISW`, `DC CSW`, `DC CISW`: by set and way, which says nothing about a guest's memory. The
/// hypervisor's tables make all RAM coherent, so there is nothing to do.
fn is_set_way(register: Sysreg) -> bool {
    matches!(register.fields(), (1, 0, 7, 6 | 10 | 14, 2))
}

/// Self-hosted debug: breakpoints and watchpoints exist and never match; the OS lock is open.
fn is_debug(register: Sysreg) -> bool {
    match register.fields() {
        // DBGBVR<n>, DBGBCR<n>, DBGWVR<n>, DBGWCR<n>, for the two of each that are announced.
        (2, 0, 0, 0..=1, 4..=7) => true,
        // MDCCINT_EL1, MDSCR_EL1, OSDTRRX_EL1, OSDTRTX_EL1, OSECCR_EL1.
        (2, 0, 0, 2, 0 | 2) | (2, 0, 0, 0, 2) | (2, 0, 0, 3 | 6, 2) => true,
        // OSLAR_EL1, OSLSR_EL1, OSDLR_EL1, DBGPRCR_EL1, MDRAR_EL1.
        (2, 0, 1, 0, 0 | 4) | (2, 0, 1, 1 | 3 | 4, 4) => true,
        // DBGCLAIMSET_EL1, DBGCLAIMCLR_EL1, DBGAUTHSTATUS_EL1.
        (2, 0, 7, 8 | 9 | 14, 6) => true,
        // MDCCSR_EL0, DBGDTR_EL0, DBGDTRRX_EL0.
        (2, 3, 0, 1 | 4 | 5, 0) => true,
        _ => false,
    }
}

#[inline(never)]
fn physical_timer(cpu: &mut Cpu<'_>, access: SysregAccess) -> Next {
    let now = host_timer::now();
    let read = access.direction() == Direction::Read;
    let answer = cpu.with_registers(|registers| {
        let value = registers.cpu.register(access.general());
        let timer = &mut registers.physical_timer;
        match access.register() {
            CNTP_CTL_EL0 if read => return timer.control(now),
            CNTP_CVAL_EL0 if read => return timer.compare(),
            CNTP_TVAL_EL0 if read => return timer.remaining(now),
            CNTP_CTL_EL0 => timer.set_control(value),
            CNTP_CVAL_EL0 => timer.set_compare(value),
            _ => timer.set_remaining(value, now),
        }
        0
    });
    finish(cpu, access, answer.unwrap_or(0));
    if read {
        return Next::Run;
    }
    update_physical_timer(cpu)
}

/// Brings the physical timer's interrupt line, and EL2's own timer, up to date.
pub fn update_physical_timer(cpu: &mut Cpu<'_>) -> Next {
    let next = update_physical_timer_line(cpu);
    cpu.arm_timer();
    next
}

/// As [`update_physical_timer`], but for EL2's own timer.
pub fn update_physical_timer_line(cpu: &mut Cpu<'_>) -> Next {
    let now = host_timer::now();
    let fires = cpu.with_registers(|registers| registers.physical_timer.change(now));
    // Usually the line is what it was.
    let Some(Some(fires)) = fires else {
        return Next::Run;
    };
    if fires {
        return cpu.make_pending(arm::PHYSICAL_TIMER, Cause::Line);
    }
    lower_physical_timer(cpu)
}

#[inline(never)]
fn lower_physical_timer(cpu: &mut Cpu<'_>) -> Next {
    let timer = arm::PHYSICAL_TIMER;
    let fall = |devices: &mut Emulated, vcpu| (devices.vgic.set_level(vcpu, timer, Level::Low), ());
    cpu.change_vgic(fall).0
}
