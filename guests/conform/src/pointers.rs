//! Every structure of every call at addresses that are no memory, or not what the call needs.

use abi::arm::{GICV3_DISTRIBUTOR, MAGIC, RAM_BANK_0, VPL011};
use abi::grant::{Map, map_flag, op as grant_op};
use abi::hypercall::{
    EVENT_CHANNEL_OP, GRANT_TABLE_OP, HVM_OP, MEMORY_OP, SCHED_OP, VCPU_OP, XEN_VERSION,
};
use abi::{DomId, PAGE_SIZE, evtchn, memory, sched, vcpu};
use support::call::hypercall;

use crate::{
    answer::attempt_only,
    ask::{OWN, UNMAPPED, call, frame, load64, page, store_bytes, store32, store64},
    events, say, stage_one,
};

/// A call with a structure of so many bytes.
#[derive(Clone, Copy)]
struct Form {
    name: &'static str,
    number: u64,
    command: u64,
    bytes: u64,
    /// The structure's first words, for a call that succeeds or fails for another reason.
    words: [u32; 6],
}

const SELF: u32 = DomId::SELF.0 as u32;

const fn form(name: &'static str, number: u64, command: u32, bytes: u64, words: [u32; 6]) -> Form {
    Form {
        name,
        number,
        command: command as u64,
        bytes,
        words,
    }
}

const FORMS: [Form; 30] = [
    form(
        "alloc_unbound",
        EVENT_CHANNEL_OP,
        evtchn::op::ALLOC_UNBOUND,
        8,
        [SELF | SELF << 16, 0, 0, 0, 0, 0],
    ),
    form(
        "bind_interdomain",
        EVENT_CHANNEL_OP,
        evtchn::op::BIND_INTERDOMAIN,
        12,
        [SELF, 1, 0, 0, 0, 0],
    ),
    form(
        "bind_virq",
        EVENT_CHANNEL_OP,
        evtchn::op::BIND_VIRQ,
        12,
        [1, 0, 0, 0, 0, 0],
    ),
    form(
        "bind_ipi",
        EVENT_CHANNEL_OP,
        evtchn::op::BIND_IPI,
        8,
        [0; 6],
    ),
    form(
        "bind_pirq",
        EVENT_CHANNEL_OP,
        evtchn::op::BIND_PIRQ,
        12,
        [0; 6],
    ),
    form(
        "close",
        EVENT_CHANNEL_OP,
        evtchn::op::CLOSE,
        4,
        [60, 0, 0, 0, 0, 0],
    ),
    form(
        "send",
        EVENT_CHANNEL_OP,
        evtchn::op::SEND,
        4,
        [60, 0, 0, 0, 0, 0],
    ),
    form(
        "status",
        EVENT_CHANNEL_OP,
        evtchn::op::STATUS,
        24,
        [SELF, 60, 0, 0, 0, 0],
    ),
    form(
        "bind_vcpu",
        EVENT_CHANNEL_OP,
        evtchn::op::BIND_VCPU,
        8,
        [60, 0, 0, 0, 0, 0],
    ),
    form(
        "unmask",
        EVENT_CHANNEL_OP,
        evtchn::op::UNMASK,
        4,
        [60, 0, 0, 0, 0, 0],
    ),
    form(
        "reset",
        EVENT_CHANNEL_OP,
        evtchn::op::RESET,
        2,
        [2, 0, 0, 0, 0, 0],
    ),
    form(
        "init_control",
        EVENT_CHANNEL_OP,
        evtchn::op::INIT_CONTROL,
        24,
        [0, 0, 1, 9, 0, 0],
    ),
    form(
        "expand_array",
        EVENT_CHANNEL_OP,
        evtchn::op::EXPAND_ARRAY,
        8,
        [0; 6],
    ),
    form(
        "set_priority",
        EVENT_CHANNEL_OP,
        evtchn::op::SET_PRIORITY,
        8,
        [60, 0, 0, 0, 0, 0],
    ),
    form(
        "current",
        MEMORY_OP,
        memory::op::CURRENT_RESERVATION,
        2,
        [SELF, 0, 0, 0, 0, 0],
    ),
    form(
        "maximum",
        MEMORY_OP,
        memory::op::MAXIMUM_RESERVATION,
        2,
        [SELF, 0, 0, 0, 0, 0],
    ),
    form(
        "gpfn",
        MEMORY_OP,
        memory::op::MAXIMUM_GPFN,
        2,
        [SELF, 0, 0, 0, 0, 0],
    ),
    form(
        "add_to_physmap",
        MEMORY_OP,
        memory::op::ADD_TO_PHYSMAP,
        24,
        [SELF, 0, 9, 0, 0, 0],
    ),
    form(
        "remove_from_physmap",
        MEMORY_OP,
        memory::op::REMOVE_FROM_PHYSMAP,
        16,
        [SELF, 0, 0, 0, 0, 0],
    ),
    form(
        "decrease",
        MEMORY_OP,
        memory::op::DECREASE_RESERVATION,
        32,
        [0; 6],
    ),
    form(
        "query_size",
        GRANT_TABLE_OP,
        grant_op::QUERY_SIZE,
        16,
        [SELF, 0, 0, 0, 0, 0],
    ),
    form(
        "get_version",
        GRANT_TABLE_OP,
        grant_op::GET_VERSION,
        8,
        [SELF, 0, 0, 0, 0, 0],
    ),
    form(
        "set_version",
        GRANT_TABLE_OP,
        grant_op::SET_VERSION,
        4,
        [1, 0, 0, 0, 0, 0],
    ),
    form(
        "map",
        GRANT_TABLE_OP,
        grant_op::MAP_GRANT_REF,
        32,
        [0, 0, 2, 900, 1, 0],
    ),
    form(
        "unmap",
        GRANT_TABLE_OP,
        grant_op::UNMAP_GRANT_REF,
        24,
        [0, 0, 0, 0, 9999, 0],
    ),
    form(
        "copy",
        GRANT_TABLE_OP,
        grant_op::COPY,
        40,
        [0, 0, 2, 0, 0, 0],
    ),
    form("features", XEN_VERSION, 6, 8, [0; 6]),
    form("get_param", HVM_OP, 1, 16, [SELF, 18, 0, 0, 0, 0]),
    form(
        "remote_shutdown",
        SCHED_OP,
        sched::op::REMOTE_SHUTDOWN,
        8,
        [2, 0, 0, 0, 0, 0],
    ),
    form("poll", SCHED_OP, sched::op::POLL, 24, [0, 0, 0, 0, 1, 0]),
];

/// Behind the RAM.
const END: u64 = RAM_BANK_0.start() + (64 << 20);
/// A granted page that can only be read, by stage 2.
const WINDOW: u64 = MAGIC.start() + 0x30_0000;

pub(crate) fn print() {
    events::open();
    let keep: [u64; 8] = core::array::from_fn(|index| load64(END - 64 + 8 * index as u64));
    for form in FORMS {
        nowhere(form);
        in_part(form);
    }
    for (value, at) in keep.into_iter().zip((END - 64..).step_by(8)) {
        store64(at, value);
    }
    shut_down();
    read_only();
    lists();
    stage_one::with_tables(tables);
    events::close_all();
}

impl Form {
    fn ask(self, at: u64) -> i64 {
        let arguments = match self.number {
            VCPU_OP => [self.command, 0, at, 0],
            _ => [self.command, at, 1, 0],
        };
        hypercall(self.number, arguments).cast_signed()
    }

    /// Puts the structure somewhere.
    fn put(self, at: u64) {
        for (word, offset) in self.words.into_iter().zip((0..self.bytes).step_by(4)) {
            let bytes = word.to_le_bytes();
            let room = (self.bytes - offset).min(4) as usize;
            store_bytes(at + offset, &bytes[..room]);
        }
    }
}

/// Addresses with nothing behind them, and with devices.
fn nowhere(form: Form) {
    let places = [
        ("null", 0),
        ("nothing", UNMAPPED),
        ("uart", VPL011.start()),
        ("distributor", GICV3_DISTRIBUTOR.start()),
        ("behind_ram", END),
        ("kernel", 0xffff_ffff_ffff_f000),
        ("last_byte", u64::MAX),
        ("48_bits", 1 << 48),
        ("52_bits", 1 << 52),
        ("sign", 1 << 63),
    ];
    for (name, at) in places {
        say!(@ format_args!("pointer.{name}.{}", form.name), "{}", form.ask(at));
    }
}

/// Memory that is not aligned, goes over a page's end, or ends.
fn in_part(form: Form) {
    let name = form.name;
    form.put(page(70) + 1);
    say!(@ format_args!("pointer.unaligned.{name}"), "{}", form.ask(page(70) + 1));
    let across = page(71) - form.bytes / 2;
    form.put(across);
    say!(@ format_args!("pointer.across_pages.{name}"), "{}", form.ask(across));
    events::reset();
    // What does not fit is written nowhere.
    let half = END - form.bytes / 2;
    store_bytes(half, &[0; 4][..(form.bytes / 2).min(4) as usize]);
    say!(@ format_args!("pointer.half.{name}"), "{}", form.ask(half));
    events::reset();
}

/// Ends the guest where its argument can be read.
fn shut_down() {
    for (name, at) in [
        ("null", 0),
        ("nothing", UNMAPPED),
        ("kernel", !0xfff),
        ("half", END - 2),
    ] {
        for command in [sched::op::SHUTDOWN, sched::op::SHUTDOWN_CODE] {
            let answer = hypercall(SCHED_OP, [command.into(), at, 0, 0]).cast_signed();
            say!(@ format_args!("pointer.{name}.shutdown.{command}"), "{answer}");
        }
    }
}

/// Structures that the hypervisor reads and cannot write: what is done all the same.
fn read_only() {
    let source = page(72);
    // A grant of the guest's to itself, mapped for reading.
    let structure = memory::AddToPhysmap {
        domid: DomId::SELF,
        space: memory::space::GRANT_TABLE,
        gpfn: frame(abi::arm::GRANT_TABLE.start()),
        ..memory::AddToPhysmap::default()
    };
    call(MEMORY_OP, memory::op::ADD_TO_PHYSMAP, structure.to_bytes());
    let entry = abi::arm::GRANT_TABLE.start() + 8 * 8;
    store32(entry + 4, frame(source) as u32);
    store32(entry, 1 | u32::from(OWN.0) << 16);
    let map = Map {
        host_addr: WINDOW,
        flags: map_flag::HOST_MAP | map_flag::READONLY,
        gref: 8,
        dom: OWN,
        ..Map::default()
    };
    let reply = call(GRANT_TABLE_OP, grant_op::MAP_GRANT_REF, map.to_bytes());
    say!(
        "pointer.read_only.mapped",
        "{} {}",
        reply.result,
        attempt_only(|| load64(WINDOW))
    );
    for form in FORMS {
        form.put(source);
        say!(@ format_args!("pointer.read_only.{}", form.name), "{}", form.ask(WINDOW));
    }
    say!("pointer.read_only.port_left", "{}", events::unbound());
    events::reset();
    let unmap = abi::grant::Unmap {
        host_addr: WINDOW,
        dev_bus_addr: 0,
        handle: reply.word(20),
        status: 0,
    };
    call(GRANT_TABLE_OP, grant_op::UNMAP_GRANT_REF, unmap.to_bytes());
    let gpfn = frame(abi::arm::GRANT_TABLE.start());
    let remove = memory::RemoveFromPhysmap {
        domid: DomId::SELF,
        gpfn,
    };
    call(
        MEMORY_OP,
        memory::op::REMOVE_FROM_PHYSMAP,
        remove.to_bytes(),
    );
}

/// Lists that structures point to.
fn lists() {
    let places = [
        ("null", 0),
        ("nothing", UNMAPPED),
        ("kernel", !0xfff),
        ("half", END - 4),
        ("far", 1 << 52),
    ];
    for (name, at) in places {
        for nr_ports in [0, 1, 2, 128, 129] {
            let poll = sched::Poll {
                ports: at,
                nr_ports,
                timeout: 1,
            };
            let reply = call(SCHED_OP, sched::op::POLL, poll.to_bytes());
            reply.say(format_args!("pointer.list.poll.{name}.{nr_ports}"));
        }
        let list = memory::AddToPhysmapBatch {
            domid: DomId::SELF,
            size: 2,
            idxs: at,
            gpfns: at,
            errs: at,
            ..memory::AddToPhysmapBatch::default()
        };
        let reply = call(MEMORY_OP, memory::op::ADD_TO_PHYSMAP_BATCH, list.to_bytes());
        reply.say(format_args!("pointer.list.batch.{name}"));
        let setup = abi::grant::SetupTable {
            dom: DomId::SELF,
            nr_frames: 1,
            status: 0x77,
            frame_list: at,
        };
        let reply = call(GRANT_TABLE_OP, grant_op::SETUP_TABLE, setup.to_bytes());
        reply.say(format_args!("pointer.list.setup.{name}"));
    }
}

/// By the guest's own tables.
fn tables() {
    let places = [
        ("writable", stage_one::WRITABLE),
        ("read_only", stage_one::READ_ONLY),
        ("not_accessed", stage_one::NOT_ACCESSED),
        ("user", stage_one::USER),
        ("nothing", stage_one::NOTHING),
        ("uart", stage_one::UART),
        ("far", stage_one::FAR),
        ("device", stage_one::DEVICE),
        ("upper", stage_one::UPPER),
        ("upper_unmapped", stage_one::UPPER_UNMAPPED),
        ("between", 1 << 45),
        ("tagged", 0x5500_0000_0000_0000 | stage_one::WRITABLE),
        ("last_byte", u64::MAX),
    ];
    for form in FORMS {
        for (name, at) in places {
            form.put(stage_one::TARGET);
            say!(@ format_args!("pointer.mmu.{name}.{}", form.name), "{}", form.ask(at));
            form.put(stage_one::TARGET + PAGE_SIZE - form.bytes / 2);
            if name == "writable" || name == "upper" {
                let end = at + PAGE_SIZE - form.bytes / 2;
                say!(@ format_args!("pointer.mmu.{name}.end.{}", form.name), "{}", form.ask(end));
            }
        }
        events::reset();
    }
    let area = vcpu::RegisterRunstateArea {
        address: stage_one::READ_ONLY,
    };
    store_bytes(stage_one::TARGET, &area.to_bytes());
    let answer = hypercall(VCPU_OP, [5, 0, stage_one::WRITABLE, 0]).cast_signed();
    say!("pointer.mmu.runstate_read_only", "{answer}");
}
