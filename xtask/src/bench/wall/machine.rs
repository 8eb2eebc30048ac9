//! A machine whose lines are noted with the time at which they came.

use std::{
    io::Read,
    process::Child,
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{command, qemu::Start};

/// What ends the waiting: either hypervisor when it stops for good, a Linux guest that does, and
/// `guests/linux-load`.
const FAILURES: [&str; 3] = ["Panic on CPU", "Kernel panic", "load: failed"];
/// Lines of a failed run's output that are shown.
const SHOWN_LINES: usize = 5;

/// What came through the pipe, and when.
type Piece = (Instant, Vec<u8>);

/// A running machine, ended when dropped.
pub(super) struct Machine {
    child: Child,
    started: Instant,
    output: Receiver<Piece>,
    said: Said,
}

/// Its output so far.
#[derive(Default)]
struct Said {
    lines: Vec<Line>,
    unfinished: Vec<u8>,
}

/// A line, and how many seconds after the start its end came.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Line {
    pub(super) at_seconds: f64,
    pub(super) text: String,
}

impl Machine {
    pub(super) fn start(start: &Start) -> Result<Self> {
        let started = Instant::now();
        let mut child = start.spawn()?;
        let mut pipe = child.stdout.take().context("no pipe from the machine")?;
        let (sender, output) = mpsc::channel();
        // The time is taken where nothing else is waited for.
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = pipe.read(&mut buffer) {
                if sender
                    .send((Instant::now(), buffer[..count].to_vec()))
                    .is_err()
                {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            started,
            output,
            said: Said::default(),
        })
    }

    /// Waits until there are `count` lines with `wanted` in them; gives all lines so far.
    ///
    /// # Errors
    /// When they do not come within `limit` from now on: with the end of the output.
    pub(super) fn wait_for(
        &mut self,
        wanted: &str,
        count: usize,
        limit: Duration,
    ) -> Result<&[Line]> {
        let deadline = Instant::now() + limit;
        while self.said.count(wanted) < count {
            let left = deadline.saturating_duration_since(Instant::now());
            let why = match self.output.recv_timeout(left) {
                Ok((at, bytes)) => {
                    let at = at.duration_since(self.started);
                    self.said.add(at.as_secs_f64(), &bytes);
                    FAILURES.into_iter().find(|sign| self.said.count(sign) > 0)
                }
                Err(mpsc::RecvTimeoutError::Timeout) => Some("too long"),
                Err(mpsc::RecvTimeoutError::Disconnected) => Some("the machine stopped"),
            };
            if let Some(why) = why {
                bail!(
                    "no `{wanted}` ({why}; {} s are allowed):\n{}",
                    limit.as_secs(),
                    command::tail(&self.said.text(), SHOWN_LINES)
                );
            }
        }
        Ok(&self.said.lines)
    }
}

impl Said {
    fn add(&mut self, at_seconds: f64, bytes: &[u8]) {
        for &byte in bytes {
            match byte {
                b'\n' => {
                    let text = String::from_utf8_lossy(&self.unfinished).into_owned();
                    self.lines.push(Line { at_seconds, text });
                    self.unfinished.clear();
                }
                b'\r' => {}
                _ => self.unfinished.push(byte),
            }
        }
    }

    fn count(&self, part: &str) -> usize {
        let lines = self.lines.iter();
        lines.filter(|line| line.text.contains(part)).count()
    }

    fn text(&self) -> String {
        let lines = self.lines.iter().map(|line| line.text.as_str());
        let last = String::from_utf8_lossy(&self.unfinished);
        let all: Vec<&str> = lines.chain([&*last]).collect();
        all.join("\n")
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_the_time_of_its_end() {
        let mut said = Said::default();
        said.add(1.0, b"one\r\ntw");
        said.add(2.0, b"o\nthree");
        let times: Vec<f64> = said.lines.iter().map(|line| line.at_seconds).collect();
        assert_eq!(times, [1.0, 2.0]);
        assert_eq!(said.lines[1].text, "two");
        assert_eq!((said.count("o"), said.count("three")), (2, 0));
        assert!(said.text().ends_with("two\nthree"));
    }
}
