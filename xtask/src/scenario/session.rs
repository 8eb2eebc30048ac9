//! A machine under test: its process, what it wrote, and the log file.

use std::{
    fs::File,
    io::{Read, Write},
    path::Path,
    process::{Child, ChildStdin},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use super::rejects::Rejects;
use super::transcript::Transcript;

/// How long a machine is listened to that said what it must not.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A running machine; ended when dropped.
pub(super) struct Session {
    machine: Child,
    keys: Option<ChildStdin>,
    received: Receiver<Vec<u8>>,
    log: File,
    pub(super) transcript: Transcript,
    rejects: Rejects,
    deadline: Instant,
    ended: bool,
}

impl Session {
    /// Of a machine that was just started, which has `limit` until its end and says none of `rejects`.
    pub(super) fn new(
        mut machine: Child,
        rejects: Rejects,
        log: &Path,
        limit: Duration,
    ) -> Result<Self> {
        let keys = machine.stdin.take();
        let mut output = machine.stdout.take().context("no pipe from the machine")?;
        let (sender, received) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                if sender.send(buffer[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            machine,
            keys,
            received,
            log: File::create(log)?,
            transcript: Transcript::default(),
            rejects,
            deadline: Instant::now() + limit,
            ended: false,
        })
    }

    /// Types `bytes`.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let keys = self.keys.as_mut().context("the machine takes no input")?;
        keys.write_all(bytes)
            .context("the machine takes no input")?;
        Ok(keys.flush()?)
    }

    /// Receives until `done` says so, the machine ends, `within` or the whole limit is over.
    /// Says whether `done` did.
    ///
    /// # Errors
    /// At once, when something comes that must not.
    pub(super) fn receive_until(
        &mut self,
        within: Duration,
        mut done: impl FnMut(&mut Transcript) -> bool,
    ) -> Result<bool> {
        let until = self.deadline.min(Instant::now() + within);
        loop {
            if done(&mut self.transcript) {
                return Ok(true);
            }
            let left = until.saturating_duration_since(Instant::now());
            if self.ended || left.is_zero() {
                return Ok(false);
            }
            self.receive(left)?;
            if let Some(rejected) = self.rejects.among_new_lines(&self.transcript) {
                self.hear_out()?;
                bail!(rejected);
            }
        }
    }

    /// Receives for the log what the machine still says about what went wrong.
    fn hear_out(&mut self) -> Result<()> {
        let until = Instant::now() + LAST_WORDS;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if self.ended || left.is_zero() {
                return Ok(());
            }
            self.receive(left)?;
        }
    }

    /// Looks through the whole log for what must not be there.
    ///
    /// # Errors
    /// It is there.
    pub(super) fn reject_in_all(&self) -> Result<()> {
        match self.rejects.in_all(&self.transcript) {
            Some(rejected) => bail!(rejected),
            None => Ok(()),
        }
    }

    /// Whether the machine has ended by itself.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }

    /// Whether the scenario's time is over.
    pub(super) fn out_of_time(&self) -> bool {
        Instant::now() >= self.deadline
    }

    fn receive(&mut self, at_most: Duration) -> Result<()> {
        match self.received.recv_timeout(at_most) {
            Ok(mut bytes) => {
                // Much at once is looked through once.
                while let Ok(more) = self.received.try_recv() {
                    bytes.extend(more);
                }
                self.log.write_all(&bytes)?;
                self.transcript.add(&bytes);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => self.ended = true,
        }
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.machine.kill();
        let _ = self.machine.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;
    use crate::scenario::file::read;

    #[test]
    fn what_must_not_come_ends_the_wait_at_once_and_is_heard_out() {
        let says = "echo good; sleep 0.1; echo 'BUG: bad'; sleep 0.1; echo why; exec sleep 60";
        let machine = Command::new("sh")
            .args(["-c", says])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let scenario = read("x", "about = 'x'\nlimit_s = 60\nsteps = []").unwrap();
        let rejects = Rejects::of(&scenario).unwrap();
        let log = Path::new("/dev/null");
        let limit = Duration::from_secs(60);
        let mut session = Session::new(machine, rejects, log, limit).unwrap();
        let begun = Instant::now();
        let error = session.receive_until(limit, |_| false).unwrap_err();
        assert!(begun.elapsed() < limit / 4, "it was not waited for more");
        assert!(
            error
                .to_string()
                .contains("must not be there: \"BUG: bad\"")
        );
        assert!(session.transcript.text().ends_with("why\n"));
    }
}
