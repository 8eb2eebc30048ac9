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

use anyhow::{Context, Result};

use super::transcript::Transcript;
use crate::qemu::Start;

/// A running machine; ended when dropped.
pub(super) struct Session {
    machine: Child,
    keys: Option<ChildStdin>,
    received: Receiver<Vec<u8>>,
    log: File,
    pub(super) transcript: Transcript,
    deadline: Instant,
    ended: bool,
}

impl Session {
    /// Starts the machine, which has `limit` until its end.
    pub(super) fn start(start: &Start, log: &Path, limit: Duration) -> Result<Self> {
        let mut machine = start.spawn()?;
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
