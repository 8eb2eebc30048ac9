//! Scenarios: what to boot, what to type, what must appear and by when; one file each in
//! `tests/scenarios`. `tests/scenarios/README.md` describes the format.

mod file;
mod matrix;
mod rejects;
mod seed;
mod session;
mod steps;
mod suite;
mod transcript;

pub(crate) use file::{Scenario, load_all};
pub(crate) use matrix::Selection;
pub(crate) use suite::{Outcome, Suite};
