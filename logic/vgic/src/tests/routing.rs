//! SPIs go to the vCPU that they are routed to, and never to two.

use super::*;
use crate::Level::{High, Low};
use Width::{Double, Word};

const SPI: IntId = IntId(40);

fn route(vgic: &mut Vgic, affinity: u64) -> Effect {
    vgic.write_distributor(CPU0, gicd::IROUTER + 8 * SPI.0, Double, affinity)
        .unwrap()
}

fn with_spi(vcpus: u16) -> Vgic {
    let mut vgic = started(V3, vcpus, 32);
    make_edge(&mut vgic, CPU0, SPI);
    let _ = enable(&mut vgic, CPU0, SPI);
    vgic
}

#[test]
fn an_affinity_names_one_vcpu() {
    let cases = [
        (0, Some(0)),
        (3, Some(3)),
        (0x100, Some(16)),
        (0x101, Some(17)),
        (0x102, None),
        (0x10, None),
        (0x1_0000, None),
        (0x8000_0000, Some(0)),
        (0x8000_0005, Some(0)),
    ];
    for (affinity, target) in cases {
        let mut vgic = with_spi(18);
        let _ = route(&mut vgic, affinity);
        let expected = target.map_or(Effect::NONE, |n| only(VcpuId(n)));
        assert_eq!(vgic.raise(CPU0, SPI), expected, "{affinity:#x}");
    }
}

#[test]
fn an_interrupt_routed_nowhere_waits_for_a_route() {
    let mut vgic = with_spi(2);
    let _ = route(&mut vgic, 9);
    assert_eq!(vgic.raise(CPU0, SPI), Effect::NONE);
    assert_eq!(route(&mut vgic, 1), only(CPU1));
    assert_eq!(flush(&mut vgic, CPU1).len(), 1);
}

#[test]
fn a_pending_one_moves_when_its_holder_lets_go() {
    let mut vgic = with_spi(2);
    let _ = vgic.raise(CPU0, SPI);
    let lrs = flush(&mut vgic, CPU0);
    assert_eq!(route(&mut vgic, 1), only(CPU0));
    assert!(!vgic.has_deliverable(CPU1) && flush(&mut vgic, CPU1).is_empty());
    let _ = vgic.sync(CPU0, &lrs);
    let flushed = vgic.flush(CPU0, &mut [ListRegister::INVALID; 4]);
    assert_eq!((flushed.used, flushed.wake), (0, VcpuSet::of(CPU1)));
    assert!(vgic.has_deliverable(CPU1));
    assert_eq!(flush(&mut vgic, CPU1).len(), 1);
}

#[test]
fn one_that_another_vcpu_holds_is_not_taken_from_it() {
    let mut vgic = with_spi(2);
    let _ = vgic.raise(CPU0, SPI);
    let _ = flush(&mut vgic, CPU0);
    let other = gicd::IROUTER + 8 * 41;
    let _ = vgic.write_distributor(CPU0, other, Double, 1);
    let _ = enable(&mut vgic, CPU0, IntId(41));
    let _ = vgic.raise(CPU0, IntId(41));
    assert!(vgic.has_deliverable(CPU1));
    let _ = write_bit(&mut vgic, CPU0, gicd::ICPENDR, IntId(41));
    let _ = route(&mut vgic, 1);
    assert!(!vgic.has_deliverable(CPU1));
    assert!(flush(&mut vgic, CPU1).is_empty());
}

#[test]
fn leaving_the_cpu_frees_it_for_the_other() {
    let mut vgic = with_spi(2);
    let _ = vgic.raise(CPU0, SPI);
    let _ = flush(&mut vgic, CPU0);
    let _ = route(&mut vgic, 1);
    assert_eq!(vgic.unload(CPU0), only(CPU1));
    assert_eq!(flush(&mut vgic, CPU1).len(), 1);
}

#[test]
fn an_active_one_stays_until_its_end() {
    let mut vgic = with_spi(2);
    let _ = vgic.raise(CPU0, SPI);
    let mut lrs = flush(&mut vgic, CPU0);
    acknowledge(&mut lrs[0]);
    let _ = vgic.sync(CPU0, &lrs);
    let _ = vgic.raise(CPU0, SPI);
    let _ = route(&mut vgic, 1);
    assert!(flush(&mut vgic, CPU1).is_empty());
    let mut lrs = flush(&mut vgic, CPU0);
    assert!(lrs[0].is_active() && !lrs[0].is_pending() && lrs[0].signals_end());
    end(&mut lrs[0]);
    assert_eq!(vgic.sync(CPU0, &lrs).wake, VcpuSet::first(2));
    assert!(flush(&mut vgic, CPU0).is_empty());
    assert_eq!(flush(&mut vgic, CPU1).len(), 1);
}

#[test]
fn a_level_goes_to_the_new_target_after_its_end() {
    let mut vgic = started(V3, 2, 32);
    let _ = enable(&mut vgic, CPU0, SPI);
    let _ = vgic.set_level(CPU0, SPI, High);
    let mut lrs = flush(&mut vgic, CPU0);
    acknowledge(&mut lrs[0]);
    let _ = vgic.sync(CPU0, &lrs);
    assert_eq!(
        route(&mut vgic, 1),
        Effect::NONE,
        "its end raises a maintenance interrupt"
    );
    end(&mut lrs[0]);
    assert_eq!(vgic.sync(CPU0, &lrs).wake, VcpuSet::first(2));
    assert_eq!(flush(&mut vgic, CPU1).len(), 1);
    assert_eq!(vgic.set_level(CPU0, SPI, Low), only(CPU1));
}

#[test]
fn gicv2_targets_the_lowest_of_its_list() {
    let mut vgic = started(V2, 2, 32);
    let _ = enable(&mut vgic, CPU0, SPI);
    let target = |vgic: &mut Vgic, list| {
        let offset = gicd::ITARGETSR + SPI.0;
        vgic.write_distributor(CPU0, offset, Width::Byte, list)
            .unwrap()
    };
    let _ = target(&mut vgic, 0);
    assert_eq!(vgic.raise(CPU0, SPI), Effect::NONE);
    assert_eq!(target(&mut vgic, 0b1110), only(CPU1));
    assert_eq!(target(&mut vgic, 0b11), only(CPU0));
    assert_eq!(
        vgic.read_distributor(CPU0, gicd::ITARGETSR + 40, Word),
        Ok(0x0101_0103)
    );
}
