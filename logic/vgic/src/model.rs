//! The whole model, and the helpers that all parts of it share.

use crate::bank::{Bank, each_bit};
use crate::config::{Config, ConfigError, Version};
use crate::spi::SpiBank;
use crate::vcpu::{VcpuState, WORDS};
use crate::{distributor_v2, distributor_v3};
use abi::{IntId, VcpuId, VcpuSet};
use alloc::boxed::Box;
use alloc::vec;

/// The interrupt controller of one domain.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone, PartialEq))]
pub struct Vgic {
    pub(crate) version: Version,
    pub(crate) list_registers: u8,
    /// The physical interrupt of the virtual timer, if linked.
    pub(crate) timer_pintid: Option<IntId>,
    /// The group enable bits of `GICD_CTLR`, as written.
    pub(crate) control: u32,
    /// `GICD_TYPER`.
    pub(crate) distributor_type: u32,
    pub(crate) vcpus: Box<[VcpuState]>,
    /// Words of SPIs; the first has INTIDs 32 to 63.
    pub(crate) spis: Box<[SpiBank]>,
}

/// An interrupt as its vCPU (if private), its word and its bit there.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) vcpu: VcpuId,
    pub(crate) word: usize,
    pub(crate) bit: u32,
}

/// The virtual timer's bit in the private bank.
pub(crate) const TIMER_BIT: u32 = 1 << abi::arm::VIRTUAL_TIMER.0;

impl Vgic {
    /// Everything as at reset: disabled, inactive, SPIs routed to vCPU 0, redistributors awake.
    ///
    /// The only place that allocates.
    pub fn new(config: Config) -> Result<Self, ConfigError> {
        config.check()?;
        let route = match config.version {
            Version::V2 => 1,
            Version::V3 => 0,
        };
        let words = (config.spis / 32) as usize;
        let mut vcpus = vec![VcpuState::new(); usize::from(config.vcpus)].into_boxed_slice();
        if let Some(first) = vcpus.first_mut() {
            first.routed = [u32::MAX; WORDS];
        }
        Ok(Self {
            version: config.version,
            list_registers: config.list_registers,
            timer_pintid: config.hw_timer_pintid,
            control: 0,
            distributor_type: match config.version {
                Version::V2 => distributor_v2::type_of(&config),
                Version::V3 => distributor_v3::type_of(&config),
            },
            vcpus,
            spis: vec![SpiBank::new(route); words].into_boxed_slice(),
        })
    }

    /// How many vCPUs there are.
    pub fn vcpus(&self) -> u16 {
        self.vcpus.len() as u16
    }

    /// How many SPIs there are.
    pub fn spis(&self) -> u32 {
        self.spis.len() as u32 * 32
    }

    pub(crate) fn all_vcpus(&self) -> VcpuSet {
        VcpuSet::first(self.vcpus())
    }

    pub(crate) fn vcpu(&self, vcpu: VcpuId) -> Option<&VcpuState> {
        self.vcpus.get(usize::from(vcpu.0))
    }

    pub(crate) fn vcpu_mut(&mut self, vcpu: VcpuId) -> Option<&mut VcpuState> {
        self.vcpus.get_mut(usize::from(vcpu.0))
    }

    pub(crate) fn spi(&self, word: usize) -> Option<&SpiBank> {
        self.spis.get(word.wrapping_sub(1))
    }

    pub(crate) fn spi_mut(&mut self, word: usize) -> Option<&mut SpiBank> {
        self.spis.get_mut(word.wrapping_sub(1))
    }

    /// A word of interrupts: word 0 is private to `vcpu`.
    pub(crate) fn bank(&self, vcpu: VcpuId, word: usize) -> Option<&Bank> {
        match word {
            0 => self.vcpu(vcpu).map(|state| &state.private),
            _ => self.spi(word).map(|spi| &spi.bank),
        }
    }

    pub(crate) fn bank_mut(&mut self, vcpu: VcpuId, word: usize) -> Option<&mut Bank> {
        match word {
            0 => self.vcpu_mut(vcpu).map(|state| &mut state.private),
            _ => self.spi_mut(word).map(|spi| &mut spi.bank),
        }
    }

    /// Where the state of `intid` is; `None` if there is no such interrupt.
    pub(crate) fn place(&self, vcpu: VcpuId, intid: IntId) -> Option<Place> {
        let word = (intid.0 / 32) as usize;
        let bit = 1 << (intid.0 % 32);
        let exists = word <= self.spis.len()
            && bit & implemented(word) != 0
            && usize::from(vcpu.0) < self.vcpus.len();
        exists.then_some(Place { vcpu, word, bit })
    }

    /// The vCPU that an interrupt would be delivered to.
    pub(crate) fn target(&self, at: Place) -> Option<VcpuId> {
        match at.word {
            0 => Some(at.vcpu),
            _ => self.spi(at.word).and_then(|spi| spi.target(at.bit)),
        }
    }

    /// The vCPU that holds a listed or active interrupt.
    pub(crate) fn owner(&self, at: Place) -> Option<VcpuId> {
        match at.word {
            0 => Some(at.vcpu),
            _ => self.spi(at.word).and_then(|spi| spi.owner(at.bit)),
        }
    }

    /// Whether the distributor forwards interrupts at all.
    pub(crate) fn forwards(&self) -> bool {
        let enable = match self.version {
            Version::V2 => 1 << 0,
            Version::V3 => 1 << 1,
        };
        self.control & enable != 0
    }

    /// `bits` of a word may have become pending or enabled: marks where they are candidates, and
    /// tells who has to be woken.
    ///
    /// A level-sensitive interrupt that is active in a list register needs nothing: its end raises a
    /// maintenance interrupt.
    pub(crate) fn announce(&mut self, vcpu: VcpuId, word: usize, bits: u32) -> VcpuSet {
        let wake = if word == 0 {
            match self.vcpu_mut(vcpu) {
                Some(state) if state.private.fresh_or_listed(bits) != 0 => {
                    state.mark(0);
                    VcpuSet::of(vcpu)
                }
                _ => VcpuSet::EMPTY,
            }
        } else {
            self.announce_spis(word, bits)
        };
        if self.forwards() {
            wake
        } else {
            VcpuSet::EMPTY
        }
    }

    fn announce_spis(&mut self, word: usize, bits: u32) -> VcpuSet {
        let mut wake = VcpuSet::EMPTY;
        let Some(spi) = self.spi(word) else {
            return wake;
        };
        let listed = spi.bank.listed;
        for bit in each_bit(spi.bank.fresh_or_listed(bits)) {
            let Some(spi) = self.spi(word) else {
                continue;
            };
            let holder = if listed & bit != 0 {
                spi.owner(bit)
            } else {
                spi.target(bit)
            };
            if let Some(vcpu) = holder
                && let Some(state) = self.vcpu_mut(vcpu)
            {
                state.mark(word);
                wake.insert(vcpu);
            }
        }
        wake
    }

    /// The vCPUs that have one of `bits` in their list registers.
    pub(crate) fn holders(&self, vcpu: VcpuId, word: usize, bits: u32) -> VcpuSet {
        let listed = self.bank(vcpu, word).map_or(0, |bank| bank.listed & bits);
        let mut holders = VcpuSet::EMPTY;
        for bit in each_bit(listed) {
            if let Some(owner) = self.owner(Place { vcpu, word, bit }) {
                holders.insert(owner);
            }
        }
        holders
    }
}

/// The interrupts of `word` that exist in the architecture: INTIDs 1020 to 1023 are special.
pub(crate) const fn implemented(word: usize) -> u32 {
    if word == 31 { 0x0fff_ffff } else { u32::MAX }
}
