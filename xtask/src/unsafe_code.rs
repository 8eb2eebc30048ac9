//! How much of `machine` is `unsafe`: the figures of `docs/unsafe.md` and of the README.
//!
//! Counts as the command in `docs/unsafe.md` does: of what runs on the machine, without comments, blank
//! lines and tests. A block begins at `unsafe {` and ends with its brace; bodies of `unsafe fn`
//! are nothing by themselves.

use std::{fs, ops::AddAssign, path::Path};

use anyhow::{Context, Result};

/// Code, and how much of it is in blocks of `unsafe`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Amount {
    /// Lines of code, those in blocks included.
    pub(crate) code: usize,
    /// Blocks of `unsafe`.
    pub(crate) blocks: usize,
    /// Lines of code in them.
    pub(crate) lines: usize,
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.code += other.code;
        self.blocks += other.blocks;
        self.lines += other.lines;
    }
}

/// The most of the code that may be in blocks, in percent: the bound in `docs/unsafe.md`.
#[cfg(test)]
pub(crate) const MOST_PERCENT: usize = 10;

/// Counts what runs on the machine in `machine`, the sources of that crate.
///
/// # Errors
/// When they cannot be read.
pub(crate) fn count(machine: &Path) -> Result<Amount> {
    let mut all = Amount::default();
    let entries = fs::read_dir(machine).with_context(|| machine.display().to_string())?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            if !path.ends_with("fake") {
                all += count(&path)?;
            }
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("tests.rs") {
            all += of(&fs::read_to_string(&path)?);
        }
    }
    Ok(all)
}

/// One file's.
fn of(source: &str) -> Amount {
    let mut amount = Amount::default();
    // How many braces the block is deep in, while in one.
    let mut block: Option<usize> = None;
    for line in source.lines() {
        if line.starts_with("#[cfg(test)]") {
            break;
        }
        let text = line.trim_start();
        if text.is_empty() || text.starts_with("//") {
            continue;
        }
        amount.code += 1;
        let (depth, text) = match (block, text.find("unsafe {")) {
            (Some(depth), _) => (depth, text),
            (None, Some(at)) => (0, &text[at..]),
            (None, None) => continue,
        };
        amount.lines += 1;
        let depth = (depth + text.matches('{').count()).saturating_sub(text.matches('}').count());
        block = (depth > 0).then_some(depth);
        amount.blocks += usize::from(block.is_none());
    }
    amount
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_their_lines_are_counted() {
        let source = "
// unsafe { in a comment }
fn one() -> u8 {
    // SAFETY: it is.
    let a = unsafe { *pointer };

    unsafe {
        // Why.
        if a == 1 {
            asm!(\"{}\", in(reg) a);
        }
    }
}
/// Of a caller.
unsafe fn two() {
    three()
}
#[cfg(test)]
mod tests {
    fn four() {
        unsafe { five() }
    }
}
";
        let amount = Amount {
            code: 11,
            blocks: 2,
            lines: 6,
        };
        assert_eq!(of(source), amount);
    }
}
