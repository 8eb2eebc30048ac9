//! The fake machine's state: CPUs, UART, scripts, records.

use abi::{CpuId, IntId};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::vec::Vec;

use super::cpu::TrapWait;
use super::gic::{MOST_LIST_REGISTERS, Underflow};
use super::guest::{GuestId, Step};
use super::host::{Pages, Parts, Record};
use super::uart::WantRoom;
use super::vcpu::{El1, Stage2Base};
use crate::arrival::Arrival;

pub(crate) struct State {
    pub(crate) counter: u64,
    /// How often an address of a guest's was translated for the hypervisor.
    pub(crate) translations: u64,
    pub(crate) list_registers: u8,
    pub(crate) cpus: Vec<CpuState>,
    pub(crate) uart: UartState,
    /// Where each shared interrupt that is on goes.
    pub(crate) shared: BTreeMap<u32, CpuId>,
    pub(crate) scripts: BTreeMap<GuestId, VecDeque<Step>>,
    pub(crate) records: Vec<Record>,
    pub(crate) start_result: i32,
    pub(crate) pages: Pages,
    /// Affinities of CPUs that the interrupt controller has no interface for.
    pub(crate) unserved: BTreeSet<u64>,
    /// Affinities of CPUs that do not come by themselves.
    pub(crate) late: BTreeSet<u64>,
    /// By affinity, of the CPUs that were started.
    pub(crate) arrivals: BTreeMap<u64, &'static Arrival>,
    pub(crate) halt_when_idle: bool,
}

/// A physical CPU.
pub(crate) struct CpuState {
    /// Interrupts that came by an edge.
    pub(crate) pending: BTreeSet<u32>,
    pub(crate) active: BTreeSet<u32>,
    /// Acknowledged, its priority not yet dropped.
    pub(crate) running: Option<u32>,
    /// The private interrupts that are on; empty until the CPU's interface was set up.
    pub(crate) enabled: BTreeSet<u32>,
    pub(crate) list_registers: [u64; MOST_LIST_REGISTERS],
    pub(crate) underflow: Underflow,
    /// `EOIcount`.
    pub(crate) unlisted_ends: u8,
    /// It waits for an interrupt, as a test sees it.
    pub(crate) waits: bool,
    /// EL2's timer.
    pub(crate) deadline: Option<u64>,
    pub(crate) trap_wait: TrapWait,
    pub(crate) serror_pending: bool,
    /// Whose registers are here.
    pub(crate) resident: Option<GuestId>,
    pub(crate) el1: El1,
    pub(crate) stage2: Option<Stage2Base>,
    pub(crate) counter_offset: u64,
}

/// The UART.
pub(crate) struct UartState {
    pub(crate) output: Vec<u8>,
    pub(crate) input: VecDeque<u8>,
    pub(crate) room: Option<usize>,
    /// Which interrupts are on; `None` before any.
    pub(crate) interrupts: Option<WantRoom>,
}

impl State {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            counter: 1000,
            translations: 0,
            list_registers: parts.list_registers,
            cpus: (0..parts.cpus).map(|_| CpuState::new()).collect(),
            uart: UartState {
                output: Vec::new(),
                input: VecDeque::new(),
                room: None,
                interrupts: None,
            },
            shared: BTreeMap::new(),
            scripts: BTreeMap::new(),
            records: Vec::new(),
            start_result: abi::psci::SUCCESS,
            pages: parts.pages,
            unserved: BTreeSet::new(),
            late: BTreeSet::new(),
            arrivals: BTreeMap::new(),
            halt_when_idle: false,
        }
    }

    /// The state of `cpu`.
    ///
    /// # Panics
    /// If there is no such CPU.
    pub(crate) fn cpu(&mut self, cpu: CpuId) -> &mut CpuState {
        match self.cpus.get_mut(usize::from(cpu.0)) {
            Some(state) => state,
            None => panic!("the fake machine has no CPU {}", cpu.0),
        }
    }

    /// Notes what happened.
    pub(crate) fn record(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Whether shared interrupt `intid` goes to `cpu`.
    pub(crate) fn is_routed(&self, intid: IntId, cpu: CpuId) -> bool {
        self.shared.get(&intid.0) == Some(&cpu)
    }
}

impl CpuState {
    fn new() -> Self {
        Self {
            pending: BTreeSet::new(),
            active: BTreeSet::new(),
            running: None,
            enabled: BTreeSet::new(),
            list_registers: [0; MOST_LIST_REGISTERS],
            underflow: Underflow::Quiet,
            unlisted_ends: 0,
            waits: false,
            deadline: None,
            trap_wait: TrapWait::Interrupt,
            serror_pending: false,
            resident: None,
            el1: El1::default(),
            stage2: None,
            counter_offset: 0,
        }
    }
}
