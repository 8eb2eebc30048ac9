//! Software generated interrupts: `ICC_SGI1R_EL1` (Arm IHI 0069, 12.2) and `GICD_SGIR` with the
//! pending state by sender (IHI 0048, 4.3.13 to 4.3.15).

use crate::bank::{SGIS, each_bit, index};
use crate::config::Version;
use crate::effect::Effect;
use crate::model::{Place, Vgic};
use crate::vcpu::SgiSources;
use abi::{IntId, VcpuId, VcpuSet};

/// vCPUs of a cluster (`abi::arm::vcpu_affinity`).
const CLUSTER: u64 = 16;

/// `ICC_SGI1R_EL1.IRM`: all but the sender.
const ALL_OTHERS: u64 = 1 << 40;

/// Whether a write of `ICC_SGI1R_EL1` names no vCPU at all: there is nothing to do.
#[inline]
pub const fn names_nobody(sgi1r: u64) -> bool {
    sgi1r & (ALL_OTHERS | 0xffff) == 0
}

impl Vgic {
    /// A write of `ICC_SGI1R_EL1` (also right for `ICC_SGI0R_EL1` and `ICC_ASGI1R_EL1`, as groups are
    /// not told apart). Targets that do not exist are ignored.
    pub fn send_sgi_v3(&mut self, from: VcpuId, sgi1r: u64) -> Effect {
        let bit = 1 << (sgi1r >> 24 & 0xf);
        let mut effect = Effect::NONE;
        if sgi1r & ALL_OTHERS != 0 {
            let mut others = self.all_vcpus();
            others.remove(from);
            for target in others.iter() {
                effect.add(self.send(from, target, bit));
            }
            return effect;
        }
        let cluster = sgi1r >> 16 & 0xff;
        let above = sgi1r >> 32 & 0xff | sgi1r >> 44 & 0xf | sgi1r >> 48 & 0xff;
        if above != 0 {
            return effect;
        }
        for target in each_bit(sgi1r as u32 & 0xffff) {
            let number = cluster * CLUSTER + index(target) as u64;
            effect.add(self.send(from, VcpuId(number as u16), bit));
        }
        effect
    }

    /// The interrupt and the only vCPU that a write of `ICC_SGI1R_EL1` names: the commonest form, for
    /// [`Self::send_one`] or [`Self::pend_own`]. `None` for all others, and of a GICv2, whose senders
    /// count.
    #[inline]
    pub fn sole_target(&self, sgi1r: u64) -> Option<(VcpuId, IntId)> {
        let list = sgi1r as u16;
        // Above the number there is but what names many or nobody.
        if self.version == Version::V2 || sgi1r >> 28 != 0 || !list.is_power_of_two() {
            return None;
        }
        let target = (sgi1r >> 16 & 0xff) * CLUSTER + u64::from(list.trailing_zeros());
        Some((VcpuId(target as u16), IntId((sgi1r >> 24 & 0xf) as u32)))
    }

    /// Sends the SGI `intid` to `target`, on a GICv3: as [`Self::send_sgi_v3`] to it alone, whether
    /// it is to be woken.
    #[inline]
    pub fn send_one(&mut self, target: VcpuId, intid: IntId) -> bool {
        let forwards = self.forwards();
        let bit = 1 << (intid.0 & 0xf);
        let Some(state) = self.vcpu_mut(target) else {
            return false;
        };
        state.private.latched |= bit;
        let fresh = state.private.fresh_or_listed(bit) != 0;
        if fresh {
            state.mark(0);
        }
        fresh && forwards
    }

    /// A write of `GICD_SGIR`.
    pub(crate) fn send_sgi_v2(&mut self, from: VcpuId, sgir: u32) -> Effect {
        let bit = 1 << (sgir & 0xf);
        let targets = match sgir >> 24 & 3 {
            0 => self.existing(sgir >> 16 & 0xff),
            1 => {
                let mut others = self.all_vcpus();
                others.remove(from);
                others
            }
            2 => VcpuSet::of(from),
            _ => VcpuSet::EMPTY,
        };
        let mut effect = Effect::NONE;
        for target in targets.iter() {
            effect.add(self.send(from, target, bit));
        }
        effect
    }

    /// The vCPUs of a GICv2's target byte that exist.
    pub(crate) fn existing(&self, list: u32) -> VcpuSet {
        let mut set = VcpuSet::EMPTY;
        for bit in each_bit(list & 0xff) {
            set.insert(VcpuId(index(bit) as u16));
        }
        set.intersection(self.all_vcpus())
    }

    fn send(&mut self, from: VcpuId, target: VcpuId, bit: u32) -> Effect {
        let by_sender = self.version == Version::V2;
        let Some(state) = self.vcpu_mut(target) else {
            return Effect::NONE;
        };
        if by_sender {
            state.sources.add(bit, 1 << (from.0 & 7));
        }
        state.private.latched |= bit;
        Effect {
            wake: self.announce(target, 0, bit),
        }
    }

    /// The senders from which SGI `sgi` is pending (`GICD_SPENDSGIR`).
    pub(crate) fn sgi_senders(&self, vcpu: VcpuId, sgi: u32) -> u8 {
        let bit = 1 << (sgi & 0xf);
        self.vcpu(vcpu).map_or(0, |state| {
            let (waiting, current) = state.sources.of(bit);
            let carried = state.private.carried & bit != 0;
            waiting | if carried { 1 << (current & 7) } else { 0 }
        })
    }

    /// Makes SGI `sgi` pending from `senders` (`GICD_SPENDSGIR`).
    pub(crate) fn set_sgi_senders(&mut self, vcpu: VcpuId, sgi: u32, senders: u8) -> Effect {
        let bit = 1 << (sgi & 0xf);
        let mut effect = Effect::NONE;
        for sender in self.existing(u32::from(senders)).iter() {
            effect.add(self.send(sender, vcpu, bit));
        }
        effect
    }

    /// Clears the pending state of SGI `sgi` from `senders` (`GICD_CPENDSGIR`).
    pub(crate) fn clear_sgi_senders(&mut self, vcpu: VcpuId, sgi: u32, senders: u8) -> Effect {
        let at = Place {
            vcpu,
            word: 0,
            bit: 1 << (sgi & 0xf),
        };
        let Some(state) = self.vcpu_mut(vcpu) else {
            return Effect::NONE;
        };
        let (waiting, current) = state.sources.of(at.bit);
        state.sources.remove(at.bit, senders);
        if waiting & !senders == 0 {
            state.private.latched &= !at.bit;
        }
        let in_register = state.private.carried & at.bit != 0 && senders & 1 << (current & 7) != 0;
        if in_register {
            state.private.carried &= !at.bit;
            Effect {
                wake: self.holders(vcpu, 0, at.bit),
            }
        } else {
            Effect::NONE
        }
    }
}

impl SgiSources {
    /// The senders waiting, and the sender of what is in the list register or active.
    fn of(&self, bit: u32) -> (u8, u8) {
        (
            self.waiting[index(bit & SGIS) & 15],
            self.current[index(bit & SGIS) & 15],
        )
    }

    fn add(&mut self, bit: u32, senders: u8) {
        self.waiting[index(bit) & 15] |= senders;
    }

    fn remove(&mut self, bit: u32, senders: u8) {
        self.waiting[index(bit) & 15] &= !senders;
    }

    /// What the list register carries goes back to those waiting.
    pub(crate) fn put_back(&mut self, bit: u32) {
        let (_, current) = self.of(bit);
        self.add(bit, 1 << (current & 7));
    }

    /// The sender for the list register (the lowest waiting one if it becomes pending, else that
    /// of the active one), and whether others wait.
    pub(crate) fn take(&mut self, bit: u32, becomes_pending: bool) -> (u8, bool) {
        let (waiting, current) = self.of(bit);
        if !becomes_pending {
            return (current, waiting != 0);
        }
        let source = (waiting.trailing_zeros() & 7) as u8;
        self.remove(bit, 1 << source);
        self.current[index(bit) & 15] = source;
        (source, waiting & !(1 << source) != 0)
    }
}
