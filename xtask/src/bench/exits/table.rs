//! Counted exits as tables in Markdown.

use std::fmt::Write;

use super::{super::table::whole, Counted, Exits};

/// One setup's, of Xen where it was counted.
#[derive(Clone, Copy)]
pub(crate) struct Both<'a> {
    /// In a few words.
    pub(crate) setup: &'static str,
    pub(crate) xen: Option<&'a Exits>,
    pub(crate) euxenite: &'a Exits,
}

/// Joins both hypervisors' by their setups.
pub(crate) fn join<'a>(xen: &'a [Counted], euxenite: &'a [Counted]) -> Vec<Both<'a>> {
    let theirs = |setup| xen.iter().find(|other| other.setup == setup);
    let both = |ours: &'a Counted| Both {
        setup: ours.setup.name,
        xen: theirs(ours.setup).map(|theirs| &theirs.exits),
        euxenite: &ours.exits,
    };
    euxenite.iter().map(both).collect()
}

/// All causes, the most frequent first.
pub(crate) fn causes<'a>(all: &[Both<'a>]) -> Vec<&'a str> {
    let counted = || {
        all.iter()
            .flat_map(|one| one.xen.into_iter().chain([one.euxenite]))
    };
    let mut causes: Vec<&str> = counted().flat_map(Exits::causes).collect();
    causes.sort_by_key(|cause| {
        let all: u64 = counted().map(|one| one.of(cause)).sum();
        (std::cmp::Reverse(all), *cause)
    });
    causes.dedup();
    causes
}

/// By cause; two columns a setup.
pub(crate) fn by_cause(all: &[Both<'_>]) -> String {
    let mut text = String::from("| cause |");
    for one in all {
        let _ = write!(text, " Xen 4.20, {0} | Euxenite, {0} |", one.setup);
    }
    text.push_str("\n| --- |");
    text.push_str(&" ---: | ---: |".repeat(all.len()));
    text.push('\n');
    let mut row = |name: &str, count: &dyn Fn(&Exits) -> u64| {
        let _ = write!(text, "| {name} |");
        for one in all {
            let number = |exits: Option<&Exits>| whole(exits.map(|exits| count(exits) as f64));
            let _ = write!(
                text,
                " {} | {} |",
                number(one.xen),
                number(Some(one.euxenite))
            );
        }
        text.push('\n');
    };
    for cause in causes(all) {
        row(cause, &|exits| exits.of(cause));
    }
    row("**all**", &Exits::total);
    text
}

/// All exits, a row a setup.
pub(crate) fn totals(all: &[Both<'_>]) -> String {
    let mut text = String::from(
        "| Linux guest | Xen 4.20 | Euxenite | ratio |\n| --- | -------: | -------: | ---: |\n",
    );
    for one in all {
        let number = |exits: Option<&Exits>| exits.map(|exits| exits.total() as f64);
        let (theirs, ours) = (number(one.xen), number(Some(one.euxenite)));
        let ratio = theirs.zip(ours).map(|(theirs, ours)| ours / theirs);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} |",
            one.setup,
            whole(theirs),
            whole(ours),
            ratio.map_or("-".into(), |ratio| format!("{ratio:.2}"))
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{super::SETUPS, *};

    #[test]
    fn setups_are_joined_and_compared() {
        let counted = |index: usize, cause: &str, count| Counted {
            setup: &SETUPS[index],
            exits: Exits::single(cause, count),
        };
        let (xen, ours) = (
            [counted(1, "a", 4000)],
            [counted(0, "b", 7), counted(1, "b", 1000)],
        );
        let both = join(&xen, &ours);
        assert_eq!(causes(&both), ["a", "b"]);
        let text = totals(&both);
        assert!(
            text.contains(&format!("| {} | - | 7 | - |", SETUPS[0].name)),
            "{text}"
        );
        assert!(text.contains("| 4,000 | 1,000 | 0.25 |"), "{text}");
        let text = by_cause(&both[1..]);
        assert!(
            text.contains("| a | 4,000 | 0 |\n| b | 0 | 1,000 |\n| **all** |"),
            "{text}"
        );
    }
}
