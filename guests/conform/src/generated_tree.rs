//! The device tree that the hypervisor made, node by node.

use core::fmt;

use support::tree::{Item, Tree};

use crate::say;

/// The deepest nesting that is shown.
const DEEPEST: usize = 8;
/// The most bytes of a value that are shown.
const SHOWN: usize = 48;

/// A node's path.
struct Path<'a>(&'a [&'static str]);

/// A property's value: text, or words.
struct Value(&'static [u8]);

pub(crate) fn print(tree: Tree) {
    let mut path = [""; DEEPEST];
    let mut depth = 0;
    for item in tree.walk() {
        match item {
            Item::Node(name) => {
                if let Some(place) = path.get_mut(depth) {
                    *place = name;
                }
                depth += 1;
                let nodes = path.get(..depth).unwrap_or(&path);
                say!(@ format_args!("tree.{}", Path(nodes)), "node");
            }
            Item::End => depth = depth.saturating_sub(1),
            Item::Property(name, value) => {
                let nodes = path.get(..depth).unwrap_or(&path);
                // Its text chooses what is printed.
                if name != "bootargs" {
                    say!(@ format_args!("tree.{}:{name}", Path(nodes)), "{}", Value(value));
                }
            }
        }
    }
    say!("tree.reserved", "{}", reserved(tree));
}

/// Entries of the memory reservation block, which ends with one that is all zero.
fn reserved(tree: Tree) -> u32 {
    let offset = tree.header(16) as usize;
    let mut count = 0;
    while count < 16 && (0..4).any(|word| tree.header(offset + 16 * count as usize + 4 * word) != 0)
    {
        count += 1;
    }
    count
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() <= 1 {
            return f.write_str("/");
        }
        self.0
            .iter()
            .skip(1)
            .try_for_each(|name| write!(f, "/{name}"))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let printable = |byte: &u8| (0x20..0x7f).contains(byte);
        let Some((last, text)) = self.0.split_last() else {
            return f.write_str("empty");
        };
        let is_text = *last == 0
            && text.first().is_some_and(printable)
            && text.iter().all(|byte| *byte == 0 || printable(byte));
        if is_text {
            let text = core::str::from_utf8(text).unwrap_or("?");
            return text
                .split('\0')
                .try_for_each(|part| write!(f, "\"{part}\" "));
        }
        let (words, rest) = self.0.as_chunks::<4>();
        f.write_str("<")?;
        for word in words.iter().take(SHOWN / 4) {
            write!(f, "{:x} ", u32::from_be_bytes(*word))?;
        }
        write!(
            f,
            "> {} bytes{}",
            self.0.len(),
            if rest.is_empty() { "" } else { ", odd" }
        )
    }
}
