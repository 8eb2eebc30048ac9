//! The other direction: what Xen's headers define and this crate does not. A name that is in neither
//! is new in Xen, and somebody has to look at it.

use std::collections::BTreeSet;

/// Families of names, each complete: ours together with those listed.
struct Family {
    prefix: &'static str,
    /// What we do without.
    without: &'static [&'static str],
}

const fn all_of(prefix: &'static str) -> Family {
    but(prefix, &[])
}

const fn but(prefix: &'static str, without: &'static [&'static str]) -> Family {
    Family { prefix, without }
}

/// A name that ends with `*` stands for all that begin so.
const FAMILIES: &[Family] = &[
    all_of("EVTCHNOP_"),
    all_of("EVTCHNSTAT_"),
    but(
        "VIRQ_",
        // Seven more for the architecture.
        &[
            "ARCH_1", "ARCH_2", "ARCH_3", "ARCH_4", "ARCH_5", "ARCH_6", "ARCH_7",
        ],
    ),
    all_of("EVTCHN_"),
    all_of("SCHEDOP_"),
    all_of("SHUTDOWN_"),
    but(
        "VCPUOP_",
        // Not on Arm.
        &[
            "down",
            "get_physid",
            "get_runstate_info",
            "initialise",
            "is_up",
            "register_vcpu_time_memory_area",
            "register_vcpu_time_phys_area",
            "send_nmi",
            "set_periodic_timer",
            "set_singleshot_timer",
            "stop_periodic_timer",
            "stop_singleshot_timer",
            "up",
        ],
    ),
    all_of("RUNSTATE_"),
    but(
        "HVMOP_",
        // Of x86, or for a toolstack.
        &[
            "ALTP2M_INTERFACE_VERSION",
            "altp2m*",
            "flush_tlbs",
            "get_mem_access",
            "get_mem_type",
            "get_time",
            "pagetable_dying",
            "set_mem_access",
            "xentrace",
        ],
    ),
    but(
        "HVM_PARAM_",
        // Of x86, or for a device model.
        &[
            "ACPI_IOPORTS_LOCATION",
            "ACPI_S_STATE",
            "ALTP2M",
            "BUFIOREQ_EVTCHN",
            "BUFIOREQ_PFN",
            "CALLBACK_IRQ_TYPE_MASK",
            "CALLBACK_TYPE_GSI",
            "CALLBACK_TYPE_PCI_INTX",
            "CALLBACK_TYPE_PPI_FLAG_MASK",
            "DM_DOMAIN",
            "HPET_ENABLED",
            "IDENT_PT",
            "IOREQ_PFN",
            "IOREQ_SERVER_PFN",
            "MCA_CAP",
            "MEMORY_EVENT_CR0",
            "MEMORY_EVENT_CR3",
            "MEMORY_EVENT_CR4",
            "MEMORY_EVENT_INT3",
            "MEMORY_EVENT_MSR",
            "MEMORY_EVENT_SINGLE_STEP",
            "NESTEDHVM",
            "NR_IOREQ_SERVER_PAGES",
            "PAE_ENABLED",
            "PAGING_RING_PFN",
            "SHARING_RING_PFN",
            "TIMER_MODE",
            "TRIPLE_FAULT_REASON",
            "VM86_TSS",
            "VM86_TSS_SIZED",
            "VM_GENERATION_ID_ADDR",
            "VPT_ALIGN",
            "X87_FIP_WIDTH",
        ],
    ),
    but(
        "XENFEAT_",
        // Of x86, and none that a domU on Arm is shown.
        &[
            "dm_msix_all_writes",
            "gnttab_map_avail_bits",
            "highmem_assist",
            "hvm_callback_vector",
            "hvm_pirqs",
            "hvm_safe_pvclock",
            "mmu_pt_update_preserve_ad",
            "pae_pgdir_above_4gb",
        ],
    ),
    all_of("XENVER_"),
    but(
        "XENMEM_",
        // Of x86, or for a toolstack; and parts of what is not built.
        &[
            "FORK_*",
            "RDM_ALL",
            "SHARING_OP_*",
            "access_op*",
            "get_pod_target",
            "get_sharing_freed_pages",
            "get_sharing_shared_pages",
            "machine_memory_map",
            "machphys_compat_mfn_list",
            "machphys_mapping",
            "machphys_mfn_list",
            "memory_map",
            "paging_op*",
            "resource_grant_table_id_shared",
            "resource_grant_table_id_status",
            "resource_ioreq_server_frame_*",
            "resource_vmtrace_buf",
            "set_memory_map",
            "set_pod_target",
            "sharing_op*",
        ],
    ),
    all_of("XENMAPSPACE_"),
    but("GNTTABOP_", &["error_msgs"]),
    but("GNTMAP_", &["guest_avail_mask"]),
    all_of("GNTCOPY_"),
    all_of("GNTST_"),
    but(
        "GTF_",
        // Of x86, and of transfers.
        &[
            "PAT",
            "PCD",
            "PWT",
            "transfer_committed",
            "transfer_completed",
        ],
    ),
    but(
        "GNTTAB_",
        &["CACHE_CLEAN", "CACHE_INVAL", "CACHE_SOURCE_GREF"],
    ),
    but(
        "__HYPERVISOR_",
        // Not on Arm.
        &[
            "arch_*",
            "callback_op",
            "fpu_taskswitch",
            "get_debugreg",
            "iret",
            "kexec_op",
            "mmu_update",
            "mmuext_op",
            "nmi_op",
            "set_callbacks",
            "set_debugreg",
            "set_gdt",
            "set_segment_base",
            "set_timer_op",
            "set_trap_table",
            "stack_switch",
            "tmem_op",
            "update_descriptor",
            "update_va_mapping",
            "update_va_mapping_otherdomain",
            "xenoprof_op",
            "xenpmu_op",
        ],
    ),
    but(
        "VMASST_",
        // Of x86.
        &[
            "TYPE_4gb_segments",
            "TYPE_4gb_segments_notify",
            "TYPE_architectural_iopl",
            "TYPE_m2p_strict",
            "TYPE_pae_extended_cr3",
            "TYPE_writable_pagetables",
        ],
    ),
    all_of("CONSOLEIO_"),
    but("DOMID_", &["COW", "MASK"]),
    but(
        "GUEST_",
        // Windows of what is not built, and other words for the same.
        &[
            "ACPI_*",
            "FFA_*",
            "RAM_BANKS",
            "RAM_BANK_BASES",
            "RAM_BANK_SIZES",
            "RAM_BASE",
            "RAM_MAX",
            "VIRTIO_*",
            "VPCI_*",
        ],
    ),
    but(
        "XEN_E",
        // No hypercall here gives them.
        &[
            "ADDRINUSE",
            "ADDRNOTAVAIL",
            "BADF",
            "BADMSG",
            "CHILD",
            "CONNREFUSED",
            "DEADLK",
            "DEADLOCK",
            "DOM",
            "ILSEQ",
            "INTR",
            "ISCONN",
            "ISDIR",
            "MFILE",
            "MLINK",
            "MSGSIZE",
            "NAMETOOLONG",
            "NFILE",
            "NOEXEC",
            "NOLCK",
            "NOTCONN",
            "NOTDIR",
            "NOTEMPTY",
            "NOTSOCK",
            "RANGE",
            "RESTART",
            "ROFS",
            "TIME",
            "TIMEDOUT",
            "WOULDBLOCK",
            "XDEV",
        ],
    ),
];

/// What `defined` (Xen's names) holds of the families and neither `used` (Xen's names for ours) nor
/// the lists above do.
pub(crate) fn unknown(defined: &BTreeSet<String>, used: &BTreeSet<String>) -> Vec<String> {
    let is_listed = |family: &Family, rest: &str| {
        family
            .without
            .iter()
            .any(|one| match one.strip_suffix('*') {
                Some(start) => rest.starts_with(start),
                None => rest == *one,
            })
    };
    defined
        .iter()
        .filter(|name| !used.contains(*name))
        .filter(|name| {
            let mut families = FAMILIES.iter();
            families.any(|family| {
                let rest = name.strip_prefix(family.prefix);
                rest.is_some_and(|rest| !is_listed(family, rest))
            })
        })
        .cloned()
        .collect()
}

/// What the lists above name and Xen's headers do not have (any more).
pub(crate) fn gone(defined: &BTreeSet<String>) -> Vec<String> {
    let names = FAMILIES
        .iter()
        .flat_map(|family| family.without.iter().map(|one| (family.prefix, *one)));
    names
        .map(|(prefix, one)| format!("{prefix}{one}"))
        .filter(|name| match name.strip_suffix('*') {
            Some(start) => !defined.iter().any(|other| other.starts_with(start)),
            None => !defined.contains(name),
        })
        .collect()
}
