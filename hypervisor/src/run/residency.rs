//! Which vCPU's registers are in this CPU: moving them in and out.
//!
//! A vCPU stays resident until another is chosen, it moved to another CPU, or its domain ended: while
//! it waits and nobody else wants the CPU, nothing is moved at all.

use machine::atomic::{Ordering, fence};

use abi::vcpu::runstate::{RUNNABLE, RUNNING};
use abi::{VcpuId, VcpuSet};
use machine::gic::{Active, Underflow};
use machine::lock::{Control, Token};
use machine::timer;
use sched::VcpuKey;

use super::list_registers::{load_sole, read_back, write_out};
use super::{Cpu, Deadline, Next, Resident};
use crate::arch::arm64::sysreg;
use crate::domain::Domain;

/// Gives a vCPU that starts a reset interrupt interface. Events that it was told of while it was off, or
/// before, are told again: the edge went with its old life, and another comes only once the guest has
/// cleared `upcall_pending`.
///
/// Looked at behind the reset: who sets it later raises the interrupt later as well.
fn reset_interrupts(domain: &Domain, vcpu: VcpuId, token: &mut Token<Control>) {
    // Nothing of it is listed, so nobody else is concerned.
    let _ = domain.devices.lock(token).vgic.reset_vcpu(vcpu);
    if domain.events.lock(token).upcall_pending(vcpu) {
        let mut devices = domain.devices.lock(token);
        let _ = devices.vgic.raise(vcpu, abi::arm::EVENT_UPCALL);
    }
}

impl Cpu<'_> {
    /// Has `key` in the CPU's registers, where it mostly is already. `false` if that is not possible.
    #[inline]
    pub(super) fn make_resident(&mut self, key: VcpuKey) -> bool {
        if let Some(resident) = &self.resident
            && (resident.domain.id, resident.slot.id) == (key.domain, key.vcpu)
            && !resident.slot.starting.load(Ordering::Relaxed)
        {
            resident.slot.runs.store(true, Ordering::Relaxed);
            if resident.registers.runstate.is_shown() {
                crate::hypercall::show_runstate(self, RUNNING);
            }
            return true;
        }
        self.change_resident(key)
    }

    /// Takes out whose registers are in the CPU, and brings those of `key`.
    #[inline(never)]
    fn change_resident(&mut self, key: VcpuKey) -> bool {
        self.leave();
        let system = self.system;
        let Some(domain) = system.domain(key.domain) else {
            return false;
        };
        let Some(slot) = domain.slot(key.vcpu) else {
            return false;
        };
        // Another CPU may still be putting its registers away: it comes round again.
        let Some(mut registers) = slot.registers.try_claim() else {
            return false;
        };
        // From here on the memory stays, as taking it back begins with all claims: but it may have
        // begun before, when a wake-up was on its way still.
        if domain.ending.load(Ordering::Acquire) {
            drop(registers);
            self.shared
                .queue
                .lock(&mut self.token)
                .forget(key, slot, timer::now());
            return false;
        }
        if slot.starting.swap(false, Ordering::Acquire) {
            let mut life = domain.control.lock(&mut self.token);
            if let Some(entry) = life.state.take_entry(slot.id) {
                registers.cpu.reset(entry.address, entry.context);
                registers.physical_timer = Default::default();
                // What it was in the midst of went with its old life.
                registers.unfinished = None;
                registers.reset = None;
                registers.poll_deadline = None;
                let (_, token) = life.split();
                reset_interrupts(domain, slot.id, token);
            }
        }
        registers.cpu.load(&system.gic);
        // What the TLB holds of another vCPU of the domain is not for this one.
        if domain.ran_another(self.shared.id, slot.id) {
            machine::stage2::flush_local();
        }
        slot.runs.store(true, Ordering::Relaxed);
        self.resident = Some(Resident {
            domain,
            slot,
            registers,
        });
        self.load_interrupts();
        // Who chose this one arms the timer.
        let _ = sysreg::update_physical_timer_line(self);
        crate::hypercall::show_runstate(self, RUNNING);
        true
    }

    /// Fills the list registers of a vCPU that was just loaded.
    fn load_interrupts(&mut self) {
        let Some(resident) = &self.resident else {
            return;
        };
        let (domain, vcpu) = (resident.domain, resident.slot.id);
        let _ = resident.slot.attention.take();
        fence(Ordering::SeqCst);
        let (wake, in_flight) = {
            let mut devices = domain.devices.lock(&mut self.token);
            // Who left emptied all that it had used and set no notification, as the CPU did when it came
            // up.
            let wake = if load_sole(self.system, &mut devices, vcpu) {
                VcpuSet::EMPTY
            } else {
                write_out(self.system, self.shared.id, &mut devices, vcpu, 0)
            };
            (wake, devices.vgic.timer_in_flight(vcpu))
        };
        if in_flight {
            let timer = self.system.interrupts.virtual_timer;
            self.system
                .gic
                .set_private_active(self.shared.id, timer, Active::Yes);
        }
        self.overtaken |= self.wake(domain, wake) == Next::Choose;
    }

    /// Takes the resident vCPU's registers out of the CPU.
    pub fn leave(&mut self) {
        crate::hypercall::show_runstate(self, RUNNABLE);
        let Some(mut resident) = self.resident.take() else {
            return;
        };
        let vcpu = resident.slot.id;
        resident.slot.runs.store(false, Ordering::Relaxed);
        let (wake, in_flight) = {
            let mut devices = resident.domain.devices.lock(&mut self.token);
            let used = devices.vgic.in_use(vcpu);
            let mut effect = read_back(self.system, &mut devices, vcpu);
            effect.add(devices.vgic.unload(vcpu));
            for index in 0..used {
                self.system.gic.write_list_register(index, 0);
            }
            self.system.gic.set_underflow(Underflow::Quiet);
            (effect.wake, devices.vgic.timer_in_flight(vcpu))
        };
        resident.registers.cpu.save(&self.system.gic);
        // Only now, as the timer is off: its line would make it pending at once.
        if in_flight {
            let timer = self.system.interrupts.virtual_timer;
            self.system
                .gic
                .set_private_active(self.shared.id, timer, Active::No);
        }
        let physical = if resident.slot.asleep.load(Ordering::Relaxed) {
            resident.registers.deadline()
        } else {
            resident.registers.physical_timer.deadline()
        };
        // What fired and was not ended yet is in the model: its line has nothing new to tell.
        let virtual_timer = match in_flight {
            true => None,
            false => resident.registers.cpu.timer_deadline(),
        };
        let deadline = Deadline::from(physical).min(virtual_timer.into());
        self.sleepers = {
            let mut queue = self.shared.queue.lock(&mut self.token);
            queue.set_deadline(resident.slot, deadline.time());
            queue.next_deadline().into()
        };
        let domain = resident.domain;
        drop(resident);
        let mut others = wake;
        others.remove(vcpu);
        self.overtaken |= self.wake(domain, others) == Next::Choose;
    }

    /// Lets go of a vCPU that is to run on another CPU, which waits for its registers.
    pub(super) fn leave_if_moved(&mut self) {
        if let Some(resident) = &self.resident
            && resident.slot.home() != self.shared.id
        {
            self.leave();
        }
    }

    /// Lets go of a vCPU whose domain has ended.
    pub(super) fn leave_if_ending(&mut self) {
        if let Some(resident) = &self.resident
            && resident.domain.ending.load(Ordering::Acquire)
        {
            self.leave();
        }
    }
}
