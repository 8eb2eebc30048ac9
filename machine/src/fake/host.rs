//! The fake machine as a test holds it.

use abi::{CpuId, IntId, Ipa, Pa, Range};
use std::cell::RefCell;
use std::string::String;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

use super::firmware::Power;
use super::guest::{Guest, GuestId, Step};
use super::physical::Ram;
use super::state::State;
use crate::exit::Exit;
use crate::lock::{Token, Unlocked};

/// The counter's frequency: a tick is 16 ns, as on many boards.
pub const FREQUENCY_HZ: u64 = 62_500_000;
/// EL2's own timer, as the fake device trees must say.
pub const TIMER: IntId = IntId(26);
/// The guests' virtual timer.
pub const VIRTUAL_TIMER: IntId = IntId(27);
/// The virtual CPU interface's maintenance interrupt.
pub const MAINTENANCE: IntId = IntId(25);
/// The UART's interrupt.
pub const UART: IntId = IntId(33);
/// Where RAM starts.
pub const RAM_START: Pa = Pa(0x4000_0000);

/// What the hypervisor did to the machine that no other state shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A CPU kicked another (or itself).
    Kick {
        /// Who.
        from: CpuId,
        /// Whom.
        to: CpuId,
    },
    /// TLB entries of a VMID were dropped.
    Invalidated {
        /// Whose.
        vmid: u8,
        /// Which guest addresses.
        range: Range,
    },
    /// A CPU dropped its own TLB entries of the VMID that was loaded.
    FlushedLocally(CpuId),
    /// Instructions written to memory were made visible.
    InstructionsSynchronised,
    /// Firmware was asked for this.
    Power(Power),
    /// Firmware was asked to start a CPU.
    Started {
        /// The number of its stack.
        place: CpuId,
        /// Its affinity.
        mpidr: u64,
    },
    /// A CPU waited for an interrupt when none was pending.
    Waited(CpuId),
}

/// A panic payload: the hypervisor stopped a CPU for good.
#[derive(Debug, PartialEq, Eq)]
pub struct Halted;

/// What a machine consists of.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// Physical CPUs, numbered by affinity 0.
    pub cpus: u16,
    /// Bytes of RAM from [`RAM_START`] on.
    pub ram_bytes: u64,
    /// List registers.
    pub list_registers: u8,
    /// How a GICv2's pages are wired.
    pub pages: Pages,
}

/// How the pages of a GICv2's CPU interfaces are wired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// Each once.
    Once,
    /// Each 16 times.
    Repeated,
}

impl Default for Parts {
    fn default() -> Self {
        Self {
            cpus: 2,
            ram_bytes: 64 << 20,
            list_registers: 4,
            pages: Pages::Once,
        }
    }
}

pub(crate) struct Shared {
    pub(crate) ram: Ram,
    state: Mutex<State>,
}

impl Shared {
    /// The state; a test that failed while it held it does not hide the others' results.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A fake machine. Clones are the same machine.
#[derive(Clone)]
pub struct Machine {
    shared: Arc<Shared>,
}

struct Here {
    machine: Machine,
    cpu: CpuId,
}

std::thread_local! {
    static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
}

/// The machine on which this thread is, and as which CPU.
///
/// # Panics
/// If the thread has not entered one: a test that needs a machine must make one.
pub(crate) fn here() -> (Machine, CpuId) {
    HERE.with_borrow(|here| match here {
        Some(here) => (here.machine.clone(), here.cpu),
        None => panic!("this thread has not entered a fake machine"),
    })
}

/// Does something with the state of this thread's machine and CPU.
pub(crate) fn with_state<T>(use_it: impl FnOnce(&mut State, CpuId) -> T) -> T {
    let (machine, cpu) = here();
    let mut state = machine.shared.state();
    use_it(&mut state, cpu)
}

impl Machine {
    /// A machine that was just turned on.
    pub fn new(parts: Parts) -> Self {
        let state = Mutex::new(State::new(parts));
        Self {
            shared: Arc::new(Shared {
                ram: Ram::new(parts.ram_bytes),
                state,
            }),
        }
    }

    /// This thread is `cpu` of this machine from now on.
    pub fn enter(&self, cpu: CpuId) {
        let here = Here {
            machine: self.clone(),
            cpu,
        };
        HERE.with_borrow_mut(|place| *place = Some(here));
    }

    /// The token with which a CPU starts.
    pub fn token(&self) -> Token<Unlocked> {
        crate::lock::host_token()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// The RAM's addresses.
    pub fn ram(&self) -> Range {
        self.shared.ram.range()
    }

    /// Copies `data` into RAM, as a boot loader or a guest would.
    ///
    /// # Panics
    /// If it is outside RAM.
    pub fn poke(&self, at: Pa, data: &[u8]) {
        self.shared.ram.write(at, data);
    }

    /// Copies `bytes` from RAM.
    ///
    /// # Panics
    /// If it is outside RAM.
    pub fn peek(&self, at: Pa, bytes: usize) -> Vec<u8> {
        self.shared.ram.read(at, bytes)
    }

    /// The counter.
    pub fn now(&self) -> u64 {
        self.shared.state().counter
    }

    /// How often an address of a guest's was translated since this was last asked: each access to guest
    /// memory begins so.
    pub fn take_translations(&self) -> u64 {
        core::mem::take(&mut self.shared.state().translations)
    }

    /// Moves the counter on.
    pub fn advance(&self, ticks: u64) {
        self.shared.state().counter += ticks;
    }

    /// Makes an interrupt pending on `cpu`, as by an edge.
    pub fn pend(&self, cpu: CpuId, intid: IntId) {
        self.shared.state().cpu(cpu).pending.insert(intid.0);
    }

    /// Whether `cpu` waited for an interrupt in vain since this was last asked.
    pub fn take_waited(&self, cpu: CpuId) -> bool {
        core::mem::take(&mut self.shared.state().cpu(cpu).waits)
    }

    /// Whether `cpu` has an interrupt to take.
    pub fn has_pending(&self, cpu: CpuId) -> bool {
        self.shared.state().next_pending(cpu).is_some()
    }

    /// The private or shared interrupts that are active on `cpu`.
    pub fn active(&self, cpu: CpuId) -> Vec<IntId> {
        self.shared
            .state()
            .cpu(cpu)
            .active
            .iter()
            .map(|intid| IntId(*intid))
            .collect()
    }

    /// The list registers of `cpu`.
    pub fn list_registers(&self, cpu: CpuId) -> Vec<u64> {
        let mut state = self.shared.state();
        let count = usize::from(state.list_registers);
        state
            .cpu(cpu)
            .list_registers
            .iter()
            .copied()
            .take(count)
            .collect()
    }

    /// When EL2's timer of `cpu` fires.
    pub fn deadline(&self, cpu: CpuId) -> Option<u64> {
        self.shared.state().cpu(cpu).deadline
    }

    /// Whose registers are in `cpu`.
    pub fn resident(&self, cpu: CpuId) -> Option<GuestId> {
        self.shared.state().cpu(cpu).resident
    }

    /// What came out of the UART since this was last asked.
    pub fn take_output(&self) -> String {
        let bytes = core::mem::take(&mut self.shared.state().uart.output);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Types at the UART.
    pub fn type_in(&self, bytes: &[u8]) {
        self.shared.state().uart.input.extend(bytes);
    }

    /// How many bytes the UART takes before it is full; `None`: any number.
    pub fn set_uart_room(&self, bytes: Option<usize>) {
        self.shared.state().uart.room = bytes;
    }

    /// What was recorded since this was last asked.
    pub fn take_records(&self) -> Vec<Record> {
        core::mem::take(&mut self.shared.state().records)
    }

    /// What firmware answers when it is to start a CPU: a PSCI return code.
    pub fn set_start_result(&self, code: i32) {
        self.shared.state().start_result = code;
    }

    /// The interrupt controller has no interface for the CPU with this affinity.
    pub fn take_interface(&self, mpidr: u64) {
        self.shared.state().unserved.insert(mpidr);
    }

    /// The CPU with this affinity does not come when firmware starts it.
    pub fn keep_away(&self, mpidr: u64) {
        self.shared.state().late.insert(mpidr);
    }

    /// The CPU with this affinity, which was started, comes now: its number, if it is let in.
    ///
    /// # Panics
    /// If it was not started.
    pub fn arrive(&self, mpidr: u64) -> Option<CpuId> {
        let arrival = self.shared.state().arrivals.get(&mpidr).copied();
        match arrival {
            Some(arrival) => arrival.arrive(),
            None => panic!("CPU {mpidr:#x} was not started"),
        }
    }

    /// A CPU that waits with nothing pending unwinds with [`Halted`] instead of going on.
    pub fn halt_when_idle(&self) {
        self.shared.state().halt_when_idle = true;
    }

    /// Appends a step to what a guest does.
    pub fn script(
        &self,
        guest: GuestId,
        step: impl FnOnce(&mut Guest<'_>) -> Option<Exit> + Send + 'static,
    ) {
        let step: Step = std::boxed::Box::new(step);
        self.shared
            .state()
            .scripts
            .entry(guest)
            .or_default()
            .push_back(step);
    }

    /// Drops what a guest has not done yet.
    pub fn forget_script(&self, guest: GuestId) {
        self.shared.state().scripts.remove(&guest);
    }

    /// How many steps a guest has not done yet.
    pub fn steps_left(&self, guest: GuestId) -> usize {
        self.shared
            .state()
            .scripts
            .get(&guest)
            .map_or(0, |steps| steps.len())
    }

    /// Where the tables of the guest that is resident on `cpu` map `address`; `None` if nowhere.
    pub fn translate(&self, cpu: CpuId, address: Ipa) -> Option<super::translation::Mapped> {
        let stage2 = self.shared.state().cpu(cpu).stage2?;
        super::translation::walk(&self.shared.ram, stage2, address)
    }
}
