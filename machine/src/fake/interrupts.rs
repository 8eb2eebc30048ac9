//! Which interrupt lines are high, and what a guest does with its list registers.
//!
//! List register layout: Arm IHI 0069 12.4.10, `ICH_LR<n>_EL2`.

use abi::{CpuId, IntId};

use super::gic::{KICK, Underflow};
use super::host::{MAINTENANCE, TIMER, UART, VIRTUAL_TIMER};
use super::state::{CpuState, State};
use super::uart::WantRoom;

const PENDING: u64 = 1 << 62;
const ACTIVE: u64 = 1 << 63;
const HARDWARE: u64 = 1 << 61;
const SIGNAL_END: u64 = 1 << 41;
/// What acknowledging gives when nothing is pending.
const SPURIOUS: IntId = IntId(1023);

impl State {
    /// The interrupt that `cpu` would acknowledge now: the lowest number, but kicks last, by their
    /// priority.
    pub(crate) fn next_pending(&mut self, cpu: CpuId) -> Option<IntId> {
        let now = self.counter;
        let uart = self.is_routed(UART, cpu) && self.uart.line();
        let shared: std::vec::Vec<u32> = self
            .shared
            .iter()
            .filter(|(_, to)| **to == cpu)
            .map(|(intid, _)| *intid)
            .collect();
        let state = self.cpu(cpu);
        let lines = [
            (MAINTENANCE, state.maintenance()),
            (
                TIMER,
                state.deadline.is_some_and(|deadline| deadline <= now),
            ),
            (VIRTUAL_TIMER, state.virtual_timer(now)),
            (UART, uart),
        ];
        let high = lines
            .iter()
            .filter(|(_, high)| *high)
            .map(|(intid, _)| intid.0);
        high.chain(state.pending.iter().copied())
            .filter(|intid| state.enabled.contains(intid) || shared.contains(intid))
            .filter(|intid| !state.active.contains(intid))
            .min_by_key(|intid| (*intid == KICK.0, *intid))
            .map(IntId)
    }

    /// Acknowledges the next interrupt.
    ///
    /// # Panics
    /// If the one before has not had its priority dropped: it would hide this one.
    pub(crate) fn acknowledge(&mut self, cpu: CpuId) -> IntId {
        let Some(intid) = self.next_pending(cpu) else {
            return SPURIOUS;
        };
        let state = self.cpu(cpu);
        assert_eq!(
            state.running, None,
            "the priority of an interrupt was not dropped"
        );
        state.running = Some(intid.0);
        state.pending.remove(&intid.0);
        state.active.insert(intid.0);
        intid
    }
}

impl super::state::UartState {
    fn line(&self) -> bool {
        let has_room = self.room != Some(0);
        match self.interrupts {
            None => false,
            Some(WantRoom::Yes) if has_room => true,
            Some(_) => !self.input.is_empty(),
        }
    }
}

impl CpuState {
    /// `ICH_MISR_EL2` is not 0: an end was signalled, or there is room as asked for.
    fn maintenance(&self) -> bool {
        let used = self
            .list_registers
            .iter()
            .filter(|register| **register & (PENDING | ACTIVE) != 0);
        let ended = |register: &u64| {
            *register & (PENDING | ACTIVE | HARDWARE) == 0 && *register & SIGNAL_END != 0
        };
        let short = used.count() <= 1 || self.unlisted_ends != 0;
        let starved = self.underflow == Underflow::Notify && short;
        self.resident.is_some() && (starved || self.list_registers.iter().any(ended))
    }

    /// The line of the resident guest's virtual timer.
    fn virtual_timer(&self, now: u64) -> bool {
        let count = now.wrapping_sub(self.counter_offset);
        self.resident.is_some() && self.el1.cntv_ctl & 3 == 1 && count >= self.el1.cntv_cval
    }

    /// The guest acknowledges its most urgent pending interrupt (`ICC_IAR1_EL1`).
    pub(crate) fn guest_acknowledge(&mut self) -> Option<IntId> {
        let pending = |register: &&mut u64| **register & (PENDING | ACTIVE) == PENDING;
        let urgency = |register: &&mut u64| (**register >> 48 & 0xff, **register as u32);
        let register = self
            .list_registers
            .iter_mut()
            .filter(pending)
            .min_by_key(urgency)?;
        *register = *register & !PENDING | ACTIVE;
        Some(IntId(*register as u32))
    }

    /// The guest ends an interrupt that is in no list register.
    pub(crate) fn guest_end_unlisted(&mut self) {
        self.unlisted_ends = (self.unlisted_ends + 1).min(31);
    }

    /// The guest ends an interrupt (`ICC_EOIR1_EL1` with EOImode 0). `false` if none of that number
    /// is active.
    pub(crate) fn guest_end(&mut self, intid: IntId) -> bool {
        let found = self
            .list_registers
            .iter_mut()
            .find(|register| **register & ACTIVE != 0 && **register as u32 == intid.0);
        let Some(register) = found else { return false };
        *register &= !ACTIVE;
        if *register & HARDWARE != 0 {
            let physical = (*register >> 32 & 0x1fff) as u32;
            self.active.remove(&physical);
        }
        true
    }
}
