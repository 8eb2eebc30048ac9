//! The loop of a physical CPU: a guest runs, stops, and what it wanted is done.
//!
//! Running a guest is a call that returns an [`Exit`]; what to do is a `match` on it. Nothing
//! waits inside: a vCPU that has to wait leaves the queue, and the CPU chooses another.

use abi::{CpuId, VcpuId, VcpuSet};
use core::fmt;
use core::sync::atomic::{Ordering, fence};

use ::console::Level;
use lifecycle::Effects;
use machine::claim::Claimed;
use machine::cpu::TrapWait;
use machine::exit::{Exit, FetchAbort};
use machine::gic::{Active, Underflow};
use machine::lock::{Token, Unlocked};
use machine::timer;
use sched::VcpuKey;
use vgic::{Effect, ListRegister, MAX_LIST_REGISTERS};

use crate::arch::arm64::{calls, sysreg};
use crate::console::Source;
use crate::domain::{Domain, Emulated, Life, Registers, Slot};
use crate::schedule::{Choose, NEW};
use crate::system::{self, System};
use crate::{hypercall, interrupts, mmio, reclaim};

/// What a CPU does after an exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// The same guest goes on.
    Run,
    /// Choose whom to run.
    Choose,
}

/// A vCPU whose registers are in this CPU.
struct Resident<'s> {
    domain: &'s Domain,
    slot: &'s Slot,
    registers: Claimed<'s, Registers>,
}

/// This CPU, as its loop sees it.
pub struct Cpu<'s> {
    /// What all CPUs share.
    pub system: &'s System,
    /// What the others see of this CPU.
    pub shared: &'s system::Cpu,
    /// The right to take locks.
    pub token: Token<Unlocked>,
    resident: Option<Resident<'s>>,
    slice_end: Option<u64>,
    armed: Option<u64>,
    /// Somebody became runnable here while the next one was made resident.
    overtaken: bool,
    trap_wait: TrapWait,
}

/// Syndrome of an undefined instruction, in `ESR_EL1`.
const UNDEFINED: u64 = 0x0200_0000;
/// Syndrome of an external abort on a data access from EL1 (from EL0: one bit less).
const DATA_ABORT: u64 = 0x9600_0000;
/// Syndrome of an external abort on a fetch from EL1 (from EL0: one bit less).
const FETCH_ABORT: u64 = 0x8600_0000;
/// The exception class bit that says "from the same level".
const SAME_LEVEL: u64 = 1 << 26;

/// Runs this CPU for good.
pub fn run(system: &System, id: CpuId, token: Token<Unlocked>) -> ! {
    let Some(mut cpu) = Cpu::new(system, id, token) else { machine::cpu::halt() };
    loop {
        if cpu.choose() {
            while cpu.step() == Next::Run {}
        } else {
            cpu.idle();
        }
    }
}

impl<'s> Cpu<'s> {
    /// The CPU that runs this, which is up from now on; `None` if `system` has no such CPU.
    pub fn new(system: &'s System, id: CpuId, token: Token<Unlocked>) -> Option<Self> {
        let shared = system.cpu(id)?;
        shared.online.store(true, Ordering::Release);
        Some(Self {
            system,
            shared,
            token,
            resident: None,
            slice_end: None,
            armed: None,
            overtaken: false,
            trap_wait: TrapWait::Interrupt,
        })
    }

    /// Runs the resident guest once, and does what it stopped for.
    #[inline]
    pub fn step(&mut self) -> Next {
        let Some(resident) = &mut self.resident else { return Next::Choose };
        // Acquire: pairs with the release in `System::wake`.
        if resident.slot.attention.load(Ordering::Acquire) {
            return self.refresh();
        }
        match resident.registers.cpu.run() {
            Exit::Interrupt => interrupts::handle(self),
            Exit::Hvc(abi::hypercall::HVC_IMMEDIATE) => hypercall::dispatch(self),
            Exit::DataAbort(abort) => mmio::handle(self, abort),
            Exit::Sysreg(access) => sysreg::emulate(self, access),
            Exit::Hvc(0) => calls::call(self),
            Exit::WaitForInterrupt => {
                self.skip_instruction();
                self.wait()
            }
            Exit::WaitForEvent => {
                self.skip_instruction();
                self.shared.queue.lock(&mut self.token).yield_now();
                Next::Choose
            }
            Exit::Smc(0) => {
                self.skip_instruction();
                calls::call(self)
            }
            other => self.refuse(other),
        }
    }

    /// What no guest may do: it gets the exception that it would get without a hypervisor.
    #[cold]
    fn refuse(&mut self, exit: Exit) -> Next {
        match exit {
            Exit::Hvc(immediate) => {
                self.report(format_args!("HVC #{immediate:#x}: undefined\n"));
                // The preferred return address of an undefined instruction is itself.
                self.with_registers(|registers| registers.cpu.rewind_instruction());
                self.inject_undefined();
            }
            Exit::Smc(immediate) => {
                self.report(format_args!("SMC #{immediate:#x}: undefined\n"));
                self.inject_undefined();
            }
            Exit::FetchAbort(abort) => self.fetch_abort(abort),
            Exit::SError { syndrome } => {
                self.report(format_args!("SError, syndrome {syndrome:#x}: passed on\n"));
                self.with_registers(|registers| registers.cpu.inject_serror());
            }
            Exit::Undefined { syndrome } => {
                self.report(format_args!("syndrome {syndrome:#x}: undefined\n"));
                self.inject_undefined();
            }
            _ => {}
        }
        Next::Run
    }

    fn fetch_abort(&mut self, abort: FetchAbort) {
        self.report(format_args!(
            "fetch from {}, syndrome {:#x}: nothing is there\n",
            abort.address, abort.syndrome
        ));
        self.inject(FETCH_ABORT, abort.virtual_address);
    }

    /// Gives the guest an external abort for a data access to `address`.
    pub fn inject_data_abort(&mut self, address: u64) {
        self.inject(DATA_ABORT, address);
    }

    fn inject(&mut self, syndrome: u64, address: u64) {
        self.with_registers(|registers| {
            let cpu = &mut registers.cpu;
            let from_user = if cpu.in_user_mode() { SAME_LEVEL } else { 0 };
            cpu.inject(syndrome & !from_user, address);
        });
    }

    /// Gives the guest the exception of an undefined instruction, at its program counter.
    pub fn inject_undefined(&mut self) {
        self.with_registers(|registers| registers.cpu.inject(UNDEFINED, 0));
    }

    /// Says what the resident guest did wrong, in one line, if the limits allow.
    #[cold]
    pub fn report(&mut self, what: fmt::Arguments<'_>) {
        self.remark(Level::Warning, what);
    }

    /// Says what the resident guest did, in one line, if `level` and the limits allow.
    #[cold]
    pub fn remark(&mut self, level: Level, what: fmt::Arguments<'_>) {
        let Some(resident) = &self.resident else { return };
        let pc = resident.registers.cpu.pc();
        let source = Source::Guest(level, resident.domain.id, resident.slot.id);
        self.system.log(&mut self.token, source, format_args!("pc {pc:#x}: {what}"));
    }

    /// The resident guest's registers.
    #[inline]
    pub fn with_registers<T>(&mut self, use_them: impl FnOnce(&mut Registers) -> T) -> Option<T> {
        self.resident.as_mut().map(|resident| use_them(&mut resident.registers))
    }

    /// Goes on behind the resident guest's trapped instruction.
    #[inline]
    pub fn skip_instruction(&mut self) {
        if let Some(resident) = &mut self.resident {
            resident.registers.cpu.skip_instruction();
        }
    }

    /// Puts `value` into the resident guest's x0.
    #[inline]
    pub fn answer(&mut self, value: u64) -> Next {
        if let Some(resident) = &mut self.resident {
            resident.registers.cpu.set_register(0, value);
        }
        Next::Run
    }

    /// The resident guest's domain and which of its vCPUs is here.
    #[inline]
    pub fn resident(&self) -> Option<(&'s Domain, VcpuId)> {
        self.resident.as_ref().map(|resident| (resident.domain, resident.slot.id))
    }

    /// The life of the resident guest's domain.
    pub fn with_life<T>(&mut self, use_it: impl FnOnce(&mut Life, VcpuId) -> T) -> Option<T> {
        let resident = self.resident.as_ref()?;
        let mut life = resident.domain.control.lock(&mut self.token);
        Some(use_it(&mut life, resident.slot.id))
    }

    /// Does something with the resident guest's interrupt controller, its list registers read
    /// before and written behind, and wakes whom that concerns.
    pub fn with_vgic(
        &mut self,
        change: impl FnOnce(&mut Emulated, VcpuId) -> Effect,
    ) -> Next {
        self.with_devices(|devices, vcpu| (change(devices, vcpu), ())).0
    }

    /// As [`Self::with_vgic`], with a value to be returned.
    pub fn with_devices<T>(
        &mut self,
        change: impl FnOnce(&mut Emulated, VcpuId) -> (Effect, T),
    ) -> (Next, Option<T>) {
        let Some(resident) = &self.resident else { return (Next::Choose, None) };
        let (domain, vcpu) = (resident.domain, resident.slot.id);
        let (mut wake, value) = {
            let mut devices = domain.devices.lock(&mut self.token);
            let used = devices.vgic.in_use(vcpu);
            let mut effect = read_back(self.system, &mut devices, vcpu, used);
            let (more, value) = change(&mut devices, vcpu);
            effect.add(more);
            if effect.wake.contains(vcpu) {
                effect.wake =
                    effect.wake.union(write_out(self.system, self.shared.id, &mut devices, vcpu, used));
            }
            (effect.wake, value)
        };
        wake.remove(vcpu);
        (self.wake(domain, wake), Some(value))
    }

    /// Has `set` of `domain` look at their interrupts.
    pub fn wake(&mut self, domain: &Domain, set: VcpuSet) -> Next {
        if set.is_empty() {
            return Next::Run;
        }
        match self.system.wake_all(domain, set, self.shared.id, &mut self.token) {
            Choose::Same => Next::Run,
            Choose::Anew => Next::Choose,
        }
    }

    /// The resident guest's interrupts changed: brings its list registers up to date.
    fn refresh(&mut self) -> Next {
        let Some(resident) = &self.resident else { return Next::Choose };
        resident.slot.attention.store(false, Ordering::Relaxed);
        // What was stored before the flag was set is seen below; what comes now sets it again.
        fence(Ordering::SeqCst);
        let vcpu = resident.slot.id;
        self.with_vgic(|_, _| Effect { wake: VcpuSet::of(vcpu) })
    }

    /// The virtual timer of the resident guest fired, and is active until the guest ends it.
    pub fn virtual_timer_fired(&mut self) -> Option<Next> {
        let (_, vcpu) = self.resident()?;
        Some(match self.with_vgic(|devices, vcpu| devices.vgic.raise(vcpu, abi::arm::VIRTUAL_TIMER)) {
            Next::Run if self.sleeps() => self.wake_resident(vcpu),
            next => next,
        })
    }

    fn sleeps(&self) -> bool {
        self.shared.idle.load(Ordering::Relaxed)
    }

    fn wake_resident(&mut self, vcpu: VcpuId) -> Next {
        match self.resident() {
            Some((domain, _)) => self.wake(domain, VcpuSet::of(vcpu)),
            None => Next::Choose,
        }
    }

    /// The resident guest waits for an interrupt.
    pub fn wait(&mut self) -> Next {
        let (next, deliverable) =
            self.with_devices(|devices, vcpu| (Effect::NONE, devices.vgic.has_deliverable(vcpu)));
        let Some(resident) = &self.resident else { return Next::Choose };
        if deliverable != Some(false) {
            return next;
        }
        let key = VcpuKey { domain: resident.domain.id, vcpu: resident.slot.id };
        let now = timer::now();
        // The virtual timer stays in the CPU while the vCPU is resident.
        let deadline = resident.registers.physical_timer.deadline(now);
        self.shared.queue.lock(&mut self.token).sleep(key, deadline, now);
        // Pairs with the fence in `System::wake`: either it sees the sleeper or we the flag.
        fence(Ordering::SeqCst);
        if resident.slot.attention.load(Ordering::Relaxed) {
            let (domain, vcpu) = (resident.domain, resident.slot.id);
            let _ = self.wake(domain, VcpuSet::of(vcpu));
        }
        Next::Choose
    }

    /// Does what a change in a domain's life demands.
    pub fn apply(&mut self, effects: Effects) -> Next {
        let Some((domain, _)) = self.resident() else { return Next::Choose };
        let mut next = Next::Run;
        for slot in effects.wake.iter().filter_map(|vcpu| domain.slot(vcpu)) {
            slot.starting.store(true, Ordering::Release);
            let key = VcpuKey { domain: domain.id, vcpu: slot.id };
            let choose = self.system.admit(key, slot, NEW, self.shared.id, &mut self.token);
            if choose == Choose::Anew {
                // Perhaps not to run it at once, but to give the running one's slice an end.
                next = Next::Choose;
            }
        }
        if effects.deschedule.is_empty() && !effects.report {
            return next;
        }
        self.system.deschedule(domain, effects.deschedule, self.shared.id, &mut self.token);
        if effects.report {
            reclaim::ended(self, domain);
        } else {
            self.readmit(domain, effects.deschedule);
        }
        Next::Choose
    }

    /// Puts those back into a queue that were turned on again before they were out of it: whoever
    /// did that set `starting` first, and found them queued still.
    fn readmit(&mut self, domain: &Domain, set: VcpuSet) {
        for slot in set.iter().filter_map(|vcpu| domain.slot(vcpu)) {
            if slot.starting.load(Ordering::Acquire) {
                let key = VcpuKey { domain: domain.id, vcpu: slot.id };
                let _ = self.system.admit(key, slot, NEW, self.shared.id, &mut self.token);
            }
        }
    }

    /// Chooses whom to run, and makes it resident. `false` if nobody wants to run.
    pub fn choose(&mut self) -> bool {
        if self.system.has_reclaims() {
            self.leave_if_ending();
            reclaim::step(self);
        }
        let (pick, waiting) = {
            let mut queue = self.shared.queue.lock(&mut self.token);
            (queue.pick(timer::now()), queue.runnable())
        };
        let chosen = match pick.key {
            Some(key) => self.make_resident(key),
            None => {
                self.leave_if_moved();
                false
            }
        };
        // Somebody woke since the pick: the timer fires at once, and the choice is made anew.
        let overtaken = core::mem::take(&mut self.overtaken);
        self.slice_end = if overtaken { Some(timer::now()) } else { pick.slice_end };
        self.arm_timer();
        if chosen {
            self.set_trap_wait(match (waiting, self.system.trap_wait) {
                (0..=1, true) => TrapWait::Interrupt,
                (0..=1, false) => TrapWait::None,
                _ => TrapWait::Both,
            });
        }
        chosen
    }

    fn set_trap_wait(&mut self, trap: TrapWait) {
        if trap != self.trap_wait {
            self.trap_wait = trap;
            machine::cpu::set_trap_wait(trap);
        }
    }

    fn make_resident(&mut self, key: VcpuKey) -> bool {
        if let Some(resident) = &self.resident
            && (resident.domain.id, resident.slot.id) == (key.domain, key.vcpu)
        {
            if resident.slot.starting.load(Ordering::Relaxed) {
                self.leave();
            } else {
                return true;
            }
        }
        self.leave();
        let system = self.system;
        let Some(domain) = system.domain(key.domain) else { return false };
        let Some(slot) = domain.slot(key.vcpu) else { return false };
        // Another CPU may still be putting its registers away: it comes round again.
        let Some(mut registers) = slot.registers.try_claim() else { return false };
        // From here on the memory stays, as taking it back begins with all claims: but it may have
        // begun before, when a wake-up was on its way still.
        if domain.ending.load(Ordering::Acquire) {
            drop(registers);
            self.shared.queue.lock(&mut self.token).forget(key, timer::now());
            return false;
        }
        if slot.starting.swap(false, Ordering::Acquire) {
            let mut life = domain.control.lock(&mut self.token);
            if let Some(entry) = life.state.take_entry(slot.id) {
                registers.cpu.reset(entry.address, entry.context);
                registers.physical_timer = Default::default();
                let (_, token) = life.split();
                // Nothing of it is listed, so nobody else is concerned.
                let _ = domain.devices.lock(token).vgic.reset_vcpu(slot.id);
            }
        }
        registers.cpu.load(&system.gic);
        self.resident = Some(Resident { domain, slot, registers });
        self.load_interrupts();
        let _ = sysreg::update_physical_timer(self);
        true
    }

    /// Fills the list registers of a vCPU that was just loaded.
    fn load_interrupts(&mut self) {
        let Some(resident) = &self.resident else { return };
        let (domain, vcpu) = (resident.domain, resident.slot.id);
        resident.slot.attention.store(false, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let (wake, in_flight) = {
            let mut devices = domain.devices.lock(&mut self.token);
            let most = self.system.gic.list_registers().min(MAX_LIST_REGISTERS);
            let wake = write_out(self.system, self.shared.id, &mut devices, vcpu, most);
            (wake, devices.vgic.timer_in_flight(vcpu))
        };
        if in_flight {
            let timer = self.system.interrupts.virtual_timer;
            self.system.gic.set_private_active(self.shared.id, timer, Active::Yes);
        }
        self.overtaken |= self.wake(domain, wake) == Next::Choose;
    }

    /// Takes the resident vCPU's registers out of the CPU.
    pub fn leave(&mut self) {
        let Some(mut resident) = self.resident.take() else { return };
        let vcpu = resident.slot.id;
        let (wake, in_flight) = {
            let mut devices = resident.domain.devices.lock(&mut self.token);
            let used = devices.vgic.in_use(vcpu);
            let mut effect = read_back(self.system, &mut devices, vcpu, used);
            effect.add(devices.vgic.unload(vcpu));
            for index in 0..used {
                self.system.gic.write_list_register(index, 0);
            }
            self.system.gic.set_underflow(Underflow::Quiet);
            (effect.wake, devices.vgic.timer_in_flight(vcpu))
        };
        if in_flight {
            let timer = self.system.interrupts.virtual_timer;
            self.system.gic.set_private_active(self.shared.id, timer, Active::No);
        }
        resident.registers.cpu.save(&self.system.gic);
        let now = timer::now();
        let physical = resident.registers.physical_timer.deadline(now);
        let deadline = earlier(physical, resident.registers.cpu.timer_deadline());
        let key = VcpuKey { domain: resident.domain.id, vcpu };
        self.shared.queue.lock(&mut self.token).set_deadline(key, deadline);
        let domain = resident.domain;
        drop(resident);
        let mut others = wake;
        others.remove(vcpu);
        self.overtaken |= self.wake(domain, others) == Next::Choose;
    }

    /// Lets go of a vCPU that is to run on another CPU, which waits for its registers.
    fn leave_if_moved(&mut self) {
        if let Some(resident) = &self.resident
            && resident.slot.home() != self.shared.id
        {
            self.leave();
        }
    }

    /// Lets go of a vCPU whose domain has ended.
    fn leave_if_ending(&mut self) {
        if let Some(resident) = &self.resident
            && resident.domain.ending.load(Ordering::Acquire)
        {
            self.leave();
        }
    }

    /// Arms this CPU's timer for what comes first: the end of the slice, a sleeper's timer, the
    /// resident guest's physical timer.
    pub fn arm_timer(&mut self) {
        let now = timer::now();
        let sleepers = self.shared.queue.lock(&mut self.token).next_deadline();
        let own = self.resident.as_ref();
        let own = own.and_then(|resident| resident.registers.physical_timer.deadline(now));
        let first = earlier(earlier(self.slice_end, sleepers), own);
        if first != self.armed {
            self.armed = first;
            timer::set_deadline(first);
        }
    }

    /// EL2's own timer fired.
    pub fn timer_fired(&mut self) -> Next {
        // The condition stays until the timer is set anew.
        self.armed = None;
        timer::set_deadline(None);
        let now = timer::now();
        self.shared.queue.lock(&mut self.token).wake_expired(now);
        if self.resident.is_some() {
            let _ = sysreg::update_physical_timer(self);
        }
        Next::Choose
    }

    /// Nobody wants to run: takes work over from others, or waits for an interrupt.
    pub fn idle(&mut self) {
        self.shared.idle.store(true, Ordering::Relaxed);
        // Pairs with the load in `System::place`; a wake-up that missed it kicks this CPU anyhow.
        fence(Ordering::SeqCst);
        let nothing = self.shared.queue.lock(&mut self.token).runnable() == 0;
        let stolen = nothing && self.system.steal(self.shared, &mut self.token);
        if nothing && !stolen && !self.system.has_reclaims() {
            machine::cpu::wait_for_interrupt();
        }
        let _ = interrupts::handle(self);
        self.shared.idle.store(false, Ordering::Relaxed);
    }
}

fn earlier(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

/// Takes the state of the resident vCPU's list registers into the model.
fn read_back(system: &System, devices: &mut Emulated, vcpu: VcpuId, used: u8) -> Effect {
    let mut registers = [ListRegister(0); MAX_LIST_REGISTERS as usize];
    for (index, register) in (0..used).zip(&mut registers) {
        register.0 = system.gic.read_list_register(index);
    }
    match registers.get(..usize::from(used)) {
        Some(registers) => devices.vgic.sync(vcpu, registers),
        None => Effect::NONE,
    }
}

/// Fills the resident vCPU's list registers from the model; the first `stale` may hold something.
fn write_out(
    system: &System,
    cpu: CpuId,
    devices: &mut Emulated,
    vcpu: VcpuId,
    stale: u8,
) -> VcpuSet {
    let mut registers = [ListRegister(0); MAX_LIST_REGISTERS as usize];
    let flushed = devices.vgic.flush(vcpu, &mut registers);
    for (index, register) in (0..stale.max(flushed.used)).zip(&registers) {
        system.gic.write_list_register(index, register.0);
    }
    system.gic.set_underflow(if flushed.more { Underflow::Notify } else { Underflow::Quiet });
    if flushed.retire_timer {
        system.gic.set_private_active(cpu, system.interrupts.virtual_timer, Active::No);
    }
    flushed.wake
}
