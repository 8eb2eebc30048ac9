//! Whether figures stay the same with many domains and many vCPUs: each operation in one guest,
//! while all others sleep, on one CPU.

use std::{fmt::Write, path::Path, time::Duration};

use anyhow::Result;

use super::{Subject, boot::Boot, lines, table::whole};
use crate::{paths::Paths, progress::Work};

/// Guests and vCPUs of each.
pub(crate) const SHAPES: [(u32, u32); 5] = [(1, 1), (8, 1), (32, 1), (1, 4), (1, 8)];

/// One operation's instructions by shape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Curve {
    /// The operation.
    pub(crate) name: String,
    /// As many as [`SHAPES`].
    pub(crate) figures: Vec<Option<f64>>,
}

/// Measures all shapes.
pub(crate) fn measure(paths: &Paths, subject: &Subject, guest: &Path) -> Result<Vec<Curve>> {
    let mut curves: Vec<Curve> = Vec::new();
    for (index, (guests, vcpus)) in SHAPES.into_iter().enumerate() {
        let name = format!("scale-{guests}x{vcpus}");
        let _work = Work::start(format!("{}: {name}", subject.name));
        let boot = Boot {
            hypervisor: &subject.image,
            guest,
            cpus: 1,
            guests,
            vcpus,
            memory_mib: 64,
            arguments: "bench=scale",
            xen_args: "console=dtuart bootscrub=on",
            properties: &[],
            marks: ("bench: begin", "bench: end"),
            question: None,
            limit: Duration::from_secs(120),
        };
        let folder = paths.root().join("target/bench").join(subject.name);
        let text = match boot.run(&folder.join(&name)) {
            Ok(ran) => ran.text,
            Err(error) => {
                eprintln!("{}, {name}: {error:#}", subject.name);
                continue;
            }
        };
        for figure in lines::figures(&text)? {
            let known = curves.iter().position(|curve| curve.name == figure.name);
            let at = known.unwrap_or_else(|| {
                curves.push(Curve {
                    name: figure.name.clone(),
                    figures: vec![None; SHAPES.len()],
                });
                curves.len() - 1
            });
            curves[at].figures[index] = figure.instructions;
        }
    }
    Ok(curves)
}

/// As a table in Markdown: Euxenite's figures, and the largest growth of both.
pub(crate) fn markdown(xen: &[Curve], euxenite: &[Curve]) -> String {
    let mut text = String::from("| operation |");
    for (guests, vcpus) in SHAPES {
        let _ = write!(text, " {guests} x {vcpus} |");
    }
    text.push_str(" growth | Xen's growth |\n| --- |");
    text.push_str(&" ---: |".repeat(SHAPES.len() + 2));
    text.push('\n');
    for curve in euxenite.iter().filter(|curve| curve.figures[0].is_some()) {
        let _ = write!(text, "| {} |", curve.name);
        for figure in &curve.figures {
            let _ = write!(text, " {} |", whole(*figure));
        }
        let theirs = xen.iter().find(|other| other.name == curve.name);
        let percent = |growth: Option<f64>| growth.map_or("-".into(), |one| format!("{one:+.0} %"));
        let _ = writeln!(
            text,
            " {} | {} |",
            percent(curve.growth()),
            percent(theirs.and_then(Curve::growth))
        );
    }
    text
}

impl Curve {
    /// How much more the dearest shape takes than the first, in percent.
    pub(crate) fn growth(&self) -> Option<f64> {
        let first = (*self.figures.first()?).filter(|&first| first > 20.0)?;
        let most = self.figures.iter().flatten().copied().reduce(f64::max)?;
        Some((most / first - 1.0) * 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_that_of_the_dearest() {
        let curve = Curve {
            name: "a".into(),
            figures: vec![Some(100.0), Some(99.0), Some(110.0), None, Some(100.0)],
        };
        assert!((curve.growth().unwrap() - 10.0).abs() < 0.01);
        let text = markdown(&[], &[curve]);
        assert!(
            text.contains("| a | 100 | 99 | 110 | - | 100 | +10 % | - |"),
            "{text}"
        );
    }
}
