//! When each stage of the boot was reached.

use abi::DomId;
use alloc::vec::Vec;
use arrayvec::ArrayString;
use core::fmt::Write;

use ::console::Level;
use machine::timer;

use crate::console::{Console, Source};

/// Room for the name of a stage.
const NAME_BYTES: usize = 28;

/// Stages and the counter when each was over.
pub struct Timeline {
    start: u64,
    stages: Vec<(&'static str, u64)>,
}

impl Timeline {
    /// The first Rust instruction is now.
    pub fn start() -> Self {
        Self {
            start: timer::now(),
            stages: Vec::new(),
        }
    }

    /// The stage `name` is over.
    pub fn mark(&mut self, name: &'static str) {
        self.stages.push((name, timer::now()));
    }

    /// Prints the stages, at debug level: milliseconds of each, and since power-on (the counter
    /// starts at 0 then).
    pub fn print(&self, console: &mut Console) {
        let mut before = self.start;
        row(console, "entered", 0, self.start);
        for (name, at) in &self.stages {
            row(console, name, before, *at);
            before = *at;
        }
    }
}

/// Prints that `domain` is filled, which began when the counter was at `began`, and starts now.
pub fn filled(console: &mut Console, domain: DomId, began: u64) {
    let mut name = ArrayString::<NAME_BYTES>::new();
    // Shorter than the room for it.
    let _ = write!(name, "{domain} filled");
    row(console, &name, began, timer::now());
}

fn row(console: &mut Console, name: &str, from: u64, to: u64) {
    let spent = timer::nanoseconds(to.saturating_sub(from)) / 1000;
    let since = timer::nanoseconds(to) / 1000;
    console.print(
        Source::Host(Level::Debug),
        format_args!(
            "Timeline: {name:<28} {:>6}.{:03} ms {:>6}.{:03} ms since power-on\n",
            spent / 1000,
            spent % 1000,
            since / 1000,
            since % 1000
        ),
    );
}
