//! The registers of the interrupt controller (Arm IHI 0069, 12.8 to 12.11).

use support::gic::{distributor, redistributor};

use crate::{
    say,
    uart_registers::{reads, write_sized},
};

/// Offsets in the distributor that are read in every width.
const DISTRIBUTOR: [u64; 60] = [
    0x0, 0x4, 0x8, 0xc, 0x10, 0x14, 0x20, 0x40, 0x48, 0x50, 0x58, 0x80, 0x84, 0xfc, 0x100, 0x104,
    0x17c, 0x180, 0x184, 0x200, 0x204, 0x280, 0x284, 0x300, 0x304, 0x380, 0x384, 0x400, 0x420,
    0x424, 0x7f8, 0x800, 0x820, 0xbf8, 0xc00, 0xc04, 0xc08, 0xc0c, 0xcfc, 0xd00, 0xd04, 0xe00,
    0xe04, 0xf00, 0xf10, 0xf20, 0x1000, 0x6000, 0x6100, 0x6104, 0x6108, 0x61f8, 0x7fd8, 0x8000,
    0xbffc, 0xc000, 0xffd0, 0xffe0, 0xffe8, 0xfffc,
];

/// The same in a redistributor's two frames.
const REDISTRIBUTOR: [u64; 48] = [
    0x0, 0x4, 0x8, 0xc, 0x10, 0x14, 0x20, 0x40, 0x48, 0x70, 0x78, 0xa0, 0xb0, 0xc0, 0x100, 0x110,
    0xffd0, 0xffe0, 0xffe8, 0xfffc, 0x1_0000, 0x1_0080, 0x1_0084, 0x1_0100, 0x1_0104, 0x1_0180,
    0x1_0200, 0x1_0280, 0x1_0300, 0x1_0380, 0x1_0400, 0x1_0404, 0x1_0408, 0x1_0418, 0x1_041c,
    0x1_0420, 0x1_0800, 0x1_0c00, 0x1_0c04, 0x1_0c08, 0x1_0d00, 0x1_0d04, 0x1_0e00, 0x1_0f10,
    0x1_0f20, 0x1_ffd0, 0x1_ffe8, 0x1_fffc,
];

/// Registers of the distributor to write, with what, and where the effect shows.
const DISTRIBUTOR_WRITES: [(&str, u64, u64, u64); 22] = [
    ("ctlr_on", 0x0, 0x13, 0x0),
    ("ctlr_all_ones", 0x0, 0xffff_ffff, 0x0),
    ("typer", 0x4, 0xffff_ffff, 0x4),
    ("igroupr1", 0x84, 0xffff_ffff, 0x84),
    ("isenabler1", 0x104, 0x1, 0x104),
    ("isenabler1_more", 0x104, 0xffff_fffe, 0x104),
    ("icenabler1", 0x184, 0xffff_ffff, 0x104),
    ("isenabler0_is_private", 0x100, 0x1, 0x100),
    ("isenabler2_beyond", 0x108, 0xffff_ffff, 0x108),
    ("ispendr1", 0x204, 0x2, 0x204),
    ("icpendr1", 0x284, 0xffff_ffff, 0x204),
    ("isactiver1", 0x304, 0x2, 0x304),
    ("icactiver1", 0x384, 0xffff_ffff, 0x304),
    ("ipriorityr", 0x420, 0xffff_ffff, 0x420),
    ("ipriorityr_back", 0x420, 0x0102_0304, 0x420),
    ("icfgr2", 0xc08, 0xffff_ffff, 0xc08),
    ("icfgr2_back", 0xc08, 0, 0xc08),
    ("icfgr0_is_private", 0xc00, 0, 0xc00),
    ("itargetsr", 0x820, 0x0101_0101, 0x820),
    ("sgir", 0xf00, 0x0100_0001, 0xf00),
    ("setspi_nsr", 0x40, 33, 0x204),
    ("pidr2", 0xffe8, 0, 0xffe8),
];

/// The same for a redistributor.
const REDISTRIBUTOR_WRITES: [(&str, u64, u64, u64); 20] = [
    ("ctlr", 0x0, 0xffff_ffff, 0x0),
    ("waker_awake", 0x14, 0, 0x14),
    ("waker_asleep", 0x14, 2, 0x14),
    ("waker_awake_again", 0x14, 0, 0x14),
    ("propbaser", 0x70, 0xffff_ffff, 0x70),
    ("pendbaser", 0x78, 0xffff_ffff, 0x78),
    ("igroupr0", 0x1_0080, 0xffff_ffff, 0x1_0080),
    ("isenabler0", 0x1_0100, 0xffff_ffff, 0x1_0100),
    ("icenabler0", 0x1_0180, 0xffff_ffff, 0x1_0100),
    ("isenabler0_sgis", 0x1_0100, 0x1, 0x1_0100),
    ("ispendr0_sgi", 0x1_0200, 0x8, 0x1_0200),
    ("icpendr0_sgi", 0x1_0280, 0x8, 0x1_0200),
    ("isactiver0", 0x1_0300, 0x8, 0x1_0300),
    ("icactiver0", 0x1_0380, 0xffff_ffff, 0x1_0300),
    ("ipriorityr0", 0x1_0400, 0xffff_ffff, 0x1_0400),
    ("ipriorityr0_back", 0x1_0400, 0x0102_0304, 0x1_0400),
    ("icfgr0", 0x1_0c00, 0, 0x1_0c00),
    ("icfgr1", 0x1_0c04, 0xffff_ffff, 0x1_0c04),
    ("igrpmodr0", 0x1_0d00, 0xffff_ffff, 0x1_0d00),
    ("nsacr", 0x1_0e00, 0xffff_ffff, 0x1_0e00),
];

pub(crate) fn print() {
    for offset in DISTRIBUTOR {
        read("gicd", offset, distributor(offset));
    }
    for offset in REDISTRIBUTOR {
        read("gicr0", offset, redistributor(0, offset));
    }
    for offset in [0x8, 0x14, 0x1_0100, 0x1_0400] {
        read("gicr1", offset, redistributor(1, offset));
    }
    for (place, address) in [
        ("missing_redistributor", redistributor(2, 8)),
        ("between_the_two", distributor(0x1_0000)),
        ("before_the_distributor", distributor(0) - 4),
        ("last_of_the_region", redistributor(127, 0x1_fffc)),
        ("behind_the_region", redistributor(128, 0)),
    ] {
        say!(@ format_args!("gic.hole.{place}"), "{}", reads(address)[2]);
    }
    for (name, offset, value, shows) in DISTRIBUTOR_WRITES {
        write("gicd", name, distributor(offset), value, distributor(shows));
    }
    for (name, offset, value, shows) in REDISTRIBUTOR_WRITES {
        write(
            "gicr",
            name,
            redistributor(0, offset),
            value,
            redistributor(0, shows),
        );
    }
    widths();
    routing();
}

fn read(frame: &str, offset: u64, address: u64) {
    let [byte, half, word, double] = reads(address);
    say!(@ format_args!("gic.{frame}.read.{offset:#x}"), "{byte} {half} {word} {double}");
}

fn write(frame: &str, name: &str, address: u64, value: u64, shows: u64) {
    let answer = write_sized(address, 4, value);
    let word = reads(shows)[2];
    say!(@ format_args!("gic.{frame}.write.{name}"), "{answer}, then {word}");
}

/// Writes in other widths than 32 bits.
fn widths() {
    for (name, offset) in [
        ("ctlr", 0x0),
        ("isenabler1", 0x104),
        ("ispendr1", 0x204),
        ("icactiver1", 0x384),
        ("ipriorityr", 0x424),
        ("icfgr2", 0xc08),
        ("irouter", 0x6108),
    ] {
        for size in [1, 2, 8] {
            let answer = write_sized(distributor(offset), size, 0);
            say!(@ format_args!("gic.gicd.width.{name}.{size}"), "{answer}");
        }
    }
    for lane in 0..4 {
        write_sized(distributor(0x424 + lane), 1, 0x11 * (lane + 1));
    }
    say!(
        "gic.gicd.priorities_by_byte",
        "{}",
        reads(distributor(0x424))[2]
    );
}

/// Where SPIs go.
fn routing() {
    let irouter = distributor(0x6108);
    for (name, size, value) in [
        ("second_vcpu", 8, 1),
        ("missing_vcpu", 8, 7),
        ("any_vcpu", 8, 1 << 31),
        ("first_vcpu", 8, 0),
        ("low_half", 4, 1),
        ("far_vcpu", 8, 0xff_0000_0000),
        ("first_vcpu_again", 8, 0),
    ] {
        let answer = write_sized(irouter, size, value);
        let kept = reads(irouter)[3];
        say!(@ format_args!("gic.irouter.{name}"), "{answer}, then {kept}");
    }
}
