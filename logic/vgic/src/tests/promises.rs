//! What a guest may expect: each cause delivered, nothing delivered without a cause; and what the
//! model promises about its own state.

use super::*;
use crate::bank::{each_bit, index};
use crate::tests::hardware::Hardware;
use crate::vcpu::NOTHING;
use std::collections::{HashMap, HashSet};

/// One source of interrupts: private ones by vCPU, a GICv2's SGIs by sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    owner: Option<VcpuId>,
    pub(crate) intid: IntId,
    source: u8,
}

impl Key {
    pub(crate) fn new(vcpu: VcpuId, intid: IntId, source: u8) -> Self {
        let source = if intid.0 < 16 { source } else { 0 };
        Self {
            owner: intid.is_private().then_some(vcpu),
            intid,
            source,
        }
    }
}

/// What is known of the latched state of one source.
#[derive(Default, Debug)]
struct Latch {
    /// Causes that no delivery has used up: the most deliveries that are right. One may be in a list
    /// register and another one latched behind it.
    may: u32,
    /// There was a cause after the last delivery: one more must come.
    must: bool,
    /// The guest cleared it.
    cleared: bool,
}

#[derive(Default)]
pub(crate) struct Promises {
    latches: HashMap<Key, Latch>,
    pub(crate) high: HashSet<Key>,
    active: HashMap<Key, VcpuId>,
}

impl Promises {
    pub(crate) fn raised(&mut self, key: Key) {
        let latch = self.latches.entry(key).or_default();
        *latch = Latch {
            may: 2.min(latch.may + 1),
            must: true,
            cleared: false,
        };
    }

    pub(crate) fn cleared(&mut self, key: Key) {
        let latch = self.latches.entry(key).or_default();
        latch.must = false;
        latch.cleared = true;
    }

    /// With every vCPU up to date, causes are one, and what was cleared must not come any more.
    pub(crate) fn all_up_to_date(&mut self) {
        for latch in self.latches.values_mut() {
            latch.may = latch.may.min(u32::from(!latch.cleared));
        }
    }

    pub(crate) fn taken(&mut self, key: Key, vcpu: VcpuId, outdated: bool, vgic: &Vgic) {
        let at = vgic.place(vcpu, key.intid).unwrap();
        let bank = vgic.bank(vcpu, at.word).unwrap();
        // It can also have moved to another sender's key: each key is counted by itself.
        let before = self.active.insert(key, vcpu);
        assert_eq!(before, None, "{key:?} taken by {vcpu} while active");
        let level = bank.edge & at.bit == 0;
        let high = self.high.contains(&key) && level;
        let latch = self.latches.entry(key).or_default();
        assert!(high || outdated || latch.may > 0, "{key:?} without a cause");
        latch.must = false;
        if outdated {
            // It may have been the line, even one that has fallen meanwhile.
            latch.may = latch.may.saturating_sub(u32::from(!level));
        } else {
            latch.may = 0;
            assert!(bank.enabled & at.bit != 0, "{key:?} is disabled");
            assert!(vgic.forwards(), "the group is disabled");
            assert_eq!(vgic.target(at), Some(vcpu), "{key:?} is routed elsewhere");
        }
    }

    pub(crate) fn ended(&mut self, key: Key) {
        assert!(self.active.remove(&key).is_some(), "{key:?} ended twice");
    }
}

impl Hardware {
    /// What was just flushed: order by priority, no duplicates, nothing disabled.
    pub(crate) fn check_loaded(&mut self, vcpu: VcpuId) {
        let vgic = &self.vgic;
        let state = vgic.vcpu(vcpu).unwrap();
        let valid: Vec<_> = self.cpus[usize::from(vcpu.0)]
            .lrs
            .iter()
            .filter(|lr| lr.is_valid())
            .collect();
        let mut worst = None;
        for lr in &valid {
            let at = vgic.place(vcpu, lr.intid()).unwrap();
            let bank = vgic.bank(vcpu, at.word).unwrap();
            assert!(
                !lr.is_pending() || bank.enabled & at.bit != 0,
                "{lr:x?} is disabled"
            );
            assert!(!lr.is_pending() || vgic.forwards());
            assert!(!(lr.is_hardware() && lr.is_pending() && lr.is_active()));
            if !lr.is_active() {
                worst = worst.max(Some(lr.priority()));
            }
        }
        let mut numbers: Vec<_> = valid.iter().map(|lr| lr.intid().0).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), valid.len(), "listed twice");
        let room = valid.len() < usize::from(vgic.list_registers);
        for word in 0..=vgic.spis.len() {
            let bank = vgic.bank(vcpu, word).unwrap();
            let left = bank.ready() & state.routed(word) & !bank.listed;
            for bit in each_bit(if vgic.forwards() { left } else { 0 }) {
                assert!(!room && worst.is_some(), "left out with room");
                assert!(
                    worst <= Some(bank.priority_of(bit)),
                    "a higher priority was left out"
                );
            }
        }
    }

    /// The model's own invariants.
    pub(crate) fn check_model(&mut self) {
        let vgic = &self.vgic;
        let mut listed = HashSet::new();
        for vcpu in (0..vgic.vcpus()).map(VcpuId) {
            let state = vgic.vcpu(vcpu).unwrap();
            for intid in state.loaded.iter().take(usize::from(state.used)) {
                if *intid != NOTHING {
                    let at = vgic.place(vcpu, IntId(u32::from(*intid))).unwrap();
                    assert!(vgic.bank(vcpu, at.word).unwrap().listed & at.bit != 0);
                    assert_eq!(vgic.owner(at), Some(vcpu));
                    assert!(listed.insert(Key::new(vcpu, IntId(u32::from(*intid)), 0)));
                }
            }
            for word in 0..=vgic.spis.len() {
                let bank = vgic.bank(vcpu, word).unwrap();
                let elsewhere = bank.listed & !state.owned(word);
                let candidates = bank.ready() & state.routed(word) & !elsewhere
                    | bank.active & state.owned(word);
                assert!(
                    candidates == 0 || state.summary & 1 << word != 0,
                    "summary of {vcpu}"
                );
                assert_eq!((bank.carried | bank.overridden) & !bank.listed, 0);
            }
        }
        let count = |vcpu, word| vgic.bank(vcpu, word).unwrap().listed.count_ones() as usize;
        let privates: usize = (0..vgic.vcpus()).map(|n| count(VcpuId(n), 0)).sum();
        let shared: usize = (1..=vgic.spis.len()).map(|word| count(CPU0, word)).sum();
        assert_eq!(
            privates + shared,
            listed.len(),
            "listed in no list register"
        );
        if self.cpus.iter().all(|cpu| !cpu.outdated) {
            self.promises.all_up_to_date();
        }
    }

    /// After `settle`, with everything enabled and all lines low: nothing is owed.
    pub(crate) fn check_nothing_owed(&self) {
        for (key, latch) in &self.promises.latches {
            assert!(!latch.must, "{key:?} was lost");
        }
        assert!(self.promises.active.is_empty());
        for vcpu in (0..self.vgic.vcpus()).map(VcpuId) {
            assert!(!self.vgic.has_deliverable(vcpu));
            assert!(!self.vgic.timer_in_flight(vcpu));
            assert!(!self.cpus[usize::from(vcpu.0)].timer_active);
            for word in 0..=self.vgic.spis.len() {
                let bank = self.vgic.bank(vcpu, word).unwrap();
                let all = bank.pending() | bank.active | bank.listed;
                assert_eq!(all, 0, "{vcpu} word {word} bit {}", index(all));
            }
        }
    }
}
