//! The table of operations: printed, written into `docs/benchmarks.md`, and read back from there
//! for comparison.

use std::fmt::Write;

use super::lines::Figure;

/// One operation under both hypervisors, in instructions without the guest's own.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// The operation.
    pub(crate) name: String,
    /// Under Xen; `None` when not measured.
    pub(crate) xen: Option<f64>,
    /// Under Euxenite; `None` when not measured, or not there yet.
    pub(crate) euxenite: Option<f64>,
    /// The guest's own, which neither figure includes.
    pub(crate) own: f64,
}

impl Row {
    /// Euxenite's figure as a share of Xen's, where that is more than rounding.
    pub(crate) fn ratio(&self) -> Option<f64> {
        Some(self.euxenite? / self.xen.filter(|&xen| xen > 20.0)?)
    }
}

/// Joins the figures of both by the operations' names, in the order of the first that has them.
pub(crate) fn join(xen: &[Figure], euxenite: &[Figure]) -> Vec<Row> {
    let figure = |figures: &[Figure], name: &str| {
        let found = figures.iter().find(|figure| figure.name == name);
        found.and_then(|figure| figure.instructions)
    };
    let only_xen = xen
        .iter()
        .filter(|one| !euxenite.iter().any(|other| other.name == one.name));
    euxenite
        .iter()
        .chain(only_xen)
        .map(|one| Row {
            name: one.name.clone(),
            xen: figure(xen, &one.name),
            euxenite: figure(euxenite, &one.name),
            own: one.own,
        })
        .collect()
}

/// As a table in Markdown, which reads well on a terminal, too.
pub(crate) fn markdown(rows: &[Row]) -> String {
    let mut text = String::new();
    let width = rows
        .iter()
        .map(|row| row.name.len())
        .max()
        .unwrap_or(0)
        .max(9);
    let _ = writeln!(
        text,
        "| {:<width$} | {:>8} | {:>8} | {:>6} | {:>5} |",
        "operation", "Xen 4.20", "Euxenite", "ratio", "own"
    );
    let dashes = |count| "-".repeat(count);
    let _ = writeln!(
        text,
        "| {} | {}: | {}: | {}: | {}: |",
        dashes(width),
        dashes(7),
        dashes(7),
        dashes(5),
        dashes(4)
    );
    for row in rows {
        let _ = writeln!(
            text,
            "| {:<width$} | {:>8} | {:>8} | {:>6} | {:>5} |",
            row.name,
            whole(row.xen),
            whole(row.euxenite),
            row.ratio()
                .map_or("-".into(), |ratio| format!("{ratio:.2}")),
            whole(Some(row.own)),
        );
    }
    text
}

/// `rows` with Xen's figures of `committed`.
pub(crate) fn with_xen_of(rows: &[Row], committed: &[Row]) -> Vec<Row> {
    let xen = |name: &str| committed.iter().find(|row| row.name == name)?.xen;
    rows.iter()
        .map(|row| Row {
            xen: xen(&row.name),
            ..row.clone()
        })
        .collect()
}

/// The rows of the tables in `text`.
pub(crate) fn read(text: &str) -> Vec<Row> {
    let figure = |cell: Option<&str>| cell?.replace(',', "").parse().ok();
    text.lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix('|')?.split('|').map(str::trim);
            let name = cells.next()?.to_owned();
            let (xen, euxenite) = (figure(cells.next()), figure(cells.next()));
            // The head has no number there.
            let own = figure(cells.nth(1))?;
            Some(Row {
                name,
                xen,
                euxenite,
                own,
            })
        })
        .collect()
}

/// A whole number with thousands apart.
pub(crate) fn whole(value: Option<f64>) -> String {
    let Some(value) = value else {
        return "-".into();
    };
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figure(name: &str, instructions: Option<f64>) -> Figure {
        Figure {
            name: name.into(),
            instructions,
            own: 5.0,
        }
    }

    #[test]
    fn a_table_can_be_read_back() {
        let rows = join(
            &[figure("a", Some(100.0)), figure("c", Some(1.0))],
            &[figure("a", Some(1234.4)), figure("b", None)],
        );
        let names: Vec<_> = rows.iter().map(|row| row.name.as_str()).collect();
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(rows[0].ratio().map(|ratio| ratio.round()), Some(12.0));
        assert_eq!(rows[1].ratio(), None);
        let text = markdown(&rows);
        assert!(text.contains("| 1,234 |") || text.contains("    1,234 |"));
        let back = read(&text);
        assert_eq!(back.len(), 3);
        assert_eq!((back[0].xen, back[0].euxenite), (Some(100.0), Some(1234.0)));
        assert_eq!((&*back[1].name, back[1].euxenite), ("b", None));
        let ours = join(&[], &[figure("a", Some(7.0)), figure("new", Some(8.0))]);
        let merged = with_xen_of(&ours, &back);
        assert_eq!(merged[0].xen, Some(100.0));
        assert_eq!((merged[1].xen, merged[1].euxenite), (None, Some(8.0)));
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!(whole(Some(999.6)), "1,000");
        assert_eq!(whole(Some(1_234_567.0)), "1,234,567");
        assert_eq!(whole(None), "-");
    }
}
