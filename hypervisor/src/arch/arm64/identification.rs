//! The identification registers as guests see them: the hardware's, less every feature that traps,
//! that leaks, or whose state is not switched (Arm ARM D24.2).
//!
//! Fields are let through by name; whatever is new in a register reads as 0, as on a processor
//! without the feature.

use machine::exit::Sysreg;

/// What guests see on a CPU, made once.
pub struct Identification {
    /// By number, as of [`Sysreg::identification`].
    values: [u64; Sysreg::IDENTIFICATIONS],
}

impl Identification {
    /// Of the CPU that runs this.
    pub fn here() -> Self {
        Self {
            values: core::array::from_fn(|number| {
                let register = Sysreg::identification(number);
                let hardware = machine::identification::hardware(register);
                hardware.map_or(0, |hardware| visible(register, hardware))
            }),
        }
    }

    /// The value of `register`; `None` if it is no identification register.
    #[inline]
    pub fn of(&self, register: Sysreg) -> Option<u64> {
        self.values.get(register.identification_number()?).copied()
    }
}

/// The physical address size that guests see: the 40 bits that stage 2 translates (PARange 2).
const MOST_PHYSICAL_RANGE: u64 = 2;

const PFR0: Sysreg = Sysreg::new(3, 0, 0, 4, 0);
const PFR1: Sysreg = Sysreg::new(3, 0, 0, 4, 1);
const DFR0: Sysreg = Sysreg::new(3, 0, 0, 5, 0);
const ISAR0: Sysreg = Sysreg::new(3, 0, 0, 6, 0);
const ISAR1: Sysreg = Sysreg::new(3, 0, 0, 6, 1);
const ISAR2: Sysreg = Sysreg::new(3, 0, 0, 6, 2);
const MMFR0: Sysreg = Sysreg::new(3, 0, 0, 7, 0);
const MMFR1: Sysreg = Sysreg::new(3, 0, 0, 7, 1);
const MMFR2: Sysreg = Sysreg::new(3, 0, 0, 7, 2);

/// Keeps the named four-bit fields (by their lowest bit) of `value`.
fn keep(value: u64, fields: &[u32]) -> u64 {
    fields.iter().fold(0, |kept, low| kept | value & 0xf << low)
}

fn field(value: u64, low: u32) -> u64 {
    value >> low & 0xf
}

fn with(value: u64, low: u32, field: u64) -> u64 {
    value & !(0xf << low) | field << low
}

/// What a guest reads from the identification register `register` on hardware that has `hardware`
/// there.
pub fn visible(register: Sysreg, hardware: u64) -> u64 {
    match register {
        PFR0 => processor_features(hardware),
        // BT and SSBS are PSTATE bits, saved with it.
        PFR1 => with(keep(hardware, &[0, 4]), 4, field(hardware, 4).min(2)),
        DFR0 => debug_features(hardware),
        // Instructions without state of their own. TME (24) has.
        ISAR0 => keep(
            hardware,
            &[4, 8, 12, 16, 20, 28, 32, 36, 40, 44, 48, 52, 56, 60],
        ),
        // DPB, JSCVT, FCMA, LRCPC, FRINTTS, SB, SPECRES, BF16, DGH, I8MM. Pointer authentication
        // (4, 8, 24, 28) has keys that are not switched; XS (56) and LS64 (60) need HCRX_EL2.
        ISAR1 => keep(hardware, &[0, 12, 16, 20, 32, 36, 40, 44, 48, 52]),
        // WFxT (0) would wait beyond what is trapped; RPRES, BC, CSSC, CLRBHB, RPRFM remain.
        ISAR2 => keep(hardware, &[4, 20, 28, 48, 52]),
        // No secure memory views, no counter virtualization by FEAT_ECV or fine traps.
        MMFR0 => {
            let kept = keep(hardware, &[0, 4, 8, 12, 16, 20, 24, 28, 44]);
            with(kept, 0, field(hardware, 0).min(MOST_PHYSICAL_RANGE))
        }
        // HAFDBS, VMIDBits, HPDS, PAN, XNX. VH (8) and LO (16) are not for guests. HAFDBS up to 2:
        // more is enabled by registers that trap.
        MMFR1 => {
            let kept = keep(hardware, &[0, 4, 12, 20, 28]);
            with(kept, 0, field(hardware, 0).min(2))
        }
        // CnP, UAO, IESB, VARange, CCIDX, ST, AT, IDS, TTL, BBM, E0PD.
        MMFR2 => keep(hardware, &[0, 4, 12, 16, 20, 28, 32, 36, 48, 52, 60]),
        _ if is_aarch32(register) => hardware_without_debug32(register, hardware),
        _ => 0,
    }
}

fn processor_features(hardware: u64) -> u64 {
    // EL0 and EL1 as they are; EL2 and EL3 do not exist for a guest. FP, AdvSIMD, DIT, CSV3. The
    // GIC's system registers (24) are there on GICv3 hardware, which the guest then has too.
    let kept = keep(hardware, &[0, 16, 20, 24, 48, 60]);
    // EL1 in 64-bit state only: HCR_EL2.RW is 1.
    let kept = with(kept, 4, 1);
    // CSV2 up to 1: CSV2_2 brings SCXTNUM registers, which trap.
    with(kept, 56, field(hardware, 56).min(1))
}

fn debug_features(hardware: u64) -> u64 {
    // Armv8 debug with the least breakpoints and watchpoints; no PMU, trace, profiling.
    let breakpoints = 1 << 12;
    let watchpoints = 1 << 20;
    field(hardware, 0).min(6) | breakpoints | watchpoints
}

fn is_aarch32(register: Sysreg) -> bool {
    matches!(register.fields(), (3, 0, 0, 1..=3, _))
}

fn hardware_without_debug32(register: Sysreg, hardware: u64) -> u64 {
    match register.fields() {
        // ID_DFR0_EL1: self-hosted debug alone; ID_AFR0_EL1 and ID_DFR1_EL1: nothing.
        (3, 0, 0, 1, 2) => hardware & 0xff,
        (3, 0, 0, 1, 3) | (3, 0, 0, 3, 5) => 0,
        // ID_PFR0_EL1: no AMU (20), no RAS (28). ID_PFR2_EL1: CSV3 and SSBS.
        (3, 0, 0, 1, 0) => hardware & !(0xf << 20 | 0xf << 28),
        (3, 0, 0, 3, 4) => hardware & 0xff,
        _ => hardware,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_feature_that_traps_or_leaks_is_seen() {
        let everything = 0x1111_1111_1111_1111;
        let pfr0 = visible(PFR0, everything);
        for low in [8, 12, 28, 32, 36, 40, 44, 52] {
            assert_eq!(field(pfr0, low), 0, "PFR0 bits from {low}");
        }
        assert_eq!(field(visible(PFR1, everything), 8), 0, "MTE");
        assert_eq!(field(visible(DFR0, everything), 8), 0, "PMU");
        assert_eq!(field(visible(DFR0, everything), 32), 0, "SPE");
        for low in [4, 8, 24, 28] {
            assert_eq!(
                field(visible(ISAR1, everything), low),
                0,
                "pointer authentication"
            );
        }
        assert_eq!(
            field(visible(ISAR2, everything), 8) | field(visible(ISAR2, everything), 12),
            0
        );
        assert_eq!(visible(Sysreg::new(3, 0, 0, 4, 4), everything), 0, "SVE");
        assert_eq!(visible(Sysreg::new(3, 0, 0, 4, 5), everything), 0, "SME");
    }

    #[test]
    fn the_address_size_is_that_of_stage_2() {
        assert_eq!(field(visible(MMFR0, 0x1125), 0), 2);
        assert_eq!(field(visible(MMFR0, 0x1120), 0), 0);
    }

    #[test]
    fn fp_that_is_missing_stays_missing() {
        assert_eq!(visible(PFR0, 0x00ff_0011) & 0x00ff_0000, 0x00ff_0000);
    }
}
