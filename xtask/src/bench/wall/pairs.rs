//! Pairs of times, and what is said of them.

use std::fmt::Write;

use super::super::table::whole;

/// Times of both hypervisors, a pair of runs each.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pairs {
    /// What was timed.
    pub(crate) name: String,
    /// In what its times are shown.
    pub(crate) unit: Unit,
    /// Seconds under Xen and under Euxenite.
    pub(crate) seconds: Vec<[f64; 2]>,
}

/// A unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// s
    Seconds,
    /// us
    Microseconds,
}

impl Unit {
    /// A time in it, with its sign.
    pub(crate) fn show(self, seconds: f64) -> String {
        match self {
            Self::Seconds => format!("{seconds:.2} s"),
            // Three digits are what such times are good for.
            Self::Microseconds if seconds < 1e-5 => format!("{:.2} us", seconds * 1e6),
            Self::Microseconds if seconds < 1e-4 => format!("{:.1} us", seconds * 1e6),
            Self::Microseconds => format!("{} us", whole(Some(seconds * 1e6))),
        }
    }
}

/// The median and both ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Spread {
    pub(crate) least: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Pairs {
    /// The seconds under Xen.
    pub(crate) fn xen(&self) -> Option<Spread> {
        Spread::of(self.seconds.iter().map(|[xen, _]| *xen))
    }

    /// The seconds under Euxenite.
    pub(crate) fn euxenite(&self) -> Option<Spread> {
        Spread::of(self.seconds.iter().map(|[_, ours]| *ours))
    }

    /// The ratios of Euxenite's to Xen's, of each pair.
    pub(crate) fn ratios(&self) -> Option<Spread> {
        Spread::of(self.seconds.iter().map(|[xen, ours]| ours / xen))
    }
}

impl Spread {
    /// Of no values there is none.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let upper = *sorted.get(middle)?;
        let median = match sorted.len() % 2 {
            1 => upper,
            _ => upper.midpoint(sorted[middle - 1]),
        };
        Some(Self {
            least: *sorted.first()?,
            median,
            most: *sorted.last()?,
        })
    }
}

/// As a table in Markdown: medians, and the ratios' median and ends.
pub(crate) fn markdown(all: &[Pairs]) -> String {
    let mut text = String::from(
        "| what | pairs | Xen 4.20 | Euxenite | ratio | from | to |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for pairs in all {
        let (Some(xen), Some(ours), Some(ratios)) = (pairs.xen(), pairs.euxenite(), pairs.ratios())
        else {
            continue;
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.2} | {:.2} | {:.2} |",
            pairs.name,
            pairs.seconds.len(),
            pairs.unit.show(xen.median),
            pairs.unit.show(ours.median),
            ratios.median,
            ratios.least,
            ratios.most
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_those_of_pairs() {
        let pairs = Pairs {
            name: "a".into(),
            unit: Unit::Seconds,
            seconds: vec![[1.0, 0.5], [4.0, 1.0], [2.0, 2.0]],
        };
        let text = markdown(&[pairs]);
        assert!(
            text.contains("| a | 3 | 2.00 s | 1.00 s | 0.50 | 0.25 | 1.00 |"),
            "{text}"
        );
    }

    #[test]
    fn short_times_have_three_digits() {
        let shown = [1.2345e-6, 1.2345e-5, 1.2345e-3].map(|one| Unit::Microseconds.show(one));
        assert_eq!(shown, ["1.23 us", "12.3 us", "1,234 us"]);
    }

    #[test]
    fn an_even_count_has_its_median_between() {
        let spread = Spread::of([4.0, 1.0, 2.0, 3.0].into_iter()).unwrap();
        assert_eq!((spread.least, spread.median, spread.most), (1.0, 2.5, 4.0));
        assert_eq!(Spread::of([].into_iter()), None);
    }
}
