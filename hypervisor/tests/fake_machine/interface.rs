//! The smaller hypercalls: `xen_version`, `hvm_op`, `sched_op`, `vm_assist`, run states, `multicall`;
//! and what permits hide.

use abi::evtchn::op as event_op;
use abi::hvm::{self, Param, param};
use abi::hypercall::{
    CONSOLE_IO, EVENT_CHANNEL_OP, GRANT_TABLE_OP, HVM_OP, MEMORY_OP, MULTICALL, MulticallEntry,
    PHYSDEV_OP, SCHED_OP, VCPU_OP, VM_ASSIST, XEN_VERSION,
};
use abi::memory::AddToPhysmap;
use abi::sched::{self, Poll};
use abi::vcpu::{self, RegisterRunstateArea, RunstateInfo, runstate};
use abi::version::FeatureInfo;
use abi::{DomId, Errno, Port, version};
use machine::host::FREQUENCY_HZ;

use crate::bench::{Bench, ENTRY, Setup, Who};
use crate::xen::{
    ARGUMENT, ARRAY, SHARED, UNMAPPED, begin, call, enhanced, failed, get, map_shared_info,
    on_port, open_ipi, operate, put, two, word,
};

const A: Who = (1, 0);

fn features(bench: &mut Bench, submap_idx: u32) -> (i64, u32) {
    let wanted = FeatureInfo {
        submap_idx,
        submap: 0,
    };
    let command = version::GET_FEATURES as u32;
    let (result, bytes) = operate(bench, A, XEN_VERSION, command, wanted.to_bytes());
    (result, FeatureInfo::from_bytes(&bytes).submap)
}

#[test]
fn features_and_texts_are_those_of_a_guest() {
    let mut bench = two();
    assert_eq!(features(&mut bench, 0), (0, 0x56005));
    assert_eq!(features(&mut bench, 1).0, failed(Errno::Inval));
    let texts: [(u64, usize, &str); 5] = [
        (version::EXTRAVERSION, 16, "-euxenite-0.1.0"),
        (
            version::CAPABILITIES,
            1024,
            "xen-3.0-aarch64 xen-3.0-armv7l ",
        ),
        (version::CHANGESET, 64, "euxenite 0.1.0"),
        (version::COMMANDLINE, 9, "<denied>"),
        (version::GUEST_HANDLE, 16, ""),
    ];
    for (command, size, text) in texts {
        put(&mut bench, A, ARRAY, &[0xff; 1025]);
        let result = call(&mut bench, A, XEN_VERSION, [command, ARRAY, 0, 0, 0]);
        let bytes: [u8; 1025] = get(&mut bench, A, ARRAY);
        assert_eq!(result, 0);
        assert_eq!(&bytes[..text.len()], text.as_bytes());
        assert!(bytes[text.len()..size].iter().all(|byte| *byte == 0));
        assert_eq!(bytes[size], 0xff, "{command} is {size} bytes");
    }
    let info = [version::COMPILE_INFO, ARRAY, 0, 0, 0];
    assert_eq!(call(&mut bench, A, XEN_VERSION, info), 0);
    assert_eq!(&get::<6>(&mut bench, A, ARRAY), b"rustc\0");
    for command in [version::BUILD_ID, version::COMMANDLINE2] {
        let result = call(&mut bench, A, XEN_VERSION, [command, ARRAY, 0, 0, 0]);
        assert_eq!(result, failed(Errno::Perm));
    }
    for command in 1..=13 {
        let errno = match command {
            version::PAGESIZE => Errno::Inval,
            version::BUILD_ID => Errno::Perm,
            _ => Errno::Fault,
        };
        let result = call(&mut bench, A, XEN_VERSION, [command, UNMAPPED, 0, 0, 0]);
        assert_eq!(result, failed(errno), "{command}");
    }
}

#[test]
fn texts_of_any_length_come_behind_it() {
    let mut bench = two();
    let ask = |bench: &mut Bench, at| call(bench, A, XEN_VERSION, [12, at, 0, 0, 0]);
    let length = ask(&mut bench, 0);
    assert_eq!(length, 31);
    put(&mut bench, A, ARRAY, &30u32.to_le_bytes());
    assert_eq!(ask(&mut bench, ARRAY), failed(Errno::NoBufs));
    put(&mut bench, A, ARRAY, &31u32.to_le_bytes());
    assert_eq!(ask(&mut bench, ARRAY), length);
    assert_eq!(&get::<7>(&mut bench, A, ARRAY + 4), b"xen-3.0");
}

#[test]
fn parameters_read_0_and_are_not_set() {
    let mut bench = two();
    let mut ask = |command, domid, index| {
        let wanted = Param {
            domid: DomId(domid),
            pad: 0,
            index,
            value: 77,
        };
        let (result, bytes) = operate(&mut bench, A, HVM_OP, command, wanted.to_bytes());
        (result, Param::from_bytes(&bytes).value)
    };
    for index in [0, 1, 2, 17, 18] {
        assert_eq!(ask(hvm::op::GET_PARAM, 0x7ff0, index), (0, 0));
        let refused = (failed(Errno::Perm), 77);
        assert_eq!(ask(hvm::op::SET_PARAM, 1, index), refused);
    }
    for (domid, index, errno) in [
        (1, 3, Errno::Inval),
        (1, param::COUNT, Errno::Inval),
        (1, param::MONITOR_RING_PFN, Errno::Perm),
        (2, 1, Errno::Perm),
        (3, 1, Errno::Srch),
    ] {
        assert_eq!(ask(hvm::op::GET_PARAM, domid, index).0, failed(errno));
    }
    assert_eq!(ask(23, 1, 0).0, failed(Errno::NoSys));
    assert_eq!(ask(24, 1, 0).0, failed(Errno::Inval));
}

#[test]
fn unknown_calls_and_operations_are_told_as_xen_tells_them() {
    let mut bench = two();
    for number in [0, 6, 7, 16, 19, 27, PHYSDEV_OP, 63, 1 << 32 | XEN_VERSION] {
        let result = call(&mut bench, A, number, [0, ARGUMENT, 0, 0, 0]);
        assert_eq!(result, failed(Errno::NoSys), "{number}");
    }
    for (number, errno) in [
        (XEN_VERSION, Errno::NoSys),
        (SCHED_OP, Errno::NoSys),
        (HVM_OP, Errno::NoSys),
        (CONSOLE_IO, Errno::NoSys),
        (EVENT_CHANNEL_OP, Errno::NoSys),
        (GRANT_TABLE_OP, Errno::NoSys),
        (MEMORY_OP, Errno::NoSys),
    ] {
        let result = call(&mut bench, A, number, [62, ARGUMENT, 0, 0, 0]);
        assert_eq!(result, failed(errno), "{number}");
    }
    let unknown = call(&mut bench, A, VCPU_OP, [62, 0, ARGUMENT, 0, 0]);
    assert_eq!(unknown, failed(Errno::Inval));
    let no_vcpu = call(&mut bench, A, VCPU_OP, [62, 9, ARGUMENT, 0, 0]);
    assert_eq!(no_vcpu, failed(Errno::NoEnt));
}

fn poll(bench: &mut Bench, port: u32, timeout: u64) {
    put(bench, A, ARRAY, &port.to_le_bytes());
    let wanted = Poll {
        ports: ARRAY,
        nr_ports: 1,
        timeout,
    };
    put(bench, A, ARGUMENT, &wanted.to_bytes());
    begin(
        bench,
        A,
        SCHED_OP,
        [sched::op::POLL.into(), ARGUMENT, 0, 0, 0],
    );
}

fn result(bench: &mut Bench) -> i64 {
    bench.registers(A, |registers| registers.cpu.register(0)) as i64
}

#[test]
fn a_poll_ends_with_an_event_or_its_time() {
    let mut bench = Setup::with(vec![enhanced(1, 2)]).cpus(2).boot();
    let second = (1, 1);
    bench.hvc(A, 0xc400_0003, [1, ENTRY, 0]);
    assert_eq!(map_shared_info(&mut bench, A, SHARED), 0);
    // Masked: no interrupt, but the poll ends.
    put(&mut bench, A, SHARED + 560, &[0xff]);
    let port = open_ipi(&mut bench, A, 0);
    poll(&mut bench, port.0, 0);
    bench.settle();
    assert!(
        bench
            .slot(A)
            .asleep
            .load(std::sync::atomic::Ordering::SeqCst)
    );
    put(&mut bench, A, ARGUMENT, &port.0.to_le_bytes());
    let send = [event_op::SEND.into(), ARGUMENT, 0, 0, 0];
    assert_eq!(call(&mut bench, second, EVENT_CHANNEL_OP, send), 0);
    bench.settle();
    assert!(
        !bench
            .slot(A)
            .asleep
            .load(std::sync::atomic::Ordering::SeqCst)
    );
    assert_eq!(result(&mut bench), 0);
    // It is pending still.
    poll(&mut bench, port.0, 0);
    assert!(
        !bench
            .slot(A)
            .asleep
            .load(std::sync::atomic::Ordering::SeqCst)
    );
    put(&mut bench, A, SHARED + 48, &[0; 8]);
    let now_ns = machine::timer::nanoseconds(bench.machine.now());
    poll(&mut bench, port.0, now_ns + 5_000_000);
    bench.advance(FREQUENCY_HZ / 1000);
    assert!(
        bench
            .slot(A)
            .asleep
            .load(std::sync::atomic::Ordering::SeqCst)
    );
    bench.advance(FREQUENCY_HZ / 100);
    assert!(
        !bench
            .slot(A)
            .asleep
            .load(std::sync::atomic::Ordering::SeqCst)
    );
    poll(&mut bench, port.0, 1);
    bench.settle();
    assert!(
        !bench
            .slot(A)
            .asleep
            .load(std::sync::atomic::Ordering::SeqCst)
    );
    for bad in [0, 2, 4000] {
        poll(&mut bench, bad, 0);
        assert_eq!(result(&mut bench), failed(Errno::Inval));
    }
    let many = Poll {
        ports: ARRAY,
        nr_ports: 129,
        timeout: 0,
    };
    let command = sched::op::POLL;
    let (result, _) = operate(&mut bench, A, SCHED_OP, command, many.to_bytes());
    assert_eq!(result, failed(Errno::Inval));
}

#[test]
fn giving_the_cpu_away_and_ending() {
    let mut bench = two();
    let mut ask = |command: u32, first: u32| {
        let mut argument = [0; 8];
        argument[..4].copy_from_slice(&first.to_le_bytes());
        operate(&mut bench, A, SCHED_OP, command, argument).0
    };
    assert_eq!(ask(sched::op::YIELD, 0), 0);
    assert_eq!(ask(sched::op::REMOTE_SHUTDOWN, 0x7ff0), failed(Errno::Srch));
    assert_eq!(ask(sched::op::REMOTE_SHUTDOWN, 1), failed(Errno::Perm));
    assert_eq!(ask(sched::op::PIN_OVERRIDE, 0), failed(Errno::Perm));
    assert_eq!(ask(sched::op::SHUTDOWN_CODE, 1), 0);
    assert_eq!(ask(sched::op::SHUTDOWN_CODE, 3), 0);
    bench.output();
    let shutdown = [sched::op::SHUTDOWN.into(), ARGUMENT, 0, 0, 0];
    call(&mut bench, A, SCHED_OP, shutdown);
    bench.settle();
    assert!(bench.output().contains("asked for a reset (reason 1)"));
}

#[test]
fn a_run_state_is_shown_where_the_guest_wants_it() {
    let mut bench = two();
    let area = RegisterRunstateArea { address: SHARED };
    put(&mut bench, A, ARGUMENT, &area.to_bytes());
    let command = vcpu::op::REGISTER_RUNSTATE_MEMORY_AREA.into();
    assert_eq!(
        call(&mut bench, A, VCPU_OP, [command, 0, ARGUMENT, 0, 0]),
        0
    );
    let show = |bench: &mut Bench| RunstateInfo::from_bytes(&get(bench, A, SHARED));
    assert_eq!(show(&mut bench).state, runstate::RUNNING);
    for (arguments, expected) in [
        ([0, 5], 0),
        ([1, 5], 0),
        ([0, 5], 0),
        ([7, 5], failed(Errno::NoSys)),
        ([0, 4], failed(Errno::Inval)),
    ] {
        let [first, second] = arguments;
        let result = call(&mut bench, A, VM_ASSIST, [first, second, 0, 0, 0]);
        assert_eq!(result, expected, "{arguments:?}");
    }
    let before = show(&mut bench);
    poll(&mut bench, 1, 1);
    let now_ns = machine::timer::nanoseconds(bench.machine.now());
    let port = open_ipi(&mut bench, A, 0);
    poll(&mut bench, port.0, now_ns + 4_000_000);
    bench.advance(FREQUENCY_HZ / 100);
    bench.round();
    let after = show(&mut bench);
    assert_eq!(after.state, runstate::RUNNING);
    assert_eq!(after.state_entry_time & runstate::UPDATE, 0);
    let blocked = runstate::BLOCKED as usize;
    assert!(
        after.time[blocked] >= before.time[blocked] + 4_000_000,
        "{after:?}"
    );
    let fault = [command, 0, UNMAPPED, 0, 0];
    assert_eq!(call(&mut bench, A, VCPU_OP, fault), failed(Errno::Fault));
}

fn list(bench: &mut Bench, entries: &[(u64, [u64; 2])]) {
    for (index, (op, [first, second])) in (0..).zip(entries) {
        let entry = MulticallEntry {
            op: *op,
            result: 77,
            args: [*first, *second, 0, 0, 0, 0],
        };
        put(bench, A, ARRAY + index * 64, &entry.to_bytes());
    }
}

#[test]
fn a_refused_place_for_a_run_state_leaves_it_where_it_was() {
    let mut bench = two();
    let command = vcpu::op::REGISTER_RUNSTATE_MEMORY_AREA.into();
    let register = |bench: &mut Bench, address| {
        put(
            bench,
            A,
            ARGUMENT,
            &RegisterRunstateArea { address }.to_bytes(),
        );
        call(bench, A, VCPU_OP, [command, 0, ARGUMENT, 0, 0])
    };
    assert_eq!(register(&mut bench, SHARED), 0);
    assert_eq!(register(&mut bench, UNMAPPED), failed(Errno::Fault));
    put(&mut bench, A, SHARED, &[0xff; 48]);
    let now_ns = machine::timer::nanoseconds(bench.machine.now());
    let port = open_ipi(&mut bench, A, 0);
    poll(&mut bench, port.0, now_ns + 4_000_000);
    bench.advance(FREQUENCY_HZ / 100);
    bench.round();
    let shown = RunstateInfo::from_bytes(&get(&mut bench, A, SHARED));
    assert_eq!(shown.state, runstate::RUNNING);
}

#[test]
fn a_multicall_makes_its_calls_in_order() {
    let mut bench = two();
    let entries: Vec<_> = (0..50u64)
        .map(|index| match index % 3 {
            0 => (XEN_VERSION, [version::VERSION, 0]),
            1 => (63, [0, 0]),
            _ => (MULTICALL, [ARRAY, 1]),
        })
        .collect();
    list(&mut bench, &entries);
    assert_eq!(call(&mut bench, A, MULTICALL, [ARRAY, 50, 0, 0, 0]), 0);
    for index in 0..50u64 {
        let expected = match index % 3 {
            0 => 0x4_0014,
            1 => failed(Errno::NoSys),
            _ => failed(Errno::Inval),
        };
        let result = word(&mut bench, A, ARRAY + index * 64 + 8) as i64;
        assert_eq!(result, expected, "{index}");
    }
    assert_eq!(call(&mut bench, A, MULTICALL, [UNMAPPED, 0, 0, 0, 0]), 0);
    let fault = [UNMAPPED, 1, 0, 0, 0];
    assert_eq!(call(&mut bench, A, MULTICALL, fault), failed(Errno::Fault));
}

#[test]
fn a_continued_entry_does_not_depend_on_the_list() {
    let mut bench = two();
    let text: String = ('a'..='z').cycle().take(40_000).collect();
    put(&mut bench, A, ENTRY + 0x20_0000, text.as_bytes());
    let entry = MulticallEntry {
        op: CONSOLE_IO,
        result: 77,
        args: [0, 40_000, ENTRY + 0x20_0000, 0, 0, 0],
    };
    put(&mut bench, A, ARRAY, &entry.to_bytes());
    bench.output();
    begin(&mut bench, A, MULTICALL, [ARRAY, 1, 0, 0, 0]);
    assert_eq!(bench.pc(A), ENTRY, "it is continued");
    // Another vCPU could do this.
    put(&mut bench, A, ARRAY + 16, &[0xff; 40]);
    let mut output = bench.output();
    while bench.pc(A) == ENTRY {
        bench.run(A, |guest| {
            guest.set_pc(ENTRY + 4);
            Some(machine::exit::Exit::Hvc(abi::hypercall::HVC_IMMEDIATE))
        });
        output += &bench.output();
    }
    assert_eq!(word(&mut bench, A, ARRAY + 8), 0);
    output += &bench.output();
    assert_eq!(output.len(), text.len());
    assert_eq!(output, text);
}

#[test]
fn what_is_not_permitted_is_not_there() {
    let none = enhanced(1, 1).bytes("euxenite,permit", b"-all\0");
    let mut bench = Setup::with(vec![none]).boot();
    let no_sys = failed(Errno::NoSys);
    for command in 11..=13 {
        for at in [ARGUMENT, UNMAPPED] {
            let arguments = [command, at, 0, 0, 0];
            let result = call(&mut bench, A, EVENT_CHANNEL_OP, arguments);
            assert_eq!(result, no_sys, "{command}");
        }
    }
    for number in [CONSOLE_IO, GRANT_TABLE_OP, MULTICALL] {
        let result = call(&mut bench, A, number, [0, UNMAPPED, 1, 0, 0]);
        assert_eq!(result, no_sys, "{number}");
    }
    let table = AddToPhysmap {
        domid: DomId::SELF,
        space: abi::memory::space::GRANT_TABLE,
        gpfn: SHARED >> 12,
        ..AddToPhysmap::default()
    };
    let command = abi::memory::op::ADD_TO_PHYSMAP;
    let (result, _) = operate(&mut bench, A, MEMORY_OP, command, table.to_bytes());
    assert_eq!(result, no_sys);
    // As an unknown operation of theirs.
    let runstate = [5, 0, UNMAPPED, 0, 0];
    assert_eq!(call(&mut bench, A, VCPU_OP, runstate), failed(Errno::Inval));
    assert_eq!(
        call(&mut bench, A, VM_ASSIST, [0, 5, 0, 0, 0]),
        failed(Errno::Inval)
    );
    // 2-level is there as ever.
    assert_eq!(map_shared_info(&mut bench, A, SHARED), 0);
    let port = open_ipi(&mut bench, A, 0);
    assert_eq!(on_port(&mut bench, A, event_op::SEND, port), 0);
    assert_eq!(word(&mut bench, A, SHARED + 48), 1 << port.0);
    assert_eq!(port, Port(1));
}
