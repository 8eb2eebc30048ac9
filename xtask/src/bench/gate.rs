//! The committed figures: replacing them, and comparing with them.

use anyhow::{Context, Result};

use super::table::Row;

/// How much a figure may grow over the committed one.
const TOLERANCE: f64 = 0.03;
/// Growth below this many instructions is rounding.
const ROUNDING: f64 = 1.5;
/// So is growth below this share of what the guest itself executes, which is taken off.
const ROUNDING_OF_OWN: f64 = 0.001;

/// The part of `document` between `<!-- begin NAME -->` and `<!-- end NAME -->`.
pub(crate) fn section<'a>(document: &'a str, name: &str) -> Result<&'a str> {
    let (start, end) = bounds(document, name)?;
    Ok(&document[start..end])
}

/// `document` with another text in that part.
pub(crate) fn replaced(document: &str, name: &str, text: &str) -> Result<String> {
    let (start, end) = bounds(document, name)?;
    Ok(format!(
        "{}\n{}\n{}",
        &document[..start],
        text.trim_end(),
        &document[end..]
    ))
}

/// The rows that have a figure of Euxenite, with it.
pub(crate) fn figures(rows: &[Row]) -> impl Iterator<Item = (&Row, f64)> {
    rows.iter()
        .filter_map(|row| row.euxenite.map(|figure| (row, figure)))
}

/// A line for each operation that has become worse than the committed table says, or is gone.
pub(crate) fn worse(committed: &[Row], rows: &[Row]) -> Vec<String> {
    figures(committed)
        .filter_map(|(Row { name, own, .. }, before)| {
            let row = rows.iter().find(|row| row.name == *name);
            let rounding = ROUNDING.max(own * ROUNDING_OF_OWN);
            match row.and_then(|row| row.euxenite) {
                None => Some(format!(
                    "{name}: {before:.0} instructions before, not there now"
                )),
                Some(now) if now > before * (1.0 + TOLERANCE) && now > before + rounding => {
                    let percent = (now / before - 1.0) * 100.0;
                    Some(format!(
                        "{name}: {now:.0} instructions, {percent:.1} % more than {before:.0}"
                    ))
                }
                Some(_) => None,
            }
        })
        .collect()
}

/// The operations of the committed table that have no figure now.
pub(crate) fn gone(committed: &[Row], rows: &[Row]) -> Vec<String> {
    let there = |name: &str| figures(rows).any(|(row, _)| row.name == name);
    let names = figures(committed).map(|(row, _)| &row.name);
    names.filter(|name| !there(name)).cloned().collect()
}

fn bounds(document: &str, name: &str) -> Result<(usize, usize)> {
    let (begin, end) = (
        format!("<!-- begin {name} -->"),
        format!("<!-- end {name} -->"),
    );
    let missing = || format!("the document has no `{begin}` with its end");
    let start = document.find(&begin).with_context(missing)? + begin.len();
    let length = document[start..].find(&end).with_context(missing)?;
    Ok((start, start + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, euxenite: Option<f64>) -> Row {
        Row {
            name: name.into(),
            xen: None,
            euxenite,
            own: 0.0,
        }
    }

    #[test]
    fn three_percent_more_is_borne_and_no_more() {
        let committed = [row("a", Some(100.0)), row("b", Some(10.0)), row("c", None)];
        let near = [row("a", Some(103.0)), row("b", Some(11.0))];
        assert!(worse(&committed, &near).is_empty());
        assert_eq!(
            worse(&committed, &[row("a", Some(104.0)), row("b", Some(9.0))]).len(),
            1
        );
        assert_eq!(
            worse(&committed, &[row("a", Some(1.0))]).len(),
            1,
            "b is gone"
        );
    }

    #[test]
    fn what_rounding_of_the_guests_own_makes_is_borne() {
        let walk = |euxenite| Row {
            own: 80_000.0,
            ..row("walk", Some(euxenite))
        };
        assert!(worse(&[walk(0.0)], &[walk(64.0)]).is_empty());
        assert_eq!(worse(&[walk(0.0)], &[walk(96.0)]).len(), 1);
    }

    #[test]
    fn a_part_of_the_document_is_replaced() {
        let document = "x\n<!-- begin t -->\nold\n<!-- end t -->\ny\n";
        let new = replaced(document, "t", "new\n").unwrap();
        assert_eq!(new, "x\n<!-- begin t -->\nnew\n<!-- end t -->\ny\n");
        assert_eq!(section(&new, "t").unwrap(), "\nnew\n");
        assert!(section(document, "u").is_err());
    }
}
