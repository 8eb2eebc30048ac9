//! The short ways to registers, against the long ones.

use super::*;

/// Every aligned word, and some that are not, of a controller with interrupts in all sorts of states:
/// what the short ways take, they do as the long ones.
#[test]
fn everyday_registers_read_and_write_as_by_the_long_way() {
    for version in [V2, V3] {
        for (vcpus, spis) in [(1, 32), (3, 96), (8, 992)] {
            let vgic = busy(version, vcpus, spis);
            let last = VcpuId(vcpus - 1);
            let mut short = 0;
            for offset in (0..0x900).chain(0xfff0..0x1_0010) {
                short += check_distributor(&vgic, offset);
            }
            for offset in (0..0x20).chain(0xfff0..0x1_0900).chain(0x1_fff0..0x2_0010) {
                short += check_redistributor(&vgic, last, offset);
                check_redistributor(&vgic, VcpuId(vcpus), offset);
            }
            assert!(short > 30, "{short} of {version:?}, {spis} SPIs");
        }
    }
}

const VALUES: [u32; 5] = [0, u32::MAX, 0x1234_5678, 0x8000_0001, 0xf0f0_0f0f];

/// One with interrupts that are enabled, pending, active, listed, high, and none of these.
fn busy(version: Version, vcpus: u16, spis: u32) -> Vgic {
    let mut vgic = started(version, vcpus, spis);
    let last = VcpuId(vcpus - 1);
    for intid in (1..32).chain(33..63).map(IntId) {
        if intid.0 % 3 != 0 {
            let _ = enable(&mut vgic, last, intid);
        }
        let _ = prioritise(&mut vgic, last, intid, (intid.0 % 32) as u8 * 8);
    }
    for intid in [16, 20, 33, 36, 44].map(IntId) {
        let _ = vgic.raise(last, intid);
    }
    let mut lrs = flush(&mut vgic, last);
    lrs.iter_mut().take(1).for_each(acknowledge);
    let _ = vgic.sync(last, &lrs);
    let _ = vgic.set_level(last, IntId(48), crate::Level::High);
    let _ = write_bit(&mut vgic, last, gicd::ISACTIVER, IntId(52));
    vgic
}

fn check_distributor(vgic: &Vgic, offset: u32) -> u32 {
    let mut short = 0;
    let mut long = vgic.clone();
    if let Some(value) = vgic.peek_distributor(offset) {
        let read = long.read_distributor(CPU0, offset, Width::Word);
        assert_eq!(read, Ok(u64::from(value)), "at {offset:#x}");
        short += 1;
    }
    for value in VALUES {
        let (mut quick, mut long) = (vgic.clone(), vgic.clone());
        if quick.poke_distributor(offset, value) {
            let effect = long.write_distributor(CPU0, offset, Width::Word, u64::from(value));
            assert_eq!(effect, Ok(Effect::NONE), "{value:#x} at {offset:#x}");
            assert_eq!(quick, long);
            short += 1;
        } else {
            assert_eq!(&quick, vgic);
        }
    }
    short
}

fn check_redistributor(vgic: &Vgic, target: VcpuId, offset: u32) -> u32 {
    let mut short = 0;
    for width in [Width::Byte, Width::Half, Width::Word, Width::Double] {
        if let Some(value) = vgic.peek_redistributor(target, offset, width) {
            let read = vgic.clone().read_redistributor(target, offset, width);
            assert_eq!(read, Ok(value), "at {offset:#x}");
            short += 1;
        }
    }
    for value in VALUES {
        let (mut quick, mut long) = (vgic.clone(), vgic.clone());
        if quick.poke_redistributor(target, offset, value) {
            let effect = long.write_redistributor(target, offset, Width::Word, u64::from(value));
            assert_eq!(effect, Ok(Effect::NONE), "{value:#x} at {offset:#x}");
            assert_eq!(quick, long);
            short += 1;
        } else {
            assert_eq!(&quick, vgic);
        }
    }
    short
}
