//! Walking the guest's device tree (Devicetree Specification 0.4, chapter 5).

use core::slice;

const MAGIC: u32 = 0xd00d_feed;
const BEGIN_NODE: u32 = 1;
const END_NODE: u32 = 2;
const PROPERTY: u32 = 3;
const NOP: u32 = 4;

/// A flattened device tree.
#[derive(Debug, Clone, Copy)]
pub struct Tree {
    blob: &'static [u8],
}

/// What comes next in a tree.
#[derive(Debug, Clone, Copy)]
pub enum Item {
    /// A node of this name starts.
    Node(&'static str),
    /// A property of the node that started last.
    Property(&'static str, &'static [u8]),
    /// A node ends.
    End,
}

/// Goes through a tree in its order.
#[derive(Debug)]
pub struct Walk {
    blob: &'static [u8],
    at: usize,
    strings: usize,
}

impl Tree {
    /// The tree at `address`; an empty one where there is none.
    ///
    /// # Safety
    /// `address` is that of readable memory that does not change, for as many bytes as a header
    /// there says.
    pub unsafe fn at(address: usize) -> Self {
        // SAFETY: the caller says so.
        let header = unsafe { slice::from_raw_parts(address as *const u8, 8) };
        let size = match (word(header, 0), word(header, 4)) {
            (Some(MAGIC), Some(size)) => size as usize,
            _ => 0,
        };
        // SAFETY: as above.
        let blob = unsafe { slice::from_raw_parts(address as *const u8, size) };
        Self { blob }
    }

    /// The word at `offset` of the header.
    pub fn header(&self, offset: usize) -> u32 {
        word(self.blob, offset).unwrap_or(0)
    }

    /// All nodes and properties in order.
    pub fn walk(&self) -> Walk {
        let at = self.header(8) as usize;
        Walk {
            blob: self.blob,
            at,
            strings: self.header(12) as usize,
        }
    }

    /// The property `bootargs`, which only `/chosen` has.
    pub fn bootargs(&self) -> &'static str {
        let bytes = self.walk().find_map(|item| match item {
            Item::Property("bootargs", value) => Some(value),
            _ => None,
        });
        let text = bytes.and_then(|bytes| core::str::from_utf8(bytes).ok());
        text.unwrap_or("").trim_end_matches('\0')
    }

    /// The address of the first device that is compatible with `wanted`. It is to be a child of the
    /// root, where addresses are two cells.
    pub fn address_of(&self, wanted: &str) -> Option<u64> {
        let (mut is_it, mut address) = (false, None);
        for item in self.walk() {
            match item {
                Item::Node(_) => (is_it, address) = (false, None),
                Item::Property("compatible", value) => {
                    is_it = value
                        .split(|&byte| byte == 0)
                        .any(|name| name == wanted.as_bytes());
                }
                Item::Property("reg", value) => {
                    let bytes = value.first_chunk::<8>();
                    address = bytes.map(|&bytes| u64::from_be_bytes(bytes));
                }
                Item::Property(..) | Item::End => {}
            }
            if is_it && address.is_some() {
                return address;
            }
        }
        None
    }

    /// How many vCPUs there are.
    pub fn cpus(&self) -> usize {
        self.walk()
            .filter(|item| matches!(item, Item::Node(name) if name.starts_with("cpu@")))
            .count()
    }
}

impl Iterator for Walk {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        loop {
            let token = word(self.blob, self.at)?;
            self.at += 4;
            match token {
                NOP => {}
                END_NODE => return Some(Item::End),
                BEGIN_NODE => {
                    let name = text(self.blob, self.at)?;
                    self.at = (self.at + name.len() + 1).next_multiple_of(4);
                    return Some(Item::Node(name));
                }
                PROPERTY => {
                    let size = word(self.blob, self.at)? as usize;
                    let name = text(
                        self.blob,
                        self.strings + word(self.blob, self.at + 4)? as usize,
                    )?;
                    let value = self.blob.get(self.at + 8..self.at + 8 + size)?;
                    self.at = (self.at + 8 + size).next_multiple_of(4);
                    return Some(Item::Property(name, value));
                }
                _ => return None,
            }
        }
    }
}

fn word(blob: &[u8], at: usize) -> Option<u32> {
    let bytes = blob.get(at..at + 4)?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// The text that ends with a zero byte.
fn text(blob: &'static [u8], at: usize) -> Option<&'static str> {
    let rest = blob.get(at..)?;
    let end = rest.iter().position(|&byte| byte == 0)?;
    core::str::from_utf8(rest.get(..end)?).ok()
}
