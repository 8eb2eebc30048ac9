//! Whether two rounds of the same measurement give the same figures.

use super::table::Row;

/// How much a figure may differ, as a share of itself.
const TOLERANCE: f64 = 0.01;

/// Says which figures differ, and whether none does by more than [`TOLERANCE`].
pub(super) fn compare(first: &[Row], second: &[Row]) -> bool {
    let (mut compared, mut other, mut good) = (0, 0, true);
    for row in first {
        let again = second.iter().find(|one| one.name == row.name);
        let pairs = [
            ("Xen", row.xen, again.and_then(|one| one.xen)),
            ("Euxenite", row.euxenite, again.and_then(|one| one.euxenite)),
        ];
        for (who, before, after) in pairs {
            let Some(before) = before else { continue };
            compared += 1;
            if after == Some(before) {
                continue;
            }
            other += 1;
            let difference = after.map_or(f64::INFINITY, |after| (after - before).abs());
            good &= difference <= TOLERANCE * before.abs();
            let after = after.map_or("nothing".into(), |after| format!("{after:.1}"));
            println!("DIFFERS  {who}, {}: {before:.1}, then {after}", row.name);
        }
    }
    println!("{compared} figures measured twice, {other} of them different.");
    good
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(euxenite: Option<f64>) -> Row {
        Row {
            name: "a".into(),
            xen: Some(1000.0),
            euxenite,
            own: 5.0,
        }
    }

    #[test]
    fn one_in_a_hundred_is_too_much() {
        let first = [row(Some(200.0))];
        assert!(compare(&first, &[row(Some(201.0))]));
        assert!(!compare(&first, &[row(Some(203.0))]));
        assert!(!compare(&first, &[row(None)]));
        assert!(!compare(&first, &[]));
        assert!(compare(&first, &first));
    }
}
