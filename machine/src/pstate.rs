//! A guest's processor state when the hypervisor moves it on: behind an instruction, or into an
//! exception handler.
//!
//! Pure, so that every host tests it. Layouts: Arm ARM (DDI 0487) C5.2.20, `SPSR_EL2`.

/// EL1 with its own stack pointer; D, A, I and F masked.
const HANDLER: u64 = 0x3c5;
/// N, Z, C, V and DIT, which an exception leaves alone.
const KEPT: u64 = 0xf << 28 | 1 << 24;
const SSBS: u64 = 1 << 12;
const PAN: u64 = 1 << 22;
const TCO: u64 = 1 << 25;

/// T: Thumb code, of 32-bit state.
const THUMB: u64 = 1 << 5;
/// IT[7:2] and IT[1:0], of 32-bit state.
const IT_HIGH: u64 = 0x3f << 10;
const IT_LOW: u64 = 3 << 25;

/// `SCTLR_EL1.SPAN`: exceptions leave PAN alone.
const SPAN: u64 = 1 << 23;
/// `SCTLR_EL1.DSSBS`: what exceptions set SSBS to.
const DEFAULT_SSBS: u64 = 1 << 44;

/// What the state of a handler depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Handler {
    /// `SCTLR_EL1`.
    pub system_control: u64,
    /// `ID_AA64PFR1_EL1`.
    pub processor: u64,
    /// `ID_AA64MMFR1_EL1`.
    pub memory_model: u64,
}

impl Handler {
    /// The state in which a 64-bit EL1 takes an exception from `interrupted` (Arm ARM,
    /// `AArch64.TakeException`).
    pub const fn state(self, interrupted: u64) -> u64 {
        let has_pan = self.memory_model >> 20 & 0xf != 0;
        let has_ssbs = self.processor >> 4 & 0xf != 0;
        let has_tags = self.processor >> 8 & 0xf != 0;
        let mut state = HANDLER | interrupted & KEPT;
        if has_pan {
            state |= if self.system_control & SPAN == 0 {
                PAN
            } else {
                interrupted & PAN
            };
        }
        if has_ssbs && self.system_control & DEFAULT_SSBS != 0 {
            state |= SSBS;
        }
        if has_tags {
            state |= TCO;
        }
        state
    }
}

/// Program counter and state behind a trapped instruction of 32-bit code at `pc`, whose syndrome
/// `esr` tells its length. The `IT` block goes on.
pub const fn behind_32_bit(esr: u64, pc: u64, state: u64) -> (u64, u64) {
    let bytes = if esr & 1 << 25 != 0 { 4 } else { 2 };
    let behind = (pc + bytes) & 0xffff_ffff;
    if state & THUMB == 0 {
        return (behind, state);
    }
    let block = (state & IT_HIGH) >> 8 | (state & IT_LOW) >> 25;
    let next = if block & 7 == 0 {
        0
    } else {
        block & 0xe0 | block << 1 & 0x1f
    };
    let others = state & !(IT_HIGH | IT_LOW);
    (behind, others | next << 8 & IT_HIGH | next << 25 & IT_LOW)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EL0: u64 = 0;

    #[test]
    fn a_handler_keeps_flags_and_timing_and_masks_interrupts() {
        let state = Handler::default().state(0xa << 28 | 1 << 24 | 1 << 21 | 1 << 20 | 3 << 10);
        assert_eq!(state, 0xa << 28 | 1 << 24 | 0x3c5);
    }

    #[test]
    fn pan_is_set_unless_the_guest_wants_it_left_alone() {
        let with_pan = Handler {
            memory_model: 1 << 20,
            ..Handler::default()
        };
        assert_ne!(with_pan.state(EL0) & PAN, 0);
        let left_alone = Handler {
            system_control: SPAN,
            ..with_pan
        };
        assert_eq!(left_alone.state(EL0) & PAN, 0);
        assert_ne!(left_alone.state(PAN) & PAN, 0);
        assert_eq!(Handler::default().state(PAN) & PAN, 0);
    }

    #[test]
    fn ssbs_and_tag_checks_are_as_their_registers_say() {
        let all = Handler {
            processor: 0x220,
            system_control: DEFAULT_SSBS,
            memory_model: 0,
        };
        assert_eq!(all.state(EL0), HANDLER | SSBS | TCO);
        let none = Handler {
            processor: 0,
            ..all
        };
        assert_eq!(none.state(SSBS), HANDLER);
    }

    #[test]
    fn thumb_instructions_have_two_or_four_bytes() {
        assert_eq!(behind_32_bit(0, 0x1000, THUMB), (0x1002, THUMB));
        assert_eq!(behind_32_bit(1 << 25, 0x1000, THUMB), (0x1004, THUMB));
        assert_eq!(behind_32_bit(1 << 25, 0xffff_fffc, 0x10), (0, 0x10));
    }

    #[test]
    fn an_it_block_goes_on_and_ends() {
        let it = |block: u64| THUMB | (block >> 2) << 10 | (block & 3) << 25;
        // ITTE EQ: 0000 0110, then 0000 1100, 0001 1000 and none.
        let (_, second) = behind_32_bit(0, 0, it(0b0000_0110));
        assert_eq!(second, it(0b0000_1100));
        let (_, third) = behind_32_bit(0, 0, second);
        assert_eq!(third, it(0b0001_1000));
        assert_eq!(behind_32_bit(0, 0, third).1, THUMB);
        // The base condition stays.
        assert_eq!(behind_32_bit(0, 0, it(0b1010_0100)).1, it(0b1010_1000));
    }
}
