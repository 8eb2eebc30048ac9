//! The reader against damaged blobs, and against an independent reader.

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::{Node as _, Property as _};

use super::*;
use crate::fixture;

/// Writes a blob from raw tokens, good or not.
struct Raw {
    structure: Vec<u8>,
    strings: Vec<u8>,
}

impl Raw {
    fn new() -> Self {
        Self {
            structure: Vec::new(),
            strings: b"name\0".to_vec(),
        }
    }

    fn word(mut self, word: u32) -> Self {
        self.structure.extend(word.to_be_bytes());
        self
    }

    fn text(mut self, text: &[u8]) -> Self {
        self.structure.extend(text);
        self.structure.push(0);
        self.structure
            .resize(self.structure.len().next_multiple_of(4), 0);
        self
    }

    fn begin(self, name: &[u8]) -> Self {
        self.word(1).text(name)
    }

    fn end(self) -> Self {
        self.word(2)
    }

    fn property(self, name: u32, value: &[u8]) -> Self {
        let mut raw = self.word(3).word(value.len() as u32).word(name);
        raw.structure.extend(value);
        raw.structure
            .resize(raw.structure.len().next_multiple_of(4), 0);
        raw
    }

    fn blob(&self) -> Vec<u8> {
        let (structure, strings) = (self.structure.len() as u32, self.strings.len() as u32);
        let total = 56 + structure + strings;
        let header = [
            0xd00d_feed,
            total,
            56,
            56 + structure,
            40,
            17,
            16,
            0,
            strings,
            structure,
        ];
        let mut blob: Vec<u8> = header
            .iter()
            .flat_map(|word| u32::to_be_bytes(*word))
            .collect();
        blob.extend([0; 16]);
        blob.extend(&self.structure);
        blob.extend(&self.strings);
        blob
    }

    fn error(&self) -> String {
        Tree::new(&self.blob())
            .map(|_| ())
            .expect_err("accepted")
            .to_string()
    }
}

fn small() -> Raw {
    Raw::new().begin(b"").property(0, b"value").end().word(9)
}

fn patched(at: usize, word: u32) -> String {
    let mut blob = small().blob();
    blob[at..at + 4].copy_from_slice(&word.to_be_bytes());
    Tree::new(&blob)
        .map(|_| ())
        .expect_err("accepted")
        .to_string()
}

#[test]
fn a_small_tree_reads() {
    let blob = small().blob();
    let tree = Tree::new(&blob).unwrap();
    assert_eq!(tree.root().property("name"), Some(&b"value"[..]));
    assert_eq!(tree.root().path(), "/");
    let mut longer = blob.clone();
    longer.extend([0xff; 100]);
    assert!(
        Tree::new(&longer).is_ok(),
        "what follows the tree does not matter"
    );
}

#[test]
fn damaged_headers_are_told() {
    let blob = small().blob();
    for len in 0..blob.len() {
        let error = Tree::new(&blob[..len]).map(|_| ()).expect_err("accepted");
        assert!(
            matches!(error, TreeError::Truncated { .. }),
            "{len}: {error}"
        );
    }
    assert_eq!(
        patched(0, 0x1234),
        "device tree: magic = 0x1234: must be 0xd00dfeed"
    );
    let huge = "device tree: total size = 0xffffffff: must be at most 0x200000";
    assert_eq!(patched(4, u32::MAX), huge);
    assert_eq!(
        patched(4, 39),
        "device tree: header: total size is smaller than the header"
    );
    assert_eq!(
        patched(4, 0x1000),
        format!("device tree: truncated: {} bytes of 4096", blob.len())
    );
    assert_eq!(
        patched(20, 16),
        "device tree: version = 16 (compatible 16): must be 17"
    );
    assert_eq!(
        patched(24, 18),
        "device tree: version = 17 (compatible 18): must be 17"
    );
    for (at, word) in [(8, 58), (16, 44)] {
        assert_eq!(
            patched(at, word),
            "device tree: header: a block is not aligned"
        );
    }
    for (at, word, name) in [
        (8, 0, "structure block is outside the blob"),
        (8, 0xffff_fff0, "structure block is outside the blob"),
        (36, u32::MAX, "structure block is outside the blob"),
        (12, 8, "strings block is outside the blob"),
        (32, 0x100, "strings block is outside the blob"),
        (16, 56, "memory reservation block has no end"),
        (16, 8, "memory reservation block has no end"),
    ] {
        assert_eq!(
            patched(at, word),
            format!("device tree: header: the {name}")
        );
    }
}

#[test]
fn damaged_structures_are_told() {
    let long = vec![b'a'; MAX_NAME + 1];
    for (raw, rule) in [
        (Raw::new().word(9), "the tree ends inside a node"),
        (Raw::new().begin(b"").word(9), "the tree ends inside a node"),
        (Raw::new().begin(b""), "the structure block ends early"),
        (Raw::new().word(7), "unknown token"),
        (Raw::new().end(), "a node ends that never began"),
        (
            Raw::new().begin(b"").end().end(),
            "a node ends that never began",
        ),
        (
            Raw::new().begin(b"").end().begin(b""),
            "more than one root node",
        ),
        (
            Raw::new().begin(b"root"),
            "only the root node has an empty name",
        ),
        (
            Raw::new().begin(b"").begin(b""),
            "only the root node has an empty name",
        ),
        (
            Raw::new().begin(b"").begin(&long),
            "a node's name is too long or not printable",
        ),
        (
            Raw::new().begin(b"").begin(b"a\x1b[2J"),
            "a node's name is too long or not printable",
        ),
        (
            Raw::new().begin(b"").begin(b"a/b"),
            "a node's name is too long or not printable",
        ),
        (
            Raw::new().property(0, b""),
            "a property stands behind its node's children",
        ),
        (
            Raw::new().begin(b"").begin(b"a").end().property(0, b""),
            "a property stands behind its node's children",
        ),
        (
            Raw::new().begin(b"").property(4, b""),
            "a property's name is missing, too long or not printable",
        ),
        (
            Raw::new().begin(b"").property(u32::MAX, b""),
            "a property's name is missing, too long or not printable",
        ),
        (
            Raw::new().begin(b"").word(3).word(u32::MAX).word(0),
            "a property's value runs out of the structure block",
        ),
        (
            Raw::new().begin(b"").word(3),
            "the structure block ends early",
        ),
    ] {
        let error = raw.error();
        assert!(
            error.starts_with("device tree: structure block at offset 0x"),
            "{error}"
        );
        assert!(error.ends_with(rule), "{error} instead of {rule}");
    }
}

fn nested(levels: usize) -> Raw {
    let mut raw = Raw::new().begin(b"");
    for _ in 1..levels {
        raw = raw.begin(b"n");
    }
    for _ in 0..levels {
        raw = raw.end();
    }
    raw.word(9)
}

#[test]
fn depth_and_counts_are_bounded() {
    assert!(Tree::new(&nested(MAX_DEPTH).blob()).is_ok());
    for levels in [MAX_DEPTH + 1, 1000, 100_000] {
        let error = nested(levels).error();
        assert!(error.ends_with("nested deeper than 32 levels"), "{error}");
    }
    let nodes = |count: usize| {
        let mut raw = Raw::new().begin(b"");
        for _ in 1..count {
            raw = raw.begin(b"n").end();
        }
        raw.end().word(9)
    };
    assert_eq!(
        Tree::new(&nodes(MAX_NODES).blob()).unwrap().all().count(),
        MAX_NODES
    );
    assert_eq!(
        nodes(MAX_NODES + 1).error(),
        "device tree: more than 16384 nodes"
    );
    let properties = |count: usize| {
        let mut raw = Raw::new().begin(b"");
        for _ in 0..count {
            raw = raw.property(0, b"");
        }
        raw.end().word(9)
    };
    assert!(Tree::new(&properties(MAX_PROPERTIES).blob()).is_ok());
    let error = properties(MAX_PROPERTIES + 1).error();
    assert_eq!(error, "device tree: more than 131072 properties");
}

#[test]
fn names_beyond_31_characters_read() {
    let mut raw = Raw::new();
    raw.strings = b"vendor,pad-autocal-pull-up-offset-3v3-timeout\0".to_vec();
    let long = [b'n'; MAX_NAME];
    let blob = raw
        .begin(b"")
        .property(0, b"x")
        .begin(&long)
        .end()
        .end()
        .word(9)
        .blob();
    let tree = Tree::new(&blob).unwrap();
    assert!(
        tree.root()
            .has("vendor,pad-autocal-pull-up-offset-3v3-timeout")
    );
    assert_eq!(
        tree.root().children().next().unwrap().name().len(),
        MAX_NAME
    );
    assert!(
        Fdt::new(&blob).is_err(),
        "the reason for this crate's own reader"
    );
}

#[test]
fn a_name_is_not_taken_for_the_start_of_a_longer_one() {
    let mut raw = Raw::new();
    raw.strings = b"regulator\0reg\0".to_vec();
    let blob = raw
        .begin(b"")
        .property(0, b"long")
        .property(10, b"short")
        .end()
        .word(9)
        .blob();
    assert_eq!(
        Tree::new(&blob).unwrap().root().property("reg"),
        Some(&b"short"[..])
    );
}

#[test]
fn no_ops_are_skipped() {
    let raw = Raw::new()
        .word(4)
        .begin(b"")
        .word(4)
        .property(0, b"1")
        .word(4)
        .property(0, b"2");
    let blob = raw
        .word(4)
        .begin(b"a")
        .word(4)
        .end()
        .word(4)
        .end()
        .word(4)
        .word(9)
        .blob();
    let tree = Tree::new(&blob).unwrap();
    assert_eq!(tree.root().properties().count(), 2);
    assert_eq!(tree.root().children().count(), 1);
}

fn same(ours: Node<'_>, theirs: FdtNode<'_>) {
    assert_eq!(ours.name(), theirs.name());
    let mut properties = theirs.properties();
    for (name, value) in ours.properties() {
        let property = properties.next().unwrap();
        assert_eq!((name, value), (property.name(), property.value()));
    }
    assert!(properties.next().is_none());
    let mut children = theirs.children();
    for child in ours.children() {
        same(child, children.next().unwrap());
    }
    assert!(children.next().is_none());
}

#[test]
fn agrees_with_an_independent_reader() {
    let blob = fixture::rich().blob_reserving(&[(0x4000_0000, 0x1000), (0x5000_0000, 4)]);
    let tree = Tree::new(&blob).unwrap();
    let fdt = Fdt::new(&blob).unwrap();
    same(tree.root(), fdt.root());
    let theirs: Vec<_> = fdt
        .memory_reservations()
        .map(|one| (one.address(), one.size()))
        .collect();
    let ours: Vec<_> = tree
        .reservations()
        .map(|one| (one.start(), one.size()))
        .collect();
    assert_eq!(ours, theirs);
}

#[test]
fn nodes_are_found_by_path() {
    let blob = fixture::rich().blob();
    let tree = Tree::new(&blob).unwrap();
    assert_eq!(tree.find("/cpus/cpu@1").unwrap().path(), "/cpus/cpu@1");
    assert_eq!(tree.find("/cpus/cpu").unwrap().path(), "/cpus/cpu@0");
    assert_eq!(tree.find("/").unwrap().path(), "/");
    assert!(tree.find("cpus").is_none() && tree.find("/cpus/gpu").is_none());
}

#[test]
fn values_are_shown_short_and_clean() {
    assert_eq!(cells_text(&[0, 0, 0, 0, 0, 4, 0, 0]), "<0x0 0x40000>");
    assert_eq!(cells_text(&[1, 2, 3]), "[01 02 03]");
    assert_eq!(
        cells_text(&[0; 40]),
        "<0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0 ...>"
    );
    assert_eq!(string_text(b"a\0b\x1b\0"), "\"a|b?\"");
    assert_eq!(string_text(b""), "<>");
    assert_eq!(
        string_text(&[vec![b'x'; 100], vec![0]].concat()).len(),
        64 + 5
    );
    assert_eq!(strings(b"a\0b\0rest").collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(strings(b"none").count(), 0);
    assert_eq!(strings(b"\0").collect::<Vec<_>>(), [""]);
}
