//! The loop of a physical CPU: a guest runs, stops, and what it wanted is done.
//!
//! Running a guest is a call that returns an [`Exit`]; what to do is a `match` on it. Nothing
//! waits inside: a vCPU that has to wait leaves the queue, and the CPU chooses another.

use abi::{CpuId, VcpuId, VcpuSet};
use core::fmt;
use machine::atomic::{Ordering, fence};

use ::console::Level;
use machine::claim::Claimed;
use machine::cpu::TrapWait;
use machine::exit::{Exit, FetchAbort};
use machine::lock::{Token, Unlocked};
use machine::timer;
use sched::{VcpuKey, Weight};
use vgic::Effect;

use crate::arch::arm64::identification::Identification;
use crate::arch::arm64::{calls, sysreg};
use crate::console::{Admitted, Source};
use crate::domain::{Domain, Life, Registers, Slot};
use crate::guest_memory::{Need, Refused};
use crate::system::{self, System};
use crate::{filling, hypercall, interrupts, mmio, watchdog};

mod deadline;
mod idle;
mod life;
mod list_registers;
mod residency;

use deadline::Deadline;

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
    slice_end: Deadline,
    /// The first deadline of this CPU's sleepers, as of the last choice; never too late.
    sleepers: Deadline,
    armed: Deadline,
    /// Somebody became runnable here while the next one was made resident.
    overtaken: bool,
    trap_wait: TrapWait,
    /// Whether its guests or domains that are filled have this CPU now.
    pub turn: filling::Turn,
    /// The last choice was to fill.
    fills: bool,
    /// The identification registers as guests see them here.
    pub identification: Identification,
}

/// Syndrome of an undefined instruction, in `ESR_EL1`.
const UNDEFINED: u64 = 0x0200_0000;
/// Syndrome of an external abort on a data access from EL1 (from EL0: one bit less).
const DATA_ABORT: u64 = 0x9600_0000;
/// Syndrome of an external abort on a fetch from EL1 (from EL0: one bit less).
const FETCH_ABORT: u64 = 0x8600_0000;
/// The exception class bit that says "from the same level".
const SAME_LEVEL: u64 = 1 << 26;

/// Runs this CPU for good. What is done seldom is apart, so that it takes no register of the rest.
pub fn run(system: &System, id: CpuId, token: Token<Unlocked>) -> ! {
    let Some(mut cpu) = Cpu::new(system, id, token) else {
        machine::cpu::halt()
    };
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
            slice_end: Deadline::NEVER,
            sleepers: Deadline::NEVER,
            armed: Deadline::NEVER,
            overtaken: false,
            trap_wait: TrapWait::Interrupt,
            turn: filling::Turn::default(),
            fills: false,
            identification: Identification::here(),
        })
    }

    /// Runs the resident guest once, and does what it stopped for.
    #[inline]
    pub fn step(&mut self) -> Next {
        let Some(resident) = &mut self.resident else {
            return Next::Choose;
        };
        let registers = if resident.slot.attention.is_raised() {
            // Looked at once: whoever raises it again from another CPU kicks this one as well, so that
            // the guest comes straight back, and others get their turn whatever its senders do.
            match (self.refresh(), &mut self.resident) {
                (Next::Run, Some(resident)) => &mut resident.registers,
                _ => return Next::Choose,
            }
        } else {
            &mut resident.registers
        };
        // Apart, as a function in between costs six instructions an exit even if it does nothing.
        #[cfg(feature = "exit-statistics")]
        let exit = self.shared.statistics.run(&mut registers.cpu);
        #[cfg(not(feature = "exit-statistics"))]
        let exit = registers.cpu.run();
        self.answer_to(exit)
    }

    /// Does what the resident guest stopped for.
    #[inline(always)]
    fn answer_to(&mut self, exit: Exit) -> Next {
        match exit {
            Exit::Interrupt => interrupts::handle(self),
            Exit::Hvc(abi::hypercall::HVC_IMMEDIATE) => hypercall::dispatch(self),
            Exit::DataAbort(abort) => mmio::handle(self, &abort),
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
            // What no guest may do: it gets the exception that it would get without a hypervisor.
            Exit::Hvc(immediate) => self.refuse_hvc(immediate),
            Exit::Smc(immediate) => self.refuse_smc(immediate),
            Exit::FetchAbort(abort) => self.fetch_abort(&abort),
            Exit::SError { syndrome } => self.pass_on_serror(syndrome),
            Exit::Undefined { syndrome } => self.refuse_undefined(syndrome),
        }
    }

    #[cold]
    fn refuse_hvc(&mut self, immediate: u16) -> Next {
        self.report(format_args!("HVC #{immediate:#x}: undefined\n"));
        // The preferred return address of an undefined instruction is itself.
        self.with_registers(|registers| registers.cpu.rewind_instruction());
        self.inject_undefined();
        Next::Run
    }

    #[cold]
    fn refuse_smc(&mut self, immediate: u16) -> Next {
        self.report(format_args!("SMC #{immediate:#x}: undefined\n"));
        self.inject_undefined();
        Next::Run
    }

    #[cold]
    fn pass_on_serror(&mut self, syndrome: u64) -> Next {
        self.report(format_args!("SError, syndrome {syndrome:#x}: passed on\n"));
        self.with_registers(|registers| registers.cpu.inject_serror());
        Next::Run
    }

    #[cold]
    fn refuse_undefined(&mut self, syndrome: u64) -> Next {
        self.report(format_args!("syndrome {syndrome:#x}: undefined\n"));
        self.inject_undefined();
        Next::Run
    }

    #[cold]
    fn fetch_abort(&mut self, abort: &FetchAbort) -> Next {
        let refused = Refused {
            address: abort.address,
            virtual_address: abort.virtual_address,
            syndrome: abort.syndrome,
            need: Need::Execution,
        };
        if refused.is_settled(self) {
            return Next::Run;
        }
        self.report(format_args!(
            "fetch from {}, syndrome {:#x}: nothing is there\n",
            abort.address, abort.syndrome
        ));
        self.inject(FETCH_ABORT, abort.virtual_address);
        Next::Run
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
        if let Some(admitted) = self.admit(level) {
            self.say(admitted, what);
        }
    }

    /// Whether a remark of `level` about the resident guest appears now: what is held back is not even
    /// composed. Goes to [`Self::say`].
    #[inline(never)]
    pub fn admit(&mut self, level: Level) -> Option<Admitted> {
        let resident = self.resident.as_ref()?;
        let source = Source::Guest(level, resident.domain.id, resident.slot.id);
        self.system.console.lock(&mut self.token).admit(source)
    }

    /// Says what was admitted about the resident guest, in one line.
    #[cold]
    pub fn say(&mut self, admitted: Admitted, what: fmt::Arguments<'_>) {
        let Some(resident) = &self.resident else {
            return;
        };
        let pc = resident.registers.cpu.pc();
        let message = format_args!("pc {pc:#x}: {what}");
        let mut console = self.system.console.lock(&mut self.token);
        console.print_admitted(admitted, message);
    }

    /// The resident guest's registers.
    #[inline]
    pub fn with_registers<T>(&mut self, use_them: impl FnOnce(&mut Registers) -> T) -> Option<T> {
        self.resident
            .as_mut()
            .map(|resident| use_them(&mut resident.registers))
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
        self.resident
            .as_ref()
            .map(|resident| (resident.domain, resident.slot.id))
    }

    /// The resident guest's domain and registers, and the right to take locks.
    #[inline]
    pub fn resident_parts(&mut self) -> Option<(&'s Domain, &mut Registers, &mut Token<Unlocked>)> {
        let resident = self.resident.as_mut()?;
        Some((resident.domain, &mut resident.registers, &mut self.token))
    }

    /// The life of the resident guest's domain.
    pub fn with_life<T>(&mut self, use_it: impl FnOnce(&mut Life, VcpuId) -> T) -> Option<T> {
        let resident = self.resident.as_ref()?;
        let mut life = resident.domain.control.lock(&mut self.token);
        Some(use_it(&mut life, resident.slot.id))
    }

    /// The resident guest waits for an interrupt.
    pub fn wait(&mut self) -> Next {
        self.wait_until(None)
    }

    /// The resident guest waits for an interrupt or the counter to be at `deadline`.
    pub fn wait_until(&mut self, deadline: Option<u64>) -> Next {
        let (next, deliverable) =
            self.with_devices(|devices, vcpu| (Effect::NONE, devices.vgic.has_deliverable(vcpu)));
        let Some(resident) = &mut self.resident else {
            return Next::Choose;
        };
        if deliverable != Some(false) {
            return next;
        }
        resident.registers.poll_deadline = deadline;
        if resident.registers.runstate.is_shown() {
            let now_ns = timer::nanoseconds(timer::now());
            let runstate = &mut resident.registers.runstate;
            runstate.change(abi::vcpu::runstate::BLOCKED, now_ns);
        }
        let key = VcpuKey {
            domain: resident.domain.id,
            vcpu: resident.slot.id,
        };
        let now = timer::now();
        // The virtual timer stays in the CPU while the vCPU is resident.
        let deadline = resident.registers.deadline();
        {
            let mut queue = self.shared.queue.lock(&mut self.token);
            queue.sleep(key, resident.slot, deadline, now);
            resident.slot.asleep.store(true, Ordering::Relaxed);
        }
        // Pairs with the fence in `System::wake_all`: either it sees the sleeper or we the flag.
        fence(Ordering::SeqCst);
        if resident.slot.attention.is_raised() {
            let (domain, vcpu) = (resident.domain, resident.slot.id);
            let _ = self.wake(domain, VcpuSet::of(vcpu));
        }
        Next::Choose
    }

    /// Chooses whom to run, and makes it resident. `false` if nobody wants to run.
    #[inline(never)]
    pub fn choose(&mut self) -> bool {
        if self.system.chores.is_any() && self.do_chores() {
            return false;
        }
        let (pick, waiting, sleepers) = {
            let mut queue = self.shared.queue.lock(&mut self.token);
            (
                queue.pick(timer::now()),
                queue.runnable(),
                queue.next_deadline(),
            )
        };
        self.sleepers = sleepers.into();
        let chosen = match pick.key {
            Some(key) => self.make_resident(key),
            None => {
                self.leave_if_moved();
                false
            }
        };
        // Somebody woke since the pick: the timer fires at once, and the choice is made anew.
        let overtaken = core::mem::take(&mut self.overtaken);
        self.slice_end = if overtaken {
            Deadline::at(timer::now())
        } else {
            pick.slice_end.into()
        };
        if self.system.chores.is_any() {
            // A guest that has the CPU to itself must not keep an ended one's memory from coming back, nor
            // another from starting.
            let soon = timer::now().saturating_add(timer::frequency() / 1000);
            self.slice_end = self.slice_end.min(Deadline::at(soon));
        }
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

    /// Arms this CPU's timer for what comes first: the end of the slice, a sleeper's timer, the
    /// resident guest's physical timer.
    pub fn arm_timer(&mut self) {
        let own = self.resident.as_ref();
        let own = own.and_then(|resident| resident.registers.physical_timer.deadline());
        let alarm = Deadline::from(self.system.alarm.time());
        let first = self.slice_end.min(self.sleepers).min(own.into()).min(alarm);
        if first != self.armed {
            self.armed = first;
            timer::set_deadline(first.time());
        }
    }

    /// EL2's own timer fired.
    pub fn timer_fired(&mut self) -> Next {
        // The condition stays until the timer is set anew.
        self.armed = Deadline::NEVER;
        timer::set_deadline(None);
        let now = timer::now();
        let alarm = Deadline::from(self.system.alarm.time());
        if alarm.is_due(now) && watchdog::look(self) == Next::Choose {
            return self.time_to_choose(now);
        }
        if self.resident.is_none() || self.slice_end.min(self.sleepers).is_due(now) {
            return self.time_to_choose(now);
        }
        // Nothing but the resident guest's own timer.
        sysreg::update_physical_timer(self)
    }

    fn time_to_choose(&mut self, now: u64) -> Next {
        let system = self.system;
        self.shared
            .queue
            .lock(&mut self.token)
            .wake_expired(now, |key| {
                let slot = system
                    .domain(key.domain)
                    .and_then(|domain| domain.slot(key.vcpu));
                slot.map_or(Weight::DEFAULT, |slot| {
                    slot.asleep.store(false, Ordering::Relaxed);
                    slot.weight
                })
            });
        if self.resident.is_some() {
            let _ = sysreg::update_physical_timer_line(self);
        }
        Next::Choose
    }
}
