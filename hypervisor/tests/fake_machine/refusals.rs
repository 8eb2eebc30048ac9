//! What a guest must not do, and the exception that it gets for it.

use abi::Ipa;
use machine::exit::{DataAbort, Exit, FetchAbort, Sysreg};

use crate::bench::{Bench, ENTRY, Setup, Who};

const A: Who = (1, 0);
const VECTORS: u64 = 0x4000_8000;
/// `VBAR_EL1` + this: a synchronous exception from EL1 with its own stack.
const SAME_LEVEL: u64 = 0x200;
const FROM_USER: u64 = 0x400;

fn booted() -> Bench {
    let mut bench = Setup::two().boot();
    bench.ask(A, |guest| guest.set_el1(|el1| el1.vbar = VECTORS));
    bench.output();
    bench
}

/// Checks that `A` took an exception: where it goes on, with which syndrome, from where.
fn assert_taken(bench: &mut Bench, vector: u64, syndrome: u64, from: u64) {
    let el1 = bench.el1(A);
    assert_eq!(bench.pc(A), VECTORS + vector, "the vector");
    assert_eq!(format!("{:#x}", el1.esr), format!("{syndrome:#x}"));
    assert_eq!(el1.elr, from, "the return address");
}

#[test]
fn an_unknown_hvc_is_an_undefined_instruction() {
    let mut bench = booted();
    bench.run(A, |guest| guest.hvc(0x77, [0; 4]));
    assert_taken(&mut bench, SAME_LEVEL, 0x0200_0000, ENTRY);
    assert_eq!(bench.el1(A).spsr, 0x3c5);
    let output = bench.output();
    assert!(
        output.contains("(XEN) d1v0 pc 0x40000004: HVC #0x77: undefined\n"),
        "{output}"
    );
}

#[test]
fn an_unknown_smc_is_an_undefined_instruction() {
    let mut bench = booted();
    bench.run(A, |guest| guest.smc(1, [0; 4]));
    assert_taken(&mut bench, SAME_LEVEL, 0x0200_0000, ENTRY);
    assert!(bench.output().contains("SMC #0x1: undefined"));
}

#[test]
fn an_access_to_nothing_is_an_external_abort() {
    let mut bench = booted();
    bench.load(A, 0x1000_0004);
    assert_taken(&mut bench, SAME_LEVEL, 0x9600_0000, ENTRY);
    assert_eq!(bench.el1(A).far, 0x1000_0004);
    let output = bench.output();
    let line =
        "(XEN) d1v0 pc 0x40000000: read at 0x10000004, syndrome 0x93800007: nothing is there";
    assert!(output.contains(line), "{output}");
}

#[test]
fn from_user_mode_the_exception_comes_from_the_lower_level() {
    let mut bench = booted();
    bench.run(A, |guest| {
        guest.set_pstate(0);
        guest.store(Ipa(0x1000_0000), 1)
    });
    assert_taken(&mut bench, FROM_USER, 0x9200_0000, ENTRY);
    assert!(bench.output().contains("write at 0x10000000"));
}

#[test]
fn the_neighbours_ram_is_nowhere() {
    let mut bench = booted();
    // Behind its own 4 MiB; and where the other's RAM really is, as a guest address.
    bench.load(A, ENTRY + (4 << 20));
    assert_taken(&mut bench, SAME_LEVEL, 0x9600_0000, ENTRY);
    let other = bench.domain(2);
    let mut token = bench.machine.token();
    let life = other.control.lock(&mut token);
    let theirs = life.memory.as_ref().unwrap().banks[0].extent.range();
    drop(life);
    let here = bench.ask(A, move |guest| guest.el1().esr);
    assert_eq!(here, 0x9600_0000);
    for page in (theirs.start()..theirs.end()).step_by(4096) {
        for cpu in [0, 1] {
            let cpu = abi::CpuId(cpu);
            if bench.machine.resident(cpu) == Some(crate::bench::id(A)) {
                let own = bench.machine.translate(cpu, Ipa(page));
                assert!(own.is_none_or(|mapped| !theirs.has(mapped.address.0)));
            }
        }
    }
}

#[test]
fn a_fetch_from_nowhere_is_an_external_abort() {
    let mut bench = booted();
    bench.run(A, |guest| guest.fetch(Ipa(0x1000_0000)));
    assert_taken(&mut bench, SAME_LEVEL, 0x8600_0000, 0x1000_0000);
    assert_eq!(bench.el1(A).far, 0x1000_0000);
}

#[test]
fn code_in_a_page_that_is_not_for_it_is_an_external_abort() {
    let mut bench = crate::xen::two();
    assert_eq!(
        crate::xen::map_shared_info(&mut bench, A, crate::xen::SHARED),
        0
    );
    bench.ask(A, |guest| guest.set_el1(|el1| el1.vbar = VECTORS));
    bench.run(A, |guest| guest.fetch(Ipa(crate::xen::SHARED)));
    assert_taken(&mut bench, SAME_LEVEL, 0x8600_0000, crate::xen::SHARED);
    // A fetch that met tables in change is made anew.
    bench.run(A, |guest| {
        guest.set_pc(ENTRY);
        Some(Exit::FetchAbort(FetchAbort {
            address: Ipa(ENTRY),
            virtual_address: ENTRY,
            syndrome: 0x8200_0007,
        }))
    });
    assert_eq!(bench.pc(A), ENTRY);
}

#[test]
fn a_refused_access_does_not_reach_a_device_that_was_accessed_before() {
    let mut bench = booted();
    let uart = abi::arm::VPL011.start();
    // A store that the mapping forbids; HPFAR_EL2 is left over from an access to the UART.
    bench.run(A, move |guest| {
        guest.set_pc(ENTRY);
        guest.set_x(0, u64::from(b'x'));
        Some(Exit::DataAbort(DataAbort {
            address: Ipa(uart),
            virtual_address: 0x1000_0000,
            syndrome: 0x9380_004f,
        }))
    });
    assert_taken(&mut bench, SAME_LEVEL, 0x9600_0000, ENTRY);
    assert_eq!(bench.el1(A).far, 0x1000_0000);
    assert!(!bench.output().starts_with('x'));
}

#[test]
fn an_access_that_cannot_be_described_is_an_abort() {
    let mut bench = booted();
    let uart = abi::arm::VPL011.start();
    // A stage-1 table walk, a cache operation, an external abort.
    for syndrome in [0x9200_0087, 0x9200_0107, 0x9200_0010] {
        bench.run(A, move |guest| {
            guest.set_pc(ENTRY);
            Some(Exit::DataAbort(DataAbort {
                address: Ipa(uart),
                virtual_address: uart,
                syndrome,
            }))
        });
        assert_taken(&mut bench, SAME_LEVEL, 0x9600_0000, ENTRY);
    }
}

#[test]
fn other_traps_are_undefined_instructions() {
    let mut bench = booted();
    bench.run(A, |_| {
        Some(Exit::Undefined {
            syndrome: 0x1fe0_0000,
        })
    });
    assert_taken(&mut bench, SAME_LEVEL, 0x0200_0000, ENTRY);
    assert!(bench.output().contains("syndrome 0x1fe00000: undefined"));
}

#[test]
fn an_unknown_system_register_is_an_undefined_instruction() {
    let mut bench = booted();
    let register = Sysreg::new(3, 3, 9, 12, 0); // PMCR_EL0
    bench.run(A, move |guest| guest.read_register(register));
    assert_taken(&mut bench, SAME_LEVEL, 0x0200_0000, ENTRY);
    assert!(
        bench
            .output()
            .contains("read of system register S3_3_C9_C12_0: undefined")
    );
    bench.run(A, move |guest| guest.write_register(register, 1));
    assert!(
        bench
            .output()
            .contains("write of system register S3_3_C9_C12_0: undefined")
    );
}

#[test]
fn an_asynchronous_abort_is_passed_on() {
    let mut bench = booted();
    bench.run(A, |_| {
        Some(Exit::SError {
            syndrome: 0xbe00_0000,
        })
    });
    assert!(bench.ask(A, |guest| guest.serror_pending()));
    assert!(
        bench
            .output()
            .contains("SError, syndrome 0xbe000000: passed on")
    );
    assert!(!bench.ask((2, 0), |guest| guest.serror_pending()));
}

#[test]
fn messages_about_a_guest_are_limited() {
    let mut bench = Setup::two().command_line("guest_loglvl=none/all").boot();
    bench.output();
    for _ in 0..1000 {
        bench.load(A, 0x1000_0000);
    }
    let lines = bench.output().lines().count();
    assert!((1..100).contains(&lines), "{lines} lines");
    bench.machine.advance(60 * machine::host::FREQUENCY_HZ);
    bench.load(A, 0x1000_0000);
    assert!(
        bench.output().contains("messages suppressed"),
        "later they are counted"
    );
}

#[test]
fn without_trapping_nothing_reads_as_ones() {
    let mut setup = Setup::two();
    setup.domains[0] = crate::bench::small(1, 1).cells("trap-unmapped-accesses", &[0]);
    let mut bench = setup.boot();
    assert_eq!(bench.load(A, 0x1000_0000), u32::MAX);
    assert_eq!(bench.pc(A), ENTRY + 4);
    bench.store(A, 0x1000_0000, 5);
    assert_eq!(bench.pc(A), ENTRY + 8);
}
