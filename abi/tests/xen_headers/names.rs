//! What things are called in Xen's headers.

/// How the constants of a file's module are called.
pub(crate) struct Rule {
    pub(crate) file: &'static str,
    /// The module, an enum, `list` for a list macro, or "" for the file itself.
    pub(crate) module: &'static str,
    prefix: &'static str,
    case: Case,
    /// Those that do not follow the rule; "" for what Xen has no name for.
    but: &'static [(&'static str, &'static str)],
}

#[derive(Clone, Copy)]
enum Case {
    Upper,
    Lower,
    /// `BadPage` is `bad_page`.
    Snake,
}

impl Rule {
    /// The C expression for a constant.
    pub(crate) fn theirs(&self, ours: &str) -> Option<String> {
        if let Some((_, theirs)) = self.but.iter().find(|(name, _)| *name == ours) {
            return (!theirs.is_empty()).then(|| (*theirs).into());
        }
        let name = match self.case {
            Case::Upper => ours.to_uppercase(),
            Case::Lower => ours.to_lowercase(),
            Case::Snake => ours
                .char_indices()
                .flat_map(|(at, c)| {
                    let dash = (at > 0 && c.is_uppercase()).then_some('_');
                    dash.into_iter().chain(c.to_lowercase())
                })
                .collect(),
        };
        Some(format!("{}{name}", self.prefix))
    }
}

const fn rule(
    file: &'static str,
    module: &'static str,
    prefix: &'static str,
    case: Case,
    but: &'static [(&'static str, &'static str)],
) -> Rule {
    Rule {
        file,
        module,
        prefix,
        case,
        but,
    }
}

use Case::{Lower, Snake, Upper};

/// All modules of constants.
pub(crate) const CONSTANTS: &[Rule] = &[
    rule("evtchn", "op", "EVTCHNOP_", Lower, &[]),
    rule("evtchn", "status", "EVTCHNSTAT_", Lower, &[]),
    rule("evtchn", "virq", "VIRQ_", Upper, &[("COUNT", "NR_VIRQS")]),
    rule(
        "evtchn",
        "two_level",
        "",
        Upper,
        &[("PORTS", "EVTCHN_2L_NR_CHANNELS")],
    ),
    rule(
        "evtchn",
        "fifo",
        "EVTCHN_FIFO_",
        Upper,
        &[
            ("PORTS", ""),
            ("PENDING", "1u << EVTCHN_FIFO_PENDING"),
            ("MASKED", "1u << EVTCHN_FIFO_MASKED"),
            ("LINKED", "1u << EVTCHN_FIFO_LINKED"),
            ("BUSY", "1u << EVTCHN_FIFO_BUSY"),
            ("WORDS_PER_PAGE", "4096 / sizeof(event_word_t)"),
            ("PRIORITY_HIGHEST", "EVTCHN_FIFO_PRIORITY_MAX"),
            ("PRIORITY_LOWEST", "EVTCHN_FIFO_PRIORITY_MIN"),
            ("QUEUES", "EVTCHN_FIFO_MAX_QUEUES"),
            (
                "CONTROL_BLOCK_SIZE",
                "sizeof(struct evtchn_fifo_control_block)",
            ),
            (
                "READY_OFFSET",
                "offsetof(struct evtchn_fifo_control_block, ready)",
            ),
            (
                "HEADS_OFFSET",
                "offsetof(struct evtchn_fifo_control_block, head)",
            ),
        ],
    ),
    rule("sched", "op", "SCHEDOP_", Lower, &[]),
    rule(
        "sched",
        "reason",
        "SHUTDOWN_",
        Lower,
        &[("MAX", "SHUTDOWN_MAX")],
    ),
    rule("vcpu", "op", "VCPUOP_", Lower, &[]),
    rule("vcpu", "runstate", "RUNSTATE_", Lower, &[("UPDATE", "")]),
    rule(
        "hvm",
        "op",
        "HVMOP_",
        Lower,
        &[("SET_EVTCHN_UPCALL_VECTOR", "")],
    ),
    rule(
        "hvm",
        "param",
        "HVM_PARAM_",
        Upper,
        &[("COUNT", "HVM_NR_PARAMS")],
    ),
    rule(
        "feature",
        "",
        "XENFEAT_",
        Lower,
        &[
            ("ARM_SMCCC_SUPPORTED", "XENFEAT_ARM_SMCCC_supported"),
            ("XEN_4_20_DOMU", ""),
        ],
    ),
    rule(
        "version",
        "",
        "XENVER_",
        Lower,
        &[
            ("EXTRAVERSION_LEN", "XEN_EXTRAVERSION_LEN"),
            ("CAPABILITIES_LEN", "XEN_CAPABILITIES_INFO_LEN"),
            ("CHANGESET_LEN", "XEN_CHANGESET_INFO_LEN"),
            ("COMMANDLINE_LEN", "sizeof(xen_commandline_t)"),
            ("HANDLE_LEN", "sizeof(xen_domain_handle_t)"),
        ],
    ),
    rule(
        "version",
        "compile_info",
        "",
        Lower,
        &[
            ("SIZE", "sizeof(struct xen_compile_info)"),
            (
                "COMPILER_OFFSET",
                "offsetof(struct xen_compile_info, compiler)",
            ),
            (
                "COMPILE_BY_OFFSET",
                "offsetof(struct xen_compile_info, compile_by)",
            ),
            (
                "COMPILE_DOMAIN_OFFSET",
                "offsetof(struct xen_compile_info, compile_domain)",
            ),
            (
                "COMPILE_DATE_OFFSET",
                "offsetof(struct xen_compile_info, compile_date)",
            ),
        ],
    ),
    rule("memory", "op", "XENMEM_", Lower, &[]),
    rule("memory", "space", "XENMAPSPACE_", Lower, &[]),
    rule("memory", "resource", "XENMEM_resource_", Lower, &[]),
    rule("grant", "op", "GNTTABOP_", Lower, &[]),
    rule("grant", "map_flag", "GNTMAP_", Lower, &[]),
    rule("grant", "copy_flag", "GNTCOPY_", Lower, &[]),
    rule(
        "grant",
        "GrantStatus",
        "GNTST_",
        Snake,
        &[("Again", "GNTST_eagain")],
    ),
    rule(
        "grant",
        "entry",
        "GTF_",
        Lower,
        &[
            ("SIZE", "sizeof(struct grant_entry_v1)"),
            ("PER_FRAME", "4096 / sizeof(struct grant_entry_v1)"),
            ("RESERVED", "GNTTAB_NR_RESERVED_ENTRIES"),
            ("CONSOLE", "GNTTAB_RESERVED_CONSOLE"),
            ("XENSTORE", "GNTTAB_RESERVED_XENSTORE"),
        ],
    ),
    rule("hypercall", "list", "__HYPERVISOR_", Lower, &[]),
    rule(
        "hypercall",
        "vm_assist",
        "VMASST_",
        Lower,
        &[
            ("ENABLE", "VMASST_CMD_enable"),
            ("DISABLE", "VMASST_CMD_disable"),
            (
                "TYPE_RUNSTATE_UPDATE_FLAG",
                "VMASST_TYPE_runstate_update_flag",
            ),
        ],
    ),
    rule("hypercall", "console_io", "CONSOLEIO_", Lower, &[]),
    rule(
        "shared_info",
        "",
        "",
        Upper,
        &[
            ("SIZE", "sizeof(struct shared_info)"),
            (
                "VCPU_INFO_OFFSET",
                "offsetof(struct shared_info, vcpu_info)",
            ),
            (
                "PENDING_OFFSET",
                "offsetof(struct shared_info, evtchn_pending)",
            ),
            ("MASK_OFFSET", "offsetof(struct shared_info, evtchn_mask)"),
            (
                "WC_VERSION_OFFSET",
                "offsetof(struct shared_info, wc_version)",
            ),
            ("WC_SEC_OFFSET", "offsetof(struct shared_info, wc_sec)"),
            ("WC_NSEC_OFFSET", "offsetof(struct shared_info, wc_nsec)"),
            (
                "WC_SEC_HI_OFFSET",
                "offsetof(struct shared_info, wc_sec_hi)",
            ),
        ],
    ),
    rule(
        "shared_info",
        "vcpu_info",
        "",
        Upper,
        &[
            ("SIZE", "sizeof(struct vcpu_info)"),
            ("ALIGN", "_Alignof(struct vcpu_info)"),
            (
                "UPCALL_PENDING_OFFSET",
                "offsetof(struct vcpu_info, evtchn_upcall_pending)",
            ),
            (
                "PENDING_SEL_OFFSET",
                "offsetof(struct vcpu_info, evtchn_pending_sel)",
            ),
        ],
    ),
    rule("errno", "list", "XEN_E", Upper, &[("TooBig", "XEN_E2BIG")]),
];

/// A structure: our name, theirs, and fields that are called otherwise.
type Names = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
);

/// All files with structures.
pub(crate) const STRUCTURES: &[(&str, &[Names])] = &[
    (
        "evtchn",
        &[
            ("AllocUnbound", "evtchn_alloc_unbound", &[]),
            ("BindInterdomain", "evtchn_bind_interdomain", &[]),
            ("BindVirq", "evtchn_bind_virq", &[]),
            ("BindIpi", "evtchn_bind_ipi", &[]),
            ("OnePort", "evtchn_close", &[]),
            (
                "Status",
                "evtchn_status",
                &[("detail", "u.virq"), ("remote_port", "u.interdomain.port")],
            ),
            ("BindVcpu", "evtchn_bind_vcpu", &[]),
            ("Reset", "evtchn_reset", &[]),
            ("InitControl", "evtchn_init_control", &[("pad", "_pad")]),
            ("ExpandArray", "evtchn_expand_array", &[]),
            ("SetPriority", "evtchn_set_priority", &[]),
        ],
    ),
    (
        "sched",
        &[
            ("Shutdown", "sched_shutdown", &[]),
            ("Poll", "sched_poll", &[]),
            ("RemoteShutdown", "sched_remote_shutdown", &[]),
            ("Watchdog", "sched_watchdog", &[]),
            ("PinOverride", "sched_pin_override", &[]),
        ],
    ),
    (
        "vcpu",
        &[
            ("RegisterVcpuInfo", "vcpu_register_vcpu_info", &[]),
            (
                "RegisterRunstateArea",
                "vcpu_register_runstate_memory_area",
                &[("address", "addr")],
            ),
            ("RunstateInfo", "vcpu_runstate_info", &[]),
        ],
    ),
    ("hvm", &[("Param", "xen_hvm_param", &[])]),
    (
        "version",
        &[
            ("FeatureInfo", "xen_feature_info", &[]),
            ("PlatformParameters", "xen_platform_parameters", &[]),
        ],
    ),
    (
        "memory",
        &[
            ("Reservation", "xen_memory_reservation", &[]),
            ("Domain", "xen_memory_domain", &[]),
            ("AddToPhysmap", "xen_add_to_physmap", &[]),
            (
                "AddToPhysmapBatch",
                "xen_add_to_physmap_batch",
                &[("foreign_domid", "u.foreign_domid")],
            ),
            ("RemoveFromPhysmap", "xen_remove_from_physmap", &[]),
            (
                "AcquireResource",
                "xen_mem_acquire_resource",
                &[("kind", "type")],
            ),
        ],
    ),
    (
        "grant",
        &[
            ("Map", "gnttab_map_grant_ref", &[("gref", "ref")]),
            ("Unmap", "gnttab_unmap_grant_ref", &[]),
            ("SetupTable", "gnttab_setup_table", &[]),
            ("CopyEnd", "gnttab_copy_ptr", &[("place", "u")]),
            ("Copy", "gnttab_copy", &[]),
            ("QuerySize", "gnttab_query_size", &[]),
            ("SetVersion", "gnttab_set_version", &[]),
            ("GetVersion", "gnttab_get_version", &[]),
            ("SwapGrantRef", "gnttab_swap_grant_ref", &[]),
            ("CacheFlush", "gnttab_cache_flush", &[("place", "a")]),
        ],
    ),
    ("hypercall", &[("MulticallEntry", "multicall_entry", &[])]),
];
