//! One interrupt on its way through a list register.

use super::*;
use crate::Level::{High, Low};

const EDGE: IntId = IntId(40);
const LEVEL: IntId = IntId(33);

fn with_both_enabled(version: Version) -> Vgic {
    let mut vgic = started(version, 2, 64);
    make_edge(&mut vgic, CPU0, EDGE);
    let _ = enable(&mut vgic, CPU0, EDGE);
    let _ = enable(&mut vgic, CPU0, LEVEL);
    vgic
}

#[test]
fn an_edge_is_delivered_once() {
    let mut vgic = with_both_enabled(V3);
    assert!(!vgic.has_deliverable(CPU0));
    assert_eq!(vgic.raise(CPU0, EDGE), only(CPU0));
    assert!(vgic.has_deliverable(CPU0) && !vgic.has_deliverable(CPU1));
    let mut lrs = flush(&mut vgic, CPU0);
    assert_eq!(lrs, [ListRegister(1 << 62 | 1 << 60 | 40)]);
    assert!(vgic.has_deliverable(CPU0));
    acknowledge(&mut lrs[0]);
    assert_eq!(vgic.sync(CPU0, &lrs), Effect::NONE);
    assert!(!vgic.has_deliverable(CPU0));
    assert!(read_bit(&mut vgic, CPU0, gicd::ISACTIVER, EDGE));
    assert!(!read_bit(&mut vgic, CPU0, gicd::ISPENDR, EDGE));
    end(&mut lrs[0]);
    assert_eq!(vgic.sync(CPU0, &lrs), Effect::NONE);
    assert!(!read_bit(&mut vgic, CPU0, gicd::ICACTIVER, EDGE));
    assert!(flush(&mut vgic, CPU0).is_empty());
}

#[test]
fn an_edge_while_active_is_pending_and_active() {
    let mut vgic = with_both_enabled(V3);
    let _ = vgic.raise(CPU0, EDGE);
    let mut lrs = flush(&mut vgic, CPU0);
    acknowledge(&mut lrs[0]);
    assert_eq!(vgic.raise(CPU0, EDGE), only(CPU0));
    let _ = vgic.sync(CPU0, &lrs);
    let mut lrs = flush(&mut vgic, CPU0);
    assert!(lrs[0].is_pending() && lrs[0].is_active());
    end(&mut lrs[0]);
    acknowledge(&mut lrs[0]);
    end(&mut lrs[0]);
    let _ = vgic.sync(CPU0, &lrs);
    assert!(flush(&mut vgic, CPU0).is_empty());
}

#[test]
fn two_edges_before_it_is_taken_are_one() {
    let mut vgic = with_both_enabled(V3);
    let _ = vgic.raise(CPU0, EDGE);
    let lrs = flush(&mut vgic, CPU0);
    let _ = vgic.raise(CPU0, EDGE);
    let _ = vgic.sync(CPU0, &lrs);
    let mut lrs = flush(&mut vgic, CPU0);
    acknowledge(&mut lrs[0]);
    end(&mut lrs[0]);
    assert_eq!(vgic.sync(CPU0, &lrs), Effect::NONE);
    assert!(flush(&mut vgic, CPU0).is_empty());
}

#[test]
fn a_level_comes_again_until_it_falls() {
    let mut vgic = with_both_enabled(V3);
    assert_eq!(vgic.set_level(CPU1, LEVEL, High), only(CPU0));
    assert_eq!(vgic.set_level(CPU1, LEVEL, High), Effect::NONE);
    for _ in 0..2 {
        let mut lrs = flush(&mut vgic, CPU0);
        assert_eq!(lrs, [ListRegister(1 << 62 | 1 << 60 | 1 << 41 | 33)]);
        assert!(lrs[0].signals_end());
        acknowledge(&mut lrs[0]);
        let _ = vgic.sync(CPU0, &lrs);
        assert!(
            read_bit(&mut vgic, CPU0, gicd::ISPENDR, LEVEL),
            "the line is still high"
        );
        assert!(!vgic.has_deliverable(CPU0));
        // Taken out and loaded again, it is only active.
        let mut lrs = flush(&mut vgic, CPU0);
        assert!(lrs[0].is_active() && !lrs[0].is_pending() && lrs[0].signals_end());
        end(&mut lrs[0]);
        assert_eq!(vgic.sync(CPU0, &lrs), only(CPU0));
    }
    let mut lrs = flush(&mut vgic, CPU0);
    acknowledge(&mut lrs[0]);
    let _ = vgic.sync(CPU0, &lrs);
    assert_eq!(
        vgic.set_level(CPU0, LEVEL, Low),
        Effect::NONE,
        "the handler lowered it"
    );
    end(&mut lrs[0]);
    assert_eq!(vgic.sync(CPU0, &lrs), only(CPU0), "its end was signalled");
    assert!(flush(&mut vgic, CPU0).is_empty());
}

#[test]
fn a_level_that_falls_before_it_is_taken_is_withdrawn() {
    let mut vgic = with_both_enabled(V3);
    let _ = vgic.set_level(CPU0, LEVEL, High);
    let lrs = flush(&mut vgic, CPU0);
    assert_eq!(vgic.set_level(CPU0, LEVEL, Low), only(CPU0));
    assert_eq!(vgic.sync(CPU0, &lrs), Effect::NONE);
    assert!(!vgic.has_deliverable(CPU0));
    assert!(flush(&mut vgic, CPU0).is_empty());
    // Not in a list register: nobody has to act.
    let _ = vgic.set_level(CPU0, LEVEL, High);
    assert_eq!(vgic.set_level(CPU0, LEVEL, Low), Effect::NONE);
}

#[test]
fn a_level_written_pending_stays_when_the_line_falls() {
    let mut vgic = with_both_enabled(V3);
    let _ = vgic.set_level(CPU0, LEVEL, High);
    let _ = write_bit(&mut vgic, CPU0, gicd::ISPENDR, LEVEL);
    let _ = flush(&mut vgic, CPU0);
    assert_eq!(vgic.set_level(CPU0, LEVEL, Low), Effect::NONE);
    let mut lrs = flush(&mut vgic, CPU0);
    assert!(lrs[0].is_pending());
    acknowledge(&mut lrs[0]);
    end(&mut lrs[0]);
    let _ = vgic.sync(CPU0, &lrs);
    assert!(flush(&mut vgic, CPU0).is_empty());
}

#[test]
fn clearing_pending_does_not_lower_a_line() {
    let mut vgic = with_both_enabled(V3);
    let _ = vgic.set_level(CPU0, LEVEL, High);
    let _ = write_bit(&mut vgic, CPU0, gicd::ICPENDR, LEVEL);
    assert!(read_bit(&mut vgic, CPU0, gicd::ICPENDR, LEVEL));
    let _ = vgic.raise(CPU0, EDGE);
    assert_eq!(flush(&mut vgic, CPU0).len(), 2);
    assert_eq!(write_bit(&mut vgic, CPU0, gicd::ICPENDR, EDGE), only(CPU0));
    assert!(!read_bit(&mut vgic, CPU0, gicd::ISPENDR, EDGE));
    assert_eq!(flush(&mut vgic, CPU0)[0].intid(), LEVEL);
}

#[test]
fn disabled_interrupts_wait() {
    let mut vgic = with_both_enabled(V3);
    let _ = write_bit(&mut vgic, CPU0, gicd::ICENABLER, EDGE);
    assert_eq!(vgic.raise(CPU0, EDGE), Effect::NONE);
    assert!(read_bit(&mut vgic, CPU0, gicd::ISPENDR, EDGE));
    assert!(!vgic.has_deliverable(CPU0) && flush(&mut vgic, CPU0).is_empty());
    assert_eq!(enable(&mut vgic, CPU0, EDGE), only(CPU0));
    let lrs = flush(&mut vgic, CPU0);
    assert!(lrs[0].is_pending());
    assert_eq!(
        write_bit(&mut vgic, CPU0, gicd::ICENABLER, EDGE),
        only(CPU0)
    );
    assert!(flush(&mut vgic, CPU0).is_empty());
    let _ = enable(&mut vgic, CPU0, EDGE);
    let mut lrs = flush(&mut vgic, CPU0);
    acknowledge(&mut lrs[0]);
    let _ = vgic.sync(CPU0, &lrs);
    assert_eq!(
        write_bit(&mut vgic, CPU0, gicd::ICENABLER, EDGE),
        Effect::NONE
    );
    assert!(flush(&mut vgic, CPU0)[0].is_active(), "an active one stays");
}

#[test]
fn a_disabled_group_delivers_nothing() {
    for (version, on, off) in [(V3, 2, 1), (V2, 1, 2)] {
        let mut vgic = with_both_enabled(version);
        let _ = write(&mut vgic, gicd::CTLR, off);
        assert_eq!(vgic.raise(CPU0, EDGE), Effect::NONE);
        assert!(!vgic.has_deliverable(CPU0) && flush(&mut vgic, CPU0).is_empty());
        assert_eq!(write(&mut vgic, gicd::CTLR, on), only(CPU0));
        assert!(vgic.has_deliverable(CPU0));
        assert_eq!(flush(&mut vgic, CPU0).len(), 1);
        assert_eq!(write(&mut vgic, gicd::CTLR, on), Effect::NONE);
        assert_eq!(write(&mut vgic, gicd::CTLR, off), only(CPU0));
        assert!(flush(&mut vgic, CPU0).is_empty());
    }
}

#[test]
fn the_trigger_can_change_while_pending() {
    let mut vgic = with_both_enabled(V3);
    let _ = vgic.set_level(CPU0, LEVEL, High);
    assert_eq!(flush(&mut vgic, CPU0).len(), 1);
    assert_eq!(write(&mut vgic, gicd::ICFGR + 8, 1 << 3), only(CPU0));
    assert!(flush(&mut vgic, CPU0).is_empty(), "no edge was seen");
    let _ = vgic.set_level(CPU0, LEVEL, Low);
    assert_eq!(vgic.set_level(CPU0, LEVEL, High), only(CPU0));
    assert_eq!(vgic.set_level(CPU0, LEVEL, Low), Effect::NONE);
    let lrs = flush(&mut vgic, CPU0);
    assert!(lrs[0].is_pending() && !lrs[0].signals_end());
}

#[test]
fn a_new_priority_reaches_the_list_register() {
    let mut vgic = with_both_enabled(V3);
    let _ = prioritise(&mut vgic, CPU0, EDGE, 0x80);
    let _ = vgic.raise(CPU0, EDGE);
    assert_eq!(flush(&mut vgic, CPU0)[0].priority(), 0x80);
    assert_eq!(prioritise(&mut vgic, CPU0, EDGE, 0x80), Effect::NONE);
    assert_eq!(prioritise(&mut vgic, CPU0, EDGE, 0x40), only(CPU0));
    assert_eq!(flush(&mut vgic, CPU0)[0].priority(), 0x40);
}

#[test]
fn a_gicv2_has_group_0() {
    let mut vgic = with_both_enabled(V2);
    let _ = vgic.raise(CPU0, EDGE);
    assert_eq!(flush(&mut vgic, CPU0), [ListRegister(1 << 62 | 40)]);
}

#[test]
fn a_vcpu_that_is_turned_on_has_nothing_pending() {
    let mut vgic = with_both_enabled(V3);
    for intid in [IntId(31), IntId(30), IntId(3)] {
        let _ = enable(&mut vgic, CPU0, intid);
        let _ = vgic.raise(CPU0, intid);
    }
    let _ = vgic.raise(CPU0, EDGE);
    let mut lrs = flush(&mut vgic, CPU0);
    acknowledge(&mut lrs[0]);
    let _ = vgic.sync(CPU0, &lrs);
    let _ = vgic.reset_vcpu(CPU0);
    assert_eq!(vgic.in_use(CPU0), 0);
    assert!(read_bit(&mut vgic, CPU0, gicd::ISENABLER, IntId(31)));
    let lrs = flush(&mut vgic, CPU0);
    assert_eq!(lrs.len(), 1, "the SPI is the distributor's");
    assert_eq!(lrs[0].intid(), EDGE);
}

#[test]
fn an_interrupt_of_edges_alone_ends_without_a_word_and_shows_what_was_programmed() {
    const UPCALL: IntId = IntId(31);
    let mut vgic = started(V3, 2, 32);
    vgic.only_edges(UPCALL);
    let _ = enable(&mut vgic, CPU1, UPCALL);
    let config = |vgic: &Vgic| vgic.read_config(CPU1, 1) >> 31;
    assert_eq!(config(&vgic), 0, "level-sensitive at reset");
    let _ = vgic.raise(CPU1, UPCALL);
    let mut lrs = flush(&mut vgic, CPU1);
    assert!(!lrs[0].signals_end());
    acknowledge(&mut lrs[0]);
    let _ = vgic.sync(CPU1, &lrs);
    // While it is active the next one comes along.
    let _ = vgic.raise(CPU1, UPCALL);
    let lrs = flush(&mut vgic, CPU1);
    assert!(lrs[0].is_active() && lrs[0].is_pending() && !lrs[0].signals_end());
    for (value, shown) in [(1 << 31, 1), (0, 0)] {
        let _ = vgic.write_config(CPU1, 1, value);
        assert_eq!(config(&vgic), shown);
    }
    assert!(!flush(&mut vgic, CPU1)[0].signals_end());
}
