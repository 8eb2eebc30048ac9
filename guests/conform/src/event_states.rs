//! Every event channel operation on a port in every state, and on numbers that are none.

use core::array;

use abi::evtchn::{
    AllocUnbound, BindInterdomain, BindIpi, BindVcpu, BindVirq, Reset, SetPriority, Status, op,
};
use abi::hypercall::{EVENT_CHANNEL_OP, SCHED_OP};
use abi::sched::{self, Poll};
use abi::{DomId, Port};
use support::call::hypercall;

use crate::{
    ask::{DOMAINS, call, event},
    events::{self, on_port, status},
    say,
};

/// A port and what it is called.
type Named = (&'static str, u32);

/// Numbers of vCPUs that are asked for.
const VCPUS: [u32; 5] = [0, 1, 2, 0x1_0000, u32::MAX];

/// One port in each state, then numbers that are no ports.
fn ports() -> [Named; 22] {
    let (left, right) = events::pair();
    let half = {
        let (kept, closed) = events::pair();
        on_port(op::CLOSE, closed);
        kept
    };
    let opened = [
        ("reserved", 0),
        ("unbound", events::unbound()),
        ("left", left),
        ("right", right),
        ("half", half),
        ("ipi0", events::ipi(0)),
        ("ipi1", events::ipi(1)),
        ("virq_debug", events::virq(1, 0)),
        ("virq_timer1", events::virq(0, 1)),
        ("virq_argo", events::virq(11, 0)),
        ("free", 60),
        ("last_of_64", 63),
    ];
    let wrong = [
        64,
        127,
        1023,
        1024,
        4095,
        4096,
        0x1_ffff,
        0x2_0000,
        0x8000_0000,
        u32::MAX,
    ];
    let names = [
        "64", "127", "1023", "1024", "4095", "4096", "1ffff", "20000", "80000000", "ffffffff",
    ];
    array::from_fn(|index| match opened.get(index) {
        Some(named) => *named,
        None => (names[(index - 12).min(9)], wrong[(index - 12).min(9)]),
    })
}

/// Prints everything under the name `abi`.
pub(crate) fn print(abi: &str) {
    events::open();
    let ports = ports();
    for (name, port) in ports {
        say!(@ format_args!("{abi}.number.{name}"), "{port}");
        status(port).say(format_args!("{abi}.status.{name}"));
        say!(@ format_args!("{abi}.send.{name}"), "{}", on_port(op::SEND, port));
        say!(@ format_args!("{abi}.unmask.{name}"), "{}", on_port(op::UNMASK, port));
        say!(@ format_args!("{abi}.poll.{name}"), "{}", poll(port));
    }
    for (name, port) in ports {
        for vcpu in VCPUS {
            let structure = BindVcpu {
                port: Port(port),
                vcpu,
            };
            let item = format_args!("{abi}.bind_vcpu.{name}.{vcpu:#x}");
            event(op::BIND_VCPU, structure.to_bytes()).say(item);
        }
        say!(@ format_args!("{abi}.vcpu_now.{name}"), "{:#x}", status(port).word(12));
    }
    for (name, port) in ports {
        for priority in [0, 7, 15, 16, u32::MAX] {
            let structure = SetPriority {
                port: Port(port),
                priority,
            };
            let item = format_args!("{abi}.set_priority.{name}.{priority:#x}");
            event(op::SET_PRIORITY, structure.to_bytes()).say(item);
        }
    }
    bind_to(abi, &ports);
    for (name, port) in ports {
        say!(@ format_args!("{abi}.close.{name}"), "{}", on_port(op::CLOSE, port));
        say!(@ format_args!("{abi}.close_again.{name}"), "{}", on_port(op::CLOSE, port));
        status(port).say(format_args!("{abi}.status_after_close.{name}"));
    }
    say!(@ format_args!("{abi}.lowest_again"), "{}", events::unbound());
    domains(abi);
    numbers(abi);
    unknown(abi);
    events::quiet();
}

/// Looks at one port without waiting.
fn poll(port: u32) -> i64 {
    let list = [port];
    let structure = Poll {
        ports: list.as_ptr() as u64,
        nr_ports: 1,
        timeout: 1,
    };
    call(SCHED_OP, sched::op::POLL, structure.to_bytes()).result
}

/// Binding to each port: what is bound is closed again.
fn bind_to(abi: &str, ports: &[Named]) {
    for &(name, port) in ports {
        let structure = BindInterdomain {
            remote_dom: DomId::SELF,
            remote_port: Port(port),
            local_port: Port(u32::MAX),
        };
        let reply = event(op::BIND_INTERDOMAIN, structure.to_bytes());
        reply.say(format_args!("{abi}.bind_interdomain.{name}"));
        if reply.result == 0 {
            on_port(op::CLOSE, reply.word(8));
        }
    }
}

/// Every operation that names a domain, with all kinds of numbers. (Never another domain's reset.)
fn domains(abi: &str) {
    events::reset();
    for (name, dom) in DOMAINS {
        let structure = AllocUnbound {
            dom,
            remote_dom: DomId::SELF,
            port: Port(7),
        };
        let item = format_args!("{abi}.alloc_unbound.in.{name}");
        event(op::ALLOC_UNBOUND, structure.to_bytes()).say(item);
        let structure = AllocUnbound {
            dom: DomId::SELF,
            remote_dom: dom,
            port: Port(7),
        };
        let item = format_args!("{abi}.alloc_unbound.for.{name}");
        event(op::ALLOC_UNBOUND, structure.to_bytes()).say(item);
        for remote_port in [0, 1, 2, 63, 5000] {
            let structure = BindInterdomain {
                remote_dom: dom,
                remote_port: Port(remote_port),
                local_port: Port(7),
            };
            let item = format_args!("{abi}.bind_interdomain.at.{name}.{remote_port}");
            event(op::BIND_INTERDOMAIN, structure.to_bytes()).say(item);
        }
        let structure = Status {
            dom,
            port: Port(1),
            ..Status::default()
        };
        event(op::STATUS, structure.to_bytes()).say(format_args!("{abi}.status.of.{name}"));
        if dom != DomId::SELF {
            let item = format_args!("{abi}.reset.of.{name}");
            event(op::RESET, Reset { dom }.to_bytes()).say(item);
        }
    }
    say!(@ format_args!("{abi}.reset"), "{}", events::reset());
}

/// Virtual interrupts and vCPUs by all kinds of numbers.
fn numbers(abi: &str) {
    for virq in (0..26).chain([0x100, 0x8000_0000, u32::MAX]) {
        for vcpu in [0, 1, 2, u32::MAX] {
            let structure = BindVirq {
                virq,
                vcpu,
                port: Port(7),
            };
            let item = format_args!("{abi}.bind_virq.{virq:#x}.{vcpu:#x}");
            let reply = event(op::BIND_VIRQ, structure.to_bytes()).say(item);
            // So that each starts from the same: one that is open is a difference already.
            if reply.result == 0 {
                on_port(op::CLOSE, reply.word(8));
            }
        }
    }
    for vcpu in VCPUS {
        let structure = BindIpi {
            vcpu,
            port: Port(7),
        };
        event(op::BIND_IPI, structure.to_bytes()).say(format_args!("{abi}.bind_ipi.{vcpu:#x}"));
    }
    events::virq(1, 0);
    let again = BindVirq {
        virq: 1,
        vcpu: 0,
        port: Port(7),
    };
    event(op::BIND_VIRQ, again.to_bytes()).say(format_args!("{abi}.bind_virq.again"));
    let pirq = [
        3_u32.to_le_bytes(),
        0_u32.to_le_bytes(),
        7_u32.to_le_bytes(),
    ];
    let pirq: [u8; 12] = *pirq.as_flattened().first_chunk().unwrap_or(&[0; 12]);
    event(op::BIND_PIRQ, pirq).say(format_args!("{abi}.bind_pirq"));
    events::reset();
}

/// Sub-operations that are none, also ones that are one in the lower half of the register.
fn unknown(abi: &str) {
    for command in [
        14_u64,
        15,
        16,
        100,
        0x7fff_ffff,
        0x8000_0000,
        u64::MAX,
        1 << 32 | 5,
        1 << 63,
    ] {
        let structure = Status {
            dom: DomId::SELF,
            ..Status::default()
        }
        .to_bytes();
        let at = structure.as_ptr() as u64;
        let answer = hypercall(EVENT_CHANNEL_OP, [command, at, 0, 0]).cast_signed();
        say!(@ format_args!("{abi}.unknown.{command:#x}"), "{answer}");
    }
    events::reset();
}
