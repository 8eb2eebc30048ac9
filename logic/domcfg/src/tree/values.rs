//! Reading values of properties, and showing them in messages.

use alloc::string::String;
use core::fmt::Write;

/// The most cells that a message shows.
const SHOWN_CELLS: usize = 8;
/// The most characters of a string that a message shows.
const SHOWN_CHARACTERS: usize = 64;

/// The big-endian word at a byte offset.
pub(crate) fn u32_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let word = bytes.get(offset..)?.get(..4)?;
    Some(u32::from_be_bytes(word.try_into().ok()?))
}

/// A big-endian number of any length; the low 64 bits when it is longer.
pub(crate) fn read_cells(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// The strings of a string list. Text behind the last NUL is not a string.
pub(crate) fn strings(value: &[u8]) -> impl Iterator<Item = &str> {
    let whole = value
        .iter()
        .rposition(|&byte| byte == 0)
        .and_then(|last| value.get(..last));
    whole
        .into_iter()
        .flat_map(|text| text.split(|&byte| byte == 0))
        .filter_map(|text| core::str::from_utf8(text).ok())
}

/// The value as source text: `<0x0 0x40000>`, or `[0a 0b]` when it is not whole cells.
pub(crate) fn cells_text(value: &[u8]) -> String {
    let mut text = String::new();
    let whole = value.len().is_multiple_of(4);
    let (open, close) = if whole { ('<', '>') } else { ('[', ']') };
    let step = if whole { 4 } else { 1 };
    text.push(open);
    for (index, item) in value.chunks(step).enumerate() {
        if index > 0 {
            text.push(' ');
        }
        if index == SHOWN_CELLS {
            text.push_str("...");
            break;
        }
        // Writing to a string does not fail.
        let _ = match item {
            [byte] => write!(text, "{byte:02x}"),
            cell => write!(text, "{:#x}", read_cells(cell)),
        };
    }
    text.push(close);
    text
}

/// The value as a quoted string, with what is not printable replaced; cells if it is no string.
pub(crate) fn string_text(value: &[u8]) -> String {
    let Some((0, content)) = value.split_last() else {
        return cells_text(value);
    };
    let mut text = String::from("\"");
    for &byte in content.iter().take(SHOWN_CHARACTERS) {
        text.push(match byte {
            0 => '|',
            b' '..=b'~' => byte as char,
            _ => '?',
        });
    }
    text.push_str(if content.len() > SHOWN_CHARACTERS {
        "...\""
    } else {
        "\""
    });
    text
}
