//! Damaged trees never panic and never hang: mutations of good blobs, and blobs that are made
//! to be slow.
//!
//! `EUXENITE_MUTATIONS` sets how many mutations are tried.

use std::time::{Duration, Instant};

mod common;

use common::{domain, gicv2, gicv3, host, rich, with_domains};
use domcfg::kernel::{KernelKind, PlainKernel};
use domcfg::{early_uart, guest_tree, layout, parse};

/// A small deterministic generator (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

const WORDS: [u32; 16] = [
    0,
    1,
    2,
    3,
    4,
    5,
    9,
    0x7f,
    0x80,
    0xffff,
    0x1_0000,
    0x7fff_ffff,
    0x8000_0000,
    0xffff_fff8,
    0xffff_ffff,
    0xd00d_feed,
];

/// Where a blob's property values lie.
fn values(blob: &[u8]) -> Vec<std::ops::Range<usize>> {
    let word = |at: usize| u32::from_be_bytes(blob[at..at + 4].try_into().unwrap());
    let mut at = word(8) as usize;
    let mut values = Vec::new();
    loop {
        let token = word(at);
        at += 4;
        match token {
            1 => {
                let len = blob[at..].iter().position(|&byte| byte == 0).unwrap();
                at = (at + len + 1).next_multiple_of(4);
            }
            3 => {
                let start = at + 8;
                let end = start + word(at) as usize;
                values.push(start..end);
                at = end.next_multiple_of(4);
            }
            9 => return values,
            _ => {}
        }
    }
}

/// Three mutations of four change what a tree says, the rest what holds it together.
fn mutate(blob: &mut Vec<u8>, values: &[std::ops::Range<usize>], random: &mut Random) {
    for _ in 0..=random.below(3) {
        if random.below(4) == 0 {
            break_structure(blob, random);
            continue;
        }
        let value = values[random.below(values.len())].clone();
        let Some(bytes) = blob.get_mut(value).filter(|bytes| !bytes.is_empty()) else {
            continue;
        };
        let at = random.below(bytes.len());
        let cell = at / 4 * 4;
        match random.below(5) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes[at] = bytes[at].wrapping_add(1),
            kind if cell + 4 <= bytes.len() => {
                let word = if kind == 3 {
                    WORDS[random.below(16)]
                } else {
                    random.below(64) as u32
                };
                bytes[cell..cell + 4].copy_from_slice(&word.to_be_bytes());
            }
            _ => bytes[at] = 0,
        }
    }
}

fn break_structure(blob: &mut Vec<u8>, random: &mut Random) {
    let at = random.below(blob.len());
    let word = at / 4 * 4;
    match random.below(6) {
        0 => blob[at] ^= 1 << random.below(8),
        1 => blob[at] = random.next() as u8,
        2 if word + 4 <= blob.len() => {
            blob[word..word + 4].copy_from_slice(&WORDS[random.below(16)].to_be_bytes());
        }
        3 => {
            let len = random.below(64).min(blob.len() - at);
            let to = random.below(blob.len() - len);
            blob.copy_within(at..at + len, to);
        }
        4 if random.below(4) == 0 => {
            let header = random.below(10) * 4;
            if header + 4 <= blob.len() {
                let value = (random.below(blob.len() * 2) as u32).to_be_bytes();
                blob[header..header + 4].copy_from_slice(&value);
            }
        }
        _ if random.below(8) == 0 => blob.truncate(at.max(1)),
        _ => blob[at] = blob[at].wrapping_add(1),
    }
}

/// Does all that a boot does with a tree; the result counts what got how far.
fn boot(blob: &[u8]) -> [usize; 3] {
    let _ = early_uart(blob);
    let system = match parse(blob) {
        Ok(system) => system,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return [0; 3];
        }
    };
    for finding in &system.findings {
        let line = finding.to_string();
        assert!(line.starts_with('/'), "{line:?}");
        assert!(
            line.bytes().all(|byte| matches!(byte, b' '..=b'~')),
            "{line:?}"
        );
    }
    let kernel = PlainKernel {
        kind: KernelKind::Image,
        text_offset: 0,
        file_size: 0x10_0000,
        image_size: 0x20_0000,
        alignment: 0x20_0000,
    };
    let mut written = 0;
    for spec in system.accepted() {
        let map = layout::layout(spec, &system.host).expect("an accepted domain has a layout");
        let place = layout::place(spec, &map, &kernel);
        let initrd = place.ok().and_then(|place| place.initrd);
        written += usize::from(guest_tree::write(spec, &system.host, &map, initrd).is_ok());
    }
    [1, system.accepted().count(), written]
}

#[test]
fn mutated_trees_never_panic() {
    let count = std::env::var("EUXENITE_MUTATIONS")
        .ok()
        .and_then(|count| count.parse().ok());
    let bases = [
        rich().blob_reserving(&[(0x4000_0000, 0x1000)]),
        with_domains(host(gicv2()), [domain("domU1"), domain("domU2")]).blob(),
        host(gicv3()).blob(),
    ];
    let values = bases.each_ref().map(|blob| values(blob));
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut reached = [0; 3];
    let start = Instant::now();
    let count: usize = count.unwrap_or(20_000);
    for n in 0..count {
        let mut blob = bases[n % bases.len()].clone();
        mutate(&mut blob, &values[n % bases.len()], &mut random);
        let one_start = Instant::now();
        let stages = boot(&blob);
        assert!(
            one_start.elapsed() < Duration::from_secs(5),
            "mutation {n} is slow"
        );
        for (sum, stage) in reached.iter_mut().zip(stages) {
            *sum += stage;
        }
    }
    let [parsed, accepted, written] = reached;
    eprintln!(
        "{count} mutations in {:?}: {parsed} parsed, {accepted} domains accepted, {written} trees written",
        start.elapsed()
    );
    // The test is worth something only while many mutations get far.
    assert!(parsed > count / 10 && accepted > count / 10 && written > count / 20);
}

/// A blob of the largest size, from raw tokens.
struct Slow(Vec<u8>);

const NAMES: &[u8] = b"reg\0compatible\0xen,domain\0interrupt-parent\0status\0memory\0";

impl Slow {
    fn word(&mut self, word: u32) {
        self.0.extend(word.to_be_bytes());
    }

    fn begin(&mut self, name: &str) {
        self.word(1);
        self.0.extend(name.as_bytes());
        self.0.resize((self.0.len() + 1).next_multiple_of(4), 0);
    }

    fn property(&mut self, name: u32, value: &[u8]) {
        self.word(3);
        self.word(value.len() as u32);
        self.word(name);
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
    }

    fn blob(&self, strings: &[u8]) -> Vec<u8> {
        let (structure, strings_len) = (self.0.len() as u32, strings.len() as u32);
        let total = 56 + structure + strings_len;
        let header = [
            0xd00d_feed,
            total,
            56,
            56 + structure,
            40,
            17,
            16,
            0,
            strings_len,
            structure,
        ];
        let mut blob: Vec<u8> = header
            .iter()
            .flat_map(|word| u32::to_be_bytes(*word))
            .collect();
        blob.extend([0; 16]);
        blob.extend(&self.0);
        blob.extend(strings);
        assert!(blob.len() <= domcfg::MAX_BLOB);
        blob
    }
}

#[track_caller]
fn is_quick(blob: &[u8]) {
    let start = Instant::now();
    boot(blob);
    let elapsed = start.elapsed();
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    eprintln!("{elapsed:?}");
}

#[test]
fn many_properties_above_many_nodes_are_quick() {
    let mut slow = Slow(Vec::new());
    slow.begin("");
    for _ in 0..100_000 {
        slow.property(0, b"");
    }
    for _ in 0..16_000 {
        slow.begin("a");
        slow.property(4, b"");
        slow.word(2);
    }
    slow.word(2);
    slow.word(9);
    is_quick(&slow.blob(NAMES));
}

#[test]
fn many_unknown_names_in_many_domains_are_quick() {
    let name = [&[b'z'; 31][..], b"\0"].concat();
    let mut slow = Slow(Vec::new());
    slow.begin("");
    slow.begin("chosen");
    for domain in 0..200 {
        slow.begin(&format!("domU{domain}"));
        slow.property(0, b"xen,domain\0");
        for _ in 0..400 {
            slow.property(11, b"");
        }
        slow.word(2);
    }
    slow.word(2);
    slow.word(2);
    slow.word(9);
    is_quick(&slow.blob(&[b"compatible\0", &name[..]].concat()));
}

#[test]
fn long_strings_shared_by_all_names_are_quick() {
    let mut slow = Slow(Vec::new());
    slow.begin("");
    for _ in 0..60_000 {
        slow.property(0, b"");
    }
    slow.word(2);
    slow.word(9);
    let mut strings = vec![b'a'; 1 << 20];
    strings.push(0);
    is_quick(&slow.blob(&strings));
}

#[test]
fn a_property_as_large_as_the_blob_is_quick() {
    for name in ["reg", "compatible", "interrupts", "ranges", "bootargs"] {
        let big = vec![0u8; 1_900_000];
        let tree = rich()
            .edit("soc/serial@0", |node| node.bytes(name, &big))
            .edit("soc", |node| {
                if name == "ranges" {
                    node.bytes(name, &big)
                } else {
                    node
                }
            });
        is_quick(&tree.blob());
        let chosen = rich().edit("chosen/domU2", |node| {
            node.bytes("compatible", &[b'a'; 1_900_000])
        });
        is_quick(&chosen.blob());
    }
}
