//! Accesses to a guest's interrupt controller.

use abi::VcpuId;
use machine::exit::{DataAbort, Direction, Transfer, Width};
use vgic::Effect;

use super::{Outcome, finish_read, nothing_there, settle, stored};
use crate::domain::{Changed, Domain, Emulated};
use crate::run::{Cpu, Next};

/// The distributor: the short way where there is one.
#[inline(never)]
pub(super) fn distributor(
    cpu: &mut Cpu<'_>,
    domain: &Domain,
    abort: &DataAbort,
    transfer: Transfer,
    offset: u32,
) -> Next {
    if transfer.width() == Width::Word {
        match transfer.direction() {
            Direction::Read => {
                let value = {
                    let devices = domain.devices.lock(&mut cpu.token);
                    devices.vgic.peek_distributor(offset)
                };
                if let Some(value) = value {
                    finish_read(cpu, transfer, u64::from(value));
                    return Next::Run;
                }
            }
            Direction::Write => {
                let value = stored(cpu, transfer) as u32;
                let is_done = {
                    let mut devices = domain.devices.lock(&mut cpu.token);
                    devices.vgic.poke_distributor(offset, value)
                };
                if is_done {
                    cpu.skip_instruction();
                    return Next::Run;
                }
            }
        }
    }
    long_way(cpu, abort, transfer, Frame::Distributor(offset))
}

/// A redistributor in any of several regions, or nothing.
#[inline(never)]
pub(super) fn any_redistributor(
    cpu: &mut Cpu<'_>,
    domain: &Domain,
    abort: &DataAbort,
    transfer: Transfer,
) -> Next {
    match domain.map.redistributor(abort.address) {
        Some((target, offset)) => redistributor(cpu, domain, abort, transfer, target, offset),
        None => nothing_there(cpu, domain, abort, transfer),
    }
}

/// A redistributor: the short way where there is one.
#[inline(never)]
pub(super) fn redistributor(
    cpu: &mut Cpu<'_>,
    domain: &Domain,
    abort: &DataAbort,
    transfer: Transfer,
    target: VcpuId,
    offset: u32,
) -> Next {
    match (transfer.direction(), transfer.width()) {
        (Direction::Read, width) => {
            let value = {
                let devices = domain.devices.lock(&mut cpu.token);
                let width = width_of(width);
                devices.vgic.peek_redistributor(target, offset, width)
            };
            if let Some(value) = value {
                finish_read(cpu, transfer, value);
                return Next::Run;
            }
        }
        (Direction::Write, Width::Word) => {
            let value = stored(cpu, transfer) as u32;
            let is_done = {
                let mut devices = domain.devices.lock(&mut cpu.token);
                devices.vgic.poke_redistributor(target, offset, value)
            };
            if is_done {
                cpu.skip_instruction();
                return Next::Run;
            }
        }
        _ => {}
    }
    if domain.slot(target).is_none() {
        return nothing_there(cpu, domain, abort, transfer);
    }
    long_way(cpu, abort, transfer, Frame::Redistributor(target, offset))
}

/// A frame of the interrupt controller.
#[derive(Clone, Copy)]
enum Frame {
    Distributor(u32),
    Redistributor(VcpuId, u32),
}

#[inline(never)]
fn long_way(cpu: &mut Cpu<'_>, abort: &DataAbort, transfer: Transfer, frame: Frame) -> Next {
    match transfer.direction() {
        Direction::Read if frame.is_state() => read_state(cpu, abort, transfer, frame),
        Direction::Read => read(cpu, abort, transfer, frame),
        Direction::Write => write(cpu, abort, transfer, frame),
    }
}

impl Frame {
    /// Whether it is pending or active state, which list registers change behind the model's back:
    /// GICD_ and GICR_ISPENDR to ICACTIVER, and the pending SGIs of GICv2.
    const fn is_state(self) -> bool {
        match self {
            Self::Distributor(offset) => matches!(offset, 0x200..=0x3ff | 0xf10..=0xf2f),
            Self::Redistributor(_, offset) => matches!(offset, 0x1_0200..=0x1_03ff),
        }
    }
}

impl Emulated {
    #[inline]
    fn read(&mut self, frame: Frame, vcpu: VcpuId, width: vgic::Width) -> Outcome {
        let result = match frame {
            Frame::Distributor(offset) => self.vgic.read_distributor(vcpu, offset, width),
            Frame::Redistributor(target, offset) => {
                self.vgic.read_redistributor(target, offset, width)
            }
        };
        match result {
            Ok(value) => Outcome::Done(value),
            Err(_) => Outcome::Refused,
        }
    }
}

#[inline(never)]
fn read(cpu: &mut Cpu<'_>, abort: &DataAbort, transfer: Transfer, frame: Frame) -> Next {
    let width = width_of(transfer.width());
    let outcome = cpu.peek_vgic(|devices, vcpu| devices.read(frame, vcpu, width));
    settle(cpu, abort, transfer, outcome.unwrap_or(Outcome::Refused));
    Next::Run
}

/// Reads pending or active state: that of this vCPU is exact, and others that hold some of it are
/// told to bring theirs up to date, so that a guest that polls sees it.
#[inline(never)]
fn read_state(cpu: &mut Cpu<'_>, abort: &DataAbort, transfer: Transfer, frame: Frame) -> Next {
    let width = width_of(transfer.width());
    let (next, result) = cpu.with_devices(|devices, vcpu| {
        let holders = match frame {
            Frame::Distributor(offset) => devices.vgic.distributor_read_kicks(vcpu, offset),
            Frame::Redistributor(target, offset) => {
                devices.vgic.redistributor_read_kicks(vcpu, target, offset)
            }
        };
        (Effect::NONE, (devices.read(frame, vcpu, width), holders))
    });
    let (Some((outcome, holders)), Some((domain, _))) = (result, cpu.resident()) else {
        return next;
    };
    let _ = cpu.notify(domain, holders, Changed::Pending);
    settle(cpu, abort, transfer, outcome);
    next
}

#[inline(never)]
fn write(cpu: &mut Cpu<'_>, abort: &DataAbort, transfer: Transfer, frame: Frame) -> Next {
    let width = width_of(transfer.width());
    let value = stored(cpu, transfer);
    let write = |devices: &mut Emulated, vcpu| {
        let result = match frame {
            Frame::Distributor(offset) => {
                devices.vgic.write_distributor(vcpu, offset, width, value)
            }
            Frame::Redistributor(target, offset) => devices
                .vgic
                .write_redistributor(target, offset, width, value),
        };
        match result {
            Ok(effect) => (effect, Outcome::Done(0)),
            Err(_) => (Effect::NONE, Outcome::Refused),
        }
    };
    let (next, outcome) = if frame.is_state() {
        cpu.with_devices(write)
    } else {
        cpu.change_vgic(write)
    };
    settle(cpu, abort, transfer, outcome.unwrap_or(Outcome::Refused));
    next
}

const fn width_of(width: Width) -> vgic::Width {
    match width {
        Width::Byte => vgic::Width::Byte,
        Width::Half => vgic::Width::Half,
        Width::Word => vgic::Width::Word,
        Width::Double => vgic::Width::Double,
    }
}
