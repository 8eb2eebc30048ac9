//! The text that a user sees.

use super::*;
use crate::fixture::{domain, gicv2, gicv3, host, rich, with_domains};

const RICH: &str = "\
Host: 2 CPUs, 1 GiB RAM, GICv3, console /soc/serial@0

id  domain         vCPUs  memory   SPIs  ports  UART    CPUs             weight  memory from
d1  /chosen/domU1  2      256 MiB  96    1023   vpl011  any              256     free
d2  /chosen/domU2  4      64 MiB   64    1023   vpl011  0x3,any,any,any  512     static
d3  /chosen/domU3  2      128 MiB  96    1023   vpl011  any              256     static, 1:1

Host memory
                     +---------------------------------------------------------+
          0x40000000 | free                                            128 MiB |
          0x48000000 | kernel of d1, kernel of d2, kernel of d3         32 MiB |
          0x4a000000 | free                                             32 MiB |
          0x4c000000 | ramdisk of d2                                  1025 KiB |
          0x4c100001 | free                                         326656 KiB |
          0x60000000 | RAM of d2                                        64 MiB |
";

#[test]
fn the_partitions_are_drawn() {
    let outcome = check(&rich().blob());
    assert!(outcome.ok);
    assert!(outcome.text.contains(RICH), "{}", outcome.text);
    for part in [
        "reserved                                          1 MiB |",
        "d2 /chosen/domU2 sees",
        "           0x3001000 | GICv3 distributor                                64 KiB |",
        "          0x22000000 | UART, interrupt 32",
        "           0x9000000 | UART, interrupt 109",
        "          0x70000000 | RAM                                             128 MiB |",
        "                     :",
    ] {
        assert!(
            outcome.text.contains(part),
            "no `{part}` in {}",
            outcome.text
        );
    }
}

#[test]
fn errors_come_first_and_the_good_domain_is_still_drawn() {
    let tree = with_domains(
        host(gicv2()),
        [domain("a"), domain("b").cells("cpus", &[0])],
    );
    let CheckOutcome { text, ok } = check(&tree.blob());
    assert!(!ok);
    let first = "error: /chosen/b: cpus = <0x0>: must be one cell, 1 to 8 with a GICv2\n\nHost: ";
    assert!(text.starts_with(first), "{text}");
    assert!(text.contains("d2  /chosen/b  refused\n"), "{text}");
    assert!(text.contains("GICv2 CPU interface"), "{text}");
    let strict = tree.edit("chosen", |chosen| {
        chosen.text("xen,xen-bootargs", "config=strict")
    });
    assert!(
        check(&strict.blob())
            .text
            .contains("config=strict: nothing is booted\n")
    );
}

#[test]
fn an_unusable_tree_is_one_line() {
    let outcome = check(b"not a tree at all");
    assert_eq!(
        outcome.text,
        "error: device tree: magic = 0x6e6f7420: must be 0xd00dfeed\n"
    );
    assert!(!outcome.ok);
    let outcome = check(&host(gicv3()).remove("timer").blob());
    let line = "error: /: no timer: no node is compatible with arm,armv8-timer\n";
    assert!(
        outcome.text.starts_with(line) && !outcome.ok,
        "{}",
        outcome.text
    );
}

#[test]
fn notes_alone_are_fine() {
    let tree = with_domains(host(gicv3()), [domain("a").flag("vpl-011")]);
    let outcome = check(&tree.blob());
    assert!(outcome.ok);
    let note = "note: /chosen/a: vpl-011 is unknown and ignored: did you mean vpl011?\n";
    assert!(outcome.text.starts_with(note), "{}", outcome.text);
}
