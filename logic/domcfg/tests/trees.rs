//! The trees of `tests/bad-trees` and `tests/good-trees`: each bad one gives the lines that its
//! head says, and its good domain still boots; each good one gives no error.
#![cfg(feature = "report")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use domcfg::report;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests")
        .join(name)
}

fn files(name: &str, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder(name))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| path.extension().is_some_and(|one| one == extension))
        .collect();
    files.sort();
    files
}

fn has_compiler() -> bool {
    let found = Command::new("dtc").arg("--version").output().is_ok();
    if !found {
        eprintln!("dtc is not installed: nothing is tested here");
    }
    found
}

fn compile(source: &Path) -> Vec<u8> {
    let output = Command::new("dtc")
        .args(["-q", "-I", "dts", "-O", "dtb"])
        .arg(source)
        .output();
    let output = output.unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {complaint}", source.display());
    output.stdout
}

/// The values of the head's lines `// key: value`.
fn head<'t>(text: &'t str, key: &'t str) -> impl Iterator<Item = &'t str> {
    let lines = text.lines().map_while(|line| line.strip_prefix("//"));
    lines.filter_map(move |line| line.trim().strip_prefix(key)?.strip_prefix(": "))
}

/// Whether the text has a line that ends with `expected`.
fn says(text: &str, expected: &str) -> bool {
    text.lines().any(|line| line.ends_with(expected))
}

#[test]
fn bad_trees_give_their_lines() {
    if !has_compiler() {
        return;
    }
    let sources = files("bad-trees", "dts");
    assert!(sources.len() >= 25, "{} bad trees", sources.len());
    for source in sources {
        let name = source.display();
        let text = fs::read_to_string(&source).unwrap();
        let blob = compile(&source);
        let outcome = report::check(&blob);
        assert!(!outcome.ok, "{name}: no error");
        assert!(head(&text, "expect").count() > 0, "{name}: says nothing");
        for line in head(&text, "expect") {
            assert!(
                says(&outcome.text, line),
                "{name}: no `{line}` in\n{}",
                outcome.text
            );
        }
        let errors = outcome
            .text
            .lines()
            .filter(|line| line.starts_with("error: "))
            .count();
        let expected = head(&text, "expect").filter(|line| !is_extra(line)).count();
        assert_eq!(errors, expected, "{name}: other errors\n{}", outcome.text);
        for id in head(&text, "boots") {
            let system = domcfg::parse(&blob).unwrap();
            let boots = system.accepted().any(|spec| spec.id.to_string() == id);
            assert!(boots, "{name}: {id} is refused\n{}", outcome.text);
        }
    }
}

fn is_extra(line: &str) -> bool {
    line.starts_with("note: ") || line.starts_with("config=strict")
}

#[test]
fn bad_blobs_give_their_line() {
    let blobs = files("bad-trees", "dtb");
    assert!(!blobs.is_empty());
    for path in blobs {
        let line = fs::read_to_string(path.with_extension("expect")).unwrap();
        let outcome = report::check(&fs::read(&path).unwrap());
        assert_eq!(outcome.text, format!("error: {line}"), "{}", path.display());
        assert!(!outcome.ok);
    }
}

#[test]
fn good_trees_have_no_error() {
    if !has_compiler() {
        return;
    }
    let sources = files("good-trees", "dts");
    assert!(!sources.is_empty());
    for source in sources {
        let text = fs::read_to_string(&source).unwrap();
        let outcome = report::check(&compile(&source));
        assert!(outcome.ok, "{}\n{}", source.display(), outcome.text);
        let notes: Vec<&str> = outcome
            .text
            .lines()
            .filter_map(|line| line.strip_prefix("note: "))
            .collect();
        assert_eq!(
            notes,
            head(&text, "note").collect::<Vec<_>>(),
            "{}",
            source.display()
        );
    }
}
