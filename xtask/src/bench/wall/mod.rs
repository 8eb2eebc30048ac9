//! Wall-clock time under both hypervisors: pairs of runs in turn, so that what else the machine does
//! touches both, and the ratios of the pairs with their spread.
//!
//! A run that fails is told and done again; a pair that cannot be had is left out, and the table
//! says of how many pairs each figure is.

mod linux;
mod machine;
mod pairs;
mod start;

use std::path::Path;

use anyhow::{Result, ensure};

use super::Subject;
use crate::{paths::Paths, toolchain::Toolchain};

pub(crate) use pairs::{Pairs, Spread, markdown};

/// How often a run that failed is done again.
const REPEATS: u32 = 2;

/// Runs `count` pairs of each kind.
///
/// # Errors
/// When no pair of a kind could be had.
pub(crate) fn measure(
    paths: &Paths,
    toolchain: Toolchain,
    xen: &Subject,
    euxenite: &Subject,
    guest: &Path,
    count: u32,
) -> Result<Vec<Pairs>> {
    let mut all = start::measure(paths, xen, euxenite, guest, count)?;
    all.extend(linux::measure(paths, toolchain, xen, euxenite, count)?);
    Ok(all)
}

/// Gives Xen's and Euxenite's results of each pair; who goes first alternates.
fn in_turn<T>(
    count: u32,
    subjects: [&Subject; 2],
    mut run: impl FnMut(&Subject, &str) -> Result<T>,
) -> Result<Vec<[T; 2]>> {
    let [xen, euxenite] = subjects;
    let mut pairs = Vec::new();
    for pair in 1..=count {
        let mut one = |subject: &Subject| {
            let title = format!("pair {pair} of {count}, {}", subject.name);
            repeated(&title, || run(subject, &title))
        };
        // Both, though the first may have failed: it costs little, and the line of it is shown.
        let (theirs, ours) = if pair % 2 == 0 {
            let theirs = one(xen);
            (theirs, one(euxenite))
        } else {
            let ours = one(euxenite);
            (one(xen), ours)
        };
        match (theirs, ours) {
            (Ok(theirs), Ok(ours)) => pairs.push([theirs, ours]),
            (theirs, ours) => {
                for error in [theirs.err(), ours.err()].into_iter().flatten() {
                    eprintln!("pair {pair} is left out: {error:#}");
                }
            }
        }
    }
    ensure!(!pairs.is_empty(), "no pair of runs came to its end");
    Ok(pairs)
}

/// What `run` gives, if it does with at most [`REPEATS`] more attempts.
fn repeated<T>(title: &str, mut run: impl FnMut() -> Result<T>) -> Result<T> {
    for _ in 0..REPEATS {
        match run() {
            Ok(result) => return Ok(result),
            Err(error) => eprintln!("{title} is done again: {error:#}"),
        }
    }
    run()
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use anyhow::bail;

    use super::*;

    fn subject(name: &'static str) -> Subject {
        Subject {
            name,
            image: PathBuf::new(),
        }
    }

    #[test]
    fn who_goes_first_alternates() {
        let (xen, euxenite) = (subject("xen"), subject("euxenite"));
        let mut order = Vec::new();
        let pairs = in_turn(2, [&xen, &euxenite], |subject, _| {
            order.push(subject.name);
            Ok(order.len())
        });
        assert_eq!(order, ["euxenite", "xen", "xen", "euxenite"]);
        assert_eq!(pairs.unwrap(), [[2, 1], [3, 4]], "Xen's stands first");
    }

    #[test]
    fn a_failed_run_is_done_twice_more_and_its_pair_left_out() {
        let (xen, euxenite) = (subject("xen"), subject("euxenite"));
        let mut runs = 0;
        let pairs = in_turn(2, [&xen, &euxenite], |subject, _| {
            if subject.name == "xen" {
                runs += 1;
                // All of the first pair, the first two of the second.
                if runs <= 5 {
                    bail!("hangs");
                }
            }
            Ok(runs)
        });
        assert_eq!(pairs.unwrap().len(), 1);
        assert_eq!(runs, 6);
        assert!(
            in_turn(1, [&xen, &euxenite], |_, _| -> Result<()> {
                bail!("never")
            })
            .is_err()
        );
    }
}
