//! Feature bits of `XENVER_get_features`, sub-map 0 (public/features.h).

/// The guest writes its own page tables.
pub const WRITABLE_PAGE_TABLES: u32 = 0;
/// Writable descriptor tables (x86).
pub const WRITABLE_DESCRIPTOR_TABLES: u32 = 1;
/// Guest frames are translated by the hypervisor.
pub const AUTO_TRANSLATED_PHYSMAP: u32 = 2;
/// The kernel runs in supervisor mode (x86).
pub const SUPERVISOR_MODE_KERNEL: u32 = 3;
/// The domain may be dom0.
pub const DOM0: u32 = 11;
/// `XENMEMF_vnode` may be used.
pub const MEMORY_OP_VNODE_SUPPORTED: u32 = 13;
/// The SMC calling convention is there.
pub const ARM_SMCCC_SUPPORTED: u32 = 14;
/// ACPI's root pointer may lie anywhere (x86).
pub const LINUX_RSDP_UNRESTRICTED: u32 = 15;
/// Guest physical addresses are not machine addresses.
pub const NOT_DIRECT_MAPPED: u32 = 16;
/// Guest physical addresses are machine addresses.
pub const DIRECT_MAPPED: u32 = 17;
/// Run states may be registered by physical address.
pub const RUNSTATE_PHYS_AREA: u32 = 18;
/// Time areas may be registered by physical address.
pub const VCPU_TIME_PHYS_AREA: u32 = 19;
/// What Xen 4.20 shows a domU on arm64, sub-map 0 (observed).
pub const XEN_4_20_DOMU: u32 = 0x56005;

const _: () = assert!(
    XEN_4_20_DOMU
        == 1 << WRITABLE_PAGE_TABLES
            | 1 << AUTO_TRANSLATED_PHYSMAP
            | 1 << MEMORY_OP_VNODE_SUPPORTED
            | 1 << ARM_SMCCC_SUPPORTED
            | 1 << NOT_DIRECT_MAPPED
            | 1 << RUNSTATE_PHYS_AREA
);
