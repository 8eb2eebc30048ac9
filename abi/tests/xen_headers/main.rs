//! The numbers, sizes and offsets of this crate against Xen's public headers, in both directions.
//!
//! `cargo xtask test` fetches the headers (Debian's libxen-dev for arm64) and runs this with
//! `XEN_HEADERS` set to their folder; `XEN_HEADERS_CC` is the compiler, `aarch64-linux-gnu-gcc` by
//! default.
//!
//! Ours against theirs: this crate's own sources are read, a C file of static assertions is written
//! from them and compiled for AArch64. A constant, a structure's size or a field's offset or size
//! that differs, or that has no counterpart under its rule, does not compile; a constant that no rule
//! reads fails the test. Theirs against ours: every name of a family that the headers define must be
//! one of ours or stand in a list of what we do without (`growth.rs`), so that a new operation, flag or
//! error number of Xen's fails the test.

mod growth;
mod names;
mod source;
mod values;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use names::{CONSTANTS, STRUCTURES};
use source::Source;

/// Files of ours that the headers have counterparts for.
const FILES: [&str; 14] = [
    "arm",
    "errno",
    "evtchn",
    "feature",
    "grant",
    "hvm",
    "hypercall",
    "ids",
    "memory",
    "sched",
    "shared_info",
    "smccc",
    "vcpu",
    "version",
];

const INCLUDES: [&str; 11] = [
    "xen.h",
    "event_channel.h",
    "sched.h",
    "vcpu.h",
    "version.h",
    "memory.h",
    "grant_table.h",
    "hvm/hvm_op.h",
    "hvm/params.h",
    "features.h",
    "errno.h",
];

/// What every C file here begins with: the interface as tools see it, which is its newest version.
fn head() -> String {
    let mut c = String::from("#define __XEN_TOOLS__ 1\n#include <stdint.h>\n#include <stddef.h>\n");
    INCLUDES
        .iter()
        .for_each(|header| c += &format!("#include \"{header}\"\n"));
    c
}

/// The C file of assertions, and the words of Xen's that it uses.
struct Probe {
    text: String,
    used: BTreeSet<String>,
}

impl Probe {
    fn new() -> Self {
        let mut probe = Self {
            text: head(),
            used: BTreeSet::new(),
        };
        probe.constants();
        probe.structures();
        for (ours, theirs, value) in values::computed() {
            probe.same(theirs, &format!("{value:#x}ull"), ours);
        }
        probe
    }

    fn same(&mut self, theirs: &str, value: &str, ours: &str) {
        let says = format!("{ours} ({value}) is not {theirs}");
        self.text += &format!("_Static_assert(({theirs}) == ({value}), \"{says}\");\n");
        let words = theirs.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        self.used.extend(words.map(str::to_owned));
    }

    fn constants(&mut self) {
        for rule in CONSTANTS {
            let constants = Source::of(rule.file).constants(rule.module);
            assert!(!constants.is_empty(), "{} {:?}", rule.file, rule.module);
            for (name, value) in constants {
                if let Some(theirs) = rule.theirs(&name) {
                    let ours = format!("{}: {}::{name}", rule.file, rule.module);
                    self.same(&theirs, &value, &ours);
                }
            }
        }
    }

    fn structures(&mut self) {
        for (file, structures) in STRUCTURES {
            let declared = Source::of(file).structures();
            assert_eq!(declared.len(), structures.len(), "structures of {file}");
            for structure in declared {
                let entry = structures.iter().find(|(ours, ..)| *ours == structure.name);
                let (name, theirs, renamed) = entry.unwrap_or_else(|| panic!("{}", structure.name));
                let size = format!("sizeof(struct {theirs})");
                self.same(&size, &structure.size, &format!("size of {file}: {name}"));
                for field in structure.fields {
                    let other = renamed.iter().find(|(ours, _)| *ours == field.name);
                    let their_field = other.map_or(&*field.name, |other| other.1);
                    let ours = format!("{file}: {name}.{}", field.name);
                    let offset = format!("offsetof(struct {theirs}, {their_field})");
                    self.same(&offset, &field.offset, &format!("offset of {ours}"));
                    let size = format!("sizeof(((struct {theirs} *)0)->{their_field})");
                    self.same(&size, &field.bytes.to_string(), &format!("size of {ours}"));
                }
            }
        }
    }
}

/// The headers and the compiler; `None` (and a line that says so) without them.
struct Headers {
    folder: PathBuf,
    compiler: OsString,
}

impl Headers {
    fn find() -> Option<Self> {
        let Some(folder) = std::env::var_os("XEN_HEADERS") else {
            eprintln!("skipped: XEN_HEADERS does not say where Xen's headers are");
            return None;
        };
        let compiler = std::env::var_os("XEN_HEADERS_CC");
        Some(Self {
            folder: folder.into(),
            compiler: compiler.unwrap_or_else(|| "aarch64-linux-gnu-gcc".into()),
        })
    }

    /// Has the compiler read `text`.
    fn compile(&self, name: &str, text: &str, options: &[&str]) -> Output {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&file, text).unwrap();
        Command::new(&self.compiler)
            .args(options)
            .arg("-iquote")
            .args([&self.folder, &file])
            .output()
            .unwrap_or_else(|error| panic!("{:?}: {error}", self.compiler))
    }

    /// Every macro and error number that the headers define.
    fn defined(&self) -> BTreeSet<String> {
        let output = self.compile("names.c", &head(), &["-E", "-dM"]);
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        let words = text.lines().filter_map(|line| {
            let name = line.strip_prefix("#define ")?;
            name.split([' ', '(']).next()
        });
        let mut all: BTreeSet<String> = words.map(str::to_owned).collect();
        let errnos = std::fs::read_to_string(self.folder.join("errno.h")).unwrap();
        all.extend(errnos.lines().filter_map(|line| {
            let name = line.strip_prefix("XEN_ERRNO(")?.split(',').next()?;
            Some(format!("XEN_{name}"))
        }));
        all
    }
}

#[test]
fn a_probe_is_made_of_everything() {
    let assertions = Probe::new().text.matches("_Static_assert").count();
    assert!(assertions > 550, "{assertions} assertions");
}

#[test]
fn no_constant_is_left_out() {
    let computed = values::computed();
    for file in FILES {
        let rules = CONSTANTS.iter().filter(|rule| rule.file == file);
        let modules: Vec<_> = rules.map(|rule| rule.module).collect();
        for name in Source::of(file).unread(&modules) {
            let name = format!("{file}: {name}");
            let is_checked =
                computed.iter().any(|(ours, ..)| *ours == name) || values::OURS.contains(&&*name);
            assert!(is_checked, "{name} is compared with nothing");
        }
    }
}

#[test]
fn everything_is_as_in_xens_headers() {
    let Some(headers) = Headers::find() else {
        return;
    };
    let output = headers.compile("probe.c", &Probe::new().text, &["-fsyntax-only"]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

#[test]
fn xens_headers_have_nothing_new() {
    let Some(headers) = Headers::find() else {
        return;
    };
    let defined = headers.defined();
    let unknown = growth::unknown(&defined, &Probe::new().used);
    assert!(unknown.is_empty(), "new in Xen's headers: {unknown:?}");
    let gone = growth::gone(&defined);
    assert!(gone.is_empty(), "not in Xen's headers: {gone:?}");
}

/// A macro of x86 alone, which no compiler for Arm sees.
#[test]
fn the_upcall_vector_has_x86s_number() {
    let Some(headers) = Headers::find() else {
        return;
    };
    let text = std::fs::read_to_string(headers.folder.join("hvm/hvm_op.h")).unwrap();
    let line = format!(
        "#define HVMOP_set_evtchn_upcall_vector {}",
        abi::hvm::op::SET_EVTCHN_UPCALL_VECTOR
    );
    assert!(text.lines().any(|one| one.trim() == line), "{line}");
}
