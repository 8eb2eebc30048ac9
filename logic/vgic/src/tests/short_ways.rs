//! The short ways, as the hypervisor takes them; in general the long ones that mean the same.

use super::*;
use crate::tests::hardware::{Hardware, Ways};
use crate::{Cause, ListRegisters, Quick};
use std::cell::RefCell;

/// The list registers of a vCPU that a short way is given.
struct InCpu<'a>(RefCell<&'a mut Vec<ListRegister>>);

impl ListRegisters for InCpu<'_> {
    fn read(&self, slot: u8) -> ListRegister {
        self.0.borrow()[usize::from(slot)]
    }

    fn write(&self, slot: u8, register: ListRegister) {
        let old = core::mem::replace(&mut self.0.borrow_mut()[usize::from(slot)], register);
        assert!(!old.is_valid(), "{old:x?} is overwritten");
    }
}

impl Hardware {
    /// A private interrupt of `vcpu`, which is resident, becomes pending by its own doing.
    pub(crate) fn pend(&mut self, vcpu: VcpuId, intid: IntId, cause: Cause) {
        if self.ways == Ways::General || !self.cpu(vcpu).resident {
            return self.trap(vcpu, |vgic| match cause {
                Cause::Edge => vgic.raise(vcpu, intid),
                Cause::Line => vgic.set_level(vcpu, intid, crate::Level::High),
            });
        }
        let lrs = &mut self.cpus[usize::from(vcpu.0)].lrs;
        let lrs = InCpu(RefCell::new(lrs));
        let quick = self.vgic.pend_own(vcpu, intid, cause, &lrs);
        self.go_on(vcpu, quick);
    }

    /// An SGI of a GICv3 to one vCPU.
    pub(crate) fn send_one(&mut self, from: VcpuId, sgi1r: u64) {
        let sole = self.vgic.sole_target(sgi1r);
        match sole.filter(|_| self.ways == Ways::Short) {
            Some((target, intid)) if target == from && self.cpu(from).resident => {
                self.pend(from, intid, Cause::Edge);
            }
            Some((target, intid)) => {
                let tell = self.vgic.send_one(target, intid);
                self.cpu(target).outdated |= tell;
            }
            None => self.change(from, |vgic| vgic.send_sgi_v3(from, sgi1r)),
        }
    }

    /// Serves a wake-up for private interrupts alone. False if that takes a flush.
    pub(crate) fn list_fresh(&mut self, vcpu: VcpuId) -> bool {
        let lrs = &mut self.cpus[usize::from(vcpu.0)].lrs;
        let quick = self.vgic.list_fresh(vcpu, &InCpu(RefCell::new(lrs)));
        match quick {
            Quick::Done => {
                self.cpu(vcpu).outdated = false;
                self.check_loaded(vcpu);
                true
            }
            Quick::Flush(effect) => {
                self.note(effect);
                false
            }
        }
    }

    /// Loads a vCPU that comes to its CPU. False if that takes a flush.
    pub(crate) fn load_sole(&mut self, vcpu: VcpuId) -> bool {
        let cpu = &mut self.cpus[usize::from(vcpu.0)];
        if !self
            .vgic
            .load_sole(vcpu, &InCpu(RefCell::new(&mut cpu.lrs)))
        {
            return false;
        }
        cpu.outdated = false;
        cpu.anything = false;
        assert_eq!(cpu.timer_active, self.vgic.timer_in_flight(vcpu));
        self.check_loaded(vcpu);
        true
    }

    fn go_on(&mut self, vcpu: VcpuId, quick: Quick) {
        match quick {
            // Nothing was loaded, and the guest may have taken all that had room.
            Quick::Done if self.cpu(vcpu).outdated || self.vgic.overflowed(vcpu) => {}
            Quick::Done => self.check_loaded(vcpu),
            Quick::Flush(effect) => {
                self.note(effect);
                self.note(only(vcpu));
                self.serve(vcpu);
            }
        }
    }
}

#[test]
fn only_the_commonest_form_of_an_sgi_takes_the_short_way() {
    let vgic = started(V3, 40, 32);
    let sole = |value| vgic.sole_target(value);
    assert_eq!(
        sole(3 << 24 | 2 << 16 | 1 << 5),
        Some((VcpuId(37), IntId(3)))
    );
    assert_eq!(sole(15 << 24 | 1), Some((CPU0, IntId(15))));
    for (value, why) in [
        (0, "nobody"),
        (3, "two"),
        (1 << 40 | 1, "all others"),
        (1 << 32 | 1, "affinity 2"),
        (1 << 44 | 1, "range selector"),
        (1 << 48 | 1, "affinity 3"),
    ] {
        assert_eq!(sole(value), None, "{why}");
        assert_eq!(crate::names_nobody(value), value == 0, "{why}");
    }
    assert_eq!(started(V2, 2, 32).sole_target(1), None);
}

#[test]
fn an_interrupt_to_a_vcpu_that_does_not_exist_is_ignored() {
    let mut vgic = started(V3, 2, 32);
    assert!(!vgic.send_one(VcpuId(2), IntId(1)));
    let mut lrs = vec![ListRegister::INVALID; 4];
    let lrs = InCpu(RefCell::new(&mut lrs));
    assert_eq!(
        vgic.pend_own(VcpuId(2), IntId(1), Cause::Edge, &lrs),
        Quick::Done
    );
    assert_eq!(vgic.list_fresh(VcpuId(2), &lrs), Quick::Done);
}

type Step = fn(&mut Vgic, &mut Vec<ListRegister>, IntId) -> Effect;

/// What was there before an interrupt comes: each on its own and together, in this order.
const BEFORE: [Step; 13] = [
    |vgic, lrs, _| {
        let _ = vgic.set_level(CPU0, IntId(30), crate::Level::High);
        serve(vgic, lrs);
        Effect::NONE
    },
    |vgic, lrs, _| {
        let _ = vgic.raise(CPU0, IntId(33));
        serve(vgic, lrs);
        Effect::NONE
    },
    |_, lrs, _| {
        let pending = lrs.iter_mut().filter(|lr| lr.is_pending());
        pending.for_each(acknowledge);
        Effect::NONE
    },
    |vgic, lrs, _| vgic.sync(CPU0, lrs),
    |_, lrs, _| {
        lrs.iter_mut().filter(|lr| lr.is_active()).for_each(end);
        Effect::NONE
    },
    |vgic, lrs, _| vgic.sync(CPU0, lrs),
    |vgic, _, intid| vgic.raise(CPU0, intid),
    |vgic, _, _| {
        make_edge(vgic, CPU0, IntId(31));
        only(CPU0)
    },
    |vgic, _, intid| write_bit(vgic, CPU0, gicd::ISACTIVER, intid),
    |vgic, _, intid| write_bit(vgic, CPU0, gicd::ICACTIVER, intid),
    |vgic, _, intid| write_bit(vgic, CPU0, gicd::ICENABLER, intid),
    |vgic, lrs, _| {
        let sleep = vgic.write_redistributor(CPU0, GICR_WAKER, Width::Word, 2);
        let _ = sleep.unwrap();
        serve(vgic, lrs);
        Effect::NONE
    },
    |vgic, _, _| write(vgic, gicd::CTLR, 0),
];

/// The one that has nothing done but listing what is fresh.
const RAISED: usize = 6;

fn serve(vgic: &mut Vgic, lrs: &mut [ListRegister]) {
    let _ = vgic.sync(CPU0, lrs);
    let _ = vgic.flush(CPU0, lrs);
}

/// A private interrupt finds the list registers in all sorts of states: the short way shows the guest
/// what the long one does, and keeps the same in mind.
#[test]
fn a_private_interrupt_is_listed_as_by_the_long_way() {
    for intid in [3, 27, 31].map(IntId) {
        let mut short = 0;
        for listed in [None, Some(intid), Some(IntId(5)), Some(TIMER)] {
            for steps in 0..1u32 << BEFORE.len() {
                short += check_after(intid, listed, steps);
            }
        }
        assert!(short > 1000, "{short} of {intid:?}");
    }
}

fn check_after(intid: IntId, listed: Option<IntId>, steps: u32) -> u32 {
    let (vgic, lrs, flush_is_due) = after(intid, listed, steps);
    let what = format!("{intid:?}, {listed:?}, {steps:#b}");
    check_short(&vgic, &lrs, intid, flush_is_due, &what)
}

/// The state after some of [`BEFORE`], and whether that takes a flush.
fn after(intid: IntId, listed: Option<IntId>, steps: u32) -> (Vgic, Vec<ListRegister>, bool) {
    let mut vgic = started(V3, 2, 32);
    for intid in [3, 5, 27, 30, 31, 33].map(IntId) {
        let _ = enable(&mut vgic, CPU0, intid);
    }
    if let Some(listed) = listed {
        let _ = vgic.raise(CPU0, listed);
    }
    let mut lrs = vec![ListRegister::INVALID; 4];
    let _ = vgic.flush(CPU0, &mut lrs);
    let mut flush_is_due = false;
    for (n, step) in BEFORE.iter().enumerate() {
        if steps >> n & 1 != 0 {
            let effect = step(&mut vgic, &mut lrs, intid);
            flush_is_due |= n != RAISED && effect.wake.contains(CPU0);
        }
    }
    (vgic, lrs, flush_is_due)
}

fn check_short(
    vgic: &Vgic,
    before: &[ListRegister],
    intid: IntId,
    flush_is_due: bool,
    what: &str,
) -> u32 {
    let mut short = 0;
    for own in [true, false] {
        let (mut quick, mut lrs) = (vgic.clone(), before.to_vec());
        let registers = InCpu(RefCell::new(&mut lrs));
        let came_to = if own {
            quick.pend_own(CPU0, intid, Cause::Edge, &registers)
        } else if flush_is_due || intid.0 > 15 || !quick.send_one(CPU0, intid) {
            continue;
        } else {
            quick.list_fresh(CPU0, &registers)
        };
        if came_to != Quick::Done {
            continue;
        }
        short += 1;
        let (mut long, mut expected) = (vgic.clone(), before.to_vec());
        let _ = long.sync(CPU0, &expected);
        let _ = long.raise(CPU0, intid);
        serve(&mut long, &mut expected);
        if flush_is_due {
            serve(&mut quick, &mut lrs);
        }
        assert_eq!(shown(&lrs), shown(&expected), "{what}, {own}");
        let private = |vgic: &Vgic| vgic.vcpus[0].private.clone();
        assert_eq!(private(&quick), private(&long), "{what}, {own}");
        serve(&mut quick, &mut lrs);
        serve(&mut long, &mut expected);
        assert_eq!(quick, long, "{what}, {own}");
    }
    short
}

/// A vCPU that comes back to a CPU: likewise.
#[test]
fn a_vcpu_is_loaded_as_by_the_long_way() {
    let mut done = 0;
    for listed in [None, Some(IntId(3)), Some(IntId(5)), Some(TIMER)] {
        for steps in 0..1u32 << BEFORE.len() {
            let (mut vgic, lrs, _) = after(IntId(3), listed, steps);
            let _ = vgic.sync(CPU0, &lrs);
            let _ = vgic.unload(CPU0);
            let (mut quick, mut lrs) = (vgic.clone(), vec![ListRegister::INVALID; 4]);
            if !quick.load_sole(CPU0, &InCpu(RefCell::new(&mut lrs))) {
                assert_eq!(quick, vgic, "{listed:?}, {steps:#b}");
                continue;
            }
            done += 1;
            let mut expected = vec![ListRegister::INVALID; 4];
            let flushed = vgic.flush(CPU0, &mut expected);
            assert!(flushed.wake.is_empty() && !flushed.more && !flushed.retire_timer);
            assert_eq!(shown(&lrs), shown(&expected), "{listed:?}, {steps:#b}");
            serve(&mut quick, &mut lrs);
            serve(&mut vgic, &mut expected);
            assert_eq!(quick, vgic, "{listed:?}, {steps:#b}");
        }
    }
    assert!(done > 1000, "{done}");
}

/// What only a flush brings to an end is not passed over, though there is nothing to deliver.
#[test]
fn a_withdrawn_timer_and_an_overflow_keep_a_vcpu_from_the_short_way() {
    let clear = |vgic: &mut Vgic, register, intid| {
        let _ = write_bit(vgic, CPU0, register, IntId(intid));
    };
    let loads = |vgic: &mut Vgic| {
        let mut lrs = vec![ListRegister::INVALID; 4];
        vgic.load_sole(CPU0, &InCpu(RefCell::new(&mut lrs)))
    };
    let mut vgic = started(V3, 2, 32);
    let _ = enable(&mut vgic, CPU0, TIMER);
    let _ = vgic.raise(CPU0, TIMER);
    clear(&mut vgic, gicd::ICPENDR, TIMER.0);
    assert!(!loads(&mut vgic), "the physical interrupt is to be retired");
    assert!(vgic.flush(CPU0, &mut [ListRegister::INVALID]).retire_timer);
    assert!(loads(&mut vgic));

    for intid in 0..5 {
        let _ = enable(&mut vgic, CPU0, IntId(intid));
        let _ = vgic.raise(CPU0, IntId(intid));
    }
    let _ = flush(&mut vgic, CPU0);
    let _ = vgic.unload(CPU0);
    (0..5).for_each(|intid| clear(&mut vgic, gicd::ICENABLER, intid));
    assert!(vgic.overflowed(CPU0) && !loads(&mut vgic));
    assert!(flush(&mut vgic, CPU0).is_empty() && !vgic.overflowed(CPU0));
    assert!(loads(&mut vgic));
}

/// What a guest sees of its list registers.
fn shown(lrs: &[ListRegister]) -> Vec<u64> {
    let valid = lrs.iter().filter(|lr| lr.is_valid());
    let mut shown: Vec<_> = valid.map(|lr| lr.0).collect();
    shown.sort_unstable();
    shown
}
