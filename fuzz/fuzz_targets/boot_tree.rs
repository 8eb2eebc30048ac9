//! The boot device tree, as the hypervisor and `cargo xtask check-dtb` read it: any bytes give
//! partitions or error lines, never a panic, and an accepted domain always gets a layout and a
//! device tree.
//!
//! `cargo +nightly fuzz run boot_tree` (without nightly: `RUSTC_BOOTSTRAP=1 cargo fuzz run -s
//! none boot_tree`). Good seeds are the trees of `tests/good-trees`, compiled with `dtc` into
//! `fuzz/corpus/boot_tree`.
#![no_main]

use domcfg::{early_uart, guest_tree, layout, parse, report};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|blob: &[u8]| {
    let _ = early_uart(blob);
    let outcome = report::check(blob);
    assert!(!outcome.text.is_empty());
    let Ok(system) = parse(blob) else {
        assert!(!outcome.ok);
        return;
    };
    for finding in &system.findings {
        assert!(!finding.to_string().contains('\n'));
    }
    for spec in system.accepted() {
        let layout = layout::layout(spec, &system.host).expect("an accepted domain fits");
        guest_tree::write(spec, &system.host, &layout, None).expect("its tree can be written");
    }
});
