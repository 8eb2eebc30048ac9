//! Whether figures of event channels stay the same with many ports bound, which FIFO alone allows and
//! only with Euxenite's `euxenite,max-evtchn-port`.

use std::{fmt::Write, path::Path, time::Duration};

use anyhow::{Result, ensure};

use super::{Subject, boot::Boot, lines, table::whole};
use crate::{paths::Paths, progress::Work};

/// How many ports are bound.
const BOUND: [u32; 2] = [16, 100_000];
/// How many a domain may have: as many as FIFO has.
const ALLOWED: u32 = 131_071;

/// One operation's instructions by [`BOUND`].
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pair {
    name: String,
    few: f64,
    many: f64,
}

/// Measures all operations with few and with many ports.
///
/// # Errors
/// When a guest does not come to its end, or cannot bind as many ports as it is told to.
pub(crate) fn measure(paths: &Paths, subject: &Subject, guest: &Path) -> Result<Vec<Pair>> {
    let [few, many] = BOUND.map(|bound| boot(paths, subject, guest, bound));
    let many = many?;
    let pairs = few?.into_iter().filter_map(|(name, few)| {
        let (_, many) = many.iter().find(|(other, _)| *other == name)?;
        let many = *many;
        Some(Pair { name, few, many })
    });
    Ok(pairs.collect())
}

fn boot(paths: &Paths, subject: &Subject, guest: &Path, bound: u32) -> Result<Vec<(String, f64)>> {
    let name = format!("ports-{bound}");
    let _work = Work::start(format!("{}: {name}", subject.name));
    let boot = Boot {
        hypervisor: &subject.image,
        guest,
        cpus: 1,
        guests: 1,
        vcpus: 1,
        memory_mib: 256,
        arguments: &format!("bench=ports ports={bound}"),
        xen_args: "console=dtuart bootscrub=on",
        properties: &[("euxenite,max-evtchn-port", ALLOWED)],
        marks: ("bench: begin", "bench: end"),
        question: None,
        limit: Duration::from_secs(120),
    };
    let folder = paths.root().join("target/bench").join(subject.name);
    let text = boot.run(&folder.join(&name))?.text;
    ensure!(
        text.contains(&format!("bench: ports; bound={bound}\n")),
        "{name}: the guest could not bind so many ports"
    );
    let figures = lines::figures(&text)?.into_iter();
    Ok(figures
        .filter_map(|figure| Some((figure.name, figure.instructions?)))
        .collect())
}

/// As a table in Markdown.
pub(crate) fn markdown(pairs: &[Pair]) -> String {
    let [few, many] = BOUND.map(|bound| whole(Some(bound.into())));
    let mut text = format!("| operation | {few} ports | {many} ports | growth |\n");
    text.push_str("| --- | ---: | ---: | ---: |\n");
    for Pair { name, few, many } in pairs {
        // Not below 0 by nothing but the fraction that is not shown.
        let growth = ((many / few - 1.0) * 1000.0).round() / 10.0 + 0.0;
        let (few, many) = (whole(Some(*few)), whole(Some(*many)));
        let _ = writeln!(text, "| {name} | {few} | {many} | {growth:+.1} % |");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_in_percent() {
        let pair = Pair {
            name: "a".into(),
            few: 400.0,
            many: 410.0,
        };
        let same = Pair {
            name: "b".into(),
            few: 400.1,
            many: 400.0,
        };
        let text = markdown(&[pair, same]);
        assert!(text.contains("| b | 400 | 400 | +0.0 % |"), "{text}");
        assert!(text.contains("| 16 ports | 100,000 ports |"), "{text}");
        assert!(text.contains("| a | 400 | 410 | +2.5 % |"), "{text}");
    }
}
