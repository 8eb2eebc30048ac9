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
