//! The numbers, sizes and offsets of this crate against Xen's public headers.
//!
//! Reads this crate's own sources, writes a C file of static assertions from them, and compiles it
//! for AArch64 with the headers' directory in `XEN_HEADERS` (Debian: libxen-dev of 4.20 or later,
//! `/usr/include/xen`) and the compiler in `XEN_HEADERS_CC` (`aarch64-linux-gnu-gcc` by default).
//! A constant or a field that has no counterpart under its rule does not compile, so this crate
//! cannot drift away; the last flags and the counts catch Xen's growing.

mod names;
mod source;

use std::path::Path;
use std::process::Command;

use names::{CONSTANTS, EXTRA, STRUCTURES};
use source::Source;

const INCLUDES: [&str; 10] = [
    "xen.h",
    "event_channel.h",
    "sched.h",
    "vcpu.h",
    "version.h",
    "memory.h",
    "grant_table.h",
    "hvm/params.h",
    "features.h",
    "errno.h",
];

/// The C file.
fn probe() -> String {
    let mut c = String::from(
        "#define __XEN_INTERFACE_VERSION__ 0x00041300\n#define __XEN_TOOLS__ 1\n\
         #include <stdint.h>\n#include <stddef.h>\n",
    );
    INCLUDES
        .iter()
        .for_each(|header| c += &format!("#include \"{header}\"\n"));
    let mut same = |theirs: &str, ours: &str| {
        c += &format!("_Static_assert(({theirs}) == ({ours}), \"{theirs} is not {ours}\");\n");
    };
    for rule in CONSTANTS {
        let constants = Source::of(rule.file).constants(rule.module);
        assert!(!constants.is_empty(), "{} {:?}", rule.file, rule.module);
        for (name, value) in constants {
            if let Some(theirs) = rule.theirs(&name) {
                same(&theirs, &value);
            }
        }
    }
    for (file, structures) in STRUCTURES {
        let source = Source::of(file);
        let declared = source.structures();
        assert_eq!(declared.len(), structures.len(), "structures of {file}");
        for structure in declared {
            let entry = structures.iter().find(|(ours, ..)| *ours == structure.name);
            let (_, theirs, renamed) = entry.unwrap_or_else(|| panic!("{}", structure.name));
            same(&format!("sizeof(struct {theirs})"), &structure.size);
            for (field, offset) in structure.fields {
                let field = renamed
                    .iter()
                    .find(|(ours, _)| *ours == field)
                    .map_or(&*field, |f| f.1);
                same(&format!("offsetof(struct {theirs}, {field})"), &offset);
            }
        }
    }
    EXTRA.iter().for_each(|(theirs, ours)| same(theirs, ours));
    c
}

#[test]
fn a_probe_is_made_of_everything() {
    let assertions = probe().matches("_Static_assert").count();
    assert!(assertions > 350, "{assertions} assertions");
}

#[test]
fn everything_is_as_in_xens_headers() {
    let Some(headers) = std::env::var_os("XEN_HEADERS") else {
        eprintln!("skipped: XEN_HEADERS does not say where Xen's headers are");
        return;
    };
    let compiler = std::env::var("XEN_HEADERS_CC");
    let compiler = compiler.unwrap_or_else(|_| "aarch64-linux-gnu-gcc".into());
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("xen_headers.c");
    std::fs::write(&file, probe()).unwrap();
    let output = Command::new(&compiler)
        .args(["-fsyntax-only", "-iquote"])
        .args([headers.as_os_str(), file.as_os_str()])
        .output()
        .unwrap_or_else(|error| panic!("{compiler}: {error}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}
