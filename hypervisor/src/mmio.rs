//! Accesses to a guest's emulated devices.

use abi::{IntId, VcpuId, VcpuSet};
use machine::exit::{AbortKind, DataAbort, Direction, Transfer, Width};
use vgic::Level;
use vuart::Vuart;

use crate::arch::arm64::instruction;
use crate::console::{Admitted, Flow};
use crate::domain::{Domain, Emulated, Unmapped};
use crate::guest_memory::{self, Need, Refused};
use crate::run::{Cpu, Next};

mod gic;

/// What an access came to.
enum Outcome {
    /// A read gives this; a write is done.
    Done(u64),
    /// The device refuses it: an external abort.
    Refused,
}

/// Emulates a data access that stage 2 refused, or gives the guest an external abort.
pub fn handle(cpu: &mut Cpu<'_>, abort: &DataAbort) -> Next {
    let Some((domain, _)) = cpu.resident() else {
        return Next::Choose;
    };
    if abort.kind() != AbortKind::Stage2 {
        return retry_or_refuse(cpu, abort);
    }
    match abort.transfer() {
        Some(transfer) => access(cpu, domain, abort, transfer),
        None if is_settled(cpu, abort) => Next::Run,
        None => write_back(cpu, domain, abort),
    }
}

/// RAM may not be zeroed yet, or its mapping have been taken apart just then, to change a part of it:
/// the access is made anew if so.
#[cold]
fn retry_or_refuse(cpu: &mut Cpu<'_>, abort: &DataAbort) -> Next {
    if is_settled(cpu, abort) {
        return Next::Run;
    }
    refuse(cpu, abort)
}

#[cold]
fn is_settled(cpu: &mut Cpu<'_>, abort: &DataAbort) -> bool {
    let refused = Refused {
        address: abort.address,
        virtual_address: abort.virtual_address,
        syndrome: abort.syndrome,
        need: Need::Writing,
    };
    refused.is_settled(cpu)
}

/// A post-indexed load or store, which the syndrome does not describe: the instruction does.
#[cold]
fn write_back(cpu: &mut Cpu<'_>, domain: &Domain, abort: &DataAbort) -> Next {
    // 32-bit code of a user process has other encodings.
    let is_64_bit = cpu.with_registers(|registers| !registers.cpu.is_32_bit()) == Some(true);
    let fetched = if is_64_bit { fetch(cpu) } else { None };
    let Some(decoded) = fetched.and_then(instruction::post_indexed) else {
        return refuse(cpu, abort);
    };
    let before = cpu.with_registers(|registers| registers.cpu.pc());
    let next = access(cpu, domain, abort, decoded.transfer);
    cpu.with_registers(|registers| {
        let registers = &mut registers.cpu;
        // An aborted access does not write back.
        if Some(registers.pc()) == before.map(|pc| pc.wrapping_add(4)) {
            let base = registers
                .register(decoded.base)
                .wrapping_add_signed(decoded.offset);
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

fn access(cpu: &mut Cpu<'_>, domain: &Domain, abort: &DataAbort, transfer: Transfer) -> Next {
    let address = abort.address;
    if let Some((window, _)) = domain.map.uart
        && let Some(offset) = window.offset(address.0)
    {
        return match transfer.direction() {
            Direction::Read => uart_read(cpu, domain, abort, transfer, offset as u32),
            Direction::Write => uart_write(cpu, domain, abort, transfer, offset as u32),
        };
    }
    if let Some(offset) = domain.map.distributor.offset(address.0) {
        return gic::distributor(cpu, domain, abort, transfer, offset as u32);
    }
    // Mostly there is one region of them.
    if let Some((target, offset)) = domain.map.redistributor_of_first(address) {
        return gic::redistributor(cpu, domain, abort, transfer, target, offset);
    }
    if domain.map.redistributors.len() > 1 {
        return gic::any_redistributor(cpu, domain, abort, transfer);
    }
    nothing_there(cpu, domain, abort, transfer)
}

#[inline(never)]
fn nothing_there(
    cpu: &mut Cpu<'_>,
    domain: &Domain,
    abort: &DataAbort,
    transfer: Transfer,
) -> Next {
    // What was missing may be there by now.
    if guest_memory::is_mapped(cpu, abort.address, Need::Mapping) {
        return Next::Run;
    }
    if domain.map.unmapped == Unmapped::ReadsOnes {
        finish(cpu, transfer, u64::MAX);
        return Next::Run;
    }
    refuse(cpu, abort)
}

#[cold]
fn refuse(cpu: &mut Cpu<'_>, abort: &DataAbort) -> Next {
    if let Some(admitted) = cpu.admit(::console::Level::Warning) {
        say_refused(cpu, abort, admitted);
    }
    cpu.inject_data_abort(abort.virtual_address);
    Next::Run
}

#[cold]
#[inline(never)]
fn say_refused(cpu: &mut Cpu<'_>, abort: &DataAbort, admitted: Admitted) {
    let direction = match abort.transfer().map(|transfer| transfer.direction()) {
        Some(Direction::Read) => "read",
        Some(Direction::Write) => "write",
        None => "access",
    };
    cpu.say(
        admitted,
        format_args!(
            "{direction} at {}, syndrome {:#x}: nothing is there\n",
            abort.address, abort.syndrome
        ),
    );
}

/// Ends an emulated access: the loaded value, and on behind the instruction.
#[inline]
fn finish(cpu: &mut Cpu<'_>, transfer: Transfer, value: u64) {
    match transfer.direction() {
        Direction::Read => finish_read(cpu, transfer, value),
        Direction::Write => cpu.skip_instruction(),
    }
}

#[inline]
fn finish_read(cpu: &mut Cpu<'_>, transfer: Transfer, value: u64) {
    cpu.with_registers(|registers| {
        registers
            .cpu
            .set_register(transfer.register(), transfer.extend(value));
        registers.cpu.skip_instruction();
    });
}

#[inline]
fn stored(cpu: &mut Cpu<'_>, transfer: Transfer) -> u64 {
    let value = cpu.with_registers(|registers| registers.cpu.register(transfer.register()));
    transfer.truncate(value.unwrap_or(0))
}

fn settle(cpu: &mut Cpu<'_>, abort: &DataAbort, transfer: Transfer, outcome: Outcome) {
    match outcome {
        Outcome::Done(value) => finish(cpu, transfer, value),
        Outcome::Refused => {
            let _ = refuse(cpu, abort);
        }
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

#[inline(never)]
fn uart_read(
    cpu: &mut Cpu<'_>,
    domain: &Domain,
    abort: &DataAbort,
    transfer: Transfer,
    offset: u32,
) -> Next {
    let width = uart_width(transfer.width());
    let polled = {
        let devices = domain.devices.lock(&mut cpu.token);
        let uart = devices.uart.as_ref();
        uart.and_then(|uart| uart.poll(offset, width))
    };
    if let Some(value) = polled {
        finish(cpu, transfer, u64::from(value));
        return Next::Run;
    }
    let (wake, outcome) = {
        let mut devices = domain.devices.lock(&mut cpu.token);
        let mut outcome = Outcome::Refused;
        let wake = devices.with_uart(domain, |uart| {
            if let Ok(value) = uart.read(offset, width) {
                outcome = Outcome::Done(u64::from(value));
            }
        });
        (wake, outcome)
    };
    settle(cpu, abort, transfer, outcome);
    cpu.wake(domain, wake)
}

#[inline(never)]
fn uart_write(
    cpu: &mut Cpu<'_>,
    domain: &Domain,
    abort: &DataAbort,
    transfer: Transfer,
    offset: u32,
) -> Next {
    let width = uart_width(transfer.width());
    let value = stored(cpu, transfer) as u32;
    let mut sent = None;
    let (wake, outcome) = {
        let mut devices = domain.devices.lock(&mut cpu.token);
        let mut outcome = Outcome::Refused;
        let wake = devices.with_uart(domain, |uart| {
            if let Ok(wrote) = uart.write(offset, width, value) {
                sent = wrote.transmit;
                outcome = Outcome::Done(0);
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
    let flow = cpu
        .system
        .console
        .lock(&mut cpu.token)
        .guest_byte(domain.id, byte);
    if flow == Flow::Congested {
        hold(cpu, domain);
    }
}

/// Holds `domain`'s transmitter until the console has room. The console is told behind, so that it
/// never lets go of one that is not held yet.
fn hold(cpu: &mut Cpu<'_>, domain: &Domain) {
    {
        let mut devices = domain.devices.lock(&mut cpu.token);
        // Its interrupt line cannot rise by that.
        let _ = devices.with_uart(domain, Vuart::hold);
    }
    let flow = cpu.system.console.lock(&mut cpu.token).note_held(domain.id);
    if flow == Flow::Open {
        let _ = release(cpu, domain);
    }
}

/// Sends what collected in `domain`'s transmitter while it was held, and lets go of it. What the
/// guest writes meanwhile collects behind, so that the order stays.
pub fn release(cpu: &mut Cpu<'_>, domain: &Domain) -> Next {
    let mut next = Next::Run;
    for _ in 0..2 * vuart::TX_FIFO_DEPTH {
        let mut byte = None;
        let wake = {
            let mut devices = domain.devices.lock(&mut cpu.token);
            devices.with_uart(domain, |uart| {
                byte = uart.take_collected();
                if byte.is_none() {
                    uart.release();
                }
            })
        };
        if cpu.wake(domain, wake) == Next::Choose {
            next = Next::Choose;
        }
        let Some(byte) = byte else { return next };
        let mut console = cpu.system.console.lock(&mut cpu.token);
        if console.guest_byte(domain.id, byte) == Flow::Congested
            && console.note_held(domain.id) == Flow::Congested
        {
            return next;
        }
    }
    // It writes as fast as this sends: the next to empty the ring goes on.
    cpu.system.console.lock(&mut cpu.token).keep_held(domain.id);
    next
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
        self.vgic
            .set_level(VcpuId(0), IntId(interrupt.0), level)
            .wake
    }
}
