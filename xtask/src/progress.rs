//! What is being done right now, for everything that may take more than a second.

use std::{
    io::{IsTerminal, stderr},
    time::{Duration, Instant},
};

use indicatif::{ProgressBar, ProgressStyle};

/// One piece of work under way: a spinner on a terminal, a line when it ends elsewhere.
pub(crate) struct Work {
    bar: ProgressBar,
    title: String,
    started: Instant,
}

impl Work {
    /// Starts showing `title`.
    pub(crate) fn start(title: impl Into<String>) -> Self {
        let title = title.into();
        let bar = if stderr().is_terminal() {
            let bar = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} ({elapsed})") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        } else {
            ProgressBar::hidden()
        };
        bar.set_message(title.clone());
        Self {
            bar,
            title,
            started: Instant::now(),
        }
    }

    /// Ends the work and leaves one line that says what was done and how long it took.
    pub(crate) fn done(self, what: &str) {
        self.bar.finish_and_clear();
        let seconds = self.started.elapsed().as_secs_f32();
        eprintln!("{}: {what} ({seconds:.1} s)", self.title);
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
