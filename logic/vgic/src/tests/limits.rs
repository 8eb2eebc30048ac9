//! Configuration, memory, and calls with numbers that do not exist.

use super::*;
use crate::ConfigError;
use crate::Level::High;
use crate::spi::SpiBank;
use crate::vcpu::VcpuState;

#[test]
fn wrong_configurations_are_refused() {
    let good = config(V3, 1, 32);
    let refused = |config| Vgic::new(config).err();
    assert_eq!(refused(good), None);
    assert_eq!(
        refused(Config { vcpus: 0, ..good }),
        Some(ConfigError::Vcpus)
    );
    assert_eq!(
        refused(Config { vcpus: 129, ..good }),
        Some(ConfigError::Vcpus)
    );
    assert_eq!(refused(config(V2, 9, 32)), Some(ConfigError::Vcpus));
    assert_eq!(refused(config(V2, 8, 992)), None);
    assert_eq!(refused(config(V3, 128, 0)), None);
    assert_eq!(refused(Config { spis: 1, ..good }), Some(ConfigError::Spis));
    assert_eq!(
        refused(Config { spis: 1024, ..good }),
        Some(ConfigError::Spis)
    );
    for list_registers in [0, 1, 17, 255] {
        let config = Config {
            list_registers,
            ..good
        };
        assert_eq!(refused(config), Some(ConfigError::ListRegisters));
    }
    for pintid in [15, 32] {
        let config = Config {
            hw_timer_pintid: Some(IntId(pintid)),
            ..good
        };
        assert_eq!(refused(config), Some(ConfigError::TimerInterrupt));
    }
}

#[test]
fn memory_stays_within_its_budget() {
    assert!(31 * size_of::<SpiBank>() + size_of::<Vgic>() <= 16 * 1024);
    assert!(size_of::<SpiBank>() <= 32 * 32);
    assert!(size_of::<VcpuState>() <= 1024);
}

#[test]
fn what_does_not_exist_is_ignored() {
    let mut vgic = started(V3, 1, 32);
    for intid in [IntId(64), IntId(1020), IntId(8192), IntId(u32::MAX)] {
        assert_eq!(vgic.raise(CPU0, intid), Effect::NONE);
        assert_eq!(vgic.set_level(CPU0, intid, High), Effect::NONE);
    }
    let nobody = VcpuId(u16::MAX);
    let mut lrs = [ListRegister::INVALID; 4];
    assert_eq!(vgic.raise(nobody, IntId(31)), Effect::NONE);
    assert_eq!(vgic.send_sgi_v3(nobody, 1), Effect::NONE);
    assert_eq!(vgic.sync(nobody, &lrs), Effect::NONE);
    assert_eq!(vgic.flush(nobody, &mut lrs), crate::Flushed::default());
    assert_eq!(vgic.unload(nobody), Effect::NONE);
    assert_eq!(vgic.reset_vcpu(nobody), Effect::NONE);
    assert_eq!(vgic.end_unlisted(nobody, 3), Effect::NONE);
    assert_eq!(vgic.in_use(nobody), 0);
    assert!(!vgic.has_deliverable(nobody) && !vgic.timer_in_flight(nobody));
    assert_eq!((vgic.vcpus(), vgic.spis()), (1, 32));
}

#[test]
fn widths_have_sizes() {
    for bytes in [1, 2, 4, 8] {
        assert_eq!(Width::from_bytes(bytes).map(Width::bytes), Some(bytes));
    }
    assert_eq!(Width::from_bytes(3), None);
}
