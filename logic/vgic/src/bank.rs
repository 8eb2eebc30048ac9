//! The state of 32 interrupts, one bit each.

/// 32 interrupts: the private ones of a vCPU, or a word of SPIs.
///
/// The pending state is `latched | carried | line of level-sensitive ones` (Arm IHI 0069, 4.1).
#[derive(Clone, Debug, Default)]
#[cfg_attr(test, derive(PartialEq))]
pub(crate) struct Bank {
    /// Forwarding enabled.
    pub(crate) enabled: u32,
    /// Latched as pending (an edge, or written by software) and in no list register as such.
    pub(crate) latched: u32,
    /// Latched as pending, and that latch was moved into a list register. Cleared when the guest
    /// acknowledges it there.
    pub(crate) carried: u32,
    /// The input line is high.
    pub(crate) line: u32,
    /// Active. For a listed interrupt: as of the last sync.
    pub(crate) active: u32,
    /// Edge-triggered (else level-sensitive).
    pub(crate) edge: u32,
    /// Edge-triggered whatever the guest programs.
    pub(crate) only_edges: u32,
    /// Those of them that the guest has programmed as level-sensitive, and reads back so.
    pub(crate) shown_level: u32,
    /// The group register as written (GICv3; a GICv2 has one group). All are delivered alike.
    pub(crate) group: u32,
    /// In a list register of the vCPU that owns it.
    pub(crate) listed: u32,
    /// The active state was written since the list register was loaded: it wins over the register.
    pub(crate) overridden: u32,
    /// Priorities; 0 is the highest.
    pub(crate) priority: [u8; 32],
}

/// What a list register had.
#[derive(Clone, Copy)]
pub(crate) struct TakenBack {
    /// A latched pending state.
    pub(crate) was_carried: bool,
    /// It is not active.
    pub(crate) is_idle: bool,
}

/// The implemented bits of a priority: 32 levels.
const PRIORITY_MASK: u8 = 0xf8;

impl Bank {
    /// Private interrupts after reset: SGIs are edge-triggered, PPIs level-sensitive; all disabled.
    pub(crate) fn private() -> Self {
        Self {
            edge: SGIS,
            ..Self::default()
        }
    }

    /// Those pending, whether enabled or not.
    pub(crate) const fn pending(&self) -> u32 {
        self.latched | self.carried | (self.line & !self.edge)
    }

    /// Those that may be signalled as far as their own state goes.
    pub(crate) const fn ready(&self) -> u32 {
        self.pending() & self.enabled & !self.active
    }

    /// Those of `bits` for which a list register is to be written: ready ones, and listed ones that may
    /// be loaded differently now.
    pub(crate) const fn fresh_or_listed(&self, bits: u32) -> u32 {
        let listed = self.listed & self.enabled & !(self.active & !self.edge);
        bits & (listed | self.ready())
    }

    /// What a list register had of `bit` is the model's again.
    pub(crate) fn take_back(&mut self, bit: u32) -> TakenBack {
        let carried = self.carried & bit;
        self.latched |= carried;
        self.carried &= !bit;
        self.listed &= !bit;
        self.overridden &= !bit;
        TakenBack {
            was_carried: carried != 0,
            is_idle: self.active & bit == 0,
        }
    }

    /// The priority of the interrupt of `bit`.
    pub(crate) fn priority_of(&self, bit: u32) -> u8 {
        self.priority[index(bit)]
    }

    /// Sets the priority of the interrupt of `bit`; whether it changed.
    pub(crate) fn set_priority(&mut self, bit: u32, priority: u8) -> bool {
        let slot = &mut self.priority[index(bit)];
        let changed = *slot != priority & PRIORITY_MASK;
        *slot = priority & PRIORITY_MASK;
        changed
    }
}

/// The bits of a private bank that are SGIs.
pub(crate) const SGIS: u32 = 0xffff;

/// Index in an array of 32 of the interrupt of `bit`.
pub(crate) const fn index(bit: u32) -> usize {
    (bit.trailing_zeros() & 31) as usize
}

/// Each set bit of a word as a mask, lowest first.
pub(crate) fn each_bit(word: u32) -> impl Iterator<Item = u32> {
    let mut rest = word;
    core::iter::from_fn(move || {
        let bit = rest & rest.wrapping_neg();
        rest ^= bit;
        (bit != 0).then_some(bit)
    })
}
