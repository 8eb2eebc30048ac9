//! `cargo xtask docs`: what the documentation says by rote is written from the code.

use std::fs;

use abi::permit::Permit;
use anyhow::{Context, Result};

use crate::{bench, paths::Paths};

/// The page with the table of permits.
const COMPAT: &str = "docs/compat.md";

/// Writes the generated parts anew.
///
/// # Errors
/// When a page or the place in it is not there.
pub(crate) fn run(paths: &Paths) -> Result<()> {
    let (text, new) = compat(paths)?;
    if text != new {
        fs::write(paths.root().join(COMPAT), new)?;
        println!("{COMPAT} is written anew.");
    }
    Ok(())
}

/// The page as it is, and as it should be.
fn compat(paths: &Paths) -> Result<(String, String)> {
    let file = paths.root().join(COMPAT);
    let text = fs::read_to_string(file).with_context(|| COMPAT.to_owned())?;
    let new = bench::replaced(&text, "permits", &permits())?;
    Ok((text, new))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documentation_is_up_to_date() {
        let (text, new) = compat(&Paths::find()).unwrap();
        assert!(text == new, "{COMPAT}: run `cargo xtask docs`");
    }
}
