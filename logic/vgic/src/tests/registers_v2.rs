//! The GICv2 distributor, register by register.

use super::*;
use crate::Fault;
use Width::{Byte, Double, Half, Word};

/// Offset, width, what vCPU 1 of 3 writes, what it then reads back.
const TABLE: &[(u32, Width, u64, u64)] = &[
    (0x000, Word, 0xffff_ffff, 1), // CTLR: one group
    (0x000, Word, 0, 0),
    (0x004, Word, 0xffff_ffff, 0x42), // TYPER: 3 CPUs, 2 words of SPIs
    (0x008, Word, 0, 0x43b),
    (0x00c, Word, 0xffff_ffff, 0),
    (0x080, Word, 0xffff_ffff, 0), // IGROUPR0: one group
    (0x084, Word, 0xffff_ffff, 0),
    (0x100, Word, 0x8001_0001, 0x8001_0001), // banked
    (0x180, Word, 0x0001_0000, 0x8000_0001),
    (0x104, Word, 0x3, 0x3),
    (0x10c, Word, 0x3, 0),
    (0x200, Word, 0xffff_ffff, 0xffff_0000), // SGIs have registers of their own
    (0x280, Word, 0xf000_0000, 0x0fff_0000),
    (0x280, Word, 0xffff_ffff, 0),
    (0x300, Word, 0x0000_0001, 1),
    (0x380, Word, 0xffff_ffff, 0),
    (0x400, Word, 0xffff_ffff, 0xf8f8_f8f8),
    (0x41b, Byte, 0x10, 0x10),
    (0x420, Word, 0x4030_2010, 0x4030_2010),
    (0x800, Word, 0xffff_ffff, 0x0202_0202), // ITARGETSR0: the reading CPU
    (0x81f, Byte, 0xff, 0x02),
    (0x820, Word, 0xff04_0200, 0x0704_0200),
    (0x821, Byte, 0x05, 0x05),
    (0x85f, Byte, 0x04, 0x04),
    (0x860, Byte, 0x04, 0), // INTID 96 is not there
    (0xc00, Word, 0, 0xaaaa_aaaa),
    (0xc04, Word, 0xffff_ffff, 0xaaaa_aaaa),
    (0xc08, Word, 0x0000_0002, 0x0000_0002),
    (0xf00, Word, 0x0300_0000, 0), // SGIR: a filter that does not exist
    (0xf20, Word, 0x0700_ff01, 0x0700_0701),
    (0xf10, Word, 0x0100_0200, 0x0600_0501),
    (0xf21, Byte, 0x02, 0x07),
    (0xf11, Byte, 0xff, 0),
    (0xf2f, Byte, 0x04, 0x04),
    (0xfe8, Word, 0, 0x20),
];

#[test]
fn each_register_reads_back_what_it_should() {
    let mut vgic = Vgic::new(config(V2, 3, 64)).unwrap();
    for &(offset, width, written, expected) in TABLE {
        let _ = vgic
            .write_distributor(CPU1, offset, width, written)
            .unwrap();
        let value = vgic.read_distributor(CPU1, offset, width).unwrap();
        assert_eq!(
            value & 0xffff_ffff,
            expected,
            "offset {offset:#x} {width:?}"
        );
    }
    // Private registers of another vCPU have not changed.
    for (offset, expected) in [(0x100, 0), (0x400, 0), (0xf20, 0), (0x800, 0x0404_0404)] {
        assert_eq!(vgic.read_distributor(VcpuId(2), offset, Word), Ok(expected));
    }
}

#[test]
fn wrong_accesses_fault() {
    let mut vgic = Vgic::new(config(V2, 1, 32)).unwrap();
    let cases = [
        (0x000, Half, Fault::Width),
        (0x100, Byte, Fault::Width),
        (0x400, Double, Fault::Width),
        (0x800, Half, Fault::Width),
        (0xf00, Byte, Fault::Width),
        (0xf10, Half, Fault::Width),
        (0xf22, Word, Fault::Misaligned),
        (0x1000, Word, Fault::Absent),
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
    assert_eq!(vgic.read_redistributor(CPU0, 0, Word), Err(Fault::Absent));
}

#[test]
fn reset_routes_all_spis_to_the_first_cpu() {
    let mut vgic = started(V2, 2, 32);
    assert_eq!(read(&mut vgic, gicd::ITARGETSR + 32), 0x0101_0101);
    let _ = enable(&mut vgic, CPU0, IntId(40));
    assert_eq!(vgic.raise(CPU1, IntId(40)), only(CPU0));
}
