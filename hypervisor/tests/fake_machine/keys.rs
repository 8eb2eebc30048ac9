//! Keys typed at the hypervisor.

use abi::Port;
use machine::Power;
use machine::host::{FREQUENCY_HZ, Record};

use crate::bench::{Bench, Setup, Turn, small};
use crate::interleave::{Pair, explore};
use crate::xen::{open_ipi, two};

fn at_the_hypervisor() -> Bench {
    let mut bench = Setup::two().boot();
    bench.settle();
    bench.type_in("\x01\x01\x01\x01\x01\x01");
    bench.output();
    bench
}

#[test]
fn help_lists_the_keys() {
    let mut bench = at_the_hypervisor();
    bench.type_in("h");
    let output = bench.output();
    for key in ['h', 'q', 'e', 'R'] {
        assert!(output.contains(&format!("key '{key}' => ")), "{output}");
    }
}

#[test]
fn q_tells_about_domains_and_vcpus() {
    let mut bench = at_the_hypervisor();
    bench.type_in("q");
    let output = bench.output();
    assert!(
        output.contains("d1 (/chosen/domU1): Running, pause count 0, 4096 KiB, weight 256\n"),
        "{output}"
    );
    assert!(output.contains("stage 2: "), "{output}");
    assert!(output.contains("  v0: On, CPU 1, "), "{output}");
}

#[test]
fn e_tells_about_open_event_channels() {
    let mut bench = two();
    let port = open_ipi(&mut bench, (1, 0), 0);
    assert_eq!(port, Port(1));
    bench.type_in("\x01\x01\x01\x01\x01\x01");
    bench.output();
    bench.type_in("e");
    let output = bench.output();
    assert!(
        output.contains("Event channels of d1: 2-level, ports 0 to 63\n"),
        "{output}"
    );
    assert!(output.contains("  port 1: quiet, Ipi, v0\n"), "{output}");
    assert!(!output.contains("port 0: "), "{output}");
    assert!(!output.contains("port 2: "), "{output}");
}

/// Not in an ordinary build: neither listed nor obeyed.
#[test]
fn exits_are_told_by_cause_if_they_are_counted() {
    let mut bench = at_the_hypervisor();
    bench.type_in("h");
    let listed = bench.output().contains("key 'E' => ");
    bench.type_in("E");
    let output = bench.output();
    let told = output.contains("exits: interrupt: ") && output.contains("exits: end\n");
    let counted = hypervisor::statistics::ARE_COUNTED;
    assert_eq!((listed, told), (counted, counted), "{output}");
}

#[test]
fn a_list_is_told_a_line_or_two_at_a_time() {
    let mut bench = Setup::with(vec![small(1, 8), small(2, 8)]).cpus(1).boot();
    bench.settle();
    bench.type_in("\x01\x01\x01\x01\x01\x01");
    bench.output();
    bench.machine.type_in(b"q");
    let (mut told, mut ran) = (0, 0);
    for _ in 0..1000 {
        if bench.turn(0) == Turn::Ran {
            ran += 1;
        }
        bench.machine.advance(FREQUENCY_HZ / 10_000);
        let lines = bench.output().lines().count();
        assert!(lines <= 2, "{lines} lines in one turn");
        told += lines;
    }
    assert_eq!(told, 2 * (2 + 8));
    assert!(ran > 500, "guests had {ran} turns");
}

#[test]
fn lists_come_in_the_order_of_their_keys_and_no_more_than_sixteen() {
    let mut bench = at_the_hypervisor();
    bench.type_in("hq");
    let output = bench.output();
    let (help, domains) = (output.find("'h' pressed"), output.find("d1 (/chosen"));
    assert!(help.is_some() && help < domains, "{output}");
    bench.type_in(&"h".repeat(20));
    assert_eq!(bench.output().matches("'h' pressed").count(), 16);
    bench.type_in("h");
    assert_eq!(bench.output().matches("'h' pressed").count(), 1);
}

#[test]
fn in_no_order_of_two_cpus_is_a_line_lost_or_told_twice() {
    let expected = {
        let mut bench = at_the_hypervisor();
        bench.type_in("h");
        bench.output()
    };
    let played = explore(1, |switches| {
        let mut pair = Pair::new(Setup::two());
        pair.settle(&[]);
        pair.machine.type_in(b"\x01\x01\x01\x01\x01\x01");
        pair.settle(&[]);
        pair.machine.take_output();
        pair.machine.type_in(b"h");
        let points = pair.play(switches, [3, 3]);
        for _ in 0..20 {
            pair.machine.advance(FREQUENCY_HZ / 1000);
            pair.play(&[], [3, 3]);
        }
        let told = pair.machine.take_output().replace("\r\n", "\n");
        assert_eq!(told, expected, "switches at {switches:?}");
        points
    });
    assert!(played > 10, "{played} schedules");
}

#[test]
fn other_keys_do_nothing() {
    let mut bench = at_the_hypervisor();
    bench.type_in("z");
    assert_eq!(bench.output(), "");
}

#[test]
fn a_reboot_is_asked_of_firmware() {
    let mut bench = at_the_hypervisor();
    bench.machine.take_records();
    bench.type_in("R");
    assert!(bench.output().contains("rebooting machine"));
    assert!(
        bench
            .machine
            .take_records()
            .contains(&Record::Power(Power::Reset))
    );
}
