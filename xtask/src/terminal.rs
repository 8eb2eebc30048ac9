//! This terminal as the machine's serial line.
//!
//! All keys go to the machine but [`QUIT_KEY`]. The terminal is raw meanwhile and is given back as
//! it was: at the end, after a panic and when we are told to stop by a signal.

use std::{
    io::{self, IsTerminal, Read, Write},
    process::Child,
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use anyhow::{Context, Result};
use rustix::termios::{self, OptionalActions, Termios};
use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    iterator::Signals,
};

/// Ctrl-], as in telnet.
const QUIT_KEY: u8 = 0x1d;

/// Why the relay ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The machine went away by itself.
    MachineStopped,
    /// The user or a signal ended it.
    Quit,
}

/// Connects the terminal with the machine's serial line until either ends, then ends the machine.
pub(crate) fn relay(mut machine: Child) -> Result<End> {
    let to_machine = machine.stdin.take().context("no pipe to the machine")?;
    let from_machine = machine.stdout.take().context("no pipe from the machine")?;
    let raw = Raw::enter()?;
    let (ended, end) = mpsc::channel();
    watch_signals(ended.clone())?;
    let (typed, keys) = mpsc::channel();
    let quit = ended.clone();
    let interactive = io::stdin().is_terminal();
    thread::spawn(move || read_keys(interactive, &typed, &quit));
    thread::spawn(move || pass_keys(to_machine, &keys));
    thread::spawn(move || show_output(from_machine, &ended));
    let end = end.recv().unwrap_or(End::MachineStopped);
    drop(raw);
    // It may be gone already.
    let _ = machine.kill();
    machine.wait()?;
    Ok(end)
}

fn watch_signals(ended: mpsc::Sender<End>) -> Result<()> {
    let mut signals = Signals::new([SIGHUP, SIGINT, SIGTERM])?;
    thread::spawn(move || {
        if signals.forever().next().is_some() {
            let _ = ended.send(End::Quit);
        }
    });
    Ok(())
}

fn read_keys(interactive: bool, typed: &mpsc::Sender<Vec<u8>>, quit: &mpsc::Sender<End>) {
    let mut buffer = [0; 4096];
    let mut input = io::stdin();
    while let Ok(count @ 1..) = input.read(&mut buffer) {
        let keys = &buffer[..count];
        if interactive && keys.contains(&QUIT_KEY) {
            let _ = quit.send(End::Quit);
            return;
        }
        if typed.send(keys.to_vec()).is_err() {
            return;
        }
    }
}

/// On a thread of its own, so that a machine that does not read cannot hold up the quit key.
fn pass_keys(mut machine: impl Write, keys: &mpsc::Receiver<Vec<u8>>) {
    while let Ok(keys) = keys.recv() {
        if machine
            .write_all(&keys)
            .and_then(|()| machine.flush())
            .is_err()
        {
            return;
        }
    }
    // Keeps the pipe open: the machine goes on without input.
    thread::park();
}

fn show_output(mut machine: impl Read, ended: &mpsc::Sender<End>) {
    let mut buffer = [0; 4096];
    let mut output = io::stdout();
    while let Ok(count @ 1..) = machine.read(&mut buffer) {
        if output
            .write_all(&buffer[..count])
            .and_then(|()| output.flush())
            .is_err()
        {
            break;
        }
    }
    let _ = ended.send(End::MachineStopped);
}

/// The terminal in raw mode; left when dropped.
struct Raw {
    before: Arc<Mutex<Option<Termios>>>,
}

impl Raw {
    /// Does nothing where standard input is no terminal.
    fn enter() -> Result<Self> {
        let before = Arc::new(Mutex::new(None));
        if io::stdin().is_terminal() {
            let now = termios::tcgetattr(io::stdin())?;
            let mut raw = now.clone();
            raw.make_raw();
            *before.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
            termios::tcsetattr(io::stdin(), OptionalActions::Now, &raw)?;
            // A panic aborts without running destructors.
            let (kept, usual) = (Arc::clone(&before), std::panic::take_hook());
            std::panic::set_hook(Box::new(move |info| {
                restore(&kept);
                usual(info);
            }));
        }
        Ok(Self { before })
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore(&self.before);
    }
}

fn restore(before: &Mutex<Option<Termios>>) {
    if let Some(before) = before.lock().unwrap_or_else(PoisonError::into_inner).take() {
        // Nothing is left to be done where this fails.
        let _ = termios::tcsetattr(io::stdin(), OptionalActions::Flush, &before);
        println!();
    }
}
