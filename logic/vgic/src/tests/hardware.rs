//! Simulated virtual CPU interfaces, and a hypervisor that does what the model asks.
//!
//! The guest acknowledges and ends interrupts in the list registers alone, as on hardware; the model
//! learns of it by `sync`. Wake-ups of other vCPUs may be served late.

use super::*;
use crate::tests::promises::{Key, Promises};
use crate::{Cause, Flushed};

/// What one vCPU's CPU interface and its CPU hold.
#[derive(Clone, Default)]
pub(crate) struct Cpu {
    pub(crate) lrs: Vec<ListRegister>,
    /// The vCPU is on a CPU.
    pub(crate) resident: bool,
    /// A wake-up was asked for and not served yet.
    pub(crate) outdated: bool,
    /// That wake-up was for more than private interrupts that became pending.
    pub(crate) anything: bool,
    /// Taken and not ended: interrupt and priority, innermost last.
    pub(crate) running: Vec<(Key, u8)>,
    /// Ends of interrupts that were in no list register.
    eoi_count: u8,
    /// Underflow maintenance interrupt enabled.
    underflow: bool,
    /// The physical timer interrupt is active.
    pub(crate) timer_active: bool,
}

pub(crate) struct Hardware {
    pub(crate) vgic: Vgic,
    pub(crate) cpus: Vec<Cpu>,
    pub(crate) promises: Promises,
    /// Whether the hypervisor takes the short ways.
    pub(crate) ways: Ways,
}

/// How the hypervisor does what there is a short way for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ways {
    General,
    Short,
}

impl Hardware {
    pub(crate) fn new(config: Config) -> Self {
        let mut vgic = Vgic::new(config).unwrap();
        let _ = write(&mut vgic, gicd::CTLR, 3);
        let cpu = Cpu {
            lrs: vec![ListRegister::INVALID; usize::from(config.list_registers)],
            resident: true,
            ..Cpu::default()
        };
        let cpus = vec![cpu; usize::from(config.vcpus)];
        Self {
            vgic,
            cpus,
            promises: Promises::default(),
            ways: Ways::General,
        }
    }

    pub(crate) fn cpu(&mut self, vcpu: VcpuId) -> &mut Cpu {
        &mut self.cpus[usize::from(vcpu.0)]
    }

    /// An operation by `vcpu`: its own list registers are synced before and brought up to date
    /// behind it, others' later.
    pub(crate) fn trap(&mut self, vcpu: VcpuId, operation: impl FnOnce(&mut Vgic) -> Effect) {
        self.sync(vcpu);
        let effect = operation(&mut self.vgic);
        self.note(effect);
        self.serve(vcpu);
    }

    /// An operation by `vcpu` on what its list registers do not change: the short way looks at them
    /// only if it concerns them.
    pub(crate) fn change(&mut self, vcpu: VcpuId, operation: impl FnOnce(&mut Vgic) -> Effect) {
        match self.ways {
            Ways::General => self.trap(vcpu, operation),
            Ways::Short => {
                self.outside(operation);
                self.serve(vcpu);
            }
        }
    }

    /// An operation from outside of any vCPU.
    pub(crate) fn outside(&mut self, operation: impl FnOnce(&mut Vgic) -> Effect) {
        let effect = operation(&mut self.vgic);
        self.note(effect);
    }

    pub(crate) fn note(&mut self, effect: Effect) {
        for vcpu in effect.wake.iter() {
            self.cpu(vcpu).outdated = true;
            self.cpu(vcpu).anything = true;
        }
    }

    pub(crate) fn sync(&mut self, vcpu: VcpuId) {
        let cpu = &mut self.cpus[usize::from(vcpu.0)];
        if !cpu.resident {
            return;
        }
        let mut effect = self.vgic.sync(vcpu, &cpu.lrs);
        let count = core::mem::take(&mut cpu.eoi_count);
        if count != 0 {
            effect.add(self.vgic.end_unlisted(vcpu, count));
        }
        self.note(effect);
    }

    /// Serves an outstanding wake-up.
    pub(crate) fn serve(&mut self, vcpu: VcpuId) {
        let cpu = self.cpu(vcpu);
        if !cpu.outdated || !cpu.resident {
            return;
        }
        if !cpu.anything && self.list_fresh(vcpu) {
            return;
        }
        self.sync(vcpu);
        self.flush(vcpu);
    }

    /// Serves all outstanding wake-ups. One can cause another, to which an interrupt moves.
    pub(crate) fn serve_all(&mut self) {
        for _ in 0..2 {
            (0..self.vgic.vcpus()).for_each(|n| self.serve(VcpuId(n)));
        }
    }

    fn flush(&mut self, vcpu: VcpuId) {
        let cpu = &mut self.cpus[usize::from(vcpu.0)];
        let Flushed {
            used,
            more,
            wake,
            retire_timer,
        } = self.vgic.flush(vcpu, &mut cpu.lrs);
        assert!(
            cpu.lrs
                .iter()
                .take(usize::from(used))
                .all(|lr| lr.is_valid())
        );
        assert!(
            cpu.lrs
                .iter()
                .skip(usize::from(used))
                .all(|lr| !lr.is_valid())
        );
        assert!(!wake.contains(vcpu), "woken for what was just loaded");
        cpu.underflow = more;
        cpu.outdated = false;
        cpu.anything = false;
        if retire_timer {
            assert!(cpu.timer_active, "retired what is not active");
            cpu.timer_active = false;
        }
        assert_eq!(cpu.timer_active, self.vgic.timer_in_flight(vcpu));
        self.note(Effect { wake });
        self.check_loaded(vcpu);
    }

    /// The vCPU leaves its CPU.
    pub(crate) fn deschedule(&mut self, vcpu: VcpuId) {
        if self.cpu(vcpu).resident {
            self.sync(vcpu);
            self.outside(|vgic| vgic.unload(vcpu));
            let cpu = self.cpu(vcpu);
            cpu.resident = false;
            cpu.underflow = false;
            cpu.lrs.fill(ListRegister::INVALID);
        }
    }

    pub(crate) fn schedule(&mut self, vcpu: VcpuId) {
        if !self.cpu(vcpu).resident {
            self.cpu(vcpu).resident = true;
            if self.ways == Ways::General || !self.load_sole(vcpu) {
                self.flush(vcpu);
            }
        }
    }

    /// The guest takes the highest pending interrupt, if it may preempt.
    pub(crate) fn acknowledge(&mut self, vcpu: VcpuId) -> bool {
        let cpu = self.cpu(vcpu);
        let outdated = cpu.outdated;
        let limit = cpu
            .running
            .last()
            .map_or(0x100, |(_, priority)| u16::from(*priority));
        let candidates = cpu
            .lrs
            .iter_mut()
            .filter(|lr| lr.is_pending() && !lr.is_active() && u16::from(lr.priority()) < limit);
        let Some(lr) = candidates.min_by_key(|lr| lr.priority()) else {
            return false;
        };
        acknowledge(lr);
        let source = if lr.is_hardware() { 0 } else { lr.source() };
        let (intid, priority) = (lr.intid(), lr.priority());
        let key = Key::new(vcpu, intid, source);
        cpu.running.push((key, priority));
        if lr.is_hardware() {
            assert!(
                cpu.timer_active,
                "linked to a physical interrupt that is not active"
            );
        }
        self.promises.taken(key, vcpu, outdated, &self.vgic);
        self.maintain(vcpu);
        true
    }

    /// The guest ends its innermost interrupt.
    pub(crate) fn end(&mut self, vcpu: VcpuId) -> bool {
        let cpu = self.cpu(vcpu);
        if !cpu.resident {
            return false;
        }
        let Some((key, _)) = cpu.running.pop() else {
            return false;
        };
        let held = cpu
            .lrs
            .iter_mut()
            .find(|lr| lr.is_active() && lr.intid() == key.intid);
        let mut ended = false;
        match held {
            Some(lr) => {
                end(lr);
                if lr.is_hardware() {
                    assert!(cpu.timer_active);
                    cpu.timer_active = false;
                }
                ended = lr.signals_end() && !lr.is_valid();
            }
            None => cpu.eoi_count += 1,
        }
        self.promises.ended(key);
        if ended || self.cpu(vcpu).eoi_count != 0 {
            self.note(only(vcpu));
            self.serve(vcpu);
        }
        self.maintain(vcpu);
        true
    }

    /// The underflow maintenance interrupt.
    fn maintain(&mut self, vcpu: VcpuId) {
        let cpu = self.cpu(vcpu);
        if cpu.underflow && cpu.lrs.iter().filter(|lr| lr.is_valid()).count() <= 1 {
            self.note(only(vcpu));
            self.serve(vcpu);
        }
    }

    /// The physical timer fires: the vCPU exits.
    pub(crate) fn fire_timer(&mut self, vcpu: VcpuId) -> bool {
        if !self.cpu(vcpu).resident || self.cpu(vcpu).timer_active {
            return false;
        }
        self.cpu(vcpu).timer_active = true;
        self.pend(vcpu, TIMER, Cause::Edge);
        true
    }

    /// Serves everybody, and has the guest take and end everything that it can.
    pub(crate) fn settle(&mut self) {
        let all: Vec<_> = (0..self.vgic.vcpus()).map(VcpuId).collect();
        for _ in 0..10_000 {
            let mut progress = false;
            for vcpu in all.iter().copied() {
                self.schedule(vcpu);
                self.serve(vcpu);
                progress |= self.acknowledge(vcpu) || self.end(vcpu);
            }
            if !progress {
                all.iter().for_each(|vcpu| self.sync(*vcpu));
            }
            if !progress && self.cpus.iter().all(|cpu| !cpu.outdated) {
                return;
            }
        }
        panic!("does not settle");
    }
}
