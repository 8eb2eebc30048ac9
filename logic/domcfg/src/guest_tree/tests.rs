//! Guest trees, read back by an independent reader and held against what Xen generates.

use dtoolkit::fdt::Fdt;
use dtoolkit::{Node as _, Property as _};

use super::*;
use crate::fixture::{Node, domain, gicv2, gicv3, host, rich, with_domains};
use crate::layout::layout;

fn dump(tree: Node, index: usize, initrd: Option<Range>) -> String {
    let system = crate::parse(&tree.blob()).unwrap();
    let spec = system.accepted().nth(index).unwrap();
    let layout = layout(spec, &system.host).unwrap();
    let blob = write(spec, &system.host, &layout, initrd).unwrap();
    Fdt::new(&blob).unwrap().to_string()
}

const GICV3: &str = r#"/dts-v1/;

/ {
    #address-cells = <0x02>;
    #size-cells = <0x02>;

    chosen {
        bootargs = "console=ttyAMA0";
        linux,initrd-start = <0x00 0x48200000>;
        linux,initrd-end = <0x00 0x48300001>;
    };

    cpus {
        #address-cells = <0x01>;
        #size-cells = <0x00>;

        cpu@0 {
            compatible = "arm,cortex-a57";
            device_type = "cpu";
            reg = <0x00>;
            enable-method = "psci";
        };

        cpu@1 {
            compatible = "arm,cortex-a57";
            device_type = "cpu";
            reg = <0x01>;
            enable-method = "psci";
        };
    };

    memory@40000000 {
        device_type = "memory";
        reg = <0x00 0x40000000 0x00 0x10000000>;
    };

    interrupt-controller@3001000 {
        #address-cells = <0x00>;
        #interrupt-cells = <0x03>;
        interrupt-controller;
        compatible = "arm,gic-v3";
        #redistributor-regions = <0x01>;
        reg = <0x00 0x3001000 0x00 0x10000 0x00 0x3020000 0x00 0x1000000>;
        linux,phandle = <0xfde8>;
        phandle = <0xfde8>;
    };

    timer {
        compatible = "arm,armv8-timer";
        interrupts = <0x01 0x0d 0xf08 0x01 0x0e 0xf08 0x01 0x0b 0xf08>;
        interrupt-parent = <0xfde8>;
    };

    psci {
        compatible = "arm,psci-1.0", "arm,psci-0.2", "arm,psci";
        method = "hvc";
        cpu_off = <0x01>;
        cpu_on = <0x02>;
    };

    sbsa-uart@22000000 {
        compatible = "arm,sbsa-uart";
        reg = <0x00 0x22000000 0x00 0x1000>;
        interrupts = <0x00 0x00 0xf04>;
        interrupt-parent = <0xfde8>;
        current-speed = <0x1c200>;
    };
};
"#;

#[test]
fn a_gicv3_guest_sees_what_xen_shows() {
    let initrd = Range::new(0x4820_0000, 0x10_0001);
    let tree = with_domains(host(gicv3()), [domain("domU1")]);
    assert_eq!(dump(tree, 0, initrd), GICV3);
}

#[test]
fn a_gicv2_guest_without_uart_or_command_line() {
    let quiet = domain("domU1")
        .without("vpl011")
        .edit("module@48000000", |kernel| kernel.without("bootargs"));
    let slow = |timer: Node| timer.cells("clock-frequency", &[0x100]);
    let tree = with_domains(host(gicv2()).edit("timer", slow), [quiet]);
    let dump = dump(tree.edit("cpus/cpu@0", slow), 0, None);
    let gic = r#"
        compatible = "arm,gic-400";
        reg = <0x00 0x3001000 0x00 0x1000 0x00 0x3002000 0x00 0x2000>;
"#;
    assert!(dump.contains(gic), "{dump}");
    assert!(dump.contains("chosen {\n    };"), "{dump}");
    assert!(
        !dump.contains("sbsa-uart") && !dump.contains("initrd"),
        "{dump}"
    );
    assert_eq!(
        dump.matches("clock-frequency = <0x100>;").count(),
        3,
        "{dump}"
    );
}

#[test]
fn a_direct_mapped_guest_sees_the_hosts_devices() {
    let dump = dump(rich(), 2, None);
    for part in [
        "memory@70000000 {",
        "interrupt-controller@8000000 {",
        "reg = <0x00 0x8000000 0x00 0x10000 0x00 0x80a0000 0x00 0xf60000>;",
        "sbsa-uart@9000000 {",
        "interrupts = <0x00 0x4d 0xf04>;",
    ] {
        assert!(dump.contains(part), "no {part} in {dump}");
    }
}

#[test]
fn a_large_guest_has_two_banks_and_clusters_of_sixteen() {
    let system = crate::parse(&with_domains(host(gicv3()), [domain("domU1")]).blob()).unwrap();
    let mut spec = system.domains[0].spec.clone().unwrap();
    (spec.memory_kib, spec.vcpus) = (4 << 20, 128);
    let layout = layout(&spec, &system.host).unwrap();
    let blob = write(&spec, &system.host, &layout, None).unwrap();
    let fdt = Fdt::new(&blob).unwrap();
    assert!(fdt.find_node("/cpus/cpu@10").is_none());
    let cpu = fdt.find_node("/cpus/cpu@70f").unwrap();
    assert_eq!(cpu.property("reg").unwrap().value(), [0, 0, 7, 15]);
    let reg = fdt
        .find_node("/memory@40000000")
        .unwrap()
        .property("reg")
        .unwrap();
    let cells = [0, 0x4000_0000, 0, 0xc000_0000, 2, 0, 0, 0x4000_0000u32];
    let bytes: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
    assert_eq!(reg.value(), bytes);
}

#[test]
fn what_cannot_be_written_is_one_line() {
    let system = crate::parse(&with_domains(host(gicv3()), [domain("domU1")]).blob()).unwrap();
    let mut spec = system.domains[0].spec.clone().unwrap();
    let layout = layout(&spec, &system.host).unwrap();
    spec.bootargs = Some("a\0b".into());
    let error = write(&spec, &system.host, &layout, None)
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("/chosen/domU1: its device tree cannot be written: "),
        "{error}"
    );
    spec.bootargs = Some("x".repeat(2 << 20));
    let error = write(&spec, &system.host, &layout, None)
        .unwrap_err()
        .to_string();
    assert!(error.ends_with("bytes: too large"), "{error}");
}

#[test]
fn guests_have_seeds_of_their_own() {
    let host = host(gicv3()).edit("chosen", |chosen| chosen.bytes("rng-seed", &[7; 32]));
    let tree = with_domains(host, [domain("domU1"), domain("domU2")]);
    let line = |index| {
        let text = dump(tree.clone(), index, None);
        let line = text.lines().find(|line| line.contains("rng-seed"));
        line.expect("no seed").to_owned()
    };
    assert_ne!(line(0), line(1));
    assert!(
        !dump(
            tree.edit("chosen", |chosen| chosen.without("rng-seed")),
            0,
            None
        )
        .contains("seed")
    );
}

#[test]
fn a_domain_that_is_told_of_the_hypervisor_has_its_node() {
    let tree = with_domains(
        host(gicv3()),
        [domain("domU1").text("xen,enhanced", "no-xenstore")],
    );
    let node = r#"
    hypervisor {
        compatible = "xen,xen-4.20", "xen,xen";
        reg = <0x00 0x38000000 0x00 0x1000000 0x00 0x50000000 0x00 0xb0000000 0x02 0x00 0xfe 0x00>;
        interrupts = <0x01 0x0f 0xf08>;
        interrupt-parent = <0xfde8>;
    };
"#;
    let text = dump(tree, 0, None);
    assert!(text.contains(node), "{text}");
    let plain = dump(with_domains(host(gicv3()), [domain("domU1")]), 0, None);
    assert!(!plain.contains("hypervisor"), "{plain}");
}
