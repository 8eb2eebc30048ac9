//! Syndromes, and what they are taken for.

use super::*;

/// Of a syndrome without an address.
fn plain(esr: u64) -> Exit {
    decode(esr, || panic!("the registers of a fault are read"))
}

#[test]
fn hvc_and_smc_carry_their_immediate() {
    assert_eq!(plain(0x16 << 26 | 1 << 25 | 0xea1), Exit::Hvc(0xea1));
    assert_eq!(plain(0x16 << 26 | 1 << 25 | 0xea0), Exit::Hvc(0xea0));
    assert_eq!(plain(0x17 << 26 | 1 << 25 | 0xea1), Exit::Smc(0xea1));
}

#[test]
fn wfi_and_wfe_differ_in_the_lowest_bit() {
    assert_eq!(plain(0x01 << 26), Exit::WaitForInterrupt);
    assert_eq!(plain(0x01 << 26 | 1), Exit::WaitForEvent);
}

#[test]
fn a_word_load_of_a_device_register() {
    // ldr w3, [x]: ISV, SAS 2, SRT 3, read, translation fault level 3.
    let esr = 0x24 << 26 | 1 << 25 | 1 << 24 | 2 << 22 | 3 << 16 | 7;
    let Exit::DataAbort(abort) = decode(esr, || (0xffff_8000_0000_0018, 0x2200_0000 >> 8)) else {
        panic!("not a data abort");
    };
    assert_eq!(abort.address, Ipa(0x2200_0018));
    assert_eq!(abort.kind(), AbortKind::Stage2);
    let transfer = abort.transfer().unwrap();
    assert_eq!((transfer.width(), transfer.register()), (Width::Word, 3));
    assert_eq!(transfer.direction(), Direction::Read);
}

#[test]
fn faults_that_are_no_device_access_are_told_apart() {
    let kind = |bits: u64| match decode(0x24 << 26 | bits, || (0, 0)) {
        Exit::DataAbort(abort) => abort.kind(),
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(S1_TABLE_WALK | 7), AbortKind::TableWalk);
    assert_eq!(kind(CACHE_MAINTENANCE | 7), AbortKind::CacheMaintenance);
    assert_eq!(kind(0x10), AbortKind::Other);
    assert_eq!(kind(0x0f), AbortKind::Permission);
    assert_eq!(kind(0x0b), AbortKind::Stage2);
}

#[test]
fn loads_extend_as_the_instruction_says() {
    let load = |width, extend| Transfer::load(width, 0, extend);
    assert_eq!(
        load(Width::Byte, Extend::SignTo64).extend(0x80),
        0xffff_ffff_ffff_ff80
    );
    assert_eq!(
        load(Width::Byte, Extend::SignTo32).extend(0x80),
        0xffff_ff80
    );
    assert_eq!(load(Width::Half, Extend::Zero).extend(0x1_8000), 0x8000);
    assert_eq!(
        load(Width::Word, Extend::Zero).extend(u64::MAX),
        0xffff_ffff
    );
    assert_eq!(load(Width::Double, Extend::Zero).extend(u64::MAX), u64::MAX);
    assert_eq!(Transfer::store(Width::Byte, 7).truncate(0x1234), 0x34);
    assert_eq!(
        Transfer::store(Width::Byte, 7).direction(),
        Direction::Write
    );
    assert_eq!(Transfer::store(Width::Double, 7).register(), 7);
}

#[test]
fn sysreg_fields_are_picked_from_the_syndrome() {
    // mrs x5, ID_AA64PFR0_EL1 = S3_0_C0_C4_0.
    let esr = 0x18 << 26 | 3 << 20 | 4 << 1 | 5 << 5 | 1;
    let Exit::Sysreg(access) = plain(esr) else {
        panic!("not a sysreg")
    };
    assert_eq!(access.register(), Sysreg::new(3, 0, 0, 4, 0));
    assert_eq!((access.general(), access.direction()), (5, Direction::Read));
}

#[test]
fn identification_registers_are_numbered_one_after_the_other() {
    for number in 0..Sysreg::IDENTIFICATIONS {
        let register = Sysreg::identification(number);
        let (crm, op2) = (number as u32 / 8 + 1, number as u32 % 8);
        assert_eq!(register, Sysreg::new(3, 0, 0, crm, op2));
        assert_eq!(register.identification_number(), Some(number));
    }
    assert_eq!(Sysreg::new(3, 0, 0, 0, 7).identification_number(), None);
    assert_eq!(Sysreg::new(3, 0, 1, 0, 0).identification_number(), None);
}

#[test]
fn unknown_classes_are_undefined() {
    assert_eq!(
        plain(0x19 << 26),
        Exit::Undefined {
            syndrome: 0x19 << 26
        }
    );
}
