//! Accesses to a guest's emulated devices.

use abi::{IntId, VcpuId, VcpuSet};
use machine::exit::{AbortKind, DataAbort, Direction, Transfer, Width};
use vgic::{Effect, Level};
use vuart::Vuart;

use crate::arch::arm64::instruction;
use crate::console::Flow;
use crate::domain::{Domain, Emulated, Unmapped};
use crate::guest_memory;
use crate::run::{Cpu, Next};

/// What an access came to.
enum Outcome {
    /// A read gives this; a write is done.
    Done(u64),
    /// The device refuses it: an external abort.
    Refused,
}

/// Emulates a data access that stage 2 refused, or gives the guest an external abort.
pub fn handle(cpu: &mut Cpu<'_>, abort: DataAbort) -> Next {
    let Some((domain, _)) = cpu.resident() else { return Next::Choose };
    if abort.kind != AbortKind::Stage2 {
        return refuse(cpu, abort);
    }
    match abort.transfer {
        Some(transfer) => access(cpu, domain, abort, transfer),
        None => write_back(cpu, domain, abort),
    }
}

/// A post-indexed load or store, which the syndrome does not describe: the instruction does.
#[cold]
fn write_back(cpu: &mut Cpu<'_>, domain: &Domain, abort: DataAbort) -> Next {
    let Some(decoded) = fetch(cpu).and_then(instruction::post_indexed) else {
        return refuse(cpu, abort);
    };
    let before = cpu.with_registers(|registers| registers.cpu.pc());
    let next = access(cpu, domain, abort, decoded.transfer);
    cpu.with_registers(|registers| {
        let registers = &mut registers.cpu;
        // An aborted access does not write back.
        if Some(registers.pc()) == before.map(|pc| pc.wrapping_add(4)) {
            let base = registers.register(decoded.base).wrapping_add_signed(decoded.offset);
            registers.set_register(decoded.base, base);
        }
    });
    next
}

/// The instruction at the resident guest's program counter.
fn fetch(cpu: &mut Cpu<'_>) -> Option<u32> {
    let pc = cpu.with_registers(|registers| registers.cpu.pc())?;
    let mut bytes = [0; 4];
    guest_memory::read(cpu, pc, &mut bytes).ok()?;
    Some(u32::from_le_bytes(bytes))
}

fn access(cpu: &mut Cpu<'_>, domain: &Domain, abort: DataAbort, transfer: Transfer) -> Next {
    let address = abort.address;
    if domain.map.uart.is_some_and(|(window, _)| window.has(address.0)) {
        return uart(cpu, domain, abort, transfer);
    }
    if domain.map.distributor.has(address.0) {
        let offset = (address.0 - domain.map.distributor.start()) as u32;
        return gic(cpu, abort, transfer, Frame::Distributor(offset));
    }
    if let Some((target, offset)) = domain.map.redistributor(address)
        && domain.slot(target).is_some()
    {
        return gic(cpu, abort, transfer, Frame::Redistributor(target, offset));
    }
    if domain.map.unmapped == Unmapped::ReadsOnes {
        finish(cpu, transfer, u64::MAX);
        return Next::Run;
    }
    refuse(cpu, abort)
}

#[cold]
fn refuse(cpu: &mut Cpu<'_>, abort: DataAbort) -> Next {
    let direction = match abort.transfer.map(|transfer| transfer.direction) {
        Some(Direction::Read) => "read",
        Some(Direction::Write) => "write",
        None => "access",
    };
    cpu.report(format_args!(
        "{direction} at {}, syndrome {:#x}: nothing is there\n",
        abort.address, abort.syndrome
    ));
    cpu.inject_data_abort(abort.virtual_address);
    Next::Run
}

/// Ends an emulated access: the loaded value, and on behind the instruction.
#[inline]
fn finish(cpu: &mut Cpu<'_>, transfer: Transfer, value: u64) {
    cpu.with_registers(|registers| {
        if transfer.direction == Direction::Read {
            registers.cpu.set_register(transfer.register, transfer.extend(value));
        }
        registers.cpu.skip_instruction();
    });
}

#[inline]
fn stored(cpu: &mut Cpu<'_>, transfer: Transfer) -> u64 {
    let value = cpu.with_registers(|registers| registers.cpu.register(transfer.register));
    transfer.truncate(value.unwrap_or(0))
}

fn settle(cpu: &mut Cpu<'_>, abort: DataAbort, transfer: Transfer, outcome: Outcome) {
    match outcome {
        Outcome::Done(value) => finish(cpu, transfer, value),
        Outcome::Refused => {
            let _ = refuse(cpu, abort);
        }
    }
}

/// A frame of the interrupt controller.
#[derive(Clone, Copy)]
enum Frame {
    Distributor(u32),
    Redistributor(VcpuId, u32),
}

fn gic(cpu: &mut Cpu<'_>, abort: DataAbort, transfer: Transfer, frame: Frame) -> Next {
    let width = gic_width(transfer.width);
    let value = stored(cpu, transfer);
    let (next, outcome) = cpu.with_devices(|devices, vcpu| {
        let vgic = &mut devices.vgic;
        let result = match (transfer.direction, frame) {
            (Direction::Read, Frame::Distributor(offset)) => {
                vgic.read_distributor(vcpu, offset, width).map(|value| (Effect::NONE, value))
            }
            (Direction::Read, Frame::Redistributor(target, offset)) => {
                vgic.read_redistributor(target, offset, width).map(|value| (Effect::NONE, value))
            }
            (Direction::Write, Frame::Distributor(offset)) => {
                vgic.write_distributor(vcpu, offset, width, value).map(|effect| (effect, 0))
            }
            (Direction::Write, Frame::Redistributor(target, offset)) => {
                vgic.write_redistributor(target, offset, width, value).map(|effect| (effect, 0))
            }
        };
        match result {
            Ok((effect, value)) => (effect, Outcome::Done(value)),
            Err(_) => (Effect::NONE, Outcome::Refused),
        }
    });
    settle(cpu, abort, transfer, outcome.unwrap_or(Outcome::Refused));
    next
}

const fn gic_width(width: Width) -> vgic::Width {
    match width {
        Width::Byte => vgic::Width::Byte,
        Width::Half => vgic::Width::Half,
        Width::Word => vgic::Width::Word,
        Width::Double => vgic::Width::Double,
    }
}

const fn uart_width(width: Width) -> vuart::Width {
    match width {
        Width::Byte => vuart::Width::Byte,
        Width::Half => vuart::Width::Half,
        Width::Word => vuart::Width::Word,
        Width::Double => vuart::Width::Double,
    }
}

fn uart(cpu: &mut Cpu<'_>, domain: &Domain, abort: DataAbort, transfer: Transfer) -> Next {
    let Some((window, _)) = domain.map.uart else { return Next::Run };
    let offset = (abort.address.0 - window.start()) as u32;
    let width = uart_width(transfer.width);
    let value = stored(cpu, transfer) as u32;
    let mut sent = None;
    let (wake, outcome) = {
        let mut devices = domain.devices.lock(&mut cpu.token);
        let mut outcome = Outcome::Refused;
        let wake = devices.with_uart(domain, |uart| match transfer.direction {
            Direction::Read => {
                if let Ok(value) = uart.read(offset, width) {
                    outcome = Outcome::Done(u64::from(value));
                }
            }
            Direction::Write => {
                if let Ok(wrote) = uart.write(offset, width, value) {
                    sent = wrote.transmit;
                    outcome = Outcome::Done(0);
                }
            }
        });
        (wake, outcome)
    };
    if let Some(byte) = sent {
        transmit(cpu, domain, byte);
    }
    settle(cpu, abort, transfer, outcome);
    cpu.wake(domain, wake)
}

/// Sends a byte that `domain` wrote; if the output is congested its transmitter is held.
pub fn transmit(cpu: &mut Cpu<'_>, domain: &Domain, byte: u8) {
    let flow = cpu.system.console.lock(&mut cpu.token).guest_byte(domain.id, byte);
    if flow == Flow::Congested {
        let mut devices = domain.devices.lock(&mut cpu.token);
        // Its interrupt line cannot rise by that.
        let _ = devices.with_uart(domain, Vuart::hold);
    }
}

impl Emulated {
    /// Does something with the UART and brings its interrupt line up to date. Gives the vCPUs
    /// that have to look at their interrupts.
    pub fn with_uart(&mut self, domain: &Domain, change: impl FnOnce(&mut Vuart)) -> VcpuSet {
        let (Some(uart), Some((_, interrupt))) = (&mut self.uart, domain.map.uart) else {
            return VcpuSet::EMPTY;
        };
        let before = uart.interrupt();
        change(uart);
        let after = uart.interrupt();
        if before == after {
            return VcpuSet::EMPTY;
        }
        let level = match after {
            vuart::Level::High => Level::High,
            vuart::Level::Low => Level::Low,
        };
        self.vgic.set_level(VcpuId(0), IntId(interrupt.0), level).wake
    }
}
