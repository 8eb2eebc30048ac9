//! Reads and writes of active and pending state, of running vCPUs too.

use super::*;
use crate::Level::High;

const SPI: IntId = IntId(40);

/// SPI 40, edge-triggered, in a list register of vCPU 0.
fn listed() -> (Vgic, Vec<ListRegister>) {
    let mut vgic = started(V3, 2, 32);
    make_edge(&mut vgic, CPU0, SPI);
    let _ = enable(&mut vgic, CPU0, SPI);
    let _ = vgic.raise(CPU0, SPI);
    let lrs = flush(&mut vgic, CPU0);
    (vgic, lrs)
}

#[test]
fn clearing_wins_over_the_list_register() {
    let (mut vgic, mut lrs) = listed();
    acknowledge(&mut lrs[0]);
    let _ = vgic.sync(CPU0, &lrs);
    assert_eq!(write_bit(&mut vgic, CPU1, gicd::ICACTIVER, SPI), only(CPU0));
    let _ = vgic.sync(CPU0, &lrs);
    assert!(!read_bit(&mut vgic, CPU1, gicd::ISACTIVER, SPI));
    assert!(flush(&mut vgic, CPU0).is_empty());
    assert_eq!(
        write_bit(&mut vgic, CPU1, gicd::ICACTIVER, SPI),
        Effect::NONE
    );
    // Once loaded again, the list register counts again.
    let _ = vgic.raise(CPU0, SPI);
    let mut lrs = flush(&mut vgic, CPU0);
    acknowledge(&mut lrs[0]);
    let _ = vgic.sync(CPU0, &lrs);
    assert!(read_bit(&mut vgic, CPU1, gicd::ISACTIVER, SPI));
}

#[test]
fn clearing_makes_room_for_what_is_pending() {
    let mut vgic = started(V3, 2, 32);
    let _ = enable(&mut vgic, CPU0, SPI);
    let _ = vgic.set_level(CPU0, SPI, High);
    let mut lrs = flush(&mut vgic, CPU0);
    acknowledge(&mut lrs[0]);
    let _ = vgic.sync(CPU0, &lrs);
    let _ = vgic.unload(CPU0);
    assert!(!vgic.has_deliverable(CPU0));
    assert_eq!(write_bit(&mut vgic, CPU1, gicd::ICACTIVER, SPI), only(CPU0));
    assert!(vgic.has_deliverable(CPU0));
    assert!(flush(&mut vgic, CPU0)[0].is_pending());
}

#[test]
fn setting_makes_a_listed_one_active() {
    let (mut vgic, lrs) = listed();
    assert_eq!(write_bit(&mut vgic, CPU0, gicd::ISACTIVER, SPI), only(CPU0));
    let _ = vgic.sync(CPU0, &lrs);
    let mut lrs = flush(&mut vgic, CPU0);
    assert!(lrs[0].is_active() && lrs[0].is_pending());
    end(&mut lrs[0]);
    let _ = vgic.sync(CPU0, &lrs);
    assert!(!read_bit(&mut vgic, CPU0, gicd::ISACTIVER, SPI));
    assert!(vgic.has_deliverable(CPU0));
}

#[test]
fn setting_survives_an_end_that_was_not_seen() {
    let (mut vgic, mut lrs) = listed();
    let _ = write_bit(&mut vgic, CPU1, gicd::ISACTIVER, SPI);
    acknowledge(&mut lrs[0]);
    end(&mut lrs[0]);
    let _ = vgic.sync(CPU0, &lrs);
    let lrs = flush(&mut vgic, CPU0);
    assert!(lrs[0].is_active() && !lrs[0].is_pending());
}

#[test]
fn setting_an_idle_one_loads_it_where_it_is_routed() {
    let mut vgic = started(V3, 2, 32);
    let offset = gicd::IROUTER + 8 * SPI.0;
    let _ = vgic.write_distributor(CPU0, offset, Width::Double, 1);
    assert_eq!(write_bit(&mut vgic, CPU0, gicd::ISACTIVER, SPI), only(CPU1));
    assert!(flush(&mut vgic, CPU0).is_empty());
    let lrs = flush(&mut vgic, CPU1);
    assert!(lrs[0].is_active() && !lrs[0].is_pending());
    // Routed nowhere, it is active on the vCPU that wrote.
    let _ = vgic.write_distributor(CPU0, offset + 8, Width::Double, 9);
    assert_eq!(
        write_bit(&mut vgic, CPU0, gicd::ISACTIVER, IntId(41)),
        only(CPU0)
    );
    assert_eq!(flush(&mut vgic, CPU0).len(), 1);
}

#[test]
fn private_ones_can_be_made_active_and_inactive() {
    let mut vgic = started(V3, 1, 0);
    assert_eq!(
        write_bit(&mut vgic, CPU0, gicd::ISACTIVER, IntId(30)),
        only(CPU0)
    );
    assert!(flush(&mut vgic, CPU0)[0].is_active());
    assert_eq!(
        write_bit(&mut vgic, CPU0, gicd::ICACTIVER, IntId(30)),
        only(CPU0)
    );
    assert!(flush(&mut vgic, CPU0).is_empty());
}

#[test]
fn a_reader_learns_whom_to_kick() {
    let (vgic, _) = listed();
    let kicks = |reader, offset| vgic.distributor_read_kicks(reader, offset);
    for register in [
        gicd::ISPENDR,
        gicd::ICPENDR,
        gicd::ISACTIVER,
        gicd::ICACTIVER,
    ] {
        assert_eq!(kicks(CPU1, register + 4), VcpuSet::of(CPU0));
        assert_eq!(kicks(CPU0, register + 4), VcpuSet::EMPTY);
        assert_eq!(kicks(CPU1, register + 8), VcpuSet::EMPTY);
    }
    assert_eq!(kicks(CPU1, gicd::ISENABLER + 4), VcpuSet::EMPTY);
    let mut vgic = started(V3, 2, 0);
    let _ = enable(&mut vgic, CPU0, IntId(31));
    let _ = vgic.raise(CPU0, IntId(31));
    let _ = flush(&mut vgic, CPU0);
    let kicks = |reader, offset| vgic.redistributor_read_kicks(reader, CPU0, SGI_FRAME + offset);
    assert_eq!(kicks(CPU1, gicd::ISACTIVER), VcpuSet::of(CPU0));
    assert_eq!(kicks(CPU0, gicd::ISACTIVER), VcpuSet::EMPTY);
    assert_eq!(kicks(CPU1, gicd::ISENABLER), VcpuSet::EMPTY);
    let v2 = started(V2, 1, 0);
    assert_eq!(
        v2.distributor_read_kicks(CPU0, gicd::ISACTIVER),
        VcpuSet::EMPTY
    );
}
