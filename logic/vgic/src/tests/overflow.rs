//! More interrupts than list registers.

use super::*;

/// SPIs 32 to 63 edge-triggered, enabled, priority falling with the number, all pending.
fn storm() -> Vgic {
    let mut vgic = started(V3, 1, 32);
    let _ = write(&mut vgic, gicd::ICFGR + 8, u32::MAX);
    let _ = write(&mut vgic, gicd::ICFGR + 12, u32::MAX);
    let _ = write(&mut vgic, gicd::ISENABLER + 4, u32::MAX);
    for n in 32..64 {
        let _ = prioritise(&mut vgic, CPU0, IntId(n), ((63 - n) * 8) as u8);
        let _ = vgic.raise(CPU0, IntId(n));
    }
    vgic
}

fn numbers(lrs: &[ListRegister]) -> Vec<u32> {
    lrs.iter().map(|lr| lr.intid().0).collect()
}

#[test]
fn the_highest_priorities_come_first_and_all_come() {
    let mut vgic = storm();
    let mut taken = Vec::new();
    while taken.len() < 32 {
        let mut lrs = [ListRegister::INVALID; 4];
        let flushed = vgic.flush(CPU0, &mut lrs);
        assert_eq!((flushed.used, flushed.more), (4, taken.len() < 28));
        // When all fit, their order does not matter: the hardware takes them by priority.
        lrs.sort_by_key(|lr| lr.priority());
        for lr in &mut lrs {
            taken.push(lr.intid().0);
            acknowledge(lr);
            end(lr);
        }
        let expected = if flushed.more {
            only(CPU0)
        } else {
            Effect::NONE
        };
        assert_eq!(vgic.sync(CPU0, &lrs), expected);
    }
    assert!(taken.is_sorted_by(|a, b| a > b), "{taken:?}");
    assert!(flush(&mut vgic, CPU0).is_empty());
}

#[test]
fn active_ones_stay_and_one_register_is_for_the_best_pending() {
    let mut vgic = storm();
    let mut lrs = flush(&mut vgic, CPU0);
    lrs.iter_mut().for_each(acknowledge);
    let _ = vgic.sync(CPU0, &lrs);
    let lrs = flush(&mut vgic, CPU0);
    assert_eq!(numbers(&lrs), [63, 62, 61, 59]);
    assert!(lrs[..3].iter().all(|lr| lr.is_active()) && lrs[3].is_pending());
    assert!(
        read_bit(&mut vgic, CPU0, gicd::ISACTIVER, IntId(60)),
        "still active"
    );
}

#[test]
fn the_end_of_one_in_no_list_register_is_counted() {
    let mut vgic = storm();
    let mut lrs = flush(&mut vgic, CPU0);
    lrs.iter_mut().for_each(acknowledge);
    let _ = vgic.sync(CPU0, &lrs);
    let mut lrs = flush(&mut vgic, CPU0);
    lrs.iter_mut().take(3).for_each(end);
    let _ = vgic.sync(CPU0, &lrs);
    assert_eq!(vgic.end_unlisted(CPU0, 1), only(CPU0));
    assert!(!read_bit(&mut vgic, CPU0, gicd::ISACTIVER, IntId(60)));
    assert_eq!(numbers(&flush(&mut vgic, CPU0)), [59, 58, 57, 56]);
}

#[test]
fn fewer_list_registers_than_configured_are_enough() {
    let mut vgic = storm();
    let mut lrs = [ListRegister::INVALID; 2];
    assert_eq!(vgic.flush(CPU0, &mut lrs).used, 2);
    assert_eq!(vgic.flush(CPU0, &mut []).used, 0);
    assert!(vgic.has_deliverable(CPU0));
}

#[test]
fn all_interrupts_pending_at_once_are_bounded_work() {
    let mut vgic = Vgic::new(Config {
        list_registers: 16,
        ..config(V3, 1, 992)
    })
    .unwrap();
    let _ = write(&mut vgic, gicd::CTLR, 2);
    for word in 1..32 {
        let _ = write(&mut vgic, gicd::ISENABLER + 4 * word, u32::MAX);
        let _ = write(&mut vgic, gicd::ISPENDR + 4 * word, u32::MAX);
    }
    let mut lrs = [ListRegister::INVALID; 16];
    let flushed = vgic.flush(CPU0, &mut lrs);
    assert_eq!((flushed.used, flushed.more), (16, true));
    assert_eq!(numbers(&lrs), (32..48).collect::<Vec<_>>());
}
