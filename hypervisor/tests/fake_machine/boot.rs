//! From power-on to running domains, and what is said on the way.

use std::panic::{AssertUnwindSafe, catch_unwind};

use abi::{CpuId, Pa, Range, psci};
use hypervisor::boot;
use machine::Boot;
use machine::host::{FREQUENCY_HZ, Halted, Machine, Parts, Record};

use crate::bench::{Bench, ENTRY, KERNEL_BYTES, Setup, build, fill, id, small};
use crate::trees::{Node, module};

const RAMDISK: u32 = 0x4300_0000;

fn said(setup: Setup) -> String {
    setup.boot().output()
}

/// Runs `boot` until it halts; what it has said until then.
fn halted(machine: &Machine, boot: impl FnOnce()) -> String {
    let payload = catch_unwind(AssertUnwindSafe(boot)).expect_err("it halts");
    assert!(payload.is::<Halted>(), "it halts in order");
    machine.take_output().replace("\r\n", "\n")
}

/// What is said by a boot that stops before its domains are built.
fn refused(setup: Setup) -> String {
    let (machine, mut start) = setup.power_on();
    halted(&machine, || {
        let _ = boot::prepare(&mut start);
    })
}

#[test]
fn the_boot_of_the_whole_machine() {
    // Everything from the entry to the idle loop, on both CPUs; the root is set once a process, so
    // this is the only test that goes this way.
    let (machine, start) = Setup::two().power_on();
    machine.halt_when_idle();
    for domain in [1, 2] {
        machine.script(id((domain, 0)), |guest| guest.wait());
    }
    let first = halted(&machine, || boot::boot(start));
    for line in [
        "(XEN) Euxenite ",
        "(XEN) Command line: guest_loglvl=all",
        "(XEN) Console: /pl011@9000000 at ",
        "(XEN) System RAM: 64 MiB, ",
        "(XEN) GICv3: 4 list registers",
        "(XEN) Brought up 2 CPUs",
        "(XEN) *** LOADING DOMU d1 (/chosen/domU1) ***",
        "(XEN) d2: 1 vCPUs, 4 MiB, entry 0x40000000",
        "8 MiB given to 2 guests",
        "(XEN) *** Serial input to DOM1",
    ] {
        assert!(first.contains(line), "{line}\n{first}");
    }
    assert_eq!(machine.steps_left(id((1, 0))), 0, "the first domain ran");
    machine.enter(CpuId(1));
    let token = machine.token();
    halted(&machine, || boot::secondary(CpuId(1), token));
    assert_eq!(
        machine.steps_left(id((2, 0))),
        0,
        "and the second, on the other CPU"
    );
}

#[test]
fn the_boot_loaders_tree_is_erased_whatever_shares_its_pages() {
    // It lies behind the image.
    let tree = 0x4004_0000;
    let bytes = |setup: Setup| setup.tree().blob_reserving(&[]).len();
    let with_ramdisk_at = |at| {
        let ramdisk = module("multiboot,ramdisk", at, 0x8_0000);
        Setup::with(vec![small(1, 1).child(ramdisk), small(2, 1)])
    };
    // In use until its domain is filled.
    let next_to_it = tree + bytes(with_ramdisk_at(0)) as u32;
    for ramdisk in [RAMDISK, next_to_it] {
        let bytes = bytes(with_ramdisk_at(ramdisk));
        assert!(bytes % 0x1000 != 0, "its end is in a page with others");
        let (machine, _) = with_ramdisk_at(ramdisk).unfilled();
        let left = machine.peek(Pa(u64::from(tree)), bytes);
        assert!(left.iter().all(|byte| *byte == 0), "{ramdisk:#x}");
    }
}

#[test]
fn the_stages_take_their_time_on_request() {
    let output = said(Setup::two().command_line("loglvl=all"));
    assert!(
        output.contains("(XEN) Timeline: domains set up"),
        "{output}"
    );
    assert!(output.contains("ms since power-on"), "{output}");
}

#[test]
fn a_blob_that_is_no_tree_is_said_and_halts() {
    let machine = Machine::new(Parts::default());
    let mut start = Boot::new(&machine, b"no tree at all");
    let output = halted(&machine, || {
        let _ = boot::prepare(&mut start);
    });
    assert!(
        output.starts_with("(XEN) ") && output.ends_with("(XEN) halted\n"),
        "{output}"
    );
}

#[test]
fn a_mistake_refuses_its_domain_and_the_others_boot() {
    let mut setup = Setup::two();
    setup.domains[0] = small(1, 1).without("cpus");
    let mut bench = setup.boot();
    let output = bench.output();
    assert!(
        output.contains("/chosen/domU1: cpus is missing"),
        "{output}"
    );
    assert_eq!(
        bench.load((2, 0), ENTRY),
        0x0202_0202,
        "it keeps its number"
    );
    assert!(bench.system.domain(abi::DomId(1)).is_none());
}

#[test]
fn strictly_one_mistake_refuses_all() {
    let mut setup = Setup::two().command_line("config=strict");
    setup.domains[0] = small(1, 1).without("cpus");
    assert!(refused(setup).contains("config=strict: nothing is booted"));
}

#[test]
fn unknown_options_are_named_once() {
    let output = said(Setup::two().command_line("frobnicate=yes loglvl=all"));
    assert_eq!(
        output.matches("frobnicate=yes: unknown option").count(),
        1,
        "{output}"
    );
}

#[test]
fn without_a_console_nothing_is_said() {
    let mut bench = Setup::two().command_line("console=none").boot();
    assert_eq!(bench.hvc((1, 0), psci::VERSION, [0; 3]), 0x1_0001);
    bench.print((1, 0), "into the void\n");
    assert_eq!(bench.output(), "");
}

#[test]
fn the_hypervisor_can_have_the_input_first() {
    let output = said(Setup::two().command_line("conswitch=bx console_timestamps=boot"));
    let last = output.lines().last().unwrap();
    assert!(
        last.contains("*** Serial input to Xen (type 'CTRL-b' three times"),
        "{last}"
    );
    assert!(last.starts_with("(XEN) ["), "{last}");
}

#[test]
fn cpus_that_do_not_start_are_named() {
    let (machine, mut start) = Setup::two().cpus(3).power_on();
    machine.set_start_result(psci::INTERNAL_FAILURE);
    let early = boot::prepare(&mut start);
    let ready = boot::build_system(early, start.token());
    assert_eq!(ready.system.cpus.len(), 1);
    let output = machine.take_output();
    assert!(
        output.contains("CPU 0x1 is not started: PSCI error -6"),
        "{output}"
    );
    assert!(output.contains("Brought up 1 CPUs"), "{output}");
}

#[test]
fn a_cpu_that_never_comes_is_named_and_its_neighbour_has_its_number() {
    let (machine, mut start) = Setup::two().cpus(4).power_on();
    machine.keep_away(2);
    let before = machine.now();
    let early = boot::prepare(&mut start);
    let ready = boot::build_system(early, start.token());
    assert_eq!(machine.now() - before, FREQUENCY_HZ, "waited for");
    assert_eq!(ready.system.cpus.len(), 3);
    let output = machine.take_output();
    let lines = output.matches(" is not started: ").count();
    assert!(
        lines == 1
            && output.contains("CPU 0x2 is not started: firmware started it, but it has not come"),
        "{output}"
    );
    assert!(output.contains("Brought up 3 CPUs"), "{output}");
    assert_eq!(machine.arrive(1), Some(CpuId(1)));
    assert_eq!(machine.arrive(3), Some(CpuId(2)));
    assert_eq!(machine.arrive(2), None, "it is too late");
}

#[test]
fn a_vcpu_that_wants_a_cpu_that_never_came_is_named_and_runs_elsewhere() {
    let vcpu = |number: u32, cpus: &str| {
        Node::new(&format!("vcpu{number}"))
            .text("compatible", "xen,vcpu")
            .cells("id", &[number])
            .text("hard-affinity", cpus)
    };
    let node = small(1, 2).child(vcpu(0, "1")).child(vcpu(1, "0-1"));
    let (machine, mut start) = Setup::with(vec![node]).power_on();
    machine.keep_away(1);
    let early = boot::prepare(&mut start);
    let ready = boot::build_system(early, start.token());
    assert_eq!(ready.system.cpus.len(), 1);
    let output = machine.take_output();
    let line = "/chosen/domU1: hard-affinity of vCPU 0: no such CPU was started; it may use all";
    assert_eq!(output.matches("hard-affinity").count(), 1, "{output}");
    assert!(output.contains(line), "{output}");
}

#[test]
fn cpus_that_come_at_once_are_not_waited_for() {
    let (machine, mut start) = Setup::two().cpus(4).power_on();
    let before = machine.now();
    let early = boot::prepare(&mut start);
    let ready = boot::build_system(early, start.token());
    assert_eq!(ready.system.cpus.len(), 4);
    assert_eq!(machine.now(), before);
}

#[test]
fn a_cpu_without_an_interrupt_interface_gets_no_vcpu() {
    let (machine, mut start) = Setup::two().cpus(3).power_on();
    machine.take_interface(1);
    let early = boot::prepare(&mut start);
    let ready = boot::build_system(early, start.token());
    assert_eq!(ready.system.cpus.len(), 2);
    let output = machine.take_output();
    assert!(
        output.contains("CPU 0x1 is not started: the interrupt controller has no interface for it"),
        "{output}"
    );
    assert_eq!(machine.arrive(2), Some(CpuId(1)));
}

#[test]
fn as_many_cpus_as_maxcpus_says() {
    let bench = Setup::two().cpus(4).command_line("maxcpus=2").boot();
    assert_eq!(bench.system.cpus.len(), 2);
    let started = |record: &&Record| matches!(record, Record::Started { .. });
    assert_eq!(
        bench.machine.take_records().iter().filter(started).count(),
        1
    );
}

fn with_ramdisk(bytes: u32) -> Node {
    small(1, 1).child(module("multiboot,ramdisk", RAMDISK, bytes))
}

fn initrd(bench: &mut Bench) -> u64 {
    // Behind the device tree's 2 MiB.
    let tree = bench.ask((1, 0), |guest| guest.x(0));
    tree + (2 << 20)
}

#[test]
fn a_ramdisk_is_where_the_guests_tree_says() {
    let mut domain = with_ramdisk(0x1234);
    domain = domain.cells("memory", &[0, 8192]);
    let content: Vec<u8> = (0..0x1234u32).map(|byte| byte as u8 ^ 0x5a).collect();
    let setup = Setup::with(vec![domain]).load(u64::from(RAMDISK), content.clone());
    let mut bench = setup.boot();
    let at = initrd(&mut bench);
    for offset in [0, 0x800, 0x1230] {
        let word = bench.load((1, 0), at + offset as u64);
        assert_eq!(word.to_le_bytes(), content[offset..offset + 4]);
    }
}

/// `content` as gzip makes it, with all optional fields.
pub(crate) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut packed = vec![0x1f, 0x8b, 8, 0x1e, 0, 0, 0, 0, 0, 3];
    packed.extend([3, 0, b'x', b'y', b'z']);
    packed.extend(b"Image\0comment\0\0\0");
    packed.extend(miniz_oxide::deflate::compress_to_vec(content, 6));
    packed.extend([0; 4]);
    packed.extend((content.len() as u32).to_le_bytes());
    packed
}

fn kernel_at(bytes: u32) -> Node {
    let node = small(1, 1)
        .remove("module@42000000")
        .cells("memory", &[0, 8192]);
    node.child(module("multiboot,kernel", RAMDISK, bytes))
}

#[test]
fn a_packed_kernel_is_unpacked() {
    let content: Vec<u8> = (0..300_000u32).map(|at| (at ^ at >> 9) as u8).collect();
    let packed = gzip(&content);
    let setup = Setup::with(vec![kernel_at(packed.len() as u32)]);
    let mut bench = setup.load(u64::from(RAMDISK), packed).boot();
    for offset in [0, 65_536, 131_072, 299_996] {
        let word = bench.load((1, 0), ENTRY + offset as u64);
        assert_eq!(
            word.to_le_bytes(),
            content[offset..offset + 4],
            "at {offset}"
        );
    }
}

#[test]
fn damaged_packed_kernels_are_refused() {
    let content: Vec<u8> = (0..100_000u32)
        .map(|at| (at.wrapping_mul(at) >> 7) as u8)
        .collect();
    let good = gzip(&content);
    let size_at = good.len() - 4;
    let with_size = |size: u32| {
        let mut packed = good.clone();
        packed[size_at..].copy_from_slice(&size.to_le_bytes());
        packed
    };
    let mut torn = good.clone();
    let middle = torn.len() / 2;
    torn.truncate(middle);
    torn.extend(200_000u32.to_le_bytes());
    let cases = [
        (with_size(200_000), "unpacks to less than"),
        (with_size(99_999), "unpacks to more than"),
        (with_size(300 << 20), "gzip trailer says"),
        (torn, "is damaged"),
        (gzip(&gzip(&content)), "compressed twice"),
        (b"\x7fELF and the rest".to_vec(), "an ELF file"),
    ];
    for (packed, why) in cases {
        let setup = Setup::with(vec![kernel_at(packed.len() as u32), small(2, 1)]);
        let mut bench = setup.load(u64::from(RAMDISK), packed).boot();
        let output = bench.output();
        let line = output.lines().find(|line| line.contains("not built"));
        assert!(
            line.is_some_and(|line| line.contains(why)),
            "{why}: {output}"
        );
        assert_eq!(bench.hvc((2, 0), psci::VERSION, [0; 3]), 0x1_0001);
        bench.settle();
        assert_given_back(&bench, 1);
    }
}

/// All RAM is free but for `domains` small ones and what the boot itself keeps.
fn assert_given_back(bench: &Bench, domains: u64) {
    let free = bench
        .system
        .frames
        .lock(&mut bench.machine.token())
        .free_bytes();
    assert!(
        free + domains * (5 << 20) + (2 << 20) > 64 << 20,
        "{free} bytes are free"
    );
}

#[test]
fn a_domain_larger_than_the_free_ram_is_refused() {
    // All of the host's RAM, part of which is not free.
    let node = small(1, 1).cells("memory", &[0, 64 << 10]);
    let mut bench = Setup::with(vec![node]).boot();
    let output = bench.output();
    assert!(
        output.contains("memory = 65536 KiB: ")
            && output.contains("KiB of it are not free: not built"),
        "{output}"
    );
    assert_given_back(&bench, 0);
    bench.settle();
    bench.type_in("h");
    assert!(
        bench.output().contains("key 'h'"),
        "the machine is still there"
    );
}

#[test]
fn a_domain_whose_kernel_does_not_fit_is_refused() {
    let kernel = vec![0x11; 5 << 20];
    let node = kernel_at(kernel.len() as u32).cells("memory", &[0, 4096]);
    let mut bench = Setup::with(vec![node])
        .load(u64::from(RAMDISK), kernel)
        .boot();
    let output = bench.output();
    assert!(
        output.contains("does not hold the kernel (5120 KiB)"),
        "{output}"
    );
    assert_given_back(&bench, 0);
}

#[test]
fn static_memory_is_the_guests_ram() {
    let place = 0x4380_0000;
    let node = small(1, 1).cells("xen,static-mem", &[0, place, 0, 4 << 20]);
    let mut bench = Setup::with(vec![node]).boot();
    assert_eq!(bench.load((1, 0), ENTRY), 0x0101_0101);
    let there = bench.machine.peek(Pa(u64::from(place)), 4);
    assert_eq!(there, [1; 4], "where the tree says");
}

#[test]
fn a_direct_mapped_guest_sees_the_hosts_addresses() {
    let place: u32 = 0x4380_0000;
    let node = small(1, 1)
        .cells("xen,static-mem", &[0, place, 0, 4 << 20])
        .flag("direct-map");
    let mut bench = Setup::with(vec![node]).boot();
    assert_eq!(bench.ask((1, 0), |guest| guest.pc()), u64::from(place));
    assert_eq!(bench.load((1, 0), u64::from(place)), 0x0101_0101);
    let pidr2 = bench.load((1, 0), 0x800_0000 + 0xffe8);
    assert_eq!(pidr2 >> 4 & 0xf, 3, "the distributor where the host's is");
    bench.output();
    bench.store((1, 0), 0x900_0000, u32::from(b'!'));
    assert_eq!(bench.output(), "!", "and the UART");
}

#[test]
fn with_gicv2_the_guest_gets_the_hardwares_cpu_interface() {
    let bench = Setup::two().gicv2().boot();
    let mut bench = bench;
    bench.ask((1, 0), |_| ());
    let cpu = bench.cpu_of((1, 0)).unwrap();
    let interface = abi::arm::GICV2_CPU_INTERFACE.start();
    let mapped = bench.machine.translate(cpu, abi::Ipa(interface)).unwrap();
    assert_eq!(mapped.address, Pa(0x804_0000));
    assert!(bench.output().contains("GICv2: 4 list registers"));
}

#[test]
fn fragmented_ram_is_put_together() {
    // Reserved pages leave pieces smaller than the guest.
    let mut setup = Setup::with(vec![small(1, 1).cells("memory", &[0, 40 << 10])]);
    setup.parts.ram_bytes = 64 << 20;
    let start = setup.power_on_reserving(&[(0x4100_0000, 0x1000), (0x4280_0000, 0x1000)]);
    let mut bench = Bench::of(fill(build(start)));
    let output = bench.output();
    assert!(output.contains("d1: 1 vCPUs, 40 MiB"), "{output}");
    let token = &mut bench.machine.token();
    let life = bench.domain(1).control.lock(token);
    let banks: Vec<Range> = life
        .memory
        .as_ref()
        .unwrap()
        .banks
        .iter()
        .map(|bank| bank.extent.range())
        .collect();
    assert!(banks.len() > 1, "{banks:?}");
    let reserved = Range::new(0x4100_0000, 0x1000).unwrap();
    assert!(banks.iter().all(|bank| !bank.overlaps(reserved)));
    assert_eq!(KERNEL_BYTES % 4096, 0);
}

#[test]
fn pinned_vcpus_run_where_they_may() {
    let vcpu = |number: u32, cpus: &str| {
        Node::new(&format!("vcpu{number}"))
            .text("compatible", "xen,vcpu")
            .cells("id", &[number])
            .text("hard-affinity", cpus)
    };
    let node = small(1, 2).child(vcpu(0, "1")).child(vcpu(1, "1"));
    let mut bench = Setup::with(vec![node]).boot();
    let on = [abi::arm::vcpu_affinity(1), ENTRY, 0];
    bench.hvc((1, 0), psci::CPU_ON_64, on);
    for who in [(1, 0), (1, 1)] {
        assert_eq!(bench.ask(who, |_| machine::cpu::id()), CpuId(1));
    }
}
