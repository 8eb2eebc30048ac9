//! The virtual timer, linked to its physical interrupt.

use super::*;
use crate::Level::{High, Low};

fn timer_enabled() -> Vgic {
    let mut vgic = started(V3, 2, 32);
    let _ = enable(&mut vgic, CPU0, TIMER);
    vgic
}

/// Flushes and tells whether the physical interrupt is to be retired.
fn retired(vgic: &mut Vgic, vcpu: VcpuId) -> bool {
    vgic.flush(vcpu, &mut [ListRegister::INVALID; 4])
        .retire_timer
}

#[test]
fn the_guest_deactivates_the_physical_interrupt() {
    let mut vgic = timer_enabled();
    for _ in 0..2 {
        assert!(!vgic.timer_in_flight(CPU0));
        assert_eq!(vgic.raise(CPU0, TIMER), only(CPU0));
        assert!(vgic.timer_in_flight(CPU0) && !vgic.timer_in_flight(CPU1));
        let mut lrs = flush(&mut vgic, CPU0);
        assert_eq!(
            lrs,
            [ListRegister(1 << 62 | 1 << 61 | 1 << 60 | 27 << 32 | 27)]
        );
        assert_eq!(lrs[0].physical(), Some(TIMER));
        acknowledge(&mut lrs[0]);
        let _ = vgic.sync(CPU0, &lrs);
        assert!(vgic.timer_in_flight(CPU0));
        end(&mut lrs[0]);
        assert_eq!(vgic.sync(CPU0, &lrs), Effect::NONE);
        assert!(!vgic.timer_in_flight(CPU0));
        assert!(!retired(&mut vgic, CPU0));
    }
}

#[test]
fn it_can_fire_again_before_its_end_is_seen() {
    let mut vgic = timer_enabled();
    let _ = vgic.raise(CPU0, TIMER);
    let mut lrs = flush(&mut vgic, CPU0);
    acknowledge(&mut lrs[0]);
    end(&mut lrs[0]);
    let _ = vgic.raise(CPU0, TIMER);
    assert_eq!(vgic.sync(CPU0, &lrs), only(CPU0));
    assert!(vgic.timer_in_flight(CPU0));
    let lrs = flush(&mut vgic, CPU0);
    assert!(lrs[0].is_pending() && lrs[0].is_hardware());
}

#[test]
fn it_stays_linked_over_a_change_of_cpus() {
    let mut vgic = timer_enabled();
    let _ = vgic.raise(CPU0, TIMER);
    let mut lrs = flush(&mut vgic, CPU0);
    acknowledge(&mut lrs[0]);
    let _ = vgic.sync(CPU0, &lrs);
    assert_eq!(vgic.unload(CPU0), Effect::NONE);
    assert!(vgic.timer_in_flight(CPU0));
    let lrs = flush(&mut vgic, CPU0);
    assert!(lrs[0].is_active() && !lrs[0].is_pending() && lrs[0].is_hardware());
}

#[test]
fn it_is_retired_when_the_guest_clears_it() {
    for register in [gicd::ICPENDR, gicd::ICACTIVER] {
        let mut vgic = timer_enabled();
        let _ = vgic.raise(CPU0, TIMER);
        let mut lrs = flush(&mut vgic, CPU0);
        if register == gicd::ICACTIVER {
            acknowledge(&mut lrs[0]);
            let _ = vgic.sync(CPU0, &lrs);
        }
        assert_eq!(write_bit(&mut vgic, CPU0, register, TIMER), only(CPU0));
        let _ = vgic.sync(CPU0, &lrs);
        assert!(retired(&mut vgic, CPU0));
        assert!(!vgic.timer_in_flight(CPU0));
        assert!(!retired(&mut vgic, CPU0));
    }
}

#[test]
fn it_is_retired_when_it_is_in_no_list_register() {
    let mut vgic = timer_enabled();
    let _ = vgic.raise(CPU0, TIMER);
    assert_eq!(vgic.set_level(CPU0, TIMER, Low), only(CPU0));
    assert!(retired(&mut vgic, CPU0));
    let _ = vgic.set_level(CPU0, TIMER, High);
    let mut lrs = flush(&mut vgic, CPU0);
    acknowledge(&mut lrs[0]);
    let _ = vgic.sync(CPU0, &lrs);
    let _ = vgic.unload(CPU0);
    assert_eq!(
        write_bit(&mut vgic, CPU1, gicd::ICACTIVER, TIMER),
        Effect::NONE
    );
    assert_eq!(
        write_bit(&mut vgic, CPU0, gicd::ICACTIVER, TIMER),
        only(CPU0)
    );
    assert!(retired(&mut vgic, CPU0));
    let _ = vgic.raise(CPU0, TIMER);
    assert!(vgic.timer_in_flight(CPU0));
    let _ = vgic.reset_vcpu(CPU0);
    assert!(!vgic.timer_in_flight(CPU0) && flush(&mut vgic, CPU0).is_empty());
}

#[test]
fn one_that_was_taken_is_not_withdrawn() {
    let mut vgic = timer_enabled();
    let _ = vgic.raise(CPU0, TIMER);
    let mut lrs = flush(&mut vgic, CPU0);
    acknowledge(&mut lrs[0]);
    let _ = vgic.set_level(CPU0, TIMER, Low);
    let _ = vgic.sync(CPU0, &lrs);
    assert!(!retired(&mut vgic, CPU0));
    assert!(vgic.timer_in_flight(CPU0));
}

#[test]
fn written_pending_it_is_not_linked() {
    let mut vgic = timer_enabled();
    assert_eq!(write_bit(&mut vgic, CPU0, gicd::ISPENDR, TIMER), only(CPU0));
    assert!(!vgic.timer_in_flight(CPU0));
    let mut lrs = flush(&mut vgic, CPU0);
    assert!(lrs[0].is_pending() && !lrs[0].is_hardware() && lrs[0].signals_end());
    acknowledge(&mut lrs[0]);
    let _ = vgic.sync(CPU0, &lrs);
    // It fires while that one is handled.
    let _ = vgic.raise(CPU0, TIMER);
    let mut lrs = flush(&mut vgic, CPU0);
    assert!(lrs[0].is_active() && !lrs[0].is_pending() && !lrs[0].is_hardware());
    end(&mut lrs[0]);
    assert_eq!(vgic.sync(CPU0, &lrs), only(CPU0));
    assert!(vgic.timer_in_flight(CPU0));
    let lrs = flush(&mut vgic, CPU0);
    assert!(lrs[0].is_pending() && lrs[0].is_hardware());
}

#[test]
fn one_that_waits_behind_a_linked_one_is_delivered_at_its_end() {
    let mut vgic = timer_enabled();
    let _ = vgic.raise(CPU0, TIMER);
    let mut lrs = flush(&mut vgic, CPU0);
    acknowledge(&mut lrs[0]);
    let _ = vgic.sync(CPU0, &lrs);
    let _ = write_bit(&mut vgic, CPU0, gicd::ISPENDR, TIMER);
    let mut lrs = flush(&mut vgic, CPU0);
    assert!(lrs[0].is_active() && !lrs[0].is_hardware() && lrs[0].signals_end());
    end(&mut lrs[0]);
    assert_eq!(vgic.sync(CPU0, &lrs), only(CPU0));
    assert!(vgic.timer_in_flight(CPU0));
    let lrs = flush(&mut vgic, CPU0);
    assert!(lrs[0].is_pending() && lrs[0].is_hardware());
}

#[test]
fn without_a_link_it_is_like_any_other() {
    let config = Config {
        hw_timer_pintid: None,
        ..config(V3, 1, 32)
    };
    let mut vgic = Vgic::new(config).unwrap();
    let _ = write(&mut vgic, gicd::CTLR, 2);
    let _ = enable(&mut vgic, CPU0, TIMER);
    assert_eq!(vgic.set_level(CPU0, TIMER, High), only(CPU0));
    let lrs = flush(&mut vgic, CPU0);
    assert!(lrs[0].is_pending() && lrs[0].signals_end());
    assert!(!vgic.timer_in_flight(CPU0));
    assert_eq!(vgic.set_level(CPU0, TIMER, Low), only(CPU0));
    assert!(flush(&mut vgic, CPU0).is_empty());
}
