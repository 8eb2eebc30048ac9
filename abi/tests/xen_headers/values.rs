//! What is not a plain number in our sources: compared by its value.

use abi::{DomId, arm, evtchn::fifo, feature, grant, hvm, hypercall, sched, shared_info, vcpu};

/// Our constant as `file: [module::]NAME`, Xen's expression for it, and our value.
pub(crate) fn computed() -> Vec<(&'static str, &'static str, u64)> {
    let mut all = numbers();
    all.extend(domains());
    all.extend(ranges().into_iter().flat_map(|(ours, theirs, range)| {
        let [base, size] = theirs;
        [(ours, base, range.start()), (ours, size, range.size())]
    }));
    all
}

fn numbers() -> Vec<(&'static str, &'static str, u64)> {
    vec![
        (
            "evtchn: fifo::LINK_MASK",
            "EVTCHN_FIFO_LINK_MASK",
            fifo::LINK_MASK.into(),
        ),
        (
            "evtchn: fifo::PORTS",
            "EVTCHN_FIFO_NR_CHANNELS",
            fifo::PORTS.into(),
        ),
        (
            "evtchn: fifo::MAX_PAGES",
            "EVTCHN_FIFO_NR_CHANNELS * sizeof(event_word_t) / 4096",
            fifo::MAX_PAGES.into(),
        ),
        (
            "vcpu: runstate::UPDATE",
            "XEN_RUNSTATE_UPDATE",
            vcpu::runstate::UPDATE,
        ),
        (
            "hypercall: HVC_IMMEDIATE",
            "XEN_HYPERCALL_TAG",
            hypercall::HVC_IMMEDIATE.into(),
        ),
        (
            "hvm: CALLBACK_TYPE_PPI",
            "HVM_PARAM_CALLBACK_TYPE_PPI",
            hvm::CALLBACK_TYPE_PPI,
        ),
        (
            "hvm: CALLBACK_PPI_FLAG_LOW_LEVEL",
            "HVM_PARAM_CALLBACK_TYPE_PPI_FLAG_LOW_LEVEL",
            hvm::CALLBACK_PPI_FLAG_LOW_LEVEL,
        ),
        (
            "arm: MAX_VCPUS_GICV3",
            "GUEST_MAX_VCPUS",
            arm::MAX_VCPUS_GICV3.into(),
        ),
        (
            "arm: GICV3_REDISTRIBUTORS",
            "GUEST_GICV3_RDIST_REGIONS * GUEST_GICV3_GICR0_SIZE",
            u64::from(arm::MAX_VCPUS_GICV3) * arm::GICV3_REDISTRIBUTOR_STRIDE,
        ),
        (
            "arm: VIRTUAL_TIMER",
            "GUEST_TIMER_VIRT_PPI",
            arm::VIRTUAL_TIMER.0.into(),
        ),
        (
            "arm: SECURE_PHYSICAL_TIMER",
            "GUEST_TIMER_PHYS_S_PPI",
            arm::SECURE_PHYSICAL_TIMER.0.into(),
        ),
        (
            "arm: PHYSICAL_TIMER",
            "GUEST_TIMER_PHYS_NS_PPI",
            arm::PHYSICAL_TIMER.0.into(),
        ),
        (
            "arm: EVENT_UPCALL",
            "GUEST_EVTCHN_PPI",
            arm::EVENT_UPCALL.0.into(),
        ),
        (
            "arm: VPL011_INTERRUPT",
            "GUEST_VPL011_SPI",
            arm::VPL011_INTERRUPT.0.into(),
        ),
        // Layouts that are said in words.
        (
            "grant: entry::SIZE",
            "offsetof(struct grant_entry_v1, domid) * 4",
            grant::entry::SIZE.into(),
        ),
        (
            "grant: entry::SIZE",
            "offsetof(struct grant_entry_v1, frame) * 2",
            grant::entry::SIZE.into(),
        ),
        (
            "shared_info: VCPU_INFO_OFFSET",
            "offsetof(struct shared_info, vcpu_info)",
            shared_info::VCPU_INFO_OFFSET.into(),
        ),
        // Counts and last ones: what comes behind them is new.
        (
            "shared_info: vcpu_info::SIZE",
            "sizeof(((struct shared_info *)0)->vcpu_info)",
            shared_info::vcpu_info::SIZE.into(),
        ),
        (
            "sched: reason::MAX",
            "SHUTDOWN_soft_reset",
            sched::reason::MAX.into(),
        ),
        (
            "evtchn: virq::COUNT",
            "VIRQ_ARCH_7 + 1",
            abi::evtchn::virq::COUNT.into(),
        ),
        ("version: FeatureInfo", "XENFEAT_NR_SUBMAPS", 1),
        (
            "feature: VCPU_TIME_PHYS_AREA",
            "XENFEAT_vcpu_time_phys_area",
            feature::VCPU_TIME_PHYS_AREA.into(),
        ),
        (
            "hvm: param::COUNT",
            "HVM_PARAM_MCA_CAP + 1",
            hvm::param::COUNT.into(),
        ),
    ]
}

fn domains() -> Vec<(&'static str, &'static str, u64)> {
    [
        (
            "ids: DomId::FIRST_RESERVED",
            "DOMID_FIRST_RESERVED",
            DomId::FIRST_RESERVED,
        ),
        ("ids: DomId::SELF", "DOMID_SELF", DomId::SELF),
        ("ids: DomId::IO", "DOMID_IO", DomId::IO),
        ("ids: DomId::XEN", "DOMID_XEN", DomId::XEN),
        ("ids: DomId::INVALID", "DOMID_INVALID", DomId::INVALID),
        ("ids: DomId::IDLE", "DOMID_IDLE", DomId::IDLE),
    ]
    .map(|(ours, theirs, id)| (ours, theirs, id.0.into()))
    .to_vec()
}

fn ranges() -> [(&'static str, [&'static str; 2], abi::Range); 9] {
    [
        (
            "arm: GICV2_DISTRIBUTOR",
            ["GUEST_GICD_BASE", "GUEST_GICD_SIZE"],
            arm::GICV2_DISTRIBUTOR,
        ),
        (
            "arm: GICV2_CPU_INTERFACE",
            ["GUEST_GICC_BASE", "GUEST_GICC_SIZE"],
            arm::GICV2_CPU_INTERFACE,
        ),
        (
            "arm: GICV3_DISTRIBUTOR",
            ["GUEST_GICV3_GICD_BASE", "GUEST_GICV3_GICD_SIZE"],
            arm::GICV3_DISTRIBUTOR,
        ),
        (
            "arm: GICV3_REDISTRIBUTORS",
            ["GUEST_GICV3_GICR0_BASE", "GUEST_GICV3_GICR0_SIZE"],
            arm::GICV3_REDISTRIBUTORS,
        ),
        (
            "arm: VPL011",
            ["GUEST_PL011_BASE", "GUEST_PL011_SIZE"],
            arm::VPL011,
        ),
        (
            "arm: GRANT_TABLE",
            ["GUEST_GNTTAB_BASE", "GUEST_GNTTAB_SIZE"],
            arm::GRANT_TABLE,
        ),
        (
            "arm: MAGIC",
            ["GUEST_MAGIC_BASE", "GUEST_MAGIC_SIZE"],
            arm::MAGIC,
        ),
        (
            "arm: RAM_BANK_0",
            ["GUEST_RAM0_BASE", "GUEST_RAM0_SIZE"],
            arm::RAM_BANK_0,
        ),
        (
            "arm: RAM_BANK_1",
            ["GUEST_RAM1_BASE", "GUEST_RAM1_SIZE"],
            arm::RAM_BANK_1,
        ),
    ]
}

/// Ours alone: numbers that stand in none of the headers.
pub(crate) const OURS: &[&str] = &[
    // Xen's code or Arm's specifications, by observation.
    "arm: GICV3_REDISTRIBUTOR_STRIDE",
    "arm: MAX_VCPUS_GICV2",
    "arm: MAX_SPIS",
    "arm: PHANDLE_GIC",
    "feature: XEN_4_20_DOMU",
    "ids: IntId::FIRST_SPI",
    "memory: OP_BITS",
    "sched: POLL_MAX_PORTS",
    // Arm DEN0028.
    "smccc: VERSION",
    "smccc: ARCH_FEATURES",
    "smccc: ARCH_WORKAROUND_1",
    "smccc: ARCH_WORKAROUND_2",
    "smccc: ARCH_WORKAROUND_3",
    "smccc: VERSION_1_2",
    "smccc: UNKNOWN",
];
