//! Another seed for scenarios whose guests act by chance: `EUXENITE_SEED=7`, or `EUXENITE_SEED=any` for
//! one of the time. By default it is that of the scenario's file, so that every run is the same.

use std::{
    env,
    time::{SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result};

/// The word of a guest's command line.
const WORD: &str = "seed=";

/// The seed that is asked for, if one is.
pub(super) fn wanted() -> Result<Option<u64>> {
    match env::var("EUXENITE_SEED") {
        Err(_) => Ok(None),
        Ok(text) if text == "any" => {
            let time = SystemTime::now().duration_since(UNIX_EPOCH)?;
            Ok(Some(time.as_secs()))
        }
        Ok(text) => {
            let seed = text.parse();
            let seed = seed.with_context(|| format!("EUXENITE_SEED={text}: no number"))?;
            Ok(Some(seed))
        }
    }
}

/// `append` with `seed` in place of its own; the same if it has none.
pub(super) fn replaced(append: &str, seed: u64) -> String {
    let word = |word: &str| match word.starts_with(WORD) {
        true => format!("{WORD}{seed}"),
        false => word.to_owned(),
    };
    let words: Vec<String> = append.split(' ').map(word).collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::replaced;

    #[test]
    fn only_a_seed_that_is_there_is_replaced() {
        assert_eq!(replaced("count=5 seed=1", 77), "count=5 seed=77");
        assert_eq!(replaced("seed=1 x", 0), "seed=0 x");
        assert_eq!(replaced("count=5", 77), "count=5");
        assert_eq!(replaced("", 77), "");
    }
}
