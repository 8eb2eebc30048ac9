//! Building a list register from the state of an interrupt.

use crate::bank::index;
use crate::config::Version;
use crate::list_register::ListRegister;
use crate::model::{Place, Vgic};
use crate::vcpu::WORDS;

impl Vgic {
    /// Puts an active or ready interrupt into a list register of `at.vcpu`.
    ///
    /// One that is level-sensitive, or that has more waiting than it carries, asks for a maintenance
    /// interrupt at its end, so that what is left is delivered then.
    pub(crate) fn load(&mut self, at: Place) -> ListRegister {
        let by_sender = self.is_by_sender(at);
        let active = self
            .bank(at.vcpu, at.word)
            .is_some_and(|bank| bank.active & at.bit != 0);
        let pending = !active || self.may_carry_both(at);
        let Some(bank) = self.bank_mut(at.vcpu, at.word) else {
            return ListRegister::INVALID;
        };
        let carried = if pending { bank.latched & at.bit } else { 0 };
        bank.listed |= at.bit;
        bank.latched &= !carried;
        bank.carried |= carried;
        let mut waits = (bank.latched | !bank.edge) & at.bit != 0;
        let intid = (at.word * 32 + index(at.bit)) as u32;
        let mut lr = ListRegister::new(intid, bank.priority_of(at.bit))
            .with(if active { ListRegister::ACTIVE } else { 0 })
            .with(if pending { ListRegister::PENDING } else { 0 })
            .with(if self.version == Version::V3 {
                ListRegister::GROUP_1
            } else {
                0
            });
        if by_sender {
            let (source, others) = self.take_sender(at, pending);
            lr = lr.with_physical(u32::from(source));
            waits = others;
        }
        if let Some(physical) = self.linked_to(at, pending) {
            return lr.with(ListRegister::HARDWARE).with_physical(physical);
        }
        self.own(at);
        lr.with(if waits || self.is_linked_timer(at) {
            ListRegister::EOI
        } else {
            0
        })
    }

    /// Whether an active interrupt goes into its list register as pending, too: only an
    /// edge-triggered one that is latched again, and would be delivered to this vCPU.
    fn may_carry_both(&self, at: Place) -> bool {
        let deliverable = self.forwards()
            && !self.is_linked_timer(at)
            && !self.is_by_sender(at)
            && self.target(at) == Some(at.vcpu);
        deliverable
            && self
                .bank(at.vcpu, at.word)
                .is_some_and(|bank| bank.latched & bank.edge & bank.enabled & at.bit != 0)
    }

    /// Takes the sender of a GICv2's SGI; whether others wait.
    fn take_sender(&mut self, at: Place, pending: bool) -> (u8, bool) {
        let Some(state) = self.vcpu_mut(at.vcpu) else {
            return (0, false);
        };
        let (source, others) = state.sources.take(at.bit, pending);
        state.private.latched |= if others { at.bit } else { 0 };
        (source, others)
    }

    /// The physical interrupt, if this is the linked timer and what is loaded is an occurrence of
    /// it. The end of a linked one cannot be signalled, so that the link is given up (and the
    /// physical interrupt left to the next occurrence) if another one waits behind it.
    fn linked_to(&mut self, at: Place, pending: bool) -> Option<u32> {
        let physical = self.timer_pintid.filter(|_| self.is_linked_timer(at))?;
        let state = self.vcpu_mut(at.vcpu)?;
        let waits = state.private.latched & at.bit != 0;
        let timer = &mut state.timer;
        timer.linked = if pending {
            timer.held
        } else {
            timer.linked && !waits
        };
        timer.linked.then_some(physical.0)
    }

    /// Notes who has an SPI in a list register.
    fn own(&mut self, at: Place) {
        if at.word == 0 {
            return;
        }
        if let Some(state) = self.vcpu_mut(at.vcpu) {
            state.owned[at.word % WORDS] |= at.bit;
        }
        if let Some(spi) = self.spi_mut(at.word) {
            spi.set_owner(at.bit, at.vcpu);
        }
    }
}
