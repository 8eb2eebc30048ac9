//! The console UART of a tree, for a message before anything else works: no allocation, no
//! translation of addresses, and whatever is unusual gives nothing.
//!
//! Every look-up is one bounded walk over the structure block.

use crate::tree::{self, PlainBlob};

/// Physical address of the PL011 or SBSA UART that `stdout-path` names.
pub fn early_uart(blob: &[u8]) -> Option<u64> {
    let blob = PlainBlob::new(blob)?;
    let stdout = text(blob.property("/chosen", "stdout-path")?)?;
    let name = stdout.split(':').next()?;
    let path = match blob.property("/aliases", name) {
        Some(alias) => text(alias)?,
        None => name,
    };
    let mut compatible = tree::strings(blob.property(path, "compatible")?);
    if !compatible.any(|name| matches!(name, "arm,pl011" | "arm,sbsa-uart")) {
        return None;
    }
    let cells = tree::u32_at(blob.property("/", "#address-cells")?, 0)?;
    let bytes = usize::try_from(cells)
        .ok()?
        .checked_mul(4)
        .filter(|bytes| matches!(bytes, 4 | 8))?;
    blob.property(path, "reg")?
        .get(..bytes)
        .map(tree::read_cells)
}

fn text(value: &[u8]) -> Option<&str> {
    core::str::from_utf8(value.strip_suffix(&[0])?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Node, gicv2, gicv3, host, rich};

    #[test]
    fn the_uart_is_found_by_alias_or_path() {
        assert_eq!(early_uart(&host(gicv3()).blob()), Some(0x900_0000));
        let path = |chosen: Node| chosen.text("stdout-path", "/pl011@9000000");
        assert_eq!(
            early_uart(&host(gicv2()).edit("chosen", path).blob()),
            Some(0x900_0000)
        );
        let nested = |chosen: Node| chosen.text("stdout-path", "/soc/serial:9600");
        assert_eq!(
            early_uart(&rich().edit("chosen", nested).blob()),
            Some(0x1000)
        );
    }

    #[test]
    fn the_uart_of_a_tree_that_is_too_long_is_found() {
        let long = host(gicv3()).bytes("padding", &[0; crate::tree::MAX_BLOB]);
        let blob = long.blob();
        assert!(crate::parse(&blob).is_err());
        assert_eq!(early_uart(&blob), Some(0x900_0000));
    }

    #[test]
    fn whatever_is_unusual_gives_nothing() {
        let base = || host(gicv3());
        let blob = base().blob();
        for len in 0..blob.len() {
            assert_eq!(early_uart(&blob[..len]), None);
        }
        for bad in [
            base().edit("chosen", |chosen| chosen.without("stdout-path")),
            base().edit("chosen", |chosen| chosen.text("stdout-path", "/timer")),
            base().edit("chosen", |chosen| {
                chosen.text("stdout-path", "/pl011@9000000/x")
            }),
            base().edit("chosen", |chosen| chosen.bytes("stdout-path", b"\xff\0")),
            base().edit("chosen", |chosen| {
                chosen.text("stdout-path", &"/x".repeat(999))
            }),
            base().edit("pl011@9000000", |uart| uart.without("reg")),
            base().edit("pl011@9000000", |uart| uart.cells("reg", &[0])),
            base().cells("#address-cells", &[3]),
        ] {
            assert_eq!(early_uart(&bad.blob()), None);
        }
    }
}
