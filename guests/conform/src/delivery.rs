//! What the guest sees when events are sent, 2-level: pending bits, selector, upcalls, polling.

use abi::evtchn::{BindVcpu, op};
use abi::hypercall::SCHED_OP;
use abi::sched::{self, Poll};
use abi::shared_info::{PENDING_OFFSET, vcpu_info};
use abi::{Port, VcpuId};
use support::timer;

use crate::{
    ask::{call, event, load64, store64},
    events::{self, SHARED_INFO, Seen, on_port},
    say,
};

/// The vCPU that never runs here.
const SECOND: VcpuId = VcpuId(1);

pub(crate) fn print() {
    events::open();
    binding();
    sending();
    masks();
    closing();
    polling();
    limits();
    events::close_all();
    say!("deliver.reset_without_page", "{}", events::reset());
}

/// Clears what the last step left, and gives an item's name to what the next one shows.
macro_rules! seen {
    ($item:literal, $($step:tt)*) => {{
        events::quiet();
        let result: i64 = { $($step)* };
        say!($item, "{result}: {Seen}");
    }};
}

fn binding() {
    let remote = events::unbound();
    seen!("deliver.send_unbound", on_port(op::SEND, remote));
    seen!("deliver.bind_interdomain", events::pair().1.into());
    seen!("deliver.bind_ipi", events::ipi(0).into());
    seen!("deliver.bind_virq", events::virq(1, 0).into());
    seen!("deliver.alloc_unbound", events::unbound().into());
    events::reset();
}

fn sending() {
    let (left, right) = events::pair();
    seen!("deliver.left", on_port(op::SEND, left));
    seen!("deliver.right", on_port(op::SEND, right));
    let ipi = events::ipi(0);
    seen!("deliver.ipi", on_port(op::SEND, ipi));
    seen!("deliver.ipi_twice", on_port(op::SEND, ipi); on_port(op::SEND, ipi));
    let other = events::ipi(SECOND.0.into());
    seen!("deliver.ipi_of_second", on_port(op::SEND, other));
    let virq = events::virq(1, 0);
    seen!("deliver.virq", on_port(op::SEND, virq));
    // An upcall that is still noted is not made again; nor is a port that is pending.
    events::quiet();
    store64(SHARED_INFO, 1);
    say!(
        "deliver.upcall_was_noted",
        "{}: {Seen}",
        on_port(op::SEND, ipi)
    );
    events::quiet();
    store64(SHARED_INFO + u64::from(vcpu_info::PENDING_SEL_OFFSET), 1);
    say!(
        "deliver.selector_was_set",
        "{}: {Seen}",
        on_port(op::SEND, ipi)
    );
    events::quiet();
    store64(SHARED_INFO + u64::from(PENDING_OFFSET), u64::MAX);
    say!("deliver.was_pending", "{}: {Seen}", on_port(op::SEND, ipi));
    moved(left, right);
    events::reset();
}

/// Ports that notify another vCPU from now on.
fn moved(left: u32, right: u32) {
    let bind = |port, vcpu| {
        let structure = BindVcpu {
            port: Port(port),
            vcpu,
        };
        event(op::BIND_VCPU, structure.to_bytes()).result
    };
    seen!("deliver.moved_away", bind(right, 1); on_port(op::SEND, left));
    seen!("deliver.moved_back", bind(right, 0); on_port(op::SEND, left));
    seen!("deliver.moved_while_pending",
        on_port(op::SEND, left); store64(SHARED_INFO, 0); bind(right, 1); bind(right, 0));
}

fn masks() {
    let ipi = events::ipi(0);
    let masked_send = || {
        events::set_mask(ipi, true);
        on_port(op::SEND, ipi)
    };
    seen!("mask.send", masked_send());
    seen!("mask.unmask_pending", masked_send(); on_port(op::UNMASK, ipi));
    seen!("mask.unmask_nothing", events::set_mask(ipi, true); on_port(op::UNMASK, ipi));
    seen!("mask.unmask_not_masked", on_port(op::UNMASK, ipi));
    seen!("mask.unmask_pending_not_masked", on_port(op::SEND, ipi); on_port(op::UNMASK, ipi));
    seen!("mask.unmask_0", store64(SHARED_INFO + u64::from(PENDING_OFFSET), 1);
        events::set_mask(0, true); on_port(op::UNMASK, 0));
    seen!("mask.unmask_closed", store64(SHARED_INFO + u64::from(PENDING_OFFSET), 1 << 50);
        events::set_mask(50, true); on_port(op::UNMASK, 50));
    say!(
        "mask.left_by_unmask_closed",
        "{:#x}",
        load64(SHARED_INFO + 560)
    );
    seen!("mask.guest_unmasks", masked_send(); events::set_mask(ipi, false); 0);
    events::reset();
}

fn closing() {
    let (left, right) = events::pair();
    seen!("close.pending", on_port(op::SEND, left); on_port(op::CLOSE, right));
    seen!("close.send_to_half", on_port(op::SEND, left));
    let ipi = events::ipi(0);
    seen!("close.masked", events::set_mask(ipi, true); on_port(op::CLOSE, ipi));
    say!("close.mask_stays", "{:#x}", load64(SHARED_INFO + 560));
    let first = events::ipi(0);
    seen!("reset.pending", on_port(op::SEND, first); events::reset());
    say!("reset.lowest", "{}", events::unbound());
    events::reset();
}

fn polling() {
    let ipi = events::ipi(0);
    let poll = |ports: &[u32], count: u32, timeout: u64| {
        let ports = ports.as_ptr() as u64;
        let structure = Poll {
            ports,
            nr_ports: count,
            timeout,
        };
        call(SCHED_OP, sched::op::POLL, structure.to_bytes()).result
    };
    let many = [ipi; 129];
    say!("poll.none_past", "{}", poll(&many, 0, 1));
    say!("poll.one_past", "{}", poll(&many, 1, 1));
    say!("poll.most_past", "{}", poll(&many, 128, 1));
    say!("poll.too_many", "{}", poll(&many, 129, 1));
    say!("poll.all_ones", "{}", poll(&many, u32::MAX, 1));
    say!("poll.good_and_bad", "{}", poll(&[ipi, 60], 2, 1));
    say!("poll.good_and_beyond", "{}", poll(&[ipi, 64], 2, 1));
    say!("poll.bad_and_pending", "{}", {
        on_port(op::SEND, ipi);
        poll(&[60, ipi], 2, 1)
    });
    say!("poll.pending_for_ever", "{}", poll(&many, 3, 0));
    say!("poll.masked_pending_for_ever", "{}", {
        events::set_mask(ipi, true);
        poll(&many, 1, 0)
    });
    events::quiet();
    // Waiting ends at the time, or with an interrupt.
    let before = timer::virtual_count();
    let soon = now_ns() + 200_000;
    say!("poll.until_soon", "{}", poll(&many, 1, soon));
    let waited = timer::virtual_count() - before >= timer::frequency() / 5000 / 2;
    say!("poll.waited", "{waited}");
    timer::set_virtual(timer::virtual_count() + timer::frequency() / 5000);
    say!("poll.until_interrupt", "{}", poll(&many, 1, 0));
    support::write_register!("cntv_ctl_el0", 0);
    events::reset();
    events::quiet();
}

/// System time: as far as a guest can tell, that since its start.
fn now_ns() -> u64 {
    let (count, frequency) = (timer::physical_count(), timer::frequency());
    count / frequency * 1_000_000_000 + count % frequency * 1_000_000_000 / frequency
}

/// How many ports there are, and what comes then.
fn limits() {
    let mut last = 0;
    let mut count = 0;
    loop {
        let port = events::unbound();
        if port == 0 || count == 5000 {
            break;
        }
        last = port;
        count += 1;
    }
    say!("limit.ports", "{count}, the last {last}");
    let structure = abi::evtchn::BindIpi {
        vcpu: 0,
        port: Port(9),
    };
    event(op::BIND_IPI, structure.to_bytes()).say(format_args!("limit.one_more"));
    say!("limit.close", "{}", on_port(op::CLOSE, 500));
    say!("limit.lowest_free", "{}", events::unbound());
    events::status(last).say(format_args!("limit.status_of_last"));
    events::status(last + 1).say(format_args!("limit.status_behind"));
    say!("limit.reset", "{}", events::reset());
    events::status(last).say(format_args!("limit.status_after_reset"));
    say!("limit.lowest_after_reset", "{}", events::unbound());
    events::reset();
}
