//! Counts in a grid, the darker the more.

use std::fmt::Write;

use super::{WIDTH, escaped, open};
use crate::bench::table::whole;

const NAMES: f64 = 190.0;
const CELL: f64 = 24.0;

/// A row's name and its count in each column.
pub(crate) type Row = (String, Vec<u64>);

/// Rows of counts below the names of their columns.
pub(crate) fn heat(columns: &[String], rows: &[Row]) -> String {
    let width = (WIDTH - NAMES) / columns.len().max(1) as f64;
    let mut svg = open(CELL * (rows.len() + 1) as f64);
    let x = |column: usize| NAMES + width * column as f64;
    for (index, column) in columns.iter().enumerate() {
        let _ = write!(
            svg,
            "<text x={:.1} y=16 text-anchor=middle>{}</text>",
            x(index) + width / 2.0,
            escaped(column)
        );
    }
    for (index, (name, counts)) in rows.iter().enumerate() {
        let y = CELL * (index + 1) as f64;
        let _ = write!(
            svg,
            "<text x={:.0} y={:.0} text-anchor=end>{}</text>",
            NAMES - 8.0,
            y + 16.0,
            escaped(name)
        );
        let all: u64 = counts.iter().sum();
        let filled = counts.iter().enumerate().filter(|(_, count)| **count > 0);
        for (column, &count) in filled {
            // Even one of a million is to be seen.
            let shade = (count as f64).ln_1p() / (all as f64).ln_1p().max(1.0);
            let _ = write!(
                svg,
                "<rect class=b fill-opacity={:.2} x={:.1} y={:.0} width={:.1} height={:.0} />\
                 <text x={:.1} y={:.0} text-anchor=middle>{}</text>",
                0.75 * shade,
                x(column) + 1.0,
                y + 1.0,
                width - 2.0,
                CELL - 2.0,
                x(column) + width / 2.0,
                y + 16.0,
                whole(Some(count as f64))
            );
        }
    }
    svg + "</svg>"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_cell() {
        let svg = heat(&["a".into(), "b".into()], &[("row".into(), vec![0, 1234])]);
        assert_eq!(svg.matches("<rect").count(), 1);
        assert!(svg.contains(">1,234<"), "{svg}");
    }
}
