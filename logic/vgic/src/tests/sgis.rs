//! Software generated interrupts.

use super::*;
use Width::{Byte, Word};

fn sgi(id: u64, cluster: u64, targets: u64) -> u64 {
    id << 24 | cluster << 16 | targets
}

fn enabled_everywhere(version: Version, vcpus: u16) -> Vgic {
    let mut vgic = started(version, vcpus, 0);
    for n in 0..vcpus {
        let _ = enable(&mut vgic, VcpuId(n), IntId(5));
    }
    vgic
}

fn woken(effect: Effect) -> Vec<u16> {
    effect.wake.iter().map(|vcpu| vcpu.0).collect()
}

#[test]
fn affinity_names_the_targets() {
    let cases: &[(u64, &[u16])] = &[
        (sgi(5, 0, 1), &[0]),
        (sgi(5, 0, 0x8002), &[1, 15]),
        (sgi(5, 1, 0xffff), &[16, 17]),
        (sgi(5, 2, 0xffff), &[]),
        (sgi(5, 0xff, 0xffff), &[]),
        (sgi(5, 0, 0), &[]),
        (sgi(5, 0, 1) | 1 << 32, &[]), // Aff2
        (sgi(5, 0, 1) | 1 << 48, &[]), // Aff3
        (sgi(5, 0, 1) | 1 << 44, &[]), // range selector
        (sgi(6, 0, 1), &[]),           // not enabled
    ];
    for (value, expected) in cases {
        let mut vgic = enabled_everywhere(V3, 18);
        assert_eq!(
            woken(vgic.send_sgi_v3(VcpuId(3), *value)),
            *expected,
            "{value:#x}"
        );
    }
}

#[test]
fn all_but_self() {
    let mut vgic = enabled_everywhere(V3, 4);
    let effect = vgic.send_sgi_v3(VcpuId(2), sgi(5, 7, 1) | 1 << 40);
    assert_eq!(woken(effect), [0, 1, 3]);
    assert!(!vgic.has_deliverable(VcpuId(2)));
    assert_eq!(
        flush(&mut vgic, CPU1),
        [ListRegister(1 << 62 | 1 << 60 | 5)]
    );
}

#[test]
fn gicv2_filters() {
    let cases: &[(u32, &[u16])] = &[
        (0x0002_0005, &[1]),
        (0x00ff_0005, &[0, 1, 2]),
        (0x01ff_0005, &[0, 2]),
        (0x0200_0005, &[1]),
        (0x03ff_0005, &[]),
        (0x00f8_0005, &[]),
    ];
    for (value, expected) in cases {
        let mut vgic = enabled_everywhere(V2, 3);
        let effect = vgic
            .write_distributor(CPU1, gicd::SGIR, Word, u64::from(*value))
            .unwrap();
        assert_eq!(woken(effect), *expected, "{value:#x}");
    }
}

#[test]
fn gicv2_delivers_one_sender_at_a_time() {
    let mut vgic = enabled_everywhere(V2, 3);
    for sender in [2, 1] {
        let _ = vgic.write_distributor(VcpuId(sender), gicd::SGIR, Word, 0x0001_0005);
    }
    assert_eq!(
        vgic.read_distributor(CPU0, gicd::SPENDSGIR + 5, Byte),
        Ok(0b110)
    );
    let mut lrs = flush(&mut vgic, CPU0);
    assert_eq!(lrs, [ListRegister(1 << 62 | 1 << 41 | 1 << 32 | 5)]);
    assert_eq!(
        vgic.read_distributor(CPU0, gicd::CPENDSGIR + 5, Byte),
        Ok(0b110)
    );
    acknowledge(&mut lrs[0]);
    let _ = vgic.sync(CPU0, &lrs);
    let mut lrs = flush(&mut vgic, CPU0);
    assert!(lrs[0].is_active() && !lrs[0].is_pending() && lrs[0].signals_end());
    assert_eq!(lrs[0].source(), 1);
    end(&mut lrs[0]);
    assert_eq!(vgic.sync(CPU0, &lrs), only(CPU0));
    let lrs = flush(&mut vgic, CPU0);
    assert_eq!(
        (lrs[0].source(), lrs[0].is_pending(), lrs[0].signals_end()),
        (2, true, false)
    );
}

#[test]
fn gicv2_sender_that_sends_while_active_waits() {
    let mut vgic = enabled_everywhere(V2, 2);
    let _ = vgic.write_distributor(CPU1, gicd::SGIR, Word, 0x0001_0005);
    let mut lrs = flush(&mut vgic, CPU0);
    acknowledge(&mut lrs[0]);
    let effect = vgic
        .write_distributor(CPU1, gicd::SGIR, Word, 0x0001_0005)
        .unwrap();
    assert_eq!(effect, only(CPU0), "its end must be signalled now");
    let _ = vgic.sync(CPU0, &lrs);
    let lrs = flush(&mut vgic, CPU0);
    assert!(lrs[0].is_active() && !lrs[0].is_pending() && lrs[0].signals_end());
}

#[test]
fn gicv2_pending_senders_can_be_cleared() {
    let mut vgic = enabled_everywhere(V2, 2);
    let set = vgic.write_distributor(CPU0, gicd::SPENDSGIR + 5, Byte, 0xff);
    assert_eq!(set, Ok(only(CPU0)));
    assert_eq!(flush(&mut vgic, CPU0)[0].source(), 0);
    let clear = |vgic: &mut Vgic, senders| {
        vgic.write_distributor(CPU0, gicd::CPENDSGIR + 5, Byte, senders)
            .unwrap()
    };
    assert_eq!(clear(&mut vgic, 1), only(CPU0));
    assert_eq!(flush(&mut vgic, CPU0)[0].source(), 1);
    assert_eq!(clear(&mut vgic, 1), Effect::NONE);
    assert_eq!(clear(&mut vgic, 2), only(CPU0));
    assert!(!vgic.has_deliverable(CPU0) && flush(&mut vgic, CPU0).is_empty());
    assert_eq!(
        write_bit(&mut vgic, CPU0, gicd::ISPENDR, IntId(5)),
        Effect::NONE
    );
    assert!(flush(&mut vgic, CPU0).is_empty());
}

#[test]
fn gicv2_pending_sender_survives_leaving_the_cpu() {
    let mut vgic = enabled_everywhere(V2, 3);
    let _ = vgic.write_distributor(VcpuId(2), gicd::SGIR, Word, 0x0001_0005);
    for _ in 0..2 {
        assert_eq!(
            flush(&mut vgic, CPU0),
            [ListRegister(1 << 62 | 2 << 32 | 5)]
        );
        let _ = vgic.unload(CPU0);
    }
    assert_eq!(
        vgic.read_distributor(CPU0, gicd::SPENDSGIR + 4, Word),
        Ok(0x0400)
    );
    let _ = vgic.reset_vcpu(CPU0);
    assert_eq!(
        vgic.read_distributor(CPU0, gicd::SPENDSGIR + 4, Word),
        Ok(0)
    );
}
