//! `cargo xtask docs`: what the documentation says by rote is written from the code.

use std::fs;

use abi::permit::Permit;
use anyhow::{Context, Result};

use crate::{bench, paths::Paths, unsafe_code};

/// A page, and how it should be, given how it is.
type Page = (&'static str, fn(&Paths, &str) -> Result<String>);

/// The pages with generated parts.
const PAGES: [Page; 3] = [
    ("docs/compat.md", compat),
    ("docs/unsafe.md", unsafe_blocks),
    ("README.md", readme),
];

/// What stands before and behind the README's figures of `unsafe`.
const README_FIGURES: [&str; 2] = ["All `unsafe` is in one crate, ", ", [each with its claim]"];

/// Writes the generated parts anew.
///
/// # Errors
/// When a page or the place in it is not there.
pub(crate) fn run(paths: &Paths) -> Result<()> {
    for page in PAGES {
        let (text, new) = now_and_then(paths, page)?;
        let (name, _) = page;
        if text != new {
            fs::write(paths.root().join(name), new)?;
            println!("{name} is written anew.");
        }
    }
    Ok(())
}

/// The page as it is, and as it should be.
fn now_and_then(paths: &Paths, (name, write): Page) -> Result<(String, String)> {
    let text = fs::read_to_string(paths.root().join(name)).context(name)?;
    let new = write(paths, &text).context(name)?;
    Ok((text, new))
}

fn compat(_: &Paths, text: &str) -> Result<String> {
    bench::replaced(text, "permits", &permits())
}

fn permits() -> String {
    let mut table = String::from(
        "| permit | bit | what it is | what a guest is answered without it |\n|---|---|---|---|\n",
    );
    for permit in Permit::ALL {
        table += &format!(
            "| `{}` | {} | {} | {} |\n",
            permit.name(),
            permit.bit().trailing_zeros(),
            permit.manual(),
            permit.hidden()
        );
    }
    table
}

fn unsafe_amount(paths: &Paths) -> Result<unsafe_code::Amount> {
    unsafe_code::count(&paths.root().join("machine/src"))
}

fn unsafe_blocks(paths: &Paths, text: &str) -> Result<String> {
    let amount = unsafe_amount(paths)?;
    let figures = format!(
        "```text\n{} unsafe blocks of {} lines, {} % of the code\n```",
        amount.blocks,
        amount.lines,
        amount.lines * 100 / amount.code.max(1)
    );
    bench::replaced(text, "unsafe blocks", &figures)
}

/// In round figures, so that not every change of a line changes the README.
fn readme(paths: &Paths, text: &str) -> Result<String> {
    let amount = unsafe_amount(paths)?;
    let [before, behind] = README_FIGURES;
    let place = || {
        let (head, rest) = text.split_once(before)?;
        let (_, tail) = rest.split_once(behind)?;
        Some((head, tail))
    };
    let (head, tail) = place().with_context(|| format!("`{before}...{behind}` is not there"))?;
    let lines = (amount.lines + 5) / 10 * 10;
    let blocks = (amount.blocks + 1).next_multiple_of(10);
    let figures = format!("some {lines} lines in fewer than {blocks} blocks");
    Ok(format!("{head}{before}{figures}{behind}{tail}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_is_up_to_date() {
        for page in PAGES {
            let (text, new) = now_and_then(&Paths::find(), page).unwrap();
            assert!(text == new, "{}: run `cargo xtask docs`", page.0);
        }
    }

    #[test]
    fn a_small_part_of_the_machines_code_is_unsafe() {
        let amount = unsafe_amount(&Paths::find()).unwrap();
        assert!(
            amount.lines * 100 <= amount.code * unsafe_code::MOST_PERCENT,
            "{amount:?}: docs/unsafe.md has a bound of {} %",
            unsafe_code::MOST_PERCENT
        );
    }
}
