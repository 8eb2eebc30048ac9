//! Redistributors, register by register.

use super::*;
use crate::Fault;
use Width::{Byte, Double, Half, Word};

/// Offset, width, what is written, what then reads back.
const TABLE: &[(u32, Width, u64, u64)] = &[
    (0x0000, Word, 0xffff_ffff, 0), // CTLR: no LPIs
    (0x0004, Word, 0, 0x34c),
    (0x0008, Double, 0, 0x0000_0101_0000_1110), // TYPER of vCPU 17, the last
    (0x0008, Word, 0, 0x0000_1110),
    (0x000c, Word, 0, 0x0000_0101),
    (0x0010, Word, 0xffff_ffff, 0), // STATUSR
    (0x0014, Word, 0xffff_ffff, 6), // WAKER
    (0x0014, Word, 0x4, 0),
    (0x0070, Double, 0xffff_ffff, 0), // PROPBASER
    (0x0078, Word, 0xffff_ffff, 0),
    (0xffe8, Word, 0, 0x30),
    (0x1_0080, Word, 0xffff_ffff, 0xffff_ffff), // IGROUPR0
    (0x1_0100, Word, 0x0800_ffff, 0x0800_ffff),
    (0x1_0180, Word, 0x0000_fff0, 0x0800_000f),
    (0x1_0104, Word, 1, 0), // extended PPIs
    (0x1_0200, Word, 0x8000_0001, 0x8000_0001),
    (0x1_0280, Word, 0x8000_0000, 0x0000_0001),
    (0x1_0300, Word, 0x4000_0000, 0x4000_0000),
    (0x1_0380, Word, 0x4000_0000, 0),
    (0x1_0400, Word, 0xa0a0_a0a7, 0xa0a0_a0a0),
    (0x1_041f, Byte, 0x20, 0x20),
    (0x1_041c, Word, 0xf0f0_f0f0, 0xf0f0_f0f0),
    (0x1_0420, Word, 0xffff_ffff, 0),
    (0x1_0c00, Word, 0, 0xaaaa_aaaa), // SGIs are edge-triggered
    (0x1_0c04, Word, 0xffff_ffff, 0xaaaa_aaaa),
    (0x1_0c04, Word, 0x8000_0000, 0x8000_0000),
    (0x1_0c08, Word, 0xffff_ffff, 0),
    (0x1_0d00, Word, 0xffff_ffff, 0), // IGRPMODR0
    (0x1_0e00, Word, 0xffff_ffff, 0), // NSACR
    (0x1_ffe8, Word, 0, 0),
    (0x1_0800, Word, 1, 0),
];

#[test]
fn each_register_reads_back_what_it_should() {
    let mut vgic = Vgic::new(config(V3, 18, 32)).unwrap();
    for &(offset, width, written, expected) in TABLE {
        let _ = vgic
            .write_redistributor(VcpuId(17), offset, width, written)
            .unwrap();
        let value = vgic.read_redistributor(VcpuId(17), offset, width).unwrap();
        assert_eq!(value, expected, "offset {offset:#x} {width:?}");
    }
    let other = vgic.read_redistributor(VcpuId(16), 8, Double);
    assert_eq!(other, Ok(0x0000_0100_0000_1000));
    assert_eq!(vgic.read_redistributor(VcpuId(16), 0x1_0100, Word), Ok(0));
}

#[test]
fn everything_else_reads_as_zero() {
    let mut vgic = Vgic::new(config(V3, 1, 992)).unwrap();
    for offset in (0..0x2_0000).step_by(4) {
        let value = vgic.read_redistributor(CPU0, offset, Word).unwrap();
        let expected = match offset {
            0x4 => 0x34c,
            0x8 => 0x10,
            0xffe8 => 0x30,
            0x1_0c00 => 0xaaaa_aaaa,
            _ => 0,
        };
        assert_eq!(value, expected, "offset {offset:#x}");
    }
}

#[test]
fn wrong_accesses_fault() {
    let mut vgic = Vgic::new(config(V3, 1, 32)).unwrap();
    let cases = [
        (0x0000, Byte, Fault::Width),
        (0x0008, Half, Fault::Width),
        (0x000c, Double, Fault::Misaligned),
        (0x0014, Half, Fault::Width),
        (0x1_0100, Byte, Fault::Width),
        (0x1_0280, Double, Fault::Width),
        (0x1_0400, Half, Fault::Width),
        (0x1_0c00, Byte, Fault::Width),
        (0x2_0000, Word, Fault::Absent),
    ];
    for (offset, width, fault) in cases {
        assert_eq!(
            vgic.read_redistributor(CPU0, offset, width),
            Err(fault),
            "{offset:#x}"
        );
        assert_eq!(
            vgic.write_redistributor(CPU0, offset, width, 0),
            Err(fault),
            "{offset:#x}"
        );
    }
    assert_eq!(vgic.read_redistributor(CPU1, 0, Word), Err(Fault::Absent));
}

#[test]
fn a_sleeping_redistributor_forwards_nothing() {
    let mut vgic = started(V3, 1, 32);
    let _ = enable(&mut vgic, CPU0, IntId(31));
    let _ = vgic.raise(CPU0, IntId(31));
    assert_eq!(flush(&mut vgic, CPU0).len(), 1);
    let sleep = vgic.write_redistributor(CPU0, GICR_WAKER, Word, 2);
    assert_eq!(sleep, Ok(only(CPU0)));
    assert!(flush(&mut vgic, CPU0).is_empty());
    assert!(
        vgic.has_deliverable(CPU0),
        "it asks for the CPU to be woken"
    );
    assert_eq!(
        vgic.write_redistributor(CPU0, GICR_WAKER, Word, 2),
        Ok(Effect::NONE)
    );
    assert_eq!(
        vgic.write_redistributor(CPU0, GICR_WAKER, Word, 0),
        Ok(only(CPU0))
    );
    assert_eq!(flush(&mut vgic, CPU0).len(), 1);
}
