//! Event channels: operations and structures (public/event_channel.h).

use crate::wire::wire;
use crate::{DomId, Port};

/// Sub-operations of `event_channel_op`, `EVTCHNOP_*`. Each takes a pointer to its structure.
pub mod op {
    /// [`BindInterdomain`](super::BindInterdomain).
    pub const BIND_INTERDOMAIN: u32 = 0;
    /// [`BindVirq`](super::BindVirq).
    pub const BIND_VIRQ: u32 = 1;
    /// Physical interrupts: not on Arm.
    pub const BIND_PIRQ: u32 = 2;
    /// [`OnePort`](super::OnePort).
    pub const CLOSE: u32 = 3;
    /// [`OnePort`](super::OnePort).
    pub const SEND: u32 = 4;
    /// [`Status`](super::Status).
    pub const STATUS: u32 = 5;
    /// [`AllocUnbound`](super::AllocUnbound).
    pub const ALLOC_UNBOUND: u32 = 6;
    /// [`BindIpi`](super::BindIpi).
    pub const BIND_IPI: u32 = 7;
    /// [`BindVcpu`](super::BindVcpu).
    pub const BIND_VCPU: u32 = 8;
    /// [`OnePort`](super::OnePort).
    pub const UNMASK: u32 = 9;
    /// [`Reset`](super::Reset).
    pub const RESET: u32 = 10;
    /// [`InitControl`](super::InitControl).
    pub const INIT_CONTROL: u32 = 11;
    /// [`ExpandArray`](super::ExpandArray).
    pub const EXPAND_ARRAY: u32 = 12;
    /// [`SetPriority`](super::SetPriority).
    pub const SET_PRIORITY: u32 = 13;
}

wire! {
    /// Argument of `ALLOC_UNBOUND`.
    AllocUnbound: 8 {
        /// In: the domain to allocate in.
        dom: DomId = 0,
        /// In: the domain that may bind to the port.
        remote_dom: DomId = 2,
        /// Out.
        port: Port = 4,
    }

    /// Argument of `BIND_INTERDOMAIN`.
    BindInterdomain: 12 {
        /// In: the domain that allocated the port to bind to.
        remote_dom: DomId = 0,
        /// In: that port.
        remote_port: Port = 4,
        /// Out: the caller's own end.
        local_port: Port = 8,
    }

    /// Argument of `BIND_VIRQ`.
    BindVirq: 12 {
        /// In: [`virq`] number.
        virq: u32 = 0,
        /// In: the vCPU to notify; 0 for a VIRQ that is not one of a vCPU.
        vcpu: u32 = 4,
        /// Out.
        port: Port = 8,
    }

    /// Argument of `BIND_IPI`.
    BindIpi: 8 {
        /// In: the vCPU to notify.
        vcpu: u32 = 0,
        /// Out.
        port: Port = 4,
    }

    /// Argument of `CLOSE`, `SEND` and `UNMASK`.
    OnePort: 4 {
        /// In.
        port: Port = 0,
    }

    /// Argument of `STATUS`.
    Status: 24 {
        /// In: the domain whose port it is.
        dom: DomId = 0,
        /// In.
        port: Port = 4,
        /// Out: one of [`status`].
        status: u32 = 8,
        /// Out: the vCPU that is notified.
        vcpu: u32 = 12,
        /// Out: the remote domain in bits 15:0 (`UNBOUND`, `INTERDOMAIN`), or the VIRQ's number.
        detail: u32 = 16,
        /// Out: the remote port (`INTERDOMAIN`).
        remote_port: Port = 20,
    }

    /// Argument of `BIND_VCPU`.
    BindVcpu: 8 {
        /// In.
        port: Port = 0,
        /// In: the vCPU to notify from now on.
        vcpu: u32 = 4,
    }

    /// Argument of `RESET`.
    Reset: 2 {
        /// In: the domain to reset.
        dom: DomId = 0,
    }

    /// Argument of `INIT_CONTROL`.
    InitControl: 24 {
        /// In: the frame that holds the control block.
        control_gfn: u64 = 0,
        /// In: the block's offset in it, in bytes, a multiple of 8.
        offset: u32 = 8,
        /// In: the vCPU whose block it is.
        vcpu: u32 = 12,
        /// Out: [`fifo::LINK_BITS`].
        link_bits: u8 = 16,
        /// Not used.
        pad: [u8; 7] = 17,
    }

    /// Argument of `EXPAND_ARRAY`.
    ExpandArray: 8 {
        /// In: the frame with the next 1024 event words.
        array_gfn: u64 = 0,
    }

    /// Argument of `SET_PRIORITY`.
    SetPriority: 8 {
        /// In.
        port: Port = 0,
        /// In: 0 (highest) to 15.
        priority: u32 = 4,
    }
}

/// `EVTCHNSTAT_*`.
pub mod status {
    /// Not in use.
    pub const CLOSED: u32 = 0;
    /// Waiting for the remote domain to bind.
    pub const UNBOUND: u32 = 1;
    /// Connected to a remote domain's port.
    pub const INTERDOMAIN: u32 = 2;
    /// Bound to a physical interrupt.
    pub const PIRQ: u32 = 3;
    /// Bound to a virtual interrupt.
    pub const VIRQ: u32 = 4;
    /// Bound for interrupts between the domain's own vCPUs.
    pub const IPI: u32 = 5;
}

/// Virtual interrupts, `VIRQ_*` (public/xen.h).
pub mod virq {
    /// A vCPU's timer.
    pub const TIMER: u32 = 0;
    /// A vCPU is asked to show its state.
    pub const DEBUG: u32 = 1;
    /// Input on the emergency console.
    pub const CONSOLE: u32 = 2;
    /// A domain shut down or died.
    pub const DOM_EXC: u32 = 3;
    /// Trace buffers hold records.
    pub const TBUF: u32 = 4;
    /// A domain paused for its debugger.
    pub const DEBUGGER: u32 = 6;
    /// A vCPU's profiling sample.
    pub const XENOPROF: u32 = 7;
    /// The console ring holds data.
    pub const CON_RING: u32 = 8;
    /// A physical CPU came or went.
    pub const PCPU_STATE: u32 = 9;
    /// A memory event.
    pub const MEM_EVENT: u32 = 10;
    /// An Argo message.
    pub const ARGO: u32 = 11;
    /// Memory is low.
    pub const ENOMEM: u32 = 12;
    /// A vCPU's performance counter.
    pub const XENPMU: u32 = 13;
    /// The first of eight for the architecture.
    pub const ARCH_0: u32 = 16;
    /// How many numbers there are, `NR_VIRQS`.
    pub const COUNT: u32 = 24;
}

/// The 2-level ABI's numbers.
pub mod two_level {
    /// Ports, `EVTCHN_2L_NR_CHANNELS` with words of 64 bits.
    pub const PORTS: u32 = 4096;
}

/// The FIFO ABI's numbers, `EVTCHN_FIFO_*`.
pub mod fifo {
    /// Bits of a link.
    pub const LINK_BITS: u32 = 17;
    /// A link's place in an event word.
    pub const LINK_MASK: u32 = (1 << LINK_BITS) - 1;
    /// Ports.
    pub const PORTS: u32 = 1 << LINK_BITS;
    /// Event word: an event is waiting.
    pub const PENDING: u32 = 1 << 31;
    /// Event word: the guest wants no event; changed by the guest alone.
    pub const MASKED: u32 = 1 << 30;
    /// Event word: on a queue.
    pub const LINKED: u32 = 1 << 29;
    /// Event word: the hypervisor is changing the link, the guest must not unmask.
    pub const BUSY: u32 = 1 << 28;
    /// Event words in an array page.
    pub const WORDS_PER_PAGE: u32 = 1024;
    /// Array pages at most.
    pub const MAX_PAGES: u32 = PORTS / WORDS_PER_PAGE;
    /// The highest priority.
    pub const PRIORITY_HIGHEST: u32 = 0;
    /// What a port starts with.
    pub const PRIORITY_DEFAULT: u32 = 7;
    /// The lowest priority.
    pub const PRIORITY_LOWEST: u32 = 15;
    /// Queues of a vCPU, one for each priority.
    pub const QUEUES: usize = 16;
    /// A control block's bytes.
    pub const CONTROL_BLOCK_SIZE: u32 = 72;
    /// In a control block: one bit for each queue that is not empty, u32.
    pub const READY_OFFSET: u32 = 0;
    /// In a control block: the queues' first ports, u32 each.
    pub const HEADS_OFFSET: u32 = 8;
}
