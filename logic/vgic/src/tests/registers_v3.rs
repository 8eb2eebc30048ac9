//! The GICv3 distributor, register by register.

use super::*;
use crate::Fault;
use Width::{Byte, Double, Half, Word};

/// Offset, width, what to write, what then reads back.
const TABLE: &[(u32, Width, u64, u64)] = &[
    (0x0000, Word, 0xffff_ffff, 0x53), // CTLR: enables, ARE, DS; RWP 0
    (0x0000, Word, 0, 0x50),
    (0x0004, Word, 0xffff_ffff, 0x0048_0022), // TYPER: 10 bits of INTID, 2 CPUs, 2 words of SPIs
    (0x0008, Word, 0xffff_ffff, 0x34c),
    (0x000c, Word, 0xffff_ffff, 0), // TYPER2
    (0x0010, Word, 0xffff_ffff, 0), // STATUSR
    (0x0040, Word, 0x20, 0),        // SETSPI_NSR: MBIS is 0
    (0x0040, Half, 0x20, 0),
    (0x0048, Word, 0x20, 0),
    (0x0080, Word, 0xffff_ffff, 0), // IGROUPR0: in the redistributor
    (0x0084, Word, 0xff00_00ff, 0xff00_00ff),
    (0x0088, Word, 1, 1),
    (0x008c, Word, 1, 0), // beyond the SPIs
    (0x0100, Word, 1, 0), // ISENABLER0
    (0x0104, Word, 0x8000_0001, 0x8000_0001),
    (0x0104, Word, 0x2, 0x8000_0003),
    (0x0184, Word, 0x8000_0000, 0x3), // ICENABLER1
    (0x010c, Word, 1, 0),
    (0x0200, Word, 1, 0),
    (0x0208, Word, 0x30, 0x30), // ISPENDR2
    (0x0288, Word, 0x10, 0x20), // ICPENDR2
    (0x0208, Word, 0, 0x20),
    (0x0308, Word, 0x3, 0x3), // ISACTIVER2
    (0x0388, Word, 0x1, 0x2), // ICACTIVER2
    (0x0308, Word, 0, 0x2),
    (0x0388, Word, 0xffff_ffff, 0),
    (0x0400, Word, 0xffff_ffff, 0), // IPRIORITYR0
    (0x0420, Word, 0x8765_4321, 0x8060_4020),
    (0x0421, Byte, 0xa7, 0xa0),
    (0x0420, Word, 0x0000_a800, 0x0000_a800),
    (0x0460, Byte, 0xff, 0),        // INTID 96 is not there
    (0x0820, Word, 0x0101_0101, 0), // ITARGETSR: affinity routing
    (0x0821, Byte, 0x01, 0),
    (0x0c00, Word, 0xffff_ffff, 0), // ICFGR0
    (0x0c08, Word, 0xffff_ffff, 0xaaaa_aaaa),
    (0x0c0c, Word, 0x0000_0009, 0x0000_0008),
    (0x0c18, Word, 0xffff_ffff, 0),
    (0x0d04, Word, 0xffff_ffff, 0), // IGRPMODR
    (0x0e08, Word, 0xffff_ffff, 0), // NSACR
    (0x0f00, Word, 0x0200_0001, 0), // SGIR
    (0x0f10, Byte, 0xff, 0),
    (0x0f20, Word, 0xff, 0),
    (0x1100, Word, 1, 0),   // extended SPIs
    (0x60f8, Double, 1, 0), // IROUTER31
    (0x6100, Double, 1, 1),
    (0x6100, Word, 0, 0),
    (0x6108, Double, 0xffff_ffff_ffff_ffff, 0x80ff_ffff),
    (0x6108, Word, 0x0000_0100, 0x100),
    (0x610c, Word, 0xffff_ffff, 0),
    (0x62f8, Double, 1, 1), // INTID 95
    (0x6300, Double, 1, 0), // INTID 96
    (0x7fd8, Double, 1, 0),
    (0x7fe0, Double, 1, 0),
    (0x8000, Byte, 1, 0), // reserved: any width
    (0xffe0, Word, 1, 0),
    (0xffe8, Word, 0, 0x30), // PIDR2
];

#[test]
fn each_register_reads_back_what_it_should() {
    let mut vgic = Vgic::new(config(V3, 2, 64)).unwrap();
    for &(offset, width, written, expected) in TABLE {
        let _ = vgic
            .write_distributor(CPU0, offset, width, written)
            .unwrap();
        for reader in [CPU0, CPU1] {
            let value = vgic.read_distributor(reader, offset, width).unwrap();
            assert_eq!(value, expected, "offset {offset:#x} {width:?} {reader}");
        }
    }
}

#[test]
fn all_reserved_space_reads_as_zero() {
    let mut vgic = Vgic::new(config(V3, 1, 0)).unwrap();
    for offset in (0..0x1_0000).step_by(4) {
        let value = vgic.read_distributor(CPU0, offset, Word).unwrap();
        let expected = match offset {
            0x0 => 0x50,
            0x4 => 0x0048_0000,
            0x8 => 0x34c,
            0xffe8 => 0x30,
            _ => 0,
        };
        assert_eq!(value, expected, "offset {offset:#x}");
        assert_eq!(
            vgic.write_distributor(CPU0, offset, Word, u64::MAX),
            Ok(Effect::NONE)
        );
        let _ = vgic.write_distributor(CPU0, 0, Word, 0);
    }
}

#[test]
fn wrong_widths_fault() {
    let mut vgic = Vgic::new(config(V3, 1, 32)).unwrap();
    let cases = [
        (0x000, Byte, Fault::Width),
        (0x000, Double, Fault::Width),
        (0x004, Half, Fault::Width),
        (0x040, Byte, Fault::Width),
        (0x104, Byte, Fault::Width),
        (0x108, Double, Fault::Width),
        (0x284, Half, Fault::Width),
        (0x384, Byte, Fault::Width),
        (0x420, Half, Fault::Width),
        (0x420, Double, Fault::Width),
        (0x422, Word, Fault::Misaligned),
        (0xc08, Byte, Fault::Width),
        (0x6100, Byte, Fault::Width),
        (0x6100, Half, Fault::Width),
        (0x6104, Double, Fault::Misaligned),
        (0x8001, Half, Fault::Misaligned),
        (0xffe8, Byte, Fault::Width),
        (0x1_0000, Word, Fault::Absent),
        (u32::MAX, Byte, Fault::Absent),
    ];
    for (offset, width, fault) in cases {
        assert_eq!(
            vgic.read_distributor(CPU0, offset, width),
            Err(fault),
            "{offset:#x}"
        );
        assert_eq!(
            vgic.write_distributor(CPU0, offset, width, 0),
            Err(fault),
            "{offset:#x}"
        );
    }
    assert_eq!(vgic.read_distributor(CPU1, 0, Word), Err(Fault::Absent));
}

#[test]
fn the_type_register_tells_cpus_and_lines() {
    for (vcpus, spis, expected) in [
        (1, 0, 0x48_0000),
        (2, 224, 0x48_0027),
        (8, 32, 0x48_00e1),
        (128, 992, 0x48_00ff),
    ] {
        let mut vgic = Vgic::new(config(V3, vcpus, spis)).unwrap();
        assert_eq!(read(&mut vgic, 4), expected);
    }
}

#[test]
fn the_special_interrupt_numbers_do_not_exist() {
    let mut vgic = started(V3, 1, 992);
    for register in [0x80, gicd::ISENABLER, gicd::ISPENDR, gicd::ISACTIVER] {
        let _ = write(&mut vgic, register + 31 * 4, u32::MAX);
        assert_eq!(read(&mut vgic, register + 31 * 4), 0x0fff_ffff);
    }
    let _ = write(&mut vgic, 0x7fc, u32::MAX);
    assert_eq!(read(&mut vgic, 0x7fc), 0);
    let _ = write(&mut vgic, 0xcfc, u32::MAX);
    assert_eq!(read(&mut vgic, 0xcfc), 0x00aa_aaaa);
    assert_eq!(vgic.raise(CPU0, IntId(1020)), Effect::NONE);
}
