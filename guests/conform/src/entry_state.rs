//! What a guest starts with (Linux, Documentation/arch/arm64/booting.rst; Xen, docs/misc/arm).

use abi::arm;
use support::{entry, read_register, tree::Tree};

use crate::say;

pub(crate) fn print(tree: Tree) {
    let record = entry::record();
    for (index, value) in record.x.iter().enumerate() {
        let shown = if *value == 0 { "0" } else { "not 0" };
        say!(@ format_args!("entry.x{index}"), "{shown}");
    }
    say!("entry.daif", "{:#x}", record.daif);
    say!("entry.currentel", "{:#x}", record.current_el);
    say!("entry.spsel", "{:#x}", record.stack_select);
    say!("entry.vbar_el1", "{:#x}", record.vectors);
    system_registers();
    let address = record.x[0];
    say!("entry.tree.in_bank_0", "{}", arm::RAM_BANK_0.has(address));
    say!(
        "entry.tree.aligned_to_2_mib",
        "{}",
        address.is_multiple_of(2 << 20)
    );
    say!("entry.tree.version", "{}", tree.header(20));
    say!("entry.tree.compatible_version", "{}", tree.header(24));
    say!("entry.tree.boot_cpu", "{}", tree.header(28));
    let image: u64;
    // SAFETY: computes an address.
    unsafe { core::arch::asm!("adrp {}, _head", out(reg) image) };
    say!("entry.image", "{image:#x}");
}

fn system_registers() {
    say!("entry.sctlr_el1", "{:#x}", read_register!("sctlr_el1"));
    say!("entry.cpacr_el1", "{:#x}", read_register!("cpacr_el1"));
    say!("entry.ttbr0_el1", "{:#x}", read_register!("ttbr0_el1"));
    say!("entry.ttbr1_el1", "{:#x}", read_register!("ttbr1_el1"));
    say!("entry.tcr_el1", "{:#x}", read_register!("tcr_el1"));
    say!("entry.mair_el1", "{:#x}", read_register!("mair_el1"));
    say!("entry.amair_el1", "{:#x}", read_register!("amair_el1"));
    say!(
        "entry.contextidr_el1",
        "{:#x}",
        read_register!("contextidr_el1")
    );
    say!("entry.tpidr_el0", "{:#x}", read_register!("tpidr_el0"));
    say!("entry.tpidrro_el0", "{:#x}", read_register!("tpidrro_el0"));
    say!("entry.csselr_el1", "{:#x}", read_register!("csselr_el1"));
    say!("entry.par_el1", "{:#x}", read_register!("par_el1"));
    say!("entry.afsr0_el1", "{:#x}", read_register!("afsr0_el1"));
    say!("entry.cntkctl_el1", "{:#x}", read_register!("cntkctl_el1"));
    say!(
        "entry.cntv_ctl_el0",
        "{:#x}",
        read_register!("cntv_ctl_el0")
    );
    say!(
        "entry.cntp_ctl_el0",
        "{:#x}",
        read_register!("cntp_ctl_el0")
    );
    say!("entry.cntfrq_el0", "{}", read_register!("cntfrq_el0"));
    say!("entry.mpidr_el1", "{:#x}", read_register!("mpidr_el1"));
    say!("entry.midr_el1", "{:#x}", read_register!("midr_el1"));
    let virtual_count = support::timer::virtual_count();
    let physical_count = support::timer::physical_count();
    say!(
        "entry.virtual_counter_starts_late",
        "{}",
        virtual_count < physical_count
    );
}
