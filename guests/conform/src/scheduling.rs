//! `sched_op`, `vcpu_op`, `hvm_op`, `vm_assist`, `physdev_op` and what only a control domain may do.

use abi::hvm::{self, Param};
use abi::hypercall::{HVM_OP, PHYSDEV_OP, SCHED_OP, VCPU_OP, VM_ASSIST};
use abi::sched::{self, PinOverride, RemoteShutdown};
use abi::vcpu::{self, RegisterRunstateArea, RegisterVcpuInfo};
use support::{call::hypercall, cpu, gic, timer};

use crate::{
    ask::{DOMAINS, UNMAPPED, call, call_with, frame, load32, load64, page, store64},
    say,
};

pub(crate) fn print() {
    gic::enable(0);
    cpu::mask_interrupts();
    sched_numbers();
    remote();
    parameters();
    assists();
    infos();
    runstates();
    control();
}

fn sched_numbers() {
    // 2 ends the guest where it can read its argument, and 6 has a section of its own.
    for command in (0..16).chain([0xff, 0x8000_0000, u64::MAX, 1 << 32]) {
        timer::set_virtual(timer::virtual_count() + 2000);
        let answer = hypercall(SCHED_OP, [command, UNMAPPED, 0, 0]).cast_signed();
        say!(@ format_args!("sched.unmapped.{command:#x}"), "{answer}");
    }
    support::write_register!("cntv_ctl_el0", 0);
    for pcpu in [0, 1, -1, i32::MAX, i32::MIN] {
        let reply = call(
            SCHED_OP,
            sched::op::PIN_OVERRIDE,
            PinOverride { pcpu }.to_bytes(),
        );
        reply.say(format_args!("sched.pin_override.{pcpu}"));
    }
}

fn remote() {
    for (name, domain_id) in DOMAINS {
        for reason in [0, 3, u32::MAX] {
            let structure = RemoteShutdown { domain_id, reason };
            let reply = call(SCHED_OP, sched::op::REMOTE_SHUTDOWN, structure.to_bytes());
            reply.say(format_args!("sched.remote_shutdown.{name}.{reason:#x}"));
        }
    }
}

fn parameters() {
    for index in (0..44).chain([0x100, 0x8000_0000, u32::MAX]) {
        let structure = Param {
            domid: abi::DomId::SELF,
            index,
            value: 0x7777,
            ..Param::default()
        };
        let get = call(HVM_OP, hvm::op::GET_PARAM, structure.to_bytes());
        get.say(format_args!("hvm.get.{index:#x}"));
        let set = call(HVM_OP, hvm::op::SET_PARAM, structure.to_bytes());
        set.say(format_args!("hvm.set.{index:#x}"));
    }
    for (name, domid) in DOMAINS {
        let structure = Param {
            domid,
            index: 18,
            value: 0x7777,
            ..Param::default()
        };
        let get = call(HVM_OP, hvm::op::GET_PARAM, structure.to_bytes());
        get.say(format_args!("hvm.get.of.{name}"));
        let set = call(HVM_OP, hvm::op::SET_PARAM, structure.to_bytes());
        set.say(format_args!("hvm.set.of.{name}"));
    }
    for command in (0..32).chain([0xff, 1 << 31, 1 << 32, 1 << 32 | 1, u64::MAX]) {
        let unmapped = hypercall(HVM_OP, [command, UNMAPPED, 0, 0]).cast_signed();
        let null = hypercall(HVM_OP, [command, 0, 0, 0]).cast_signed();
        say!(@ format_args!("hvm.unmapped.{command:#x}"), "{unmapped} {null}");
    }
}

fn assists() {
    for command in [0, 1, 2, 3, u64::from(u32::MAX), u64::MAX, 1 << 32] {
        for kind in (0..8).chain([31, 32, 63, 64, u64::from(u32::MAX), 1 << 32 | 5, u64::MAX]) {
            let answer = hypercall(VM_ASSIST, [command, kind, 0, 0]).cast_signed();
            say!(@ format_args!("vm_assist.{command:#x}.{kind:#x}"), "{answer}");
        }
    }
}

fn infos() {
    let vcpus = [
        0,
        1,
        2,
        128,
        0x1_0000,
        u64::from(u32::MAX),
        1 << 32,
        u64::MAX,
    ];
    for vcpu in vcpus {
        for command in (0..16).chain([0xff, 0x8000_0000, u64::MAX, 1 << 32 | 10]) {
            let answer = hypercall(VCPU_OP, [command, vcpu, UNMAPPED, 0]).cast_signed();
            say!(@ format_args!("vcpu.unmapped.{command:#x}.{vcpu:#x}"), "{answer}");
        }
    }
    let register = |vcpu: u64, mfn, offset| {
        let structure = RegisterVcpuInfo {
            mfn,
            offset,
            rsvd: 0,
        };
        let command = vcpu::op::REGISTER_VCPU_INFO.into();
        call_with(VCPU_OP, structure.to_bytes(), |at| [command, vcpu, at, 0])
    };
    for offset in [
        1,
        4,
        7,
        4096 - 40,
        4096 - 47,
        4096,
        0x8000_0000,
        u32::MAX,
        u32::MAX - 7,
    ] {
        register(0, frame(page(50)), offset).say(format_args!("vcpu.info.offset.{offset:#x}"));
    }
    for (name, at) in [
        ("nothing", UNMAPPED),
        ("uart", abi::arm::VPL011.start()),
        ("far", 1 << 47),
    ] {
        register(0, frame(at), 0).say(format_args!("vcpu.info.at.{name}"));
    }
    register(0, u64::MAX, 0).say(format_args!("vcpu.info.at.all_ones"));
    let at = page(50) + 64;
    for (vcpu, at) in [(0, at), (1, at + 64)] {
        store64(at, 0);
        store64(at + 8, 0);
        store64(at + 16, 0x5555);
        register(vcpu, frame(at), (at % 4096) as u32).say(format_args!("vcpu.info.good.{vcpu}"));
        say!(@ format_args!("vcpu.info.seen.{vcpu}"), "upcall {:#x}, selector {:#x}, time {:#x}",
            load32(at) & 0xff, load64(at + 8), load64(at + 16));
        register(vcpu, frame(at), (at % 4096) as u32).say(format_args!("vcpu.info.again.{vcpu}"));
        let elsewhere = register(vcpu, frame(page(51)), 0);
        elsewhere.say(format_args!("vcpu.info.elsewhere.{vcpu}"));
    }
}

fn runstates() {
    let register = |vcpu: u64, address| {
        let structure = RegisterRunstateArea { address };
        let command = vcpu::op::REGISTER_RUNSTATE_MEMORY_AREA.into();
        call_with(VCPU_OP, structure.to_bytes(), |at| [command, vcpu, at, 0])
    };
    let area = page(52);
    register(0, area).say(format_args!("vcpu.runstate.good"));
    say!("vcpu.runstate.state", "{}", load32(area));
    say!(
        "vcpu.runstate.time_moves",
        "{}",
        load64(area + 8) != 0 && load64(area + 16) != 0
    );
    register(0, area + 256).say(format_args!("vcpu.runstate.moved"));
    register(0, area + 1).say(format_args!("vcpu.runstate.unaligned"));
    register(0, area + 4096 - 8).say(format_args!("vcpu.runstate.across_pages"));
    register(1, area + 512).say(format_args!("vcpu.runstate.of_second"));
    for (name, at) in [
        ("null", 0),
        ("nothing", UNMAPPED),
        ("kernel", !0xfff),
        ("far", 1 << 52),
    ] {
        register(0, at).say(format_args!("vcpu.runstate.{name}"));
    }
    register(0, 0);
}

/// What a control domain may do: it is refused by what comes first.
fn control() {
    for command in (0..40).chain([u64::from(u32::MAX), u64::MAX]) {
        let answer = hypercall(PHYSDEV_OP, [command, UNMAPPED, 0, 0]).cast_signed();
        say!(@ format_args!("physdev.unmapped.{command:#x}"), "{answer}");
    }
    for number in [7, 27, 30, 31, 35, 36, 37, 38, 39, 40, 41, 42, 48, 55] {
        let unmapped = hypercall(number, [0, UNMAPPED, 0, 0]).cast_signed();
        let null = hypercall(number, [1, 0, 1, 0]).cast_signed();
        let all_ones = hypercall(number, [u64::MAX; 4]).cast_signed();
        say!(@ format_args!("control.{number}"), "{unmapped} {null} {all_ones}");
    }
}
