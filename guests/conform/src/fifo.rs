//! The FIFO ABI: control blocks, event words, priorities, and the way back to 2-level.

use abi::Port;
use abi::evtchn::{ExpandArray, InitControl, SetPriority, fifo, op};

use crate::{
    ask::{event, fill, frame, load32, page, store32},
    event_states,
    events::{self, SHARED_INFO, on_port, taken},
    say,
};

/// Control blocks of the two vCPUs, then event words.
const CONTROL: [u64; 2] = [page(0), page(1)];
const WORDS: u64 = page(2);

pub(crate) fn print() {
    events::open();
    before();
    sending();
    priorities();
    closing();
    array();
    event_states::print("fifo");
    events::reset();
    events::quiet();
    switch();
    fresh();
    show("fifo.switch.replayed_once");
    for block in CONTROL {
        fill(block, 0);
    }
    say!("fifo.reset_at_the_end", "{}", events::reset());
    say!("fifo.priority_after_reset", "{}", set_priority(0, 1));
    say!("fifo.expand_after_reset", "{}", expand(WORDS));
    let (left, _) = events::pair();
    events::quiet();
    say!(
        "fifo.two_level_after_reset",
        "{}: {}",
        on_port(op::SEND, left),
        events::Seen
    );
    events::close_all();
}

fn init(vcpu: u32, address: u64, offset: u32) -> crate::ask::Reply<24> {
    let structure = InitControl {
        control_gfn: frame(address),
        offset,
        vcpu,
        link_bits: 0xee,
        ..InitControl::default()
    };
    event(op::INIT_CONTROL, structure.to_bytes())
}

fn expand(address: u64) -> i64 {
    let array_gfn = frame(address);
    event(op::EXPAND_ARRAY, ExpandArray { array_gfn }.to_bytes()).result
}

fn set_priority(port: u32, priority: u32) -> i64 {
    let structure = SetPriority {
        port: Port(port),
        priority,
    };
    event(op::SET_PRIORITY, structure.to_bytes()).result
}

fn word(port: u32) -> u64 {
    WORDS + u64::from(port) * 4
}

/// Arguments that are refused, in 2-level mode.
fn before() {
    say!("fifo.expand_before", "{}", expand(WORDS));
    say!(
        "fifo.priority_before",
        "{}",
        set_priority(events::ipi(0), 3)
    );
    for offset in [
        1_u32,
        4,
        4096 - 64,
        4096 - 68,
        4096,
        0x8000_0000,
        u32::MAX,
        u32::MAX - 7,
    ] {
        init(0, CONTROL[0], offset).say(format_args!("fifo.init.offset.{offset:#x}"));
    }
    for vcpu in [2, 0x1_0000, u32::MAX] {
        init(vcpu, CONTROL[0], 0).say(format_args!("fifo.init.vcpu.{vcpu:#x}"));
    }
    let frames = [
        ("nothing", crate::ask::UNMAPPED),
        ("uart", abi::arm::VPL011.start()),
        ("distributor", abi::arm::GICV3_DISTRIBUTOR.start()),
        ("behind_ram", abi::arm::RAM_BANK_0.start() + (64 << 20)),
        ("48_bits", 1 << 47),
    ];
    for (name, address) in frames {
        init(0, address, 0).say(format_args!("fifo.init.at.{name}"));
    }
    let structure = InitControl {
        control_gfn: u64::MAX,
        ..InitControl::default()
    };
    event(op::INIT_CONTROL, structure.to_bytes()).say(format_args!("fifo.init.at.all_ones"));
    events::reset();
}

/// What was pending in 2-level mode is replayed when the words are there.
fn switch() {
    let ports = [
        events::ipi(0),
        events::ipi(0),
        events::ipi(0),
        events::ipi(1),
    ];
    events::set_mask(ports[1], true);
    for port in [ports[2], ports[1], ports[0], ports[3]] {
        on_port(op::SEND, port);
    }
    fill(CONTROL[0], 0);
    fill(CONTROL[1], 0);
    fill(WORDS, 0);
    init(0, CONTROL[0], 0).say(format_args!("fifo.switch.first"));
    init(0, CONTROL[0], 0).say(format_args!("fifo.switch.again"));
    init(1, CONTROL[1], 4096 - 72).say(format_args!("fifo.switch.second_at_the_end"));
    show("fifo.switch.before_words");
    let sent = on_port(op::SEND, ports[0]);
    say!(
        "fifo.switch.send_before_words",
        "{sent}, priority {}",
        set_priority(ports[0], 1)
    );
    say!("fifo.switch.expand", "{}", expand(WORDS));
    show("fifo.switch.replayed");
    let second = CONTROL[1] + 4096 - 72;
    let (ready, head) = (load32(second), load32(second + 8 + 4 * 7));
    say!(
        "fifo.switch.second",
        "ready {ready:#x}, head {head}, word {:#x}",
        load32(word(ports[3]))
    );
    say!(
        "fifo.switch.shared_info_stays",
        "{:#x}",
        crate::ask::load64(SHARED_INFO + 48)
    );
}

/// The first vCPU's queues and the words of the first ports.
fn show(item: &str) {
    let control = CONTROL[0];
    let ready = load32(control);
    let mut heads = [0; fifo::QUEUES];
    for (head, at) in heads.iter_mut().zip((control + 8..).step_by(4)) {
        *head = load32(at);
    }
    let mut words = [0; 8];
    for (value, port) in words.iter_mut().zip(0..) {
        *value = load32(word(port));
    }
    let (count, last) = taken();
    say!(@ item, "ready {ready:#x}, heads {heads:?}, words {words:x?}, upcall {:#x}, \
        {count} interrupts of {last}", load32(SHARED_INFO) & 0xff);
}

/// Everything as after a switch with no port open.
fn fresh() {
    events::reset();
    events::quiet();
    fill(CONTROL[0], 0);
    fill(CONTROL[1], 0);
    fill(WORDS, 0);
    init(0, CONTROL[0], 0);
    init(1, CONTROL[1], 0);
    expand(WORDS);
}

fn sending() {
    fresh();
    let (left, _right) = events::pair();
    show("fifo.deliver.bound");
    let ipis = [events::ipi(0), events::ipi(0), events::ipi(0)];
    on_port(op::SEND, left);
    show("fifo.deliver.pending_already");
    for port in ipis {
        on_port(op::SEND, port);
    }
    show("fifo.deliver.queue");
    // The guest takes the head, clears what it handled.
    store32(CONTROL[0], 0);
    store32(SHARED_INFO, 0);
    store32(word(2), 0);
    on_port(op::SEND, left);
    show("fifo.deliver.behind_the_tail");
    fresh();
    let port = events::ipi(0);
    store32(word(port), fifo::MASKED);
    on_port(op::SEND, port);
    show("fifo.mask.send");
    say!("fifo.mask.unmask", "{}", on_port(op::UNMASK, port));
    show("fifo.mask.unmasked");
    store32(word(port), fifo::PENDING);
    store32(CONTROL[0], 0);
    store32(SHARED_INFO, 0);
    say!(
        "fifo.mask.unmask_pending_not_linked",
        "{}",
        on_port(op::UNMASK, port)
    );
    show("fifo.mask.linked_by_unmask");
    fresh();
    let other = events::ipi(1);
    on_port(op::SEND, other);
    say!(
        "fifo.deliver.second",
        "ready {:#x}, head {}, word {:#x}",
        load32(CONTROL[1]),
        load32(CONTROL[1] + 36),
        load32(word(other))
    );
    fresh();
    let port = events::ipi(0);
    store32(word(port), fifo::BUSY | 0x1_ffff);
    on_port(op::SEND, port);
    show("fifo.deliver.scribbled_word");
    store32(CONTROL[0] + 8 + 28, 0x7777);
    store32(word(port), 0);
    on_port(op::SEND, port);
    show("fifo.deliver.scribbled_head");
}

fn priorities() {
    fresh();
    let ports = [events::ipi(0), events::ipi(0), events::ipi(0)];
    for (port, priority) in ports.into_iter().zip([0, 15, 3]) {
        say!(@ format_args!("fifo.priority.set.{priority}"), "{}", set_priority(port, priority));
        on_port(op::SEND, port);
    }
    show("fifo.priority.queues");
    // A change takes effect when the port is linked anew.
    say!(
        "fifo.priority.change_linked",
        "{}",
        set_priority(ports[0], 5)
    );
    on_port(op::SEND, ports[0]);
    show("fifo.priority.still_linked");
    store32(word(ports[0]), 0);
    on_port(op::SEND, ports[0]);
    show("fifo.priority.linked_anew");
}

fn closing() {
    fresh();
    let port = events::ipi(0);
    on_port(op::SEND, port);
    say!("fifo.close.linked", "{}", on_port(op::CLOSE, port));
    show("fifo.close.word_stays_linked");
    say!("fifo.close.number_is_busy", "{}", events::ipi(0));
    store32(word(port), 0);
    say!("fifo.close.number_is_free", "{}", events::ipi(0));
}

/// Pages of event words, to the last.
fn array() {
    fresh();
    say!("fifo.expand.nothing", "{}", expand(crate::ask::UNMAPPED));
    say!("fifo.expand.uart", "{}", expand(abi::arm::VPL011.start()));
    say!("fifo.expand.again_same", "{}", expand(WORDS));
    let mut count = 2;
    let refused = loop {
        let result = expand(page(3));
        if result != 0 || count == 300 {
            break result;
        }
        count += 1;
    };
    say!("fifo.expand.all", "{count} pages, then {refused}");
    fresh();
}
