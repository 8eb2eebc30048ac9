//! Trapped system registers that a guest may touch.

use machine::exit::Sysreg;

use crate::bench::{Bench, ENTRY, Setup, Who};

const A: Who = (1, 0);

fn read(bench: &mut Bench, register: Sysreg) -> u64 {
    bench.run(A, move |guest| {
        guest.set_pc(ENTRY);
        guest.set_x(0, 0xdead);
        guest.read_register(register)
    });
    assert_eq!(bench.pc(A), ENTRY + 4, "{register} is not refused");
    bench.registers(A, |registers| registers.cpu.register(0))
}

fn write(bench: &mut Bench, register: Sysreg) {
    bench.run(A, move |guest| {
        guest.set_pc(ENTRY);
        guest.write_register(register, u64::MAX)
    });
    assert_eq!(bench.pc(A), ENTRY + 4, "{register} is not refused");
}

#[test]
fn identification_registers_are_sanitised() {
    let mut bench = Setup::two().boot();
    let pfr0 = read(&mut bench, Sysreg::new(3, 0, 0, 4, 0));
    assert_eq!(pfr0 & 0xff, 0x11, "EL0 and EL1");
    assert_eq!(pfr0 >> 8 & 0xff, 0, "no EL2 and EL3");
    assert_eq!(pfr0 >> 32 & 0xf, 0, "no SVE");
    assert_eq!(
        read(&mut bench, Sysreg::new(3, 0, 0, 4, 4)),
        0,
        "ID_AA64ZFR0_EL1"
    );
    assert_eq!(read(&mut bench, Sysreg::new(3, 0, 0, 7, 7)), 0, "reserved");
    let mmfr0 = read(&mut bench, Sysreg::new(3, 0, 0, 7, 0));
    assert_eq!(mmfr0 & 0xf, 1, "the hardware's 36 bits");
    for crm in 1..=7 {
        for op2 in 0..=7 {
            read(&mut bench, Sysreg::new(3, 0, 0, crm, op2));
        }
    }
}

#[test]
fn controls_without_effect() {
    let mut bench = Setup::two().boot();
    let actlr = Sysreg::new(3, 0, 1, 0, 1);
    write(&mut bench, actlr);
    assert_eq!(read(&mut bench, actlr), 0);
    let sre = Sysreg::new(3, 0, 12, 12, 5);
    write(&mut bench, sre);
    assert_eq!(read(&mut bench, sre), 7);
    for op2 in [6, 7] {
        write(&mut bench, Sysreg::new(3, 0, 12, 11, op2)); // ICC_ASGI1R_EL1, ICC_SGI0R_EL1
    }
    for crm in [6, 10, 14] {
        write(&mut bench, Sysreg::new(1, 0, 7, crm, 2)); // DC ISW, DC CSW, DC CISW
    }
}

#[test]
fn debug_registers_are_there_and_do_nothing() {
    let mut bench = Setup::two().boot();
    let registers = [
        (2, 0, 0, 0, 4), // DBGBVR0_EL1
        (2, 0, 0, 1, 7), // DBGWCR1_EL1
        (2, 0, 0, 2, 2), // MDSCR_EL1
        (2, 0, 0, 0, 2), // OSDTRRX_EL1
        (2, 0, 1, 3, 4), // OSDLR_EL1
        (2, 0, 7, 8, 6), // DBGCLAIMSET_EL1
        (2, 3, 0, 1, 0), // MDCCSR_EL0
    ];
    for (op0, op1, crn, crm, op2) in registers {
        let register = Sysreg::new(op0, op1, crn, crm, op2);
        write(&mut bench, register);
        assert_eq!(read(&mut bench, register), 0);
    }
    assert_eq!(
        read(&mut bench, Sysreg::new(2, 0, 1, 1, 4)),
        8,
        "the OS lock exists, unlocked"
    );
}
